/* Warehouses: names, roots and their open storage.
 *
 * 1. The list is only ever put on at its head and entries are never freed before close, so readers
 *    walk it without a lock. Changes of it happen one at a time, under catalog->lock.
 * 2. A warehouse is in the list exactly while its row is durable: it enters after the row was
 *    written, and is marked dropped after the row is gone.
 * 3. No root of a live warehouse contains another's, and no place another's: a location belongs to
 *    one warehouse at most, and so does a file.
 * 4. A struct warehouse holds no secret; its open storage does. */
#include "catalog/warehouse.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "catalog/mutation.h"
#include "storage/file_stream.h"

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
    const struct location *beside = &catalog_default_warehouse(catalog)->place;
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

static bool overlap(const struct location *a, const struct location *b)
{
    return location_contains(a, b) || location_contains(b, a);
}

static int check_overlap(struct catalog *catalog, const struct location *location,
                         struct error *err)
{
    for (struct warehouse *at = atomic_load(&catalog->warehouses); at != NULL; at = at->next) {
        if (atomic_load(&at->dropped))
            continue;
        if (overlap(&at->root, location) || overlap(&at->place, location))
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "Location %.*s overlaps that of warehouse %.*s",
                             STR_ARG(location->text), STR_ARG(at->name));
    }
    return 0;
}

/* A name that a bucket can have, as all stores see it. */
static bool is_bucket_name(struct str name)
{
    bool is_address = true;
    if (name.len < 3 || name.len > 63 || str_contains(name, STR("..")))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_inner = c == '-' || c == '.';
        bool is_digit = c >= '0' && c <= '9';
        is_address = is_address && (is_digit || c == '.');
        if (!is_digit && !(c >= 'a' && c <= 'z') && !(is_inner && i > 0 && i + 1 < name.len))
            return false;
    }
    return !is_address;
}

/* What the locations of the warehouse's tables begin with, seen from the place of its files. */
static int choose_root(struct catalog *catalog, const struct warehouse_create *create,
                       const struct location *place, struct arena *arena, struct location *root,
                       struct error *err)
{
    *root = *place;
    if (str_equal(place->scheme, STR("file")) && place->path.len <= 1)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "A warehouse cannot be the root of the file system");
    if (check_overlap(catalog, place, err) != 0)
        return -1;
    if (create->access != WAREHOUSE_GATEWAY)
        return 0;
    if (!is_bucket_name(create->name))
        return error_set(
            err, ERR_ILLEGAL_ARGUMENT,
            "Invalid warehouse name '%.*s': with access gateway it is a bucket's: 3 to "
            "63 lower-case letters, digits, '-' and '.'",
            STR_ARG(create->name));
    if (location_parse(arena_printf(arena, "s3://%.*s", STR_ARG(create->name)), arena, root, err) !=
        0)
        return -1;
    return check_overlap(catalog, root, err);
}

/* ---- storage --------------------------------------------------------------------------------- */

static int open_storage(struct catalog *catalog, const struct location *place,
                        const struct location *root, const struct storage_options *options,
                        struct file_io **out, struct error *err)
{
    const struct storage_context context = {catalog->options.clock, catalog->options.random};
    return catalog->options.storage_open(place->text, root->text, options, &context, out, err);
}

static void copy_location(struct catalog *catalog, const struct location *from, struct location *to)
{
    struct error err;
    int result = location_parse(arena_str(catalog->arena, from->text), catalog->arena, to, &err);
    assert(result == 0 && "it was parsed before");
    (void)result;
}

/* What is known of a warehouse before it is published. */
struct draft {
    int64_t id;
    struct str name;
    struct location root, place;
    struct warehouse_options options;
    struct file_io *io;
};

/* With the lock held (or while the catalog opens). */
static struct warehouse *publish(struct catalog *catalog, const struct draft *draft)
{
    struct warehouse *warehouse = ARENA_NEW(catalog->arena, struct warehouse);
    warehouse->id = draft->id;
    warehouse->name = arena_str(catalog->arena, draft->name);
    warehouse->access = draft->options.access;
    warehouse->io = draft->io;
    copy_location(catalog, &draft->root, &warehouse->root);
    copy_location(catalog, &draft->place, &warehouse->place);
    for (size_t i = 0; i < storage_option_count; i++) {
        const struct storage_option *option = &storage_option_rows[i];
        struct str value = storage_option_get(&draft->options.storage, option);
        if (value.ptr != NULL)
            storage_option_set(&warehouse->storage, option,
                               option->is_secret ? STR("") : arena_str(catalog->arena, value));
    }
    warehouse->next = atomic_load(&catalog->warehouses);
    atomic_store(&catalog->warehouses, warehouse);
    return warehouse;
}

/* ---- create and drop ------------------------------------------------------------------------- */

/* Writes the row, then publishes. Takes draft->io over on success only. */
static int write_row(struct catalog *catalog, const struct caller *caller, struct draft *draft,
                     struct arena *arena, struct warehouse **out, struct error *err)
{
    struct str options;
    if (warehouse_options_write(catalog, draft->name, &draft->options, arena, &options, err) != 0)
        return -1;
    json_t *detail = json_object();
    json_object_set_new(detail, "location",
                        json_stringn(draft->place.text.ptr, draft->place.text.len));
    json_object_set_new(detail, "access",
                        json_string(warehouse_access_name(draft->options.access)));
    struct mutation mutation = {
        .change = {.kind = CHANGE_WAREHOUSE_CREATE,
                   .name = draft->name,
                   .location = draft->root.text,
                   .properties = options},
        .detail = catalog_json_text(detail, arena),
    };
    json_decref(detail);
    switch (mutation_apply(catalog, caller, &mutation, arena)) {
    case CHANGE_APPLIED:
        assert(mutation.change.id > 0);
        draft->id = mutation.change.id;
        *out = publish(catalog, draft);
        return 0;
    case CHANGE_EXISTS:
        return error_set(err, ERR_ALREADY_EXISTS, "Warehouse already exists: %.*s",
                         STR_ARG(draft->name));
    default:
        return mutation_error(&mutation, err);
    }
}

static int create(struct catalog *catalog, const struct caller *caller,
                  const struct warehouse_create *wanted, struct arena *arena,
                  struct warehouse **out, struct error *err)
{
    struct draft draft = {.name = wanted->name,
                          .options = {.access = wanted->access, .storage = wanted->storage}};
    struct str location = wanted->location;
    if (location.len == 0 && default_location(catalog, wanted->name, arena, &location, err) != 0)
        return -1;
    if (location_parse(location, arena, &draft.place, err) != 0 ||
        choose_root(catalog, wanted, &draft.place, arena, &draft.root, err) != 0)
        return -1;
    if (!str_equal(draft.place.text, draft.root.text))
        draft.options.place = draft.place.text;
    if (open_storage(catalog, &draft.place, &draft.root, &wanted->storage, &draft.io, err) != 0)
        return -1;
    if (warehouse_probe(catalog, wanted, draft.io, draft.root.text, err) != 0 ||
        write_row(catalog, caller, &draft, arena, out, err) != 0) {
        file_io_close(draft.io);
        return -1;
    }
    log_info("warehouse: created name=%.*s location=%.*s access=%s", STR_ARG(draft.name),
             STR_ARG(draft.place.text), warehouse_access_name(wanted->access));
    return 0;
}

int catalog_warehouse_create(struct catalog *catalog, const struct caller *caller,
                             const struct warehouse_create *wanted, struct warehouse **out,
                             struct error *err)
{
    if (check_name(wanted->name, err) != 0)
        return -1;
    struct arena *arena = arena_new();
    int result = -1;
    pthread_mutex_lock(&catalog->lock);
    if (find_name(catalog, wanted->name) != NULL)
        (void)error_set(err, ERR_ALREADY_EXISTS, "Warehouse already exists: %.*s",
                        STR_ARG(wanted->name));
    else
        result = create(catalog, caller, wanted, arena, out, err);
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

/* ---- upkeep ---------------------------------------------------------------------------------- */

int catalog_expire_uploads(struct catalog *catalog, int64_t lifetime_ms, struct error *err)
{
    int64_t before_ms = clock_now_ms(catalog->options.clock) - lifetime_ms;
    int result = 0;
    for (struct warehouse *at = atomic_load(&catalog->warehouses); at != NULL; at = at->next)
        if (!atomic_load(&at->dropped) && at->access == WAREHOUSE_GATEWAY &&
            file_io_uploads_expire(at->io, before_ms, err) != 0)
            result = -1;
    return result;
}

/* ---- open and close -------------------------------------------------------------------------- */

/* The options in force: the row's, or for the default warehouse those that the program was started
 * with. */
static int options_in_force(struct catalog *catalog, const struct warehouse_row *row,
                            struct arena *arena, struct warehouse_options *out, struct error *err)
{
    const struct catalog_options *given = &catalog->options;
    if (warehouse_options_read(catalog, row->name, row->options, arena, out, err) != 0)
        return -1;
    if (!given->default_warehouse_storage_given || !str_equal(row->name, given->default_warehouse))
        return 0;
    if ((out->access == WAREHOUSE_GATEWAY) !=
        (given->default_warehouse_access == WAREHOUSE_GATEWAY))
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Warehouse %.*s was made with access %s: its tables' locations do not "
                         "allow %s",
                         STR_ARG(row->name), warehouse_access_name(out->access),
                         warehouse_access_name(given->default_warehouse_access));
    out->access = given->default_warehouse_access;
    out->storage = given->default_warehouse_storage;
    return 0;
}

static int load_row(struct catalog *catalog, const struct warehouse_row *row, struct arena *arena,
                    struct error *err)
{
    struct draft draft = {.id = row->id, .name = row->name};
    if (location_parse(row->location, arena, &draft.root, err) != 0 ||
        options_in_force(catalog, row, arena, &draft.options, err) != 0)
        return -1;
    draft.place = draft.root;
    if (draft.options.place.ptr != NULL &&
        location_parse(draft.options.place, arena, &draft.place, err) != 0)
        return -1;
    if (open_storage(catalog, &draft.place, &draft.root, &draft.options.storage, &draft.io, err) !=
        0)
        return -1;
    publish(catalog, &draft);
    return 0;
}

static int load(struct catalog *catalog, struct arena *arena, struct error *err)
{
    struct warehouse_row *rows;
    size_t count;
    if (metastore_warehouse_list(catalog->options.metastore, arena, &rows, &count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (load_row(catalog, &rows[i], arena, err) != 0) {
            log_error("warehouse: cannot be opened: name=%.*s location=%.*s", STR_ARG(rows[i].name),
                      STR_ARG(rows[i].location));
            return -1;
        }
    return 0;
}

int warehouses_load(struct catalog *catalog, struct error *err)
{
    static const struct caller ITSELF = {
        .principal = {"firn", 4}, .client = {"firn", 4}, .operation = "createWarehouse"};
    const struct catalog_options *options = &catalog->options;
    const struct warehouse_create wanted = {
        .name = options->default_warehouse,
        .location = options->default_warehouse_location,
        .access = options->default_warehouse_access,
        .storage = options->default_warehouse_storage,
        .skip_scope_check = options->default_warehouse_skip_scope_check,
    };
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
    return catalog_warehouse_create(catalog, &ITSELF, &wanted, &catalog->default_warehouse, err);
}

void warehouses_close(struct catalog *catalog)
{
    for (struct warehouse *at = atomic_load(&catalog->warehouses); at != NULL; at = at->next)
        file_io_close(at->io);
    atomic_store(&catalog->warehouses, NULL);
    catalog->default_warehouse = NULL;
}
