/* Namespaces and table identifiers: key and display forms, checks, JSON forms.
 *
 * Rules: names are bytes, never normalised or folded; '.' and '/' inside a name are ordinary. */
#include "iceberg/identifier.h"

#include "base/limits.h"
#include "iceberg/json_member.h"

#include <assert.h>

static struct str join(const struct namespace_ident *ns, char separator, struct str tail,
                       struct arena *arena)
{
    size_t bytes = tail.len + 1;
    for (size_t i = 0; i < ns->level_count; i++)
        bytes += ns->levels[i].len + 1;
    char *text = arena_alloc(arena, bytes);
    size_t at = 0;
    for (size_t i = 0; i < ns->level_count + (tail.ptr != NULL); i++) {
        struct str part = i < ns->level_count ? ns->levels[i] : tail;
        if (i > 0)
            text[at++] = separator;
        if (part.len > 0)
            memcpy(text + at, part.ptr, part.len);
        at += part.len;
    }
    assert(at < bytes);
    return str_from(text, at);
}

struct str namespace_key(const struct namespace_ident *ns, struct arena *arena)
{
    return join(ns, NAMESPACE_SEPARATOR, STR_NONE, arena);
}

struct namespace_ident namespace_from_key(struct str key, struct arena *arena)
{
    struct namespace_ident ns = {0, NULL};

    if (key.len == 0)
        return ns;
    size_t level_count = 1;
    for (size_t i = 0; i < key.len; i++)
        level_count += key.ptr[i] == NAMESPACE_SEPARATOR;
    ns.levels = ARENA_ARRAY(arena, struct str, level_count);
    struct str rest = arena_str(arena, key);
    while (ns.level_count < level_count)
        ns.levels[ns.level_count++] = str_cut(&rest, NAMESPACE_SEPARATOR);
    return ns;
}

struct str namespace_display(const struct namespace_ident *ns, struct arena *arena)
{
    return join(ns, '.', STR_NONE, arena);
}

struct str identifier_display(const struct identifier *ident, struct arena *arena)
{
    return join(&ident->ns, '.', ident->name, arena);
}

int name_check(struct str name, const char *what, struct error *err)
{
    if (name.len == 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid %s: must not be empty", what);
    if (name.len > NAME_BYTES_MAX) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid %s: %zu bytes is longer than %d", what,
                         name.len, NAME_BYTES_MAX);
    }
    if (!str_is_utf8(name))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid %s: not valid UTF-8", what);
    if (memchr(name.ptr, '\0', name.len) != NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid %s: contains a NUL character", what);
    if (memchr(name.ptr, NAMESPACE_SEPARATOR, name.len) != NULL) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid %s: contains the unit separator character U+001F", what);
    }
    return 0;
}

int namespace_check(const struct namespace_ident *ns, struct error *err)
{
    if (ns->level_count == 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid namespace: must not be empty");
    if (ns->level_count > NAMESPACE_LEVELS_MAX) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid namespace: %zu levels are more than %d", ns->level_count,
                         NAMESPACE_LEVELS_MAX);
    }
    for (size_t i = 0; i < ns->level_count; i++)
        if (name_check(ns->levels[i], "namespace level", err) != 0)
            return -1;
    return 0;
}

int namespace_parse(const json_t *array, struct arena *arena, struct namespace_ident *out,
                    struct error *err)
{
    char brief[VALUE_BRIEF_BYTES];

    if (!json_is_array(array)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse namespace from %s",
                         value_brief(array, brief));
    }
    size_t level_count = json_array_size(array);
    if (level_count > NAMESPACE_LEVELS_MAX) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid namespace: %zu levels are more than %d", level_count,
                         NAMESPACE_LEVELS_MAX);
    }
    *out = (struct namespace_ident){level_count, ARENA_ARRAY(arena, struct str, level_count)};
    for (size_t i = 0; i < level_count; i++) {
        const json_t *level = json_array_get(array, i);
        if (!json_is_string(level)) {
            return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse namespace level from %s",
                             value_brief(level, brief));
        }
        out->levels[i] = value_string(level, arena);
    }
    return namespace_check(out, err);
}

int identifier_parse(const json_t *object, struct arena *arena, struct identifier *out,
                     struct error *err)
{
    char brief[VALUE_BRIEF_BYTES];
    const json_t *levels;

    if (!json_is_object(object)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse identifier from %s",
                         value_brief(object, brief));
    }
    if (member_array(object, "namespace", &levels, err) != 0 ||
        namespace_parse(levels, arena, &out->ns, err) != 0 ||
        member_string(object, "name", arena, &out->name, err) != 0)
        return -1;
    return name_check(out->name, "name", err);
}
