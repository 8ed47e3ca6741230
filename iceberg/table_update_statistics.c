/* Updates of statistics and encryption keys (contract/rest.md 4.4): one entry per snapshot or key.
 */
#include "iceberg/table_update.h"

#include <assert.h>

#include "iceberg/snapshot.h"

static void ids_of(struct commit_state *state, int64_t id, struct id_map *out)
{
    id_map_init(out, state->scratch, 1);
    id_map_put(out, id, 1);
}

/* Replaces whatever the list has for the snapshot that the file names. */
static int set_file(struct commit_state *state, struct metadata_list *list,
                    const struct metadata_list *base_list, element_reader *read, struct str object,
                    struct error *err)
{
    struct metadata_element element;
    struct id_map ids;
    if (read(object, state->scratch, &element, err) != 0)
        return -1;
    assert(element.key.ptr == NULL);
    element.text = arena_str(state->arena, element.text);
    ids_of(state, element.id, &ids);
    list_remove_ids(state, list, base_list, &ids);
    metadata_list_append(list, element, state->arena);
    state->changed = true;
    return 0;
}

static void remove_file(struct commit_state *state, struct metadata_list *list,
                        const struct metadata_list *base_list, int64_t snapshot_id)
{
    struct id_map ids;
    ids_of(state, snapshot_id, &ids);
    if (list_remove_ids(state, list, base_list, &ids))
        state->changed = true;
}

int update_set_statistics(struct commit_state *state, struct str text, const struct str *values,
                          struct error *err)
{
    (void)text;
    return set_file(state, &state->next->statistics, BASE_LIST(state, statistics),
                    statistics_element_read, values[0], err);
}

int update_remove_statistics(struct commit_state *state, struct str text, const struct str *values,
                             struct error *err)
{
    (void)text;
    (void)err;
    remove_file(state, &state->next->statistics, BASE_LIST(state, statistics),
                member_int64(values[0]));
    return 0;
}

int update_set_partition_statistics(struct commit_state *state, struct str text,
                                    const struct str *values, struct error *err)
{
    (void)text;
    return set_file(state, &state->next->partition_statistics,
                    BASE_LIST(state, partition_statistics), partition_statistics_element_read,
                    values[0], err);
}

int update_remove_partition_statistics(struct commit_state *state, struct str text,
                                       const struct str *values, struct error *err)
{
    (void)text;
    (void)err;
    remove_file(state, &state->next->partition_statistics, BASE_LIST(state, partition_statistics),
                member_int64(values[0]));
    return 0;
}

/* --- encryption keys ---------------------------------------------------------------------------
 */

static size_t key_index(const struct metadata_list *keys, struct str key_id)
{
    size_t at = 0;
    while (at < keys->count && !str_equal(keys->elements[at].key, key_id))
        at++;
    return at;
}

int update_add_encryption_key(struct commit_state *state, struct str text, const struct str *values,
                              struct error *err)
{
    (void)text;
    struct metadata_element element;
    struct metadata_list *keys = &state->next->encryption_keys;
    if (encryption_key_element_read(values[0], state->scratch, &element, err) != 0)
        return -1;
    if (key_index(keys, element.key) < keys->count)
        return 0;
    element.text = arena_str(state->arena, element.text);
    element.key = arena_str(state->arena, element.key);
    metadata_list_append(keys, element, state->arena);
    state->changed = true;
    return 0;
}

int update_remove_encryption_key(struct commit_state *state, struct str text,
                                 const struct str *values, struct error *err)
{
    (void)text;
    (void)err;
    struct metadata_list *keys = &state->next->encryption_keys;
    size_t at = key_index(keys, raw_json_string(values[0], state->scratch));
    if (at == keys->count)
        return 0;
    struct metadata_list kept = {NULL, 0, 0};
    for (size_t i = 0; i < keys->count; i++)
        if (i != at)
            metadata_list_append(&kept, keys->elements[i], state->arena);
    *keys = kept;
    state->changed = true;
    return 0;
}
