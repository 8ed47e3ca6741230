/* Proving a place by using it, before a warehouse is made of it.
 *
 * 1. What is written here lies in files of fresh names that begin with firn-probe-, and is removed
 *    again, whatever came out.
 * 2. Keys count as confined only after the store refused them (ERR_STORAGE_REFUSED) what lies
 * outside of their scope, for writing and for reading. */
#include "catalog/catalog_private.h"
#include "storage/access.h"

#include <assert.h>

#define LISTED_MAX 10000 /* a large place is not listed to its end */

struct probe {
    struct catalog *catalog;
    const struct warehouse_create *create;
    struct file_io *io;
    struct str root;
    struct arena *arena;
};

static struct str fresh_location(const struct probe *probe, const char *below)
{
    char uuid[UUID_TEXT_BYTES];
    random_uuid4(probe->catalog->options.random, uuid);
    return location_join(probe->arena, probe->root,
                         arena_printf(probe->arena, "firn-probe-%s%s", uuid, below));
}

/* ---- the catalog's own access ---------------------------------------------------------------- */

static int read_back(struct file_io *io, struct str location, struct str body, struct error *err)
{
    struct buf back = BUF_INIT(4096);
    int result = file_io_read(io, location, back.bytes_max, &back, err);
    if (result == 0 && !str_equal(buf_str(&back), body))
        result = error_set(err, ERR_UNAVAILABLE, "Storage gave back other bytes than written: %.*s",
                           STR_ARG(location));
    buf_free(&back);
    return result;
}

struct search {
    struct str location;
    size_t count;
    bool found;
};

static bool on_entry(void *arg, const struct file_entry *entry)
{
    struct search *search = arg;
    search->found = search->found || str_equal(entry->location, search->location);
    return !search->found && ++search->count < LISTED_MAX;
}

static int find_in_list(const struct probe *probe, struct str location, struct error *err)
{
    struct search search = {.location = location};
    if (file_io_list(probe->io, probe->root, on_entry, &search, err) != 0)
        return -1;
    if (search.found || search.count >= LISTED_MAX)
        return 0;
    return error_set(err, ERR_UNAVAILABLE, "Storage does not list what was written: %.*s",
                     STR_ARG(location));
}

static int probe_file(const struct probe *probe, struct error *err)
{
    struct str location = fresh_location(probe, "");
    struct error of_remove = {0}; /* the first error is the one to tell */
    if (file_io_write_new(probe->io, location, location, err) != 0)
        return -1;
    int result = read_back(probe->io, location, location, err);
    if (result == 0)
        result = find_in_list(probe, location, err);
    int removed = file_io_remove(probe->io, location, result == 0 ? err : &of_remove);
    return result == 0 ? removed : result;
}

/* ---- the keys of clients --------------------------------------------------------------------- */

static int open_with(const struct probe *probe, const struct file_keys *keys, struct file_io **out,
                     struct error *err)
{
    const struct catalog_options *options = &probe->catalog->options;
    const struct storage_context context = {options->clock, options->random};
    struct storage_options storage = probe->create->storage;
    storage.credentials = STR("static");
    storage.profile = storage.role_arn = storage.external_id = STR_NONE;
    storage.access_key_id = keys->access_key_id;
    storage.secret_access_key = keys->secret_access_key;
    storage.session_token = keys->session_token;
    return options->storage_open(probe->root, probe->root, &storage, &context, out, err);
}

/* Did the store refuse? Anything but a refusal fails the probe. */
static int must_be_refused(int result, const char *what, struct error *err)
{
    if (result != 0 && (err->kind == ERR_STORAGE_REFUSED || err->kind == ERR_FORBIDDEN)) {
        error_clear(err);
        return 0;
    }
    if (result != 0)
        return -1;
    return error_set(err, ERR_ILLEGAL_ARGUMENT,
                     "The store does not confine keys: those for one directory could %s another "
                     "(skip-scope-check makes the warehouse all the same)",
                     what);
}

static int probe_outside(const struct probe *probe, struct file_io *confined, struct error *err)
{
    struct buf back = BUF_INIT(4096);
    struct error ignored;
    struct str foreign = fresh_location(probe, "/foreign"), mine = fresh_location(probe, "/mine");
    if (file_io_write_new(probe->io, foreign, foreign, err) != 0)
        return -1;
    int result =
        must_be_refused(file_io_read(confined, foreign, back.bytes_max, &back, err), "read", err);
    if (result == 0)
        result = must_be_refused(file_io_write_new(confined, mine, mine, err), "write", err);
    (void)!file_io_remove(probe->io, foreign, &ignored);
    (void)!file_io_remove(probe->io, mine, &ignored);
    buf_free(&back);
    return result;
}

static int probe_inside(const struct probe *probe, struct file_io *confined, struct str directory,
                        struct error *err)
{
    struct error ignored;
    struct str location = location_join(probe->arena, directory, STR("file"));
    int result = file_io_write_new(confined, location, location, err);
    if (result == 0)
        result = read_back(confined, location, location, err);
    (void)!file_io_remove(probe->io, location, &ignored);
    return result;
}

static int probe_keys(const struct probe *probe, struct error *err)
{
    struct str directory = fresh_location(probe, "");
    const struct file_scope scope = {.locations = &directory,
                                     .location_count = 1,
                                     .write = true,
                                     .session_name = STR("firn-probe")};
    struct file_keys keys;
    struct file_io *confined;
    if (file_io_vend(probe->io, &scope, 3600000, probe->arena, &keys, err) != 0 ||
        open_with(probe, &keys, &confined, err) != 0)
        return -1;
    int result = probe_inside(probe, confined, directory, err);
    if (result == 0 && !probe->create->skip_scope_check)
        result = probe_outside(probe, confined, err);
    file_io_close(confined);
    return result;
}

/* The names in a message begin with the bucket that clients see: where that is must be told, too.
 */
static void tell_place(const struct probe *probe, struct error *err)
{
    struct str message = arena_printf(probe->arena, "%s", err->message);
    struct str detail = arena_printf(probe->arena, "%s", err->detail);
    error_set(err, err->kind, "%.*s; the warehouse's place is %.*s", STR_ARG(message),
              STR_ARG(probe->create->location));
    error_detail(err, "%.*s", STR_ARG(detail));
}

int warehouse_probe(struct catalog *catalog, const struct warehouse_create *create,
                    struct file_io *io, struct str root, struct error *err)
{
    struct probe probe = {catalog, create, io, root, arena_new()};
    int result = 0;
    if (create->access == WAREHOUSE_VEND && !file_io_can_vend(io))
        result = error_set(err, ERR_ILLEGAL_ARGUMENT, "Storage at %.*s has no keys to vend",
                           STR_ARG(root));
    else if (create->access == WAREHOUSE_SIGN && !file_io_can_sign(io))
        result = error_set(err, ERR_ILLEGAL_ARGUMENT, "Storage at %.*s has no requests to sign",
                           STR_ARG(root));
    if (result == 0)
        result = probe_file(&probe, err);
    if (result == 0 && create->access == WAREHOUSE_VEND)
        result = probe_keys(&probe, err);
    if (result != 0 && create->access == WAREHOUSE_GATEWAY && create->location.len > 0)
        tell_place(&probe, err);
    arena_free(probe.arena);
    if (result != 0 && (err->kind == ERR_FILE_NOT_FOUND || err->kind == ERR_UNSUPPORTED))
        err->kind = ERR_ILLEGAL_ARGUMENT; /* it is what was asked for that is wrong */
    return result;
}
