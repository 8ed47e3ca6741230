/* Lists, properties and file names of metadata documents.
 *
 * Lists grow beyond `count` or are replaced; an element that some copy counts is never written. */
#include "iceberg/metadata_parts.h"

#include <assert.h>
#include <stdatomic.h>

/* Behind the last slot: how many slots nobody has taken. The taker of a slot is the copy for which
 * that is all it sees; the count is from the end, so that cutting the front off changes nothing. */
static _Atomic size_t *free_slots(const struct metadata_list *list)
{
    return (_Atomic size_t *)(void *)(list->elements + list->capacity);
}

static bool take_slot(const struct metadata_list *list)
{
    size_t seen = list->capacity - list->count;
    return seen > 0 && atomic_compare_exchange_strong(free_slots(list), &seen, seen - 1);
}

struct metadata_list metadata_list_new(size_t capacity, struct arena *arena)
{
    struct metadata_list list = {NULL, 0, capacity};
    list.elements = arena_alloc_array_raw(arena, capacity + 1, sizeof(*list.elements));
    atomic_init(free_slots(&list), capacity);
    return list;
}

void metadata_list_append(struct metadata_list *list, struct metadata_element element,
                          struct arena *arena)
{
    assert(list->count <= list->capacity);
    assert(element.text.len > 0);
    if (!take_slot(list)) {
        struct metadata_list grown = metadata_list_new(list->count + list->count / 4 + 8, arena);
        if (list->count > 0)
            memcpy(grown.elements, list->elements, list->count * sizeof(*grown.elements));
        grown.count = list->count;
        atomic_init(free_slots(&grown), grown.capacity - grown.count - 1);
        *list = grown;
    }
    list->elements[list->count++] = element;
}

void metadata_list_cut(struct metadata_list *list, size_t count)
{
    assert(count <= list->count);
    list->count = count;
    if (list->capacity > 0)
        atomic_init(free_slots(list), list->capacity - count);
}

const struct metadata_element *metadata_list_find(const struct metadata_list *list, int64_t id)
{
    for (size_t i = list->count; i > 0; i--)
        if (list->elements[i - 1].id == id)
            return &list->elements[i - 1];
    return NULL;
}

struct str metadata_property(const struct metadata_head *head, const char *key)
{
    struct str name = str_cstr(key);
    for (size_t i = 0; i < head->property_count; i++)
        if (str_equal(head->properties[i].key, name))
            return head->properties[i].value;
    return STR_NONE;
}

bool metadata_property_true(const struct metadata_head *head, const char *key, bool otherwise)
{
    struct str value = metadata_property(head, key);
    if (str_equal_ignore_case(value, STR("true")))
        return true;
    if (str_equal_ignore_case(value, STR("false")))
        return false;
    return otherwise;
}

bool metadata_is_uuid(struct str text)
{
    if (text.len != 36)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.ptr[i] != '-' : memchr("0123456789abcdefABCDEF", text.ptr[i], 22) == NULL)
            return false;
    }
    return true;
}

/* --- files ----------------------------------------------------------------------------------- */

struct str location_without_slashes(struct str location)
{
    while (location.len > 0 && location.ptr[location.len - 1] == '/' &&
           !str_ends_with(location, STR("://")))
        location.len--;
    return location;
}

static struct str last_segment(struct str location)
{
    for (size_t i = location.len; i > 0; i--)
        if (location.ptr[i - 1] == '/')
            return str_skip(location, i);
    return location;
}

/* The number after the one in front of the first '-' of the file's name; 0 when there is none. */
static long long next_file_number(struct str previous)
{
    long long number;
    struct str name = last_segment(previous);
    struct str digits = str_cut(&name, '-');
    if (name.ptr == NULL || !str_to_int64(digits, &number) || number < 0 || number >= INT32_MAX)
        return 0;
    return number + 1;
}

static int read_codec(const struct metadata_head *head, bool *is_gzip, struct error *err)
{
    struct str codec = metadata_property(head, "write.metadata.compression-codec");
    if (codec.ptr == NULL)
        return 0;
    *is_gzip = str_equal_ignore_case(codec, STR("gzip"));
    if (*is_gzip || str_equal_ignore_case(codec, STR("none")))
        return 0;
    return error_set(err, ERR_ILLEGAL_ARGUMENT,
                     "Invalid codec for write.metadata.compression-codec: %.*s", STR_ARG(codec));
}

int metadata_file_location(const struct metadata_head *head, bool gzip_is_usual,
                           struct str previous, const char *uuid, struct arena *arena,
                           struct str *out, struct error *err)
{
    assert(uuid != NULL && uuid[0] != '\0');
    bool is_gzip = gzip_is_usual;
    if (read_codec(head, &is_gzip, err) != 0)
        return -1;
    struct str folder = location_without_slashes(metadata_property(head, "write.metadata.path"));
    if (folder.len == 0)
        folder =
            arena_printf(arena, "%.*s/metadata", STR_ARG(location_without_slashes(head->location)));
    *out = arena_printf(arena, "%.*s/%05lld-%s%s.metadata.json", STR_ARG(folder),
                        next_file_number(previous), uuid, is_gzip ? ".gz" : "");
    return 0;
}

bool metadata_location_is_gzip(struct str location)
{
    return str_ends_with(location, STR(".gz.metadata.json")) ||
           str_ends_with(location, STR(".metadata.json.gz"));
}
