/* Properties of a draft: found, set, removed.
 *
 * The array is copied before the first change: the base's is never written. Many look-ups build an
 * index, in which every key's hash is; of keys with one hash only the first is. */
#include "iceberg/property_edit.h"

#include <assert.h>

#include "base/limits.h"

#define LOOKUPS_WORTH_AN_INDEX 64

const struct member_spec set_properties_members[2] = {
    MEMBER("updates", STRING_MAP, OPTIONAL),
    MEMBER("updated", STRING_MAP, OPTIONAL),
};
const struct member_spec remove_properties_members[2] = {
    MEMBER("removals", STRING_ARRAY, OPTIONAL),
    MEMBER("removed", STRING_ARRAY, OPTIONAL),
};

static void index_properties(struct property_edit *edit)
{
    id_map_init(&edit->index, edit->scratch, *edit->count);
    for (size_t i = 0; i < *edit->count; i++)
        id_map_put(&edit->index, (int64_t)id_map_hash(&edit->index, (*edit->list)[i].key),
                   (int64_t)i);
    edit->is_indexed = true;
}

/* A property that remove-properties has marked has no key, not even the empty one. */
static bool has_key(const struct metadata_property *property, struct str key)
{
    return property->key.ptr != NULL && str_equal(property->key, key);
}

static struct metadata_property *property_find(struct property_edit *edit, struct str key)
{
    if (!edit->is_indexed && ++edit->lookups > LOOKUPS_WORTH_AN_INDEX)
        index_properties(edit);
    if (edit->is_indexed) {
        int64_t at;
        if (!id_map_get(&edit->index, (int64_t)id_map_hash(&edit->index, key), &at))
            return NULL;
        assert((size_t)at < *edit->count);
        if (has_key(&(*edit->list)[at], key))
            return &(*edit->list)[at];
    }
    for (size_t i = 0; i < *edit->count; i++)
        if (has_key(&(*edit->list)[i], key))
            return &(*edit->list)[i];
    return NULL;
}

/* Room for one more property in an array of this commit's own. */
static void own_properties(struct property_edit *edit)
{
    if (*edit->count < edit->capacity)
        return;
    edit->capacity = *edit->count * 2 + 8;
    struct metadata_property *own =
        ARENA_ARRAY(edit->arena, struct metadata_property, edit->capacity);
    if (*edit->count > 0)
        memcpy(own, *edit->list, *edit->count * sizeof(*own));
    *edit->list = own;
}

static int set_property(struct property_edit *edit, struct str key, struct str value,
                        struct error *err)
{
    if (key.len > PROPERTY_BYTES_MAX || value.len > PROPERTY_BYTES_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot set properties: a key or value has more than %d bytes",
                         PROPERTY_BYTES_MAX);
    own_properties(edit);
    struct metadata_property *property = property_find(edit, key);
    if (property != NULL) {
        property->value = arena_str(edit->arena, value);
        return 0;
    }
    if (*edit->count >= PROPERTIES_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot set properties: there can be at most %d", PROPERTIES_MAX);
    if (edit->is_indexed)
        id_map_put(&edit->index, (int64_t)id_map_hash(&edit->index, key), (int64_t)*edit->count);
    (*edit->list)[(*edit->count)++] =
        (struct metadata_property){arena_str(edit->arena, key), arena_str(edit->arena, value)};
    return 0;
}

int property_edit_set(struct property_edit *edit, const struct str *values, bool *changed,
                      struct error *err)
{
    struct str map = values[0].ptr != NULL ? values[0] : values[1], key, value;
    if (map.ptr == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse set-properties: missing updates");
    struct raw_json_cursor cursor = raw_json_enter(map);
    while (raw_json_next_member(&cursor, &key, &value)) {
        if (set_property(edit, raw_json_key(key, edit->scratch),
                         raw_json_string(value, edit->scratch), err) != 0)
            return -1;
        *changed = true;
    }
    return 0;
}

/* Marks by a NULL key, then closes the gaps. */
int property_edit_remove(struct property_edit *edit, const struct str *values, bool *changed,
                         struct error *err)
{
    struct str keys = values[0].ptr != NULL ? values[0] : values[1], key;
    if (keys.ptr == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse remove-properties: missing removals");
    own_properties(edit);
    bool removed = false;
    struct raw_json_cursor cursor = raw_json_enter(keys);
    while (raw_json_next_element(&cursor, &key)) {
        struct metadata_property *property =
            property_find(edit, raw_json_string(key, edit->scratch));
        *changed = true;
        if (property != NULL) {
            property->key = STR_NONE;
            removed = true;
        }
    }
    if (!removed)
        return 0;
    size_t count = 0;
    for (size_t i = 0; i < *edit->count; i++)
        if ((*edit->list)[i].key.ptr != NULL)
            (*edit->list)[count++] = (*edit->list)[i];
    *edit->count = count;
    edit->is_indexed = false;
    return 0;
}
