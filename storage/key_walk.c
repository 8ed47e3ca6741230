/* Ordered pages over directories. The walk goes down by a stack of levels; a level holds the
 * smallest names of its directory that are still to be visited, and is filled again when they were
 * used up and there were more.
 *
 * 1. A name's key in its directory ends in '/' when it is a directory: sorting those sorts whole
 *    keys, since everything below a directory begins with its key.
 * 2. A level's names are all greater than what was visited, and smaller than what it left out.
 * 3. A subtree is entered only when it can hold keys that begin with the prefix and are greater
 *    than `after`. */
#include "storage/key_walk.h"

#include <assert.h>
#include <stdlib.h>

#include "base/location.h"
#include "base/log.h"

#define KEEP_MIN 64 /* names, of a level */

struct name {
    size_t len;
    bool is_directory, has_stat;
    struct file_stat stat;
    char key[]; /* in its directory, with the '/' */
};

struct level {
    struct level *up;
    struct str directory;
    struct name **names; /* sorted; twice `keep` fit in */
    size_t count, at;
    bool truncated;   /* there are more than these */
    struct str after; /* names are greater than this */
};

struct walk {
    const struct key_source *source;
    struct str prefix, after;
    bool by_directory, any_will_do;
    size_t keep;
    struct level *level;
    struct arena *arena; /* of the levels' texts */
};

/* ---- names of a level ------------------------------------------------------------------------ */

static struct str key_of(const struct name *name)
{
    return str_from(name->key, name->len);
}

static int compare_names(const void *a, const void *b)
{
    return str_compare(key_of(*(struct name *const *)a), key_of(*(struct name *const *)b));
}

/* Sorts, and lets go of what is beyond the smallest `keep`. */
static void level_cut(struct level *level, size_t keep)
{
    if (level->count > 0)
        qsort(level->names, level->count, sizeof(level->names[0]), compare_names);
    for (; level->count > keep; level->truncated = true)
        free(level->names[--level->count]);
}

static void level_pop(struct walk *walk)
{
    struct level *level = walk->level;
    walk->level = level->up;
    while (level->count > level->at)
        free(level->names[--level->count]);
    free(level->names);
    free(level);
}

static void level_push(struct walk *walk, struct str directory)
{
    struct level *level = calloc(1, sizeof(*level));
    struct name **names = calloc(2 * walk->keep, sizeof(struct name *));
    if (level == NULL || names == NULL)
        log_fatal("out of memory");
    *level = (struct level){
        .up = walk->level, .directory = directory, .names = names, .truncated = true};
    walk->level = level;
}

/* What of `text` concerns the directory's own keys; STR_NONE when it does not lead there: then (3)
 * it is smaller than all of them. */
static struct str below(struct str text, struct str directory)
{
    return str_starts_with(text, directory) ? str_skip(text, directory.len) : STR_NONE;
}

/* Can the key, or one below it, be asked for? */
static bool is_wanted(const struct walk *walk, const struct level *level, struct str key)
{
    struct str prefix = below(walk->prefix, level->directory);
    struct str after = below(walk->after, level->directory);
    bool is_directory = str_ends_with(key, STR("/"));
    if (str_compare(key, level->after) <= 0)
        return false;
    if (!str_starts_with(key, prefix) && !(is_directory && str_starts_with(prefix, key)))
        return false;
    return str_compare(key, after) > 0 || (is_directory && str_starts_with(after, key));
}

struct gathering {
    struct walk *walk;
    struct level *level;
};

static bool gather(void *arg, const struct key_name *name)
{
    struct gathering *gathering = arg;
    struct walk *walk = gathering->walk;
    struct level *level = gathering->level;
    struct name *made = malloc(sizeof(*made) + name->name.len + 2);
    if (made == NULL)
        log_fatal("out of memory");
    made->len = name->name.len + (name->is_directory ? 1 : 0);
    made->is_directory = name->is_directory;
    made->has_stat = name->stat != NULL;
    if (name->stat != NULL)
        made->stat = *name->stat;
    memcpy(made->key, name->name.ptr, name->name.len);
    made->key[name->name.len] = '/';
    if (!is_wanted(walk, level, key_of(made))) {
        free(made);
        return true;
    }
    level->names[level->count++] = made;
    if (walk->any_will_do && !made->is_directory)
        return false;
    if (level->count < 2 * walk->keep)
        return true;
    level_cut(level, walk->keep);
    /* What follows in a sorted source is not smaller than this name, so neither are its keys. */
    return !walk->source->sorted ||
           str_compare(key_of(level->names[level->count - 1]), name->name) > 0;
}

static int level_fill(struct walk *walk, struct error *err)
{
    struct level *level = walk->level;
    struct gathering gathering = {walk, level};
    struct str prefix = below(walk->prefix, level->directory);
    struct str after = below(walk->after, level->directory);
    if (str_compare(level->after, after) > 0)
        after = level->after;
    const struct key_range range = {.after = after, .prefix = str_cut(&prefix, '/')};
    level->count = level->at = 0;
    level->truncated = false;
    if (walk->source->names(walk->source->arg, level->directory, &range, gather, &gathering, err) !=
        0)
        return -1;
    level_cut(level, walk->keep);
    return 0;
}

/* ---- walking --------------------------------------------------------------------------------- */

/* The next name, to be freed; NULL at the end of all. */
static int next_name(struct walk *walk, struct name **out, struct str *key, struct error *err)
{
    *out = NULL;
    while (walk->level != NULL) {
        struct level *level = walk->level;
        if (level->at < level->count) {
            *out = level->names[level->at++];
            *key = arena_printf(walk->arena, "%.*s%.*s", STR_ARG(level->directory),
                                STR_ARG(key_of(*out)));
            if (level->truncated && level->at == level->count)
                level->after = arena_str(walk->arena, key_of(*out));
            return 0;
        }
        if (!level->truncated)
            level_pop(walk);
        else if (level_fill(walk, err) != 0)
            return -1;
    }
    return 0;
}

static bool is_rolled_up(const struct walk *walk, struct str key)
{
    return walk->by_directory && str_starts_with(key, walk->prefix) && key.len > walk->prefix.len;
}

static int has_any(const struct walk *walk, struct str directory, bool *out, struct error *err);

/* The next key that is asked for; *found false at the end. */
static int next_entry(struct walk *walk, bool *found, struct file_page_entry *out,
                      struct error *err)
{
    int result = 0;
    struct name *name = NULL;
    *found = false;
    while (result == 0 && !*found) {
        result = next_name(walk, &name, &out->key, err);
        if (result != 0 || name == NULL)
            break;
        out->is_directory = name->is_directory;
        if (name->has_stat)
            out->stat = name->stat;
        if (!name->is_directory && name->has_stat)
            *found = true;
        else if (!name->is_directory)
            result = walk->source->stat(walk->source->arg, out->key, found, &out->stat, err);
        else if (!is_rolled_up(walk, out->key))
            level_push(walk, out->key);
        else if (str_compare(out->key, walk->after) > 0)
            result = has_any(walk, out->key, found, err);
        free(name);
    }
    return result;
}

static void walk_end(struct walk *walk)
{
    while (walk->level != NULL)
        level_pop(walk);
    arena_free(walk->arena);
}

/* Is there any file below? */
static int has_any(const struct walk *walk, struct str directory, bool *out, struct error *err)
{
    struct walk inner = {.source = walk->source,
                         .prefix = directory,
                         .any_will_do = true,
                         .keep = KEEP_MIN,
                         .arena = arena_new()};
    struct file_page_entry entry;
    level_push(&inner, arena_str(inner.arena, directory));
    int result = next_entry(&inner, out, &entry, err);
    walk_end(&inner);
    return result;
}

/* The directory that the walk begins in: all of the prefix's that are whole. false: it can hold
 * nothing that is asked for. */
static bool begin_directory(struct walk *walk, struct str *out)
{
    struct location location;
    struct error invalid;
    size_t len = walk->prefix.len;
    while (len > 0 && walk->prefix.ptr[len - 1] != '/')
        len--;
    *out = str_from(walk->prefix.ptr, len);
    if (len == 0)
        return true;
    if (str_compare(walk->after, *out) > 0 && !str_starts_with(walk->after, *out))
        return false;
    struct str path = arena_printf(walk->arena, "/%.*s", STR_ARG(*out));
    return location_parse_file(path, walk->arena, &location, &invalid) == 0;
}

int key_walk_page(const struct key_source *source, const struct file_page_request *request,
                  struct arena *arena, struct file_page *out, struct error *err)
{
    struct walk walk = {.source = source,
                        .prefix = request->prefix,
                        .after = request->after,
                        .by_directory = request->by_directory,
                        .keep = request->limit < KEEP_MIN ? KEEP_MIN : request->limit + 1,
                        .arena = arena_new()};
    struct str directory;
    struct file_page_entry entry = {0};
    bool found = true;
    int result = 0;
    *out =
        (struct file_page){.entries = ARENA_ARRAY(arena, struct file_page_entry, request->limit)};
    if (begin_directory(&walk, &directory))
        level_push(&walk, directory);
    while (result == 0 && found && !out->more) {
        result = next_entry(&walk, &found, &entry, err);
        if (result != 0 || !found)
            break;
        assert(out->count == 0 || str_compare(out->entries[out->count - 1].key, entry.key) < 0);
        out->more = out->count == request->limit;
        if (out->more)
            break;
        entry.key = arena_str(arena, entry.key);
        if (entry.is_directory)
            entry.stat = (struct file_stat){.is_directory = true};
        out->entries[out->count++] = entry;
    }
    walk_end(&walk);
    return result;
}
