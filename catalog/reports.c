/* Metrics reports and history, as lists.
 *
 * 1. A report's body is kept byte for byte; only that it is a JSON object that names its type is
 *    checked, so that new kinds of reports need nothing here.
 * 2. A report belongs to a name, the history of a table to the table that has the name now; the
 *    history of the warehouse holds also what is gone. */
#include "catalog/reports.h"

#include "base/raw_json.h"
#include "catalog/catalog_private.h"

/* The type may be any string: engines send ones that no specification names. */
static int check_body(struct str body, struct error *err)
{
    struct str value;
    if (raw_json_check(body, &value, err) != 0)
        return -1;
    if (raw_json_kind(value) != RAW_JSON_OBJECT)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse metrics report: not an object");
    struct str type = raw_json_member(value, "report-type");
    if (type.ptr == NULL || raw_json_kind(type) != RAW_JSON_STRING)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse metrics report: missing string: report-type");
    return 0;
}

int catalog_report_add(struct catalog *catalog, struct warehouse *warehouse,
                       const struct identifier *ident, struct str body, struct error *err)
{
    if (check_body(body, err) != 0)
        return -1;
    struct arena *arena = arena_new();
    struct object_row row;
    int result = catalog_object_row(catalog, warehouse, OBJECT_TABLE, ident, arena, &row, err);
    if (result == 0) {
        struct report_row report = {
            .warehouse_id = warehouse->id,
            .namespace_key = row.namespace_key,
            .name = row.name,
            .body = body,
            .time_ms = clock_now_ms(catalog->options.clock),
        };
        struct catalog_change change = {.set = {.reports = &report, .report_count = 1}};
        if (catalog_apply(catalog, &change) != CHANGE_APPLIED)
            result = catalog_outcome_error(&change.set, err);
    }
    arena_free(arena);
    return result;
}

static struct object_name name_of(struct warehouse *warehouse, const struct identifier *ident,
                                  struct arena *arena)
{
    struct object_name name = {.warehouse_id = warehouse->id, .kind = OBJECT_TABLE};
    if (ident != NULL) {
        name.namespace_key = namespace_key(&ident->ns, arena);
        name.name = ident->name;
    }
    return name;
}

int catalog_report_list(struct catalog *catalog, struct warehouse *warehouse,
                        const struct identifier *ident, int64_t before_sequence, size_t limit,
                        struct arena *arena, struct report_row **out, size_t *count,
                        struct error *err)
{
    struct object_name name = name_of(warehouse, ident, arena);
    return metastore_report_list(catalog->options.metastore, &name, before_sequence, limit, arena,
                                 out, count, err);
}

int catalog_history_list(struct catalog *catalog, struct warehouse *warehouse,
                         const struct identifier *ident, int64_t before_sequence, size_t limit,
                         struct arena *arena, struct history_row **out, size_t *count,
                         struct error *err)
{
    struct object_name name = name_of(warehouse, ident, arena);
    return metastore_history_list(catalog->options.metastore, &name, before_sequence, limit, arena,
                                  out, count, err);
}
