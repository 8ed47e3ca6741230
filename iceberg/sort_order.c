/* Sort orders: parse, check against a schema, compare, print.
 *
 * Rules: order 0 is the one without fields and no other; transforms are canonical text; a source
 * may lie inside a list or map, which a partition's may not. */
#include "iceberg/sort_order.h"

#include "base/raw_json.h"
#include "iceberg/json_member.h"
#include "iceberg/partition_spec.h"

/* One of two words, any case; *second says which. */
static int member_choice(const json_t *json, const char *member, const char *const words[2],
                         struct arena *arena, bool *second, struct error *err)
{
    struct str text;

    if (member_string(json, member, arena, &text, err) != 0)
        return -1;
    *second = str_equal_ignore_case(text, str_cstr(words[1]));
    if (!*second && !str_equal_ignore_case(text, str_cstr(words[0])))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid %s: %.*s", member, STR_ARG(text));
    return 0;
}

static const char *const directions[2] = {"asc", "desc"};
static const char *const null_orders[2] = {"nulls-first", "nulls-last"};

static int read_field(const json_t *json, struct arena *arena, struct sort_field *out,
                      struct error *err)
{
    char brief[VALUE_BRIEF_BYTES];
    struct str transform;

    if (!json_is_object(json)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse sort field from %s",
                         value_brief(json, brief));
    }
    if (member_string(json, "transform", arena, &transform, err) != 0 ||
        transform_parse(transform, arena, &out->transform, err) != 0 ||
        member_int32(json, "source-id", &out->source_id, err) != 0 ||
        member_choice(json, "direction", directions, arena, &out->descending, err) != 0 ||
        member_choice(json, "null-order", null_orders, arena, &out->nulls_last, err) != 0)
        return -1;
    return 0;
}

static int read_fields(const json_t *json, struct arena *arena, struct sort_order *out,
                       struct error *err)
{
    const json_t *fields;

    if (member_array(json, "fields", &fields, err) != 0)
        return -1;
    out->field_count = json_array_size(fields);
    out->fields = ARENA_ARRAY(arena, struct sort_field, out->field_count);
    for (size_t i = 0; i < out->field_count; i++)
        if (read_field(json_array_get(fields, i), arena, &out->fields[i], err) != 0)
            return -1;
    return 0;
}

static int expect_object(const json_t *json, struct error *err)
{
    char brief[VALUE_BRIEF_BYTES];

    if (!json_is_object(json)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse sort order from %s",
                         value_brief(json, brief));
    }
    return 0;
}

int sort_order_parse_unnumbered(const json_t *json, struct arena *arena, struct sort_order *out,
                                struct error *err)
{
    if (expect_object(json, err) != 0 ||
        member_int32_or(json, "order-id", 0, &out->order_id, err) != 0)
        return -1;
    return read_fields(json, arena, out, err);
}

int sort_order_parse(const json_t *json, struct arena *arena, struct sort_order *out,
                     struct error *err)
{
    if (expect_object(json, err) != 0 || member_int32(json, "order-id", &out->order_id, err) != 0 ||
        read_fields(json, arena, out, err) != 0)
        return -1;
    if (out->field_count == 0 && out->order_id != 0) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Unsorted order ID must be 0, not %lld",
                         (long long)out->order_id);
    }
    if (out->field_count > 0 && out->order_id == 0) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Sort order ID 0 is reserved for unsorted order");
    }
    return 0;
}

int sort_order_check(const struct sort_order *order, const struct schema *schema,
                     struct arena *arena, struct error *err)
{
    for (size_t i = 0; i < order->field_count; i++) {
        const struct sort_field *field = &order->fields[i];
        struct column source;
        if (!schema_find_id(schema, field->source_id, NULL, &source)) {
            return error_set(err, ERR_VALIDATION,
                             "Cannot find source column for sort field: %.*s(%lld)",
                             STR_ARG(field->transform), (long long)field->source_id);
        }
        struct str type = type_display(source.field->type, arena);
        if (!type_is_primitive(source.field->type)) {
            return error_set(err, ERR_VALIDATION,
                             "Cannot sort by non-primitive source field: %.*s of type %.*s",
                             STR_ARG(source.field->name), STR_ARG(type));
        }
        if (!transform_applies_to(field->transform, source.field->type)) {
            return error_set(err, ERR_VALIDATION, "Invalid source type %.*s for transform: %.*s",
                             STR_ARG(type), STR_ARG(field->transform));
        }
    }
    return 0;
}

bool sort_order_same(const struct sort_order *a, const struct sort_order *b)
{
    if (a->field_count != b->field_count)
        return false;
    for (size_t i = 0; i < a->field_count; i++) {
        const struct sort_field *x = &a->fields[i], *y = &b->fields[i];
        if (x->source_id != y->source_id || x->descending != y->descending ||
            x->nulls_last != y->nulls_last || !str_equal(x->transform, y->transform))
            return false;
    }
    return true;
}

void sort_order_write(const struct sort_order *order, struct buf *out)
{
    buf_add_cstr(out, "{\"order-id\":");
    buf_add_int64(out, order->order_id);
    buf_add_cstr(out, ",\"fields\":[");
    for (size_t i = 0; i < order->field_count; i++) {
        const struct sort_field *field = &order->fields[i];
        buf_add_cstr(out, i == 0 ? "{\"transform\":" : ",{\"transform\":");
        raw_json_write_string(out, field->transform);
        buf_add_cstr(out, ",\"source-id\":");
        buf_add_int64(out, field->source_id);
        buf_add_format(out, ",\"direction\":\"%s\",\"null-order\":\"%s\"}",
                       directions[field->descending], null_orders[field->nulls_last]);
    }
    buf_add_cstr(out, "]}");
}
