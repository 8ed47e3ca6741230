/* The index of a schema's columns: sorted lists of entries, searched by halving.
 *
 * Rules: sorted, not hashed into buckets, so that no choice of ids or names makes it slow; names
 * are compared byte by byte only where their 64-bit hashes agree. */
#include "iceberg/schema_index.h"

#include <assert.h>
#include <stdlib.h>

/* What the columns below one place have in common. */
struct place {
    uint32_t parent;
    uint64_t name_hash, short_hash; /* of the names they begin with */
    bool shortened;                 /* those two are different names */
    bool structs, required;         /* all ancestors */
};

struct builder {
    struct schema_index *index;
    uint32_t short_count;
};

static uint32_t count_columns(const struct type *type)
{
    size_t count = type->field_count;

    for (size_t i = 0; i < type->field_count; i++)
        count += count_columns(type->fields[i].type);
    assert(count < SCHEMA_ENTRY_NONE);
    return (uint32_t)count;
}

#define HASH_SEED 0xcbf29ce484222325u

/* FNV-1a; goes on from the hash of what stands before. */
static uint64_t hash_more(uint64_t hash, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t hash_below(uint64_t prefix_hash, const struct place *place, struct str name)
{
    if (place->parent != SCHEMA_ENTRY_NONE)
        prefix_hash = hash_more(prefix_hash, STR("."));
    return hash_more(prefix_hash, name);
}

/* Is the field at that position of that type left out of short names? */
static bool is_left_out(const struct type *type, size_t position)
{
    bool element_or_value = type->id == TYPE_LIST || (type->id == TYPE_MAP && position == 1);

    return element_or_value && type->fields[position].type->id == TYPE_STRUCT;
}

static void add_columns(struct builder *builder, const struct type *type, const struct place *place)
{
    struct schema_index *index = builder->index;

    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        uint32_t at = index->count++;
        struct schema_entry *entry = &index->entries[at];
        *entry = (struct schema_entry){
            .field = field,
            .name_hash = hash_below(place->name_hash, place, field->name),
            .short_hash = hash_below(place->short_hash, place, field->name),
            .parent = place->parent,
            .has_short_name = place->shortened,
            .in_short_names = !is_left_out(type, i),
            .ancestors_structs = place->structs,
            .ancestors_required = place->required,
        };
        builder->short_count += entry->has_short_name;
        struct place below = {
            .parent = at,
            .name_hash = entry->name_hash,
            .short_hash = entry->in_short_names ? entry->short_hash : place->short_hash,
            .shortened = place->shortened || !entry->in_short_names,
            .structs = place->structs && field->type->id == TYPE_STRUCT,
            .required = place->required && field->required,
        };
        add_columns(builder, field->type, &below);
    }
}

/* Reads a column's name from its end to its beginning. */
struct name_cursor {
    const struct schema_index *index;
    uint32_t entry;
    size_t left; /* unread bytes of that entry's own name */
    bool is_short;
};

static struct name_cursor name_cursor(const struct schema_index *index, uint32_t entry,
                                      bool is_short)
{
    return (struct name_cursor){index, entry, index->entries[entry].field->name.len, is_short};
}

/* The byte before those already read, -1 when there is none. */
static int name_previous(struct name_cursor *cursor)
{
    const struct schema_entry *entries = cursor->index->entries;

    if (cursor->entry == SCHEMA_ENTRY_NONE)
        return -1;
    if (cursor->left > 0)
        return (unsigned char)entries[cursor->entry].field->name.ptr[--cursor->left];
    do {
        cursor->entry = entries[cursor->entry].parent;
    } while (cursor->is_short && cursor->entry != SCHEMA_ENTRY_NONE &&
             !entries[cursor->entry].in_short_names);
    if (cursor->entry == SCHEMA_ENTRY_NONE)
        return -1;
    cursor->left = entries[cursor->entry].field->name.len;
    return '.';
}

static bool name_is(struct name_cursor cursor, struct str text)
{
    for (size_t left = text.len; left > 0; left--)
        if (name_previous(&cursor) != (unsigned char)text.ptr[left - 1])
            return false;
    return name_previous(&cursor) == -1;
}

static int compare_names(struct name_cursor a, struct name_cursor b)
{
    int from_a, from_b;

    do {
        from_a = name_previous(&a);
        from_b = name_previous(&b);
    } while (from_a == from_b && from_a != -1);
    return (from_a > from_b) - (from_a < from_b);
}

static int order_by_id(const void *a, const void *b, void *arg)
{
    const struct schema_index *index = arg;
    uint32_t entry_a = *(const uint32_t *)a, entry_b = *(const uint32_t *)b;
    int64_t id_a = index->entries[entry_a].field->id, id_b = index->entries[entry_b].field->id;

    if (id_a != id_b)
        return id_a < id_b ? -1 : 1;
    return (entry_a > entry_b) - (entry_a < entry_b);
}

static int order_names(const struct schema_index *index, uint32_t a, uint32_t b, bool is_short)
{
    const struct schema_entry *entry_a = &index->entries[a], *entry_b = &index->entries[b];
    uint64_t hash_a = is_short ? entry_a->short_hash : entry_a->name_hash;
    uint64_t hash_b = is_short ? entry_b->short_hash : entry_b->name_hash;

    if (hash_a != hash_b)
        return hash_a < hash_b ? -1 : 1;
    int order = compare_names(name_cursor(index, a, is_short), name_cursor(index, b, is_short));
    return order != 0 ? order : (a > b) - (a < b);
}

static int order_by_name(const void *a, const void *b, void *arg)
{
    return order_names(arg, *(const uint32_t *)a, *(const uint32_t *)b, false);
}

static int order_by_short_name(const void *a, const void *b, void *arg)
{
    return order_names(arg, *(const uint32_t *)a, *(const uint32_t *)b, true);
}

struct schema_index *schema_index_build(const struct type *root, struct arena *arena)
{
    struct schema_index *index = ARENA_NEW(arena, struct schema_index);
    struct builder builder = {index, 0};
    struct place top = {SCHEMA_ENTRY_NONE, HASH_SEED, HASH_SEED, false, true, true};
    uint32_t count = count_columns(root);

    index->entries = ARENA_ARRAY(arena, struct schema_entry, count);
    add_columns(&builder, root, &top);
    assert(index->count == count);

    index->by_id = ARENA_ARRAY(arena, uint32_t, count);
    index->by_name = ARENA_ARRAY(arena, uint32_t, count);
    index->by_short_name = ARENA_ARRAY(arena, uint32_t, builder.short_count);
    for (uint32_t i = 0; i < count; i++) {
        index->by_id[i] = index->by_name[i] = i;
        if (index->entries[i].has_short_name)
            index->by_short_name[index->short_count++] = i;
    }
    qsort_r(index->by_id, count, sizeof(uint32_t), order_by_id, index);
    qsort_r(index->by_name, count, sizeof(uint32_t), order_by_name, index);
    qsort_r(index->by_short_name, index->short_count, sizeof(uint32_t), order_by_short_name, index);
    return index;
}

int schema_index_check(const struct schema_index *index, struct arena *arena, struct error *err)
{
    for (uint32_t i = 1; i < index->count; i++) {
        uint32_t a = index->by_id[i - 1], b = index->by_id[i];
        if (index->entries[a].field->id == index->entries[b].field->id) {
            struct str name_a = schema_index_full_name(index, a, arena);
            struct str name_b = schema_index_full_name(index, b, arena);
            return error_set(
                err, ERR_VALIDATION, "Invalid schema: multiple fields for id %lld: %.*s and %.*s",
                (long long)index->entries[a].field->id, STR_ARG(name_a), STR_ARG(name_b));
        }
    }
    for (uint32_t i = 1; i < index->count; i++) {
        uint32_t a = index->by_name[i - 1], b = index->by_name[i];
        if (index->entries[a].name_hash == index->entries[b].name_hash &&
            compare_names(name_cursor(index, a, false), name_cursor(index, b, false)) == 0) {
            struct str name = schema_index_full_name(index, a, arena);
            return error_set(err, ERR_VALIDATION,
                             "Invalid schema: multiple fields for name %.*s: %lld and %lld",
                             STR_ARG(name), (long long)index->entries[a].field->id,
                             (long long)index->entries[b].field->id);
        }
    }
    return 0;
}

uint32_t schema_index_find_id(const struct schema_index *index, int64_t field_id)
{
    uint32_t low = 0, high = index->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->entries[index->by_id[middle]].field->id < field_id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < index->count && index->entries[index->by_id[low]].field->id == field_id)
        return index->by_id[low];
    return SCHEMA_ENTRY_NONE;
}

static uint64_t hash_of(const struct schema_index *index, uint32_t entry, bool is_short)
{
    return is_short ? index->entries[entry].short_hash : index->entries[entry].name_hash;
}

static uint32_t find_sorted(const struct schema_index *index, bool is_short, struct str name)
{
    const uint32_t *sorted = is_short ? index->by_short_name : index->by_name;
    uint32_t count = is_short ? index->short_count : index->count;
    uint64_t hash = hash_more(HASH_SEED, name);
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (hash_of(index, sorted[middle], is_short) < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && hash_of(index, sorted[low], is_short) == hash; low++)
        if (name_is(name_cursor(index, sorted[low], is_short), name))
            return sorted[low];
    return SCHEMA_ENTRY_NONE;
}

uint32_t schema_index_find_name(const struct schema_index *index, struct str name)
{
    uint32_t entry = find_sorted(index, false, name);

    return entry != SCHEMA_ENTRY_NONE ? entry : find_sorted(index, true, name);
}

struct str schema_index_full_name(const struct schema_index *index, uint32_t entry,
                                  struct arena *arena)
{
    struct name_cursor cursor = name_cursor(index, entry, false);
    size_t bytes = 0;

    while (name_previous(&cursor) != -1)
        bytes++;
    char *text = arena_alloc(arena, bytes + 1);
    cursor = name_cursor(index, entry, false);
    for (size_t left = bytes; left > 0; left--)
        text[left - 1] = (char)name_previous(&cursor);
    return str_from(text, bytes);
}
