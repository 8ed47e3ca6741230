/* Updates of schemas, partition specs and sort orders (contract/rest.md 4.4, 16.3, 16.8).
 *
 * What is added goes behind the list with a new id, or resolves to the first equal one that is
 * there; either way "-1" then means it. Existing ones are parsed at most once per commit. */
#include "iceberg/table_update.h"

#include <assert.h>

/* A larger copy of an array of a cache, which lives in scratch. */
static void *grown(struct commit_state *state, const void *array, size_t count, size_t capacity,
                   size_t bytes_each)
{
    assert(count <= capacity);
    void *copy = arena_alloc_array(state->scratch, capacity, bytes_each);
    if (count > 0)
        memcpy(copy, array, count * bytes_each);
    return copy;
}

/* The id after the highest one; `first` when there are none that high. Readers know 32 bits. */
static int next_id(const struct metadata_list *list, int64_t first, int64_t *out, struct error *err)
{
    *out = first;
    for (size_t i = 0; i < list->count; i++)
        if (list->elements[i].id >= *out)
            *out = list->elements[i].id + 1;
    if (*out > INT32_MAX)
        return error_set(err, ERR_VALIDATION, "Cannot add: ids are used up at %lld",
                         (long long)*out - 1);
    return 0;
}

static void added(struct added_register *last, int64_t id)
{
    *last = (struct added_register){true, id};
}

static int resolve_last_added(const struct added_register *last, const char *what, int64_t *id,
                              struct error *err)
{
    if (*id != LAST_ADDED)
        return 0;
    if (!last->is_set)
        return error_set(err, ERR_VALIDATION, "Cannot set last added %s: no %s has been added",
                         what, what);
    *id = last->id;
    return 0;
}

/* --- schemas ------------------------------------------------------------------------------------
 */

static int read_schemas(struct commit_state *state, struct error *err)
{
    struct layout_cache *cache = &state->layout;
    const struct metadata_list *list = &state->next->schemas;
    if (cache->schemas_read)
        return 0;
    cache->schema_capacity = list->count + 4;
    cache->schemas = ARENA_ARRAY(state->scratch, struct schema, cache->schema_capacity);
    for (size_t i = 0; i < list->count; i++)
        if (layout_read_schema(list->elements[i].text, state->scratch, &cache->schemas[i], err) !=
            0)
            return -1;
    cache->schemas_read = true;
    return 0;
}

static void append_schema(struct commit_state *state, const struct schema *schema)
{
    struct layout_cache *cache = &state->layout;
    struct metadata_list *list = &state->next->schemas;
    assert(cache->schemas_read && list->count <= cache->schema_capacity);
    if (list->count == cache->schema_capacity) {
        cache->schema_capacity *= 2;
        cache->schemas = grown(state, cache->schemas, list->count, cache->schema_capacity,
                               sizeof(*cache->schemas));
    }
    cache->schemas[list->count] = *schema;
    metadata_list_append(list, layout_schema_element(schema, state->arena), state->arena);
}

/* The schema that specs and orders are bound to at this point of the commit. */
static int current_schema(struct commit_state *state, const struct schema **out, struct error *err)
{
    if (read_schemas(state, err) != 0)
        return -1;
    for (size_t i = 0; i < state->next->schemas.count; i++)
        if (state->layout.schemas[i].schema_id == state->next->current_schema_id) {
            *out = &state->layout.schemas[i];
            return 0;
        }
    return error_set(err, ERR_VALIDATION, "Cannot find current schema with id %lld",
                     (long long)state->next->current_schema_id);
}

int update_add_schema(struct commit_state *state, struct str text, const struct str *values,
                      struct error *err)
{
    (void)text;
    struct schema schema;
    struct table_metadata *next = state->next;
    if (layout_read_schema(values[0], state->scratch, &schema, err) != 0 ||
        schema_check_version(&schema, next->format_version, err) != 0 ||
        read_schemas(state, err) != 0)
        return -1;
    int64_t highest = schema_highest_field_id(&schema);
    if (highest > next->last_column_id) {
        next->last_column_id = highest;
        state->changed = true;
    }
    for (size_t i = 0; i < next->schemas.count; i++)
        if (schema_same(&state->layout.schemas[i], &schema)) {
            added(&state->schema, next->schemas.elements[i].id);
            return 0;
        }
    if (next_id(&next->schemas, next->current_schema_id, &schema.schema_id, err) != 0)
        return -1;
    append_schema(state, &schema);
    added(&state->schema, schema.schema_id);
    state->changed = true;
    return 0;
}

int update_set_current_schema(struct commit_state *state, struct str text, const struct str *values,
                              struct error *err)
{
    (void)text;
    int64_t id = member_int64(values[0]);
    struct table_metadata *next = state->next;
    if (resolve_last_added(&state->schema, "schema", &id, err) != 0)
        return -1;
    bool exists = metadata_list_find(&next->schemas, id) != NULL;
    if (id == next->current_schema_id && (exists || state->base != NULL))
        return 0;
    if (!exists)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot set current schema to unknown schema: %lld", (long long)id);
    next->current_schema_id = id;
    state->changed = state->layout_changed = true;
    return 0;
}

int update_remove_schemas(struct commit_state *state, struct str text, const struct str *values,
                          struct error *err)
{
    (void)text;
    struct id_map ids;
    ids_read(state, values[0], &ids);
    if (id_map_has(&ids, state->next->current_schema_id))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot remove the current schema: %lld",
                         (long long)state->next->current_schema_id);
    if (ids.count == 0)
        return 0;
    if (list_remove_ids(state, &state->next->schemas, BASE_LIST(state, schemas), &ids))
        state->layout.schemas_read = false;
    state->changed = true;
    return 0;
}

/* --- partition specs
 * ------------------------------------------------------------------------------- */

static int read_specs(struct commit_state *state, struct error *err)
{
    struct layout_cache *cache = &state->layout;
    const struct metadata_list *list = &state->next->partition_specs;
    if (cache->specs_read)
        return 0;
    cache->spec_capacity = list->count + 4;
    cache->specs = ARENA_ARRAY(state->scratch, struct partition_spec, cache->spec_capacity);
    for (size_t i = 0; i < list->count; i++)
        if (layout_read_spec(list->elements[i].text, state->scratch, &cache->specs[i], err) != 0)
            return -1;
    cache->specs_read = true;
    return 0;
}

static void append_spec(struct commit_state *state, const struct partition_spec *spec)
{
    struct layout_cache *cache = &state->layout;
    struct metadata_list *list = &state->next->partition_specs;
    assert(cache->specs_read && list->count <= cache->spec_capacity);
    if (list->count == cache->spec_capacity) {
        cache->spec_capacity *= 2;
        cache->specs =
            grown(state, cache->specs, list->count, cache->spec_capacity, sizeof(*cache->specs));
    }
    cache->specs[list->count] = *spec;
    metadata_list_append(list, layout_spec_element(spec, state->arena), state->arena);
}

/* v1 readers find partition fields by position. */
static int check_sequential(const struct partition_spec *spec, struct error *err)
{
    for (size_t i = 0; i < spec->field_count; i++)
        if (spec->fields[i].field_id != 1000 + (int64_t)i)
            return error_set(err, ERR_VALIDATION,
                             "Spec does not use sequential IDs that are required in v1: field %lld",
                             (long long)spec->fields[i].field_id);
    return 0;
}

/* A field id that the client chose means one (source, transform) in all specs of the table. */
static int check_field_ids(const struct commit_state *state, const struct partition_spec *spec,
                           struct error *err)
{
    for (size_t i = 0; i < state->next->partition_specs.count; i++)
        for (size_t j = 0; j < state->layout.specs[i].field_count; j++)
            for (size_t k = 0; k < spec->field_count; k++) {
                const struct partition_field *old = &state->layout.specs[i].fields[j];
                const struct partition_field *new = &spec->fields[k];
                bool same =
                    old->source_id == new->source_id &&str_equal(old->transform, new->transform);
                if (old->field_id != new->field_id || same || transform_is_void(old->transform) ||
                    transform_is_void(new->transform))
                    continue;
                return error_set(err, ERR_VALIDATION,
                                 "Cannot add partition spec: field id %lld is used for another "
                                 "column or transform in spec %lld",
                                 (long long)new->field_id,
                                 (long long)state->layout.specs[i].spec_id);
            }
    return 0;
}

static int add_new_spec(struct commit_state *state, struct partition_spec *spec, struct error *err)
{
    struct table_metadata *next = state->next;
    bool numbered = spec->field_count > 0 && spec->fields[0].field_id != 0;
    partition_spec_number(spec);
    if (next->format_version == 1) {
        if (check_sequential(spec, err) != 0)
            return -1;
    } else if (numbered && check_field_ids(state, spec, err) != 0) {
        return -1;
    }
    if (next_id(&next->partition_specs, 0, &spec->spec_id, err) != 0)
        return -1;
    int64_t highest = partition_spec_highest_field_id(spec);
    if (highest > next->last_partition_id)
        next->last_partition_id = highest;
    append_spec(state, spec);
    added(&state->spec, spec->spec_id);
    state->changed = true;
    return 0;
}

int update_add_spec(struct commit_state *state, struct str text, const struct str *values,
                    struct error *err)
{
    (void)text;
    struct partition_spec spec;
    const struct schema *schema;
    if (layout_read_spec(values[0], state->scratch, &spec, err) != 0 ||
        current_schema(state, &schema, err) != 0 ||
        partition_spec_check(&spec, schema, state->scratch, err) != 0 ||
        read_specs(state, err) != 0)
        return -1;
    for (size_t i = 0; i < state->next->partition_specs.count; i++)
        if (partition_spec_same(&state->layout.specs[i], &spec)) {
            added(&state->spec, state->next->partition_specs.elements[i].id);
            return 0;
        }
    return add_new_spec(state, &spec, err);
}

int update_set_default_spec(struct commit_state *state, struct str text, const struct str *values,
                            struct error *err)
{
    (void)text;
    int64_t id = member_int64(values[0]);
    struct table_metadata *next = state->next;
    if (resolve_last_added(&state->spec, "partition spec", &id, err) != 0)
        return -1;
    if (metadata_list_find(&next->partition_specs, id) == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot set default partition spec to unknown spec: %lld", (long long)id);
    if (id == next->default_spec_id)
        return 0;
    next->default_spec_id = id;
    state->changed = state->layout_changed = true;
    return 0;
}

int update_remove_specs(struct commit_state *state, struct str text, const struct str *values,
                        struct error *err)
{
    (void)text;
    struct id_map ids;
    ids_read(state, values[0], &ids);
    if (id_map_has(&ids, state->next->default_spec_id))
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot remove the default partition spec: %lld",
                         (long long)state->next->default_spec_id);
    if (ids.count == 0)
        return 0;
    if (list_remove_ids(state, &state->next->partition_specs, BASE_LIST(state, partition_specs),
                        &ids))
        state->layout.specs_read = false;
    state->changed = true;
    return 0;
}

/* --- sort orders
 * ----------------------------------------------------------------------------------- */

static int read_orders(struct commit_state *state, struct error *err)
{
    struct layout_cache *cache = &state->layout;
    const struct metadata_list *list = &state->next->sort_orders;
    if (cache->orders_read)
        return 0;
    cache->order_capacity = list->count + 4;
    cache->orders = ARENA_ARRAY(state->scratch, struct sort_order, cache->order_capacity);
    for (size_t i = 0; i < list->count; i++)
        if (layout_read_order(list->elements[i].text, state->scratch, &cache->orders[i], err) != 0)
            return -1;
    cache->orders_read = true;
    return 0;
}

static void append_order(struct commit_state *state, const struct sort_order *order)
{
    struct layout_cache *cache = &state->layout;
    struct metadata_list *list = &state->next->sort_orders;
    assert(cache->orders_read && list->count <= cache->order_capacity);
    if (list->count == cache->order_capacity) {
        cache->order_capacity *= 2;
        cache->orders =
            grown(state, cache->orders, list->count, cache->order_capacity, sizeof(*cache->orders));
    }
    cache->orders[list->count] = *order;
    metadata_list_append(list, layout_order_element(order, state->arena), state->arena);
}

int update_add_order(struct commit_state *state, struct str text, const struct str *values,
                     struct error *err)
{
    (void)text;
    struct sort_order order;
    const struct schema *schema;
    struct table_metadata *next = state->next;
    if (layout_read_order(values[0], state->scratch, &order, err) != 0 ||
        current_schema(state, &schema, err) != 0 ||
        sort_order_check(&order, schema, state->scratch, err) != 0 || read_orders(state, err) != 0)
        return -1;
    for (size_t i = 0; i < next->sort_orders.count; i++)
        if (sort_order_same(&state->layout.orders[i], &order)) {
            added(&state->order, next->sort_orders.elements[i].id);
            return 0;
        }
    order.order_id = 0; /* of the order without fields, and of nothing else */
    if (order.field_count > 0 && next_id(&next->sort_orders, 1, &order.order_id, err) != 0)
        return -1;
    append_order(state, &order);
    added(&state->order, order.order_id);
    state->changed = true;
    return 0;
}

int update_set_default_order(struct commit_state *state, struct str text, const struct str *values,
                             struct error *err)
{
    (void)text;
    int64_t id = member_int64(values[0]);
    struct table_metadata *next = state->next;
    if (resolve_last_added(&state->order, "sort order", &id, err) != 0)
        return -1;
    if (metadata_list_find(&next->sort_orders, id) == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot set default sort order to unknown order: %lld", (long long)id);
    if (id == next->default_sort_order_id)
        return 0;
    next->default_sort_order_id = id;
    state->changed = state->layout_changed = true;
    return 0;
}
