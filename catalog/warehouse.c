/* Warehouses: names, roots and their open storage.
 *
 * 1. The list is only ever put on at its head and entries are never freed before close, so readers
 *    walk it without a lock. Changes of it happen one at a time, under catalog->lock.
 * 2. A warehouse is in the list exactly while its row is durable: it enters after the row was
 *    written, and is marked dropped after the row is gone.
 * 3. No root of a live warehouse contains another's: a location belongs to one warehouse at most.
 */
#include "catalog/warehouse.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "catalog/mutation.h"

#define WAREHOUSE_NAME_BYTES_MAX 128

/* ---- reading --------------------------------------------------------------------------------- */

static struct warehouse *find_name(struct catalog *catalog, struct str name)
{
    struct warehouse *at = atomic_load(&catalog->warehouses);
    while (at != NULL && (atomic_load(&at->dropped) || !str_equal(at->name, name)))
        at = at->next;
    return at;
}

struct warehouse *catalog_default_warehouse(struct catalog *catalog)
{
    assert(catalog->default_warehouse != NULL);
    return catalog->default_warehouse;
}

int catalog_warehouse_find(struct catalog *catalog, struct str name, struct warehouse **out,
                           struct error *err)
{
    *out = name.len == 0 ? catalog_default_warehouse(catalog) : find_name(catalog, name);
    if (*out == NULL)
        return error_set(err, ERR_NO_SUCH_WAREHOUSE, "Warehouse does not exist: %.*s",
                         STR_ARG(name));
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return str_compare((*(struct warehouse *const *)a)->name,
                       (*(struct warehouse *const *)b)->name);
}

int catalog_warehouse_list(struct catalog *catalog, struct arena *arena, struct warehouse ***out,
                           size_t *count, struct error *err)
{
    struct warehouse *first = atomic_load(&catalog->warehouses);
    size_t capacity = 0;
    (void)err; /* all are in memory */
    for (struct warehouse *at = first; at != NULL; at = at->next)
        capacity++;
    *out = ARENA_ARRAY(arena, struct warehouse *, capacity);
    *count = 0;
    for (struct warehouse *at = first; at != NULL; at = at->next)
        if (!atomic_load(&at->dropped))
            (*out)[(*count)++] = at;
    if (*count > 1)
        qsort(*out, *count, sizeof(**out), compare_names);
    return 0;
}

/* ---- rules ----------------------------------------------------------------------------------- */

/* A name is the first segment after /v1: words that mean something else there are taken. */
static const char *const RESERVED[] = {"namespaces", "tables", "views", "transactions",
                                       "config",     "oauth",  "aws",   "management"};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_-.", c) != NULL);
}

/* The reason to refuse the name, or NULL. */
static const char *bad_name(struct str name)
{
    if (name.len == 0 || name.len > WAREHOUSE_NAME_BYTES_MAX)
        return "it must have 1 to 128 characters";
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_char(name.ptr[i]))
            return "only letters, digits, '_', '-' and '.' are allowed";
    if (name.ptr[0] == '.')
        return "it must not begin with a dot";
    for (size_t i = 0; i < sizeof(RESERVED) / sizeof(RESERVED[0]); i++)
        if (str_equal_ignore_case(name, str_cstr(RESERVED[i])))
            return "the word is reserved";
    return NULL;
}

/* A name that is refused may be anything: shown is its beginning, if it is text at all. */
static int check_name(struct str name, struct error *err)
{
    const char *why = bad_name(name);
    if (why == NULL)
        return 0;
    struct str shown = str_is_utf8(name) ? str_utf8_cut(name, WAREHOUSE_NAME_BYTES_MAX) : STR("?");
    return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid warehouse name '%.*s': %s", STR_ARG(shown),
                     why);
}

/* A directory of that name beside the default warehouse's. */
static int default_location(struct catalog *catalog, struct str name, struct arena *arena,
                            struct str *out, struct error *err)
{
    const struct location *beside = &catalog_default_warehouse(catalog)->root;
    struct str path = beside->path;
    while (path.len > 0 && path.ptr[path.len - 1] != '/')
        path.len--;
    if (beside->path.len <= 1) /* the default warehouse is a whole bucket: nothing is beside it */
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Warehouse %.*s needs a location",
                         STR_ARG(name));
    size_t above = beside->text.len - beside->path.len + path.len;
    *out = arena_printf(arena, "%.*s%.*s", (int)above, beside->text.ptr,
                        STR_ARG(location_segment(arena, name)));
    return 0;
}

static int check_root(struct catalog *catalog, const struct location *root, struct error *err)
{
    if (str_equal(root->scheme, STR("file")) && root->path.len <= 1)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "A warehouse cannot be the root of the file system");
    for (struct warehouse *at = atomic_load(&catalog->warehouses); at != NULL; at = at->next) {
        if (atomic_load(&at->dropped))
            continue;
        if (location_contains(&at->root, root) || location_contains(root, &at->root))
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "Location %.*s overlaps that of warehouse %.*s", STR_ARG(root->text),
                             STR_ARG(at->name));
    }
    return 0;
}

/* ---- storage --------------------------------------------------------------------------------- */

static int open_storage(struct catalog *catalog, struct str root, struct file_io **out,
                        struct error *err)
{
    const struct storage_options none = {0};
    const struct storage_context context = {catalog->options.clock, catalog->options.random};
    return catalog->options.storage_open(root, &none, &context, out, err);
}

static int probe_file(struct file_io *io, struct str location, struct str body, struct error *err)
{
    struct buf back = BUF_INIT(4096);
    if (file_io_write_new(io, location, body, err) != 0)
        return -1;
    int result = file_io_read(io, location, back.bytes_max, &back, err);
    if (result == 0 && !str_equal(buf_str(&back), body))
        result = error_set(err, ERR_UNAVAILABLE, "Storage gave back other bytes than written: %.*s",
                           STR_ARG(location));
    buf_free(&back);
    struct error of_remove = {0}; /* the first error is the one to tell */
    int removed = file_io_remove(io, location, result == 0 ? err : &of_remove);
    return result == 0 ? removed : result;
}

/* Proves that files can be written, read and removed there. */
static int probe(struct catalog *catalog, struct file_io *io, const struct location *root,
                 struct error *err)
{
    char uuid[UUID_TEXT_BYTES];
    random_uuid4(catalog->options.random, uuid);
    struct arena *arena = arena_new();
    struct str name = arena_printf(arena, "firn-probe-%s", uuid);
    struct str location = location_join(arena, root->text, name);
    int result = probe_file(io, location, name, err);
    arena_free(arena);
    return result;
}

/* With the lock held (or while the catalog opens). */
static struct warehouse *publish(struct catalog *catalog, int64_t id, struct str name,
                                 struct str root, struct file_io *io)
{
    struct error err;
    struct warehouse *warehouse = ARENA_NEW(catalog->arena, struct warehouse);
    warehouse->id = id;
    warehouse->name = arena_str(catalog->arena, name);
    warehouse->io = io;
    int result =
        location_parse(arena_str(catalog->arena, root), catalog->arena, &warehouse->root, &err);
    assert(result == 0 && "the root was parsed before");
    (void)result;
    warehouse->next = atomic_load(&catalog->warehouses);
    atomic_store(&catalog->warehouses, warehouse);
    return warehouse;
}

/* ---- create and drop ------------------------------------------------------------------------- */

/* Writes the row, then publishes. Takes `io` over on success only. */
static int write_row(struct catalog *catalog, const struct caller *caller, struct str name,
                     const struct location *root, struct file_io *io, struct arena *arena,
                     struct warehouse **out, struct error *err)
{
    json_t *detail = json_object();
    json_object_set_new(detail, "location", json_stringn(root->text.ptr, root->text.len));
    struct mutation mutation = {
        .change = {.kind = CHANGE_WAREHOUSE_CREATE,
                   .name = name,
                   .location = root->text,
                   .properties = STR("{}")},
        .detail = catalog_json_text(detail, arena),
    };
    json_decref(detail);
    switch (mutation_apply(catalog, caller, &mutation, arena)) {
    case CHANGE_APPLIED:
        assert(mutation.change.id > 0);
        *out = publish(catalog, mutation.change.id, name, root->text, io);
        return 0;
    case CHANGE_EXISTS:
        return error_set(err, ERR_ALREADY_EXISTS, "Warehouse already exists: %.*s", STR_ARG(name));
    default:
        return mutation_error(&mutation, err);
    }
}

static int create(struct catalog *catalog, const struct caller *caller, struct str name,
                  struct str location, struct arena *arena, struct warehouse **out,
                  struct error *err)
{
    struct location root;
    struct file_io *io;
    if (location.len == 0 && default_location(catalog, name, arena, &location, err) != 0)
        return -1;
    if (location_parse(location, arena, &root, err) != 0 || check_root(catalog, &root, err) != 0)
        return -1;
    if (open_storage(catalog, root.text, &io, err) != 0)
        return -1;
    if (probe(catalog, io, &root, err) != 0 ||
        write_row(catalog, caller, name, &root, io, arena, out, err) != 0) {
        file_io_close(io);
        return -1;
    }
    log_info("warehouse: created name=%.*s location=%.*s", STR_ARG(name), STR_ARG(root.text));
    return 0;
}

int catalog_warehouse_create(struct catalog *catalog, const struct caller *caller, struct str name,
                             struct str location, struct warehouse **out, struct error *err)
{
    if (check_name(name, err) != 0)
        return -1;
    struct arena *arena = arena_new();
    int result = -1;
    pthread_mutex_lock(&catalog->lock);
    if (find_name(catalog, name) != NULL)
        (void)error_set(err, ERR_ALREADY_EXISTS, "Warehouse already exists: %.*s", STR_ARG(name));
    else
        result = create(catalog, caller, name, location, arena, out, err);
    pthread_mutex_unlock(&catalog->lock);
    arena_free(arena);
    return result;
}

static int drop(struct catalog *catalog, const struct caller *caller, struct str name,
                struct arena *arena, struct error *err)
{
    struct warehouse *warehouse;
    if (catalog_warehouse_find(catalog, name, &warehouse, err) != 0)
        return -1;
    if (warehouse == catalog->default_warehouse)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "The default warehouse cannot be dropped: %.*s",
                         STR_ARG(warehouse->name));
    struct mutation mutation = {
        .change = {.kind = CHANGE_WAREHOUSE_DROP, .warehouse_id = warehouse->id, .name = name}};
    switch (mutation_apply(catalog, caller, &mutation, arena)) {
    case CHANGE_MISSING:
        (void)error_set(err, ERR_NO_SUCH_WAREHOUSE, "Warehouse does not exist: %.*s",
                        STR_ARG(name));
        atomic_store(&warehouse->dropped, true);
        return -1;
    case CHANGE_APPLIED:
        atomic_store(&warehouse->dropped, true);
        log_info("warehouse: dropped name=%.*s", STR_ARG(name));
        return 0;
    case CHANGE_NOT_EMPTY:
        return error_set(err, ERR_NAMESPACE_NOT_EMPTY, "Warehouse %.*s is not empty",
                         STR_ARG(name));
    default:
        return mutation_error(&mutation, err);
    }
}

int catalog_warehouse_drop(struct catalog *catalog, const struct caller *caller, struct str name,
                           struct error *err)
{
    struct arena *arena = arena_new();
    pthread_mutex_lock(&catalog->lock);
    int result = drop(catalog, caller, name, arena, err);
    pthread_mutex_unlock(&catalog->lock);
    arena_free(arena);
    return result;
}

/* ---- open and close -------------------------------------------------------------------------- */

static int load(struct catalog *catalog, struct arena *arena, struct error *err)
{
    struct warehouse_row *rows;
    size_t count;
    if (metastore_warehouse_list(catalog->options.metastore, arena, &rows, &count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct location root;
        struct file_io *io;
        if (location_parse(rows[i].location, arena, &root, err) != 0 ||
            open_storage(catalog, root.text, &io, err) != 0) {
            log_error("warehouse: cannot be opened: name=%.*s location=%.*s", STR_ARG(rows[i].name),
                      STR_ARG(rows[i].location));
            return -1;
        }
        publish(catalog, rows[i].id, rows[i].name, root.text, io);
    }
    return 0;
}

int warehouses_load(struct catalog *catalog, struct error *err)
{
    static const struct caller ITSELF = {
        .principal = {"firn", 4}, .client = {"firn", 4}, .operation = "createWarehouse"};
    const struct catalog_options *options = &catalog->options;
    struct arena *arena = arena_new();
    int result = load(catalog, arena, err);
    arena_free(arena);
    if (result != 0)
        return -1;
    catalog->default_warehouse = find_name(catalog, options->default_warehouse);
    if (catalog->default_warehouse != NULL)
        return 0;
    if (options->default_warehouse_location.len == 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "The default warehouse %.*s needs a location",
                         STR_ARG(options->default_warehouse));
    return catalog_warehouse_create(catalog, &ITSELF, options->default_warehouse,
                                    options->default_warehouse_location,
                                    &catalog->default_warehouse, err);
}

void warehouses_close(struct catalog *catalog)
{
    for (struct warehouse *at = atomic_load(&catalog->warehouses); at != NULL; at = at->next)
        file_io_close(at->io);
    atomic_store(&catalog->warehouses, NULL);
    catalog->default_warehouse = NULL;
}
