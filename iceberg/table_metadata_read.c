/* Reading a metadata document: the head into fields, the long lists into keys and text.
 *
 * One check of the bytes, one walk. What a later version of the format or another program added at
 * the top level is kept; what this program knows but the format version does not use is dropped.
 * Invariants are table_metadata_check's; here are the shapes and v1's fallbacks. */
#include "iceberg/table_metadata.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "iceberg/id_map.h"
#include "iceberg/layout.h"
#include "iceberg/snapshot.h"

enum {
    FORMAT_VERSION,
    TABLE_UUID,
    LOCATION,
    LAST_SEQUENCE_NUMBER,
    LAST_UPDATED_MS,
    LAST_COLUMN_ID,
    SCHEMA,
    CURRENT_SCHEMA_ID,
    SCHEMAS,
    PARTITION_SPEC,
    DEFAULT_SPEC_ID,
    PARTITION_SPECS,
    LAST_PARTITION_ID,
    DEFAULT_SORT_ORDER_ID,
    SORT_ORDERS,
    PROPERTIES,
    CURRENT_SNAPSHOT_ID,
    NEXT_ROW_ID,
    ENCRYPTION_KEYS,
    REFS,
    SNAPSHOTS,
    STATISTICS,
    PARTITION_STATISTICS,
    SNAPSHOT_LOG,
    METADATA_LOG,
    MEMBER_COUNT,
};

static const struct member_spec document_members[MEMBER_COUNT] = {
    [FORMAT_VERSION] = MEMBER("format-version", INT, REQUIRED),
    [TABLE_UUID] = MEMBER("table-uuid", STRING, OPTIONAL),
    [LOCATION] = MEMBER("location", STRING, REQUIRED),
    [LAST_SEQUENCE_NUMBER] = MEMBER("last-sequence-number", INT, OPTIONAL),
    [LAST_UPDATED_MS] = MEMBER("last-updated-ms", INT, REQUIRED),
    [LAST_COLUMN_ID] = MEMBER("last-column-id", INT, REQUIRED),
    [SCHEMA] = MEMBER("schema", OBJECT, OPTIONAL),
    [CURRENT_SCHEMA_ID] = MEMBER("current-schema-id", INT, OPTIONAL),
    [SCHEMAS] = MEMBER("schemas", ARRAY, OPTIONAL),
    [PARTITION_SPEC] = MEMBER("partition-spec", ARRAY, OPTIONAL),
    [DEFAULT_SPEC_ID] = MEMBER("default-spec-id", INT, OPTIONAL),
    [PARTITION_SPECS] = MEMBER("partition-specs", ARRAY, OPTIONAL),
    [LAST_PARTITION_ID] = MEMBER("last-partition-id", INT, OPTIONAL),
    [DEFAULT_SORT_ORDER_ID] = MEMBER("default-sort-order-id", INT, OPTIONAL),
    [SORT_ORDERS] = MEMBER("sort-orders", ARRAY, OPTIONAL),
    [PROPERTIES] = MEMBER("properties", STRING_MAP, OPTIONAL),
    [CURRENT_SNAPSHOT_ID] = MEMBER("current-snapshot-id", INT, OPTIONAL),
    [NEXT_ROW_ID] = MEMBER("next-row-id", INT, OPTIONAL),
    [ENCRYPTION_KEYS] = MEMBER("encryption-keys", ARRAY, OPTIONAL),
    [REFS] = MEMBER("refs", OBJECT, OPTIONAL),
    [SNAPSHOTS] = MEMBER("snapshots", ARRAY, OPTIONAL),
    [STATISTICS] = MEMBER("statistics", ARRAY, OPTIONAL),
    [PARTITION_STATISTICS] = MEMBER("partition-statistics", ARRAY, OPTIONAL),
    [SNAPSHOT_LOG] = MEMBER("snapshot-log", ARRAY, OPTIONAL),
    [METADATA_LOG] = MEMBER("metadata-log", ARRAY, OPTIONAL),
};

struct reader {
    const struct str *values; /* by the enum above */
    struct arena *arena;
    struct table_metadata *out;
    struct error *err;
};

static int missing(const struct reader *r, int member)
{
    return error_set(r->err, ERR_ILLEGAL_ARGUMENT,
                     "Cannot parse table metadata: %s must exist in format v%d",
                     document_members[member].name.ptr, r->out->format_version);
}

/* --- lists ------------------------------------------------------------------------------------ */

struct element_run { /* grows by malloc, so that the arena gets the final array only */
    struct metadata_element *elements;
    size_t count, capacity;
};

static void run_add(struct element_run *run, const struct metadata_element *element)
{
    if (run->count == run->capacity) {
        run->capacity = run->capacity == 0 ? 16 : run->capacity * 2;
        run->elements = reallocarray(run->elements, run->capacity, sizeof(*run->elements));
        if (run->elements == NULL)
            abort();
    }
    run->elements[run->count++] = *element;
}

static int read_elements(struct str array, element_reader *read, struct arena *arena,
                         struct metadata_list *out, struct error *err)
{
    struct element_run run = {0};
    struct metadata_element element = {0};
    struct str text;
    int result = 0;
    struct raw_json_cursor cursor = raw_json_enter(array);
    while (result == 0 && raw_json_next_element(&cursor, &text)) {
        result = read(text, arena, &element, err);
        if (result == 0)
            run_add(&run, &element);
    }
    *out = (struct metadata_list){NULL, 0, 0};
    if (result == 0 && run.count > 0) {
        out->elements = ARENA_ARRAY(arena, struct metadata_element, run.count);
        memcpy(out->elements, run.elements, run.count * sizeof(*run.elements));
        out->count = out->capacity = run.count;
    }
    free(run.elements);
    return result;
}

static int check_unique(const struct metadata_list *list, const char *what, struct error *err)
{
    struct arena *scratch = arena_new();
    struct id_map ids;
    int result = 0;
    id_map_init(&ids, scratch, list->count);
    for (size_t i = 0; i < list->count && result == 0; i++)
        if (!id_map_put(&ids, list->elements[i].id, (int64_t)i))
            result =
                error_set(err, ERR_VALIDATION, "Cannot parse table metadata: two %s with id %lld",
                          what, (long long)list->elements[i].id);
    arena_free(scratch);
    return result;
}

static int read_snapshots_and_logs(struct reader *r)
{
    struct table_metadata *out = r->out;
    const struct {
        int member;
        element_reader *read;
        struct metadata_list *list;
    } rows[] = {
        {SNAPSHOTS, snapshot_element_read, &out->snapshots},
        {SNAPSHOT_LOG, snapshot_log_element_read, &out->snapshot_log},
        {METADATA_LOG, metadata_log_element_read, &out->metadata_log},
        {STATISTICS, statistics_element_read, &out->statistics},
        {PARTITION_STATISTICS, partition_statistics_element_read, &out->partition_statistics},
        {ENCRYPTION_KEYS, encryption_key_element_read, &out->encryption_keys},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (read_elements(r->values[rows[i].member], rows[i].read, r->arena, rows[i].list,
                          r->err) != 0)
            return -1;
    if (out->snapshots.count > SNAPSHOTS_MAX)
        return error_set(r->err, ERR_VALIDATION, "More than %d snapshots", SNAPSHOTS_MAX);
    return check_unique(&out->snapshots, "snapshots", r->err);
}

/* --- schemas, specs, orders --------------------------------------------------------------------
 */

/* A schema without an id has id 0; the text must say so too. */
static int schema_element_read(struct str object, struct arena *arena, struct metadata_element *out,
                               struct error *err)
{
    struct schema schema;
    struct arena *scratch = arena_new();
    int result = layout_read_schema(object, scratch, &schema, err);
    if (result == 0) {
        struct str id = raw_json_member(object, "schema-id");
        *out = (struct metadata_element){.text = object, .id = schema.schema_id};
        if (id.ptr == NULL || raw_json_kind(id) != RAW_JSON_NUMBER)
            *out = layout_schema_element(&schema, arena);
    }
    arena_free(scratch);
    return result;
}

static int read_schemas(struct reader *r)
{
    struct table_metadata *out = r->out;
    if (r->values[SCHEMAS].ptr != NULL) {
        if (r->values[CURRENT_SCHEMA_ID].ptr == NULL)
            return missing(r, CURRENT_SCHEMA_ID);
        out->current_schema_id = member_int64(r->values[CURRENT_SCHEMA_ID]);
        if (read_elements(r->values[SCHEMAS], schema_element_read, r->arena, &out->schemas,
                          r->err) != 0)
            return -1;
        return check_unique(&out->schemas, "schemas", r->err);
    }
    if (out->format_version > 1)
        return missing(r, SCHEMAS);
    if (r->values[SCHEMA].ptr == NULL)
        return missing(r, SCHEMA);
    struct metadata_element element;
    if (schema_element_read(r->values[SCHEMA], r->arena, &element, r->err) != 0)
        return -1;
    metadata_list_append(&out->schemas, element, r->arena);
    out->current_schema_id = element.id;
    return 0;
}

/* Fields without ids are numbered, and a spec without an id is spec 0: then the text is printed
 * anew. */
static int spec_element_read(struct str text, struct arena *arena, struct metadata_element *out,
                             struct error *err)
{
    struct partition_spec spec;
    struct arena *scratch = arena_new();
    int result = layout_read_spec(text, scratch, &spec, err);
    if (result == 0) {
        struct str id = raw_json_member(text, "spec-id");
        bool as_it_is = (spec.field_count == 0 || spec.fields[0].field_id != 0) && id.ptr != NULL &&
                        raw_json_kind(id) == RAW_JSON_NUMBER;
        partition_spec_number(&spec);
        *out = (struct metadata_element){.text = text, .id = spec.spec_id};
        if (!as_it_is)
            *out = layout_spec_element(&spec, arena);
    }
    arena_free(scratch);
    return result;
}

/* The highest partition field id of all specs, for v1 documents that do not say. */
static int highest_partition_id(const struct metadata_list *specs, int64_t *out, struct error *err)
{
    struct partition_spec spec;
    struct arena *scratch = arena_new();
    int result = 0;
    *out = 0;
    for (size_t i = 0; i < specs->count && result == 0; i++) {
        result = layout_read_spec(specs->elements[i].text, scratch, &spec, err);
        if (result == 0 && partition_spec_highest_field_id(&spec) > *out)
            *out = partition_spec_highest_field_id(&spec);
    }
    arena_free(scratch);
    return result;
}

static int read_specs(struct reader *r)
{
    struct table_metadata *out = r->out;
    struct metadata_list *specs = &out->partition_specs;
    if (r->values[PARTITION_SPECS].ptr != NULL) {
        if (r->values[DEFAULT_SPEC_ID].ptr == NULL)
            return missing(r, DEFAULT_SPEC_ID);
        out->default_spec_id = member_int64(r->values[DEFAULT_SPEC_ID]);
        if (read_elements(r->values[PARTITION_SPECS], spec_element_read, r->arena, specs, r->err) !=
            0)
            return -1;
    } else {
        struct metadata_element element;
        if (out->format_version > 1)
            return missing(r, PARTITION_SPECS);
        if (r->values[PARTITION_SPEC].ptr == NULL)
            return missing(r, PARTITION_SPEC);
        if (spec_element_read(r->values[PARTITION_SPEC], r->arena, &element, r->err) != 0)
            return -1;
        metadata_list_append(specs, element, r->arena);
        out->default_spec_id = element.id;
    }
    if (check_unique(specs, "partition specs", r->err) != 0)
        return -1;
    if (r->values[LAST_PARTITION_ID].ptr != NULL) {
        out->last_partition_id = member_int64(r->values[LAST_PARTITION_ID]);
        return 0;
    }
    if (out->format_version > 1)
        return missing(r, LAST_PARTITION_ID);
    return highest_partition_id(specs, &out->last_partition_id, r->err);
}

static int order_element_read(struct str text, struct arena *arena, struct metadata_element *out,
                              struct error *err)
{
    (void)arena;
    struct sort_order order;
    struct arena *scratch = arena_new();
    int result = layout_read_order(text, scratch, &order, err);
    if (result == 0)
        *out = (struct metadata_element){.text = text, .id = order.order_id};
    arena_free(scratch);
    return result;
}

static int read_orders(struct reader *r)
{
    struct table_metadata *out = r->out;
    if (r->values[SORT_ORDERS].ptr != NULL) {
        if (r->values[DEFAULT_SORT_ORDER_ID].ptr == NULL)
            return missing(r, DEFAULT_SORT_ORDER_ID);
        out->default_sort_order_id = member_int64(r->values[DEFAULT_SORT_ORDER_ID]);
        if (read_elements(r->values[SORT_ORDERS], order_element_read, r->arena, &out->sort_orders,
                          r->err) != 0)
            return -1;
        return check_unique(&out->sort_orders, "sort orders", r->err);
    }
    if (out->format_version > 1)
        return missing(r, SORT_ORDERS);
    struct sort_order unsorted = {0};
    metadata_list_append(&out->sort_orders, layout_order_element(&unsorted, r->arena), r->arena);
    out->default_sort_order_id = 0;
    return 0;
}

/* --- refs, properties, head --------------------------------------------------------------------
 */

static size_t count_members(struct str object)
{
    size_t count = 0;
    struct str key, value;
    struct raw_json_cursor cursor = raw_json_enter(object);
    while (raw_json_next_member(&cursor, &key, &value))
        count++;
    return count;
}

/* A current snapshot without a ref main is ref main: written by programs that know no refs. */
static int read_refs(struct reader *r)
{
    struct table_metadata *out = r->out;
    struct str key, value;
    out->current_snapshot_id = member_int64_or(r->values[CURRENT_SNAPSHOT_ID], SNAPSHOT_NONE);
    out->refs = ARENA_ARRAY(r->arena, struct metadata_ref, count_members(r->values[REFS]) + 1);
    struct raw_json_cursor cursor = raw_json_enter(r->values[REFS]);
    while (raw_json_next_member(&cursor, &key, &value)) {
        struct metadata_ref *ref = &out->refs[out->ref_count++];
        if (snapshot_ref_read(value, r->arena, ref, r->err) != 0)
            return -1;
        ref->name = raw_json_key(key, r->arena);
    }
    if (out->current_snapshot_id != SNAPSHOT_NONE && table_metadata_ref(out, STR(REF_MAIN)) == NULL)
        out->refs[out->ref_count++] =
            (struct metadata_ref){.name = STR(REF_MAIN), .snapshot_id = out->current_snapshot_id};
    return 0;
}

static void read_properties(struct reader *r)
{
    struct table_metadata *out = r->out;
    struct str key, value;
    size_t count = count_members(r->values[PROPERTIES]);
    out->properties = ARENA_ARRAY(r->arena, struct metadata_property, count);
    struct raw_json_cursor cursor = raw_json_enter(r->values[PROPERTIES]);
    while (raw_json_next_member(&cursor, &key, &value)) {
        struct metadata_property *property = &out->properties[out->property_count++];
        property->key = raw_json_key(key, r->arena);
        property->value = raw_json_string(value, r->arena);
    }
    assert(out->property_count == count);
}

static int read_head(struct reader *r)
{
    struct table_metadata *out = r->out;
    int64_t version = member_int64(r->values[FORMAT_VERSION]);
    if (version < 1 || version > FORMAT_VERSION_MAX)
        return error_set(r->err, ERR_ILLEGAL_ARGUMENT, "Cannot read unsupported version %lld",
                         (long long)version);
    out->format_version = (int)version;
    out->location = raw_json_string(r->values[LOCATION], r->arena);
    out->last_updated_ms = member_int64(r->values[LAST_UPDATED_MS]);
    out->last_column_id = member_int64(r->values[LAST_COLUMN_ID]);
    if (r->values[TABLE_UUID].ptr != NULL)
        out->table_uuid = raw_json_string(r->values[TABLE_UUID], r->arena);
    if (version == 1)
        return 0;
    if (out->table_uuid.ptr == NULL)
        return missing(r, TABLE_UUID);
    if (r->values[LAST_SEQUENCE_NUMBER].ptr == NULL)
        return missing(r, LAST_SEQUENCE_NUMBER);
    out->last_sequence_number = member_int64(r->values[LAST_SEQUENCE_NUMBER]);
    if (version == 2)
        return 0;
    if (r->values[NEXT_ROW_ID].ptr == NULL)
        return missing(r, NEXT_ROW_ID);
    out->next_row_id = member_int64(r->values[NEXT_ROW_ID]);
    return 0;
}

static int check_numbers(const struct table_metadata *m, struct error *err)
{
    if (m->last_column_id < 0 || m->last_partition_id < 0 || m->last_sequence_number < 0 ||
        m->next_row_id < 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse table metadata: a negative last-column-id, "
                         "last-partition-id, last-sequence-number or next-row-id");
    return 0;
}

int table_metadata_parse(struct str text, struct arena *arena, struct table_metadata *out,
                         struct error *err)
{
    struct str document;
    struct str values[MEMBER_COUNT];
    struct unknown_members unknown = {0};
    *out = (struct table_metadata){0};
    if (raw_json_check(text, &document, err) != 0)
        return -1;
    if (members_read_all(document, "table metadata", document_members, MEMBER_COUNT, values, arena,
                         &unknown, err) != 0)
        return -1;
    struct reader r = {values, arena, out, err};
    if (read_head(&r) != 0 || read_schemas(&r) != 0 || read_specs(&r) != 0 || read_orders(&r) != 0)
        return -1;
    read_properties(&r);
    if (read_snapshots_and_logs(&r) != 0 || read_refs(&r) != 0)
        return -1;
    out->unknown_members = unknown.members;
    out->unknown_count = unknown.count;
    if (check_numbers(out, err) != 0 || table_metadata_check(out, err) != 0)
        return -1;
    return layout_check_defaults(out, err);
}
