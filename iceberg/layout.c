/* Schemas, specs and orders between text and value. The only place of the metadata code that builds
 * a JSON tree: these texts are small, and their modules read trees. No value points into its tree.
 */
#include "iceberg/layout.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"

static int load_tree(struct str text, const char *what, json_t **out, struct error *err)
{
    assert(text.len > 0);
    json_error_t reason;
    *out = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &reason);
    if (*out == NULL && json_error_code(&reason) == json_error_out_of_memory)
        abort();
    if (*out == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse %s: %s", what, reason.text);
    return 0;
}

static int check_id(int64_t id, const char *what, struct error *err)
{
    if (id < 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse %s: id %lld is negative", what,
                         (long long)id);
    return 0;
}

int layout_read_schema(struct str text, struct arena *arena, struct schema *out, struct error *err)
{
    json_t *tree;
    if (load_tree(text, "schema", &tree, err) != 0)
        return -1;
    int result = schema_parse(tree, arena, out, err);
    json_decref(tree);
    return result != 0 ? -1 : check_id(out->schema_id, "schema", err);
}

int layout_read_spec(struct str text, struct arena *arena, struct partition_spec *out,
                     struct error *err)
{
    json_t *tree;
    if (load_tree(text, "partition spec", &tree, err) != 0)
        return -1;
    int result = json_is_array(tree) ? partition_spec_parse_fields(tree, arena, out, err)
                                     : partition_spec_parse(tree, arena, out, err);
    json_decref(tree);
    return result != 0 ? -1 : check_id(out->spec_id, "partition spec", err);
}

int layout_read_order(struct str text, struct arena *arena, struct sort_order *out,
                      struct error *err)
{
    json_t *tree;
    if (load_tree(text, "sort order", &tree, err) != 0)
        return -1;
    int result = sort_order_parse(tree, arena, out, err);
    json_decref(tree);
    return result != 0 ? -1 : check_id(out->order_id, "sort order", err);
}

static struct metadata_element element_from(struct buf *buf, int64_t id, struct arena *arena)
{
    assert(!buf->overflowed && buf->len > 0);
    struct metadata_element element = {.text = arena_str(arena, buf_str(buf)), .id = id};
    buf_free(buf);
    return element;
}

struct metadata_element layout_schema_element(const struct schema *schema, struct arena *arena)
{
    struct buf buf = BUF_INIT(METADATA_FILE_BYTES_MAX);
    schema_write(schema, &buf);
    return element_from(&buf, schema->schema_id, arena);
}

struct metadata_element layout_spec_element(const struct partition_spec *spec, struct arena *arena)
{
    struct buf buf = BUF_INIT(METADATA_FILE_BYTES_MAX);
    partition_spec_write(spec, &buf);
    return element_from(&buf, spec->spec_id, arena);
}

struct metadata_element layout_order_element(const struct sort_order *order, struct arena *arena)
{
    struct buf buf = BUF_INIT(METADATA_FILE_BYTES_MAX);
    sort_order_write(order, &buf);
    return element_from(&buf, order->order_id, arena);
}

int layout_current_schema(const struct table_metadata *metadata, struct arena *arena,
                          struct schema *out, struct error *err)
{
    const struct metadata_element *element =
        metadata_list_find(&metadata->schemas, metadata->current_schema_id);
    if (element == NULL)
        return error_set(err, ERR_VALIDATION, "Cannot find current schema with id %lld",
                         (long long)metadata->current_schema_id);
    return layout_read_schema(element->text, arena, out, err);
}

static int check_default_spec(const struct table_metadata *metadata, const struct schema *schema,
                              struct arena *arena, struct error *err)
{
    struct partition_spec spec;
    const struct metadata_element *element =
        metadata_list_find(&metadata->partition_specs, metadata->default_spec_id);
    if (element == NULL)
        return error_set(err, ERR_VALIDATION, "Cannot find default partition spec with id %lld",
                         (long long)metadata->default_spec_id);
    if (layout_read_spec(element->text, arena, &spec, err) != 0)
        return -1;
    return partition_spec_check(&spec, schema, arena, err);
}

static int check_default_order(const struct table_metadata *metadata, const struct schema *schema,
                               struct arena *arena, struct error *err)
{
    struct sort_order order;
    const struct metadata_element *element =
        metadata_list_find(&metadata->sort_orders, metadata->default_sort_order_id);
    if (element == NULL)
        return error_set(err, ERR_VALIDATION, "Cannot find default sort order with id %lld",
                         (long long)metadata->default_sort_order_id);
    if (layout_read_order(element->text, arena, &order, err) != 0)
        return -1;
    return sort_order_check(&order, schema, arena, err);
}

int layout_check_defaults(const struct table_metadata *metadata, struct error *err)
{
    struct schema schema;
    struct arena *scratch = arena_new();
    int result = layout_current_schema(metadata, scratch, &schema, err);
    if (result == 0)
        result = check_default_spec(metadata, &schema, scratch, err);
    if (result == 0)
        result = check_default_order(metadata, &schema, scratch, err);
    arena_free(scratch);
    return result;
}
