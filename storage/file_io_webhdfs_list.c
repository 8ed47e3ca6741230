/* HDFS: what is in directories, by batches. The rules are in file_io_webhdfs_private.h.
 *
 * A namenode sorts names by their bytes as signed numbers: those that begin with a byte over 0x7F
 * come first. So a name of ASCII bytes only is smaller than all that follow it, and that is all
 * that key_walk needs; but no batch can begin in the middle of a page's order. */
#include "storage/file_io_webhdfs_private.h"

/* ---- batches --------------------------------------------------------------------------------- */

struct batch {
    json_t *json;
    const json_t *entries;
    bool more;
};

static int next_batch(struct file_io_webhdfs *io, const struct hdfs_path *directory,
                      struct str after, struct batch *out, struct error *err)
{
    struct arena *arena = arena_new();
    struct hdfs_reply reply;
    struct hdfs_op op = {"GET", directory, STR("op=LISTSTATUS_BATCH"), "list", true};
    if (after.len > 0)
        op.query = arena_printf(arena, "%.*s&startAfter=%.*s", STR_ARG(op.query),
                                STR_ARG(webhdfs_encode(arena, after, false)));
    *out = (struct batch){0};
    int result = webhdfs_call(io, &op, arena, &reply, err);
    if (result == 0) {
        const json_t *listing = json_object_get(reply.json, "DirectoryListing");
        const json_t *partial = json_object_get(listing, "partialListing");
        *out = (struct batch){
            .json = reply.json,
            .entries = json_object_get(json_object_get(partial, "FileStatuses"), "FileStatus"),
            .more = json_integer_value(json_object_get(listing, "remainingEntries")) > 0,
        };
        if (!json_is_array(out->entries))
            result = webhdfs_broken(err, "list", directory, "no FileStatuses");
    } else if (err->kind == ERR_FILE_NOT_FOUND || reply.below_file) {
        result = 0;
    }
    arena_free(arena);
    return result;
}

/* Has the name a location? Others cannot be asked for. */
static bool is_valid_name(struct str name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-=";
    bool easy = name.len > 0;
    for (size_t i = 0; i < name.len; i++)
        easy = easy && name.ptr[i] != '\0' &&
               (strchr(plain, name.ptr[i]) != NULL || (name.ptr[i] == '.' && i > 0));
    if (easy || name.len == 0)
        return easy;
    struct arena *arena = arena_new();
    struct location location;
    struct error invalid;
    bool valid = !str_contains(name, STR("/")) &&
                 location_parse_file(arena_printf(arena, "/%.*s", STR_ARG(name)), arena, &location,
                                     &invalid) == 0;
    arena_free(arena);
    return valid;
}

/* Tells the batch's names. Returns false when no more are wanted; *last is the last name. */
static bool tell(const struct batch *batch, key_name_fn *fn, void *fn_arg, struct str *last)
{
    for (size_t i = 0; i < json_array_size(batch->entries); i++) {
        const json_t *entry = json_array_get(batch->entries, i);
        const json_t *suffix = json_object_get(entry, "pathSuffix");
        struct str name = str_from(json_string_value(suffix), json_string_length(suffix));
        struct file_stat stat;
        *last = name;
        if (!is_valid_name(name) || !webhdfs_stat_of(entry, &stat))
            continue; /* without a name: the directory is a file */
        const struct key_name told = {name, stat.is_directory, &stat};
        if (!fn(fn_arg, &told))
            return false;
    }
    return true;
}

int webhdfs_names(struct file_io_webhdfs *io, const struct hdfs_path *directory, key_name_fn *fn,
                  void *fn_arg, struct error *err)
{
    struct batch batch = {.more = true};
    struct arena *arena = arena_new(); /* of the last batch's last name */
    struct str after = STR_NONE;
    int result = 0;
    while (result == 0 && batch.more) {
        struct str last = STR_NONE;
        result = next_batch(io, directory, after, &batch, err);
        if (result == 0 && !tell(&batch, fn, fn_arg, &last))
            batch.more = false;
        if (last.len == 0)
            batch.more = false;
        arena_reset(arena);
        after = arena_str(arena, last);
        json_decref(batch.json);
    }
    arena_free(arena);
    return result;
}

/* ---- pages ----------------------------------------------------------------------------------- */

struct paging {
    struct file_io_webhdfs *io;
    struct str directory;
    key_name_fn *fn;
    void *fn_arg;
};

static bool show(void *arg, const struct key_name *name)
{
    const struct paging *paging = arg;
    if (paging->directory.len == 0 && str_equal(name->name, STR(HDFS_UPLOADS)))
        return true;
    return paging->fn(paging->fn_arg, name);
}

static int names_of(void *arg, struct str directory, const struct key_range *range, key_name_fn *fn,
                    void *fn_arg, struct error *err)
{
    struct file_io_webhdfs *io = arg;
    struct arena *arena = arena_new();
    struct str whole = str_from(directory.ptr, directory.len > 0 ? directory.len - 1 : 0);
    struct hdfs_path path = {io->root.text, io->root.path, false};
    struct paging paging = {io, directory, fn, fn_arg};
    (void)range;
    if (whole.len > 0)
        path.path = arena_printf(arena, "%.*s/%.*s", STR_ARG(io->root.path), STR_ARG(whole));
    else if (path.path.len == 0)
        path.path = STR("/");
    int result = 0;
    if (!str_equal(whole, STR(HDFS_UPLOADS)) && !str_starts_with(whole, STR(HDFS_UPLOADS "/")) &&
        !str_contains(whole, STR(":"))) /* a prefix that somebody gave */
        result = webhdfs_names(io, &path, show, &paging, err);
    arena_free(arena);
    return result;
}

int webhdfs_page(struct file_io *base, const struct file_page_request *request, struct arena *arena,
                 struct file_page *out, struct error *err)
{
    const struct key_source source = {.names = names_of, .sorted = true, .arg = webhdfs_of(base)};
    return key_walk_page(&source, request, arena, out, err);
}

/* ---- all below a directory ------------------------------------------------------------------- */

struct pending { /* a directory still to be listed: its key, "" or ending in '/' */
    struct str directory;
    struct pending *next;
};

struct listing {
    struct file_io_webhdfs *io;
    struct arena *arena;
    struct pending *pending;
    struct str directory;
    file_io_list_fn *fn;
    void *arg;
    bool ended;
};

static bool list_name(void *arg, const struct key_name *name)
{
    struct listing *listing = arg;
    if (name->is_directory) {
        struct pending *child = ARENA_NEW(listing->arena, struct pending);
        child->directory = arena_printf(listing->arena, "%.*s%.*s/", STR_ARG(listing->directory),
                                        STR_ARG(name->name));
        child->next = listing->pending;
        listing->pending = child;
        return true;
    }
    struct arena *arena = arena_new();
    struct location location;
    struct error invalid;
    struct str text = arena_printf(arena, "%.*s/%.*s%.*s", STR_ARG(listing->io->root.text),
                                   STR_ARG(listing->directory), STR_ARG(name->name));
    if (location_parse_file(text, arena, &location, &invalid) == 0) {
        const struct file_entry entry = {location.text, name->stat->bytes, name->stat->modified_ms};
        listing->ended = !listing->fn(listing->arg, &entry);
    }
    arena_free(arena);
    return !listing->ended;
}

int webhdfs_list(struct file_io *base, struct str directory, file_io_list_fn *fn, void *arg,
                 struct error *err)
{
    struct file_io_webhdfs *io = webhdfs_of(base);
    struct arena *arena = arena_new();
    struct hdfs_path path;
    struct pending first = {STR_NONE, NULL};
    struct listing listing = {.io = io, .arena = arena, .pending = &first, .fn = fn, .arg = arg};
    int result = webhdfs_path_parse(io, directory, arena, &path, err);
    if (result == 0 && !path.is_root)
        first.directory =
            arena_printf(arena, "%.*s/", STR_ARG(str_skip(path.location, io->root.text.len + 1)));
    while (result == 0 && !listing.ended && listing.pending != NULL) {
        listing.directory = listing.pending->directory;
        listing.pending = listing.pending->next;
        result = names_of(io, listing.directory, NULL, list_name, &listing, err);
    }
    arena_free(arena);
    return result;
}
