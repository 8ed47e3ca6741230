/* Tables: loading, creating, registering. Commits are in commit*.c, names in table_names.c.
 *
 * Always holds: a row is read before its file, files never change, so what a load returns was true
 * at one moment after the load began. */
#include "catalog/tables.h"

#include "catalog/metadata_file.h"
#include "catalog/orphans.h"
#include "catalog/object_location.h"
#include "catalog/objects_private.h"

#include "base/failpoint.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"

#include <assert.h>

/* ---- loading --------------------------------------------------------------------------------- */

struct object_key object_key_of(const struct warehouse *warehouse, const struct identifier *ident,
                                struct arena *arena)
{
    return (struct object_key){warehouse->id, namespace_key(&ident->ns, arena), ident->name};
}

static int read_version(struct warehouse *warehouse, const struct object_row *row,
                        struct object_version **out, struct error *err)
{
    struct buf text = BUF_INIT(METADATA_FILE_BYTES_MAX);
    int rc = metadata_file_read(warehouse->io, row->metadata_location, &text, err);

    if (rc == 0) {
        rc = object_version_parse(buf_str(&text), row, out, err);
    }
    buf_free(&text);
    return rc;
}

static bool is_of_row(const struct object_version *version, const struct object_row *row)
{
    return version->row.id == row->id && version->row.version == row->version &&
           str_equal(version->row.metadata_location, row->metadata_location);
}

int table_from_row(struct catalog *catalog, struct warehouse *warehouse,
                   const struct object_key *key, const struct object_row *row, uint64_t epoch,
                   struct object_version **out, struct error *err)
{
    struct object_version *version = object_cache_get(catalog->cache, key);

    if (version != NULL && is_of_row(version, row)) {
        *out = version;
        return 0;
    }
    object_version_unref(version);
    metric_add(METRIC_CACHE_MISSES, 1);
    if (read_version(warehouse, row, out, err) != 0) {
        if (err->kind != ERR_FILE_NOT_FOUND && err->kind != ERR_UNAVAILABLE) {
            struct error why = *err;
            error_set(err, ERR_INTERNAL, "The metadata file is not readable: %.*s",
                      STR_ARG(row->metadata_location));
            error_detail(err, "%.400s", why.message);
        }
        return -1;
    }
    object_cache_insert(catalog->cache, key, *out, epoch);
    return 0;
}

/* Answers of memory outlive a file that somebody took away; who wants to know pays a look. */
static int verify_file(struct catalog *catalog, struct warehouse *warehouse,
                       const struct object_version *version, struct error *err)
{
    bool exists = true;

    if (!catalog->options.verify_metadata_file) {
        return 0;
    }
    if (file_io_exists(warehouse->io, version->row.metadata_location, &exists, err) != 0) {
        return -1;
    }
    if (!exists) {
        return error_set(err, ERR_FILE_NOT_FOUND, "Failed to open input stream for file: %.*s",
                         STR_ARG(version->row.metadata_location));
    }
    return 0;
}

struct object_version *catalog_table_cached(struct catalog *catalog, struct warehouse *warehouse,
                                            const struct identifier *ident)
{
    struct arena *arena = NULL;
    struct object_key key = {warehouse->id, STR_NONE, ident->name};
    struct error err;

    if (ident->ns.level_count == 1) {
        key.namespace_key = ident->ns.levels[0]; /* the common case needs no memory */
    } else {
        arena = arena_new();
        key = object_key_of(warehouse, ident, arena);
    }
    struct object_version *version = object_cache_get(catalog->cache, &key);
    if (arena != NULL) {
        arena_free(arena);
    }
    if (version != NULL && verify_file(catalog, warehouse, version, &err) != 0) {
        object_version_unref(version);
        return NULL;
    }
    if (version != NULL) {
        metric_add(METRIC_CACHE_HITS, 1);
    }
    return version;
}

int catalog_table_load(struct catalog *catalog, struct warehouse *warehouse,
                       const struct identifier *ident, struct object_version **out,
                       struct error *err)
{
    struct object_row row;
    struct arena *arena = arena_new();
    struct object_key key = object_key_of(warehouse, ident, arena);
    uint64_t epoch = object_cache_epoch(catalog->cache, &key);
    int rc = catalog_table_row(catalog, warehouse, ident, arena, &row, err);

    if (rc == 0) {
        rc = table_from_row(catalog, warehouse, &key, &row, epoch, out, err);
    }
    if (rc == 0 && verify_file(catalog, warehouse, *out, err) != 0) {
        object_version_unref(*out);
        rc = -1;
    }
    arena_free(arena);
    return rc;
}

int catalog_table_load_at(struct catalog *catalog, struct warehouse *warehouse,
                          struct str metadata_location, struct object_version **out,
                          struct error *err)
{
    struct object_row row = {
        .kind = OBJECT_TABLE,
        .warehouse_id = warehouse->id,
        .metadata_location = metadata_location,
    };

    (void)catalog;
    return read_version(warehouse, &row, out, err);
}

/* ---- new names ------------------------------------------------------------------------------- */

/* A create or register on its way. */
struct new_table {
    struct catalog *catalog;
    struct warehouse *warehouse;
    const struct caller *caller;
    const struct identifier *ident;
    struct arena *arena;
    struct object_version *version;
    struct object_row existing; /* id 0: the name is free */
};

static int name_taken(const struct new_table *new, enum object_kind kind, struct error *err)
{
    struct str name = identifier_display(new->ident, new->arena);

    return error_set(err, ERR_ALREADY_EXISTS,
                     kind == OBJECT_TABLE ? "Table already exists: %.*s"
                                          : "View with same name already exists: %.*s",
                     STR_ARG(name));
}

/* The order of rest.md 3.3: namespace, table, view. */
static int check_name(struct new_table *new, bool overwrite, struct error *err)
{
    bool found = false;

    if (catalog_namespace_must_exist(new->catalog, new->warehouse, &new->ident->ns, err) != 0 ||
        catalog_object_find(new->catalog, new->warehouse, new->ident, new->arena, &new->existing,
                            &found, err) != 0) {
        return -1;
    }
    if (!found) {
        new->existing.id = 0;
        return 0;
    }
    if (overwrite && new->existing.kind == OBJECT_TABLE) {
        return 0;
    }
    return name_taken(new, new->existing.kind, err);
}

static int outcome_error(struct new_table *new, const struct change_set *set, struct error *err)
{
    struct str ns = namespace_display(&new->ident->ns, new->arena);

    switch (set->outcome) {
    case CHANGE_EXISTS:
        return name_taken(new, OBJECT_TABLE, err);
    case CHANGE_EXISTS_OTHER_KIND:
        return name_taken(new, OBJECT_VIEW, err);
    case CHANGE_NAMESPACE_MISSING:
        return error_set(err, ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: %.*s", STR_ARG(ns));
    case CHANGE_LOCATION_TAKEN:
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Table location overlaps another table's: %.*s",
                         STR_ARG(new->version->metadata.location));
    case CHANGE_APPLIED:
    case CHANGE_CONFLICT:
    case CHANGE_MISSING:
    case CHANGE_NOT_EMPTY:
    case CHANGE_KEY_USED:
    case CHANGE_UNAVAILABLE:
    case CHANGE_UNKNOWN:
        break;
    }
    return catalog_outcome_error(set, err);
}

/* One change: create the row, or swing the existing one to the new version. */
static enum change_outcome submit_row(struct new_table *new, struct catalog_change *change)
{
    const struct object_row *row = &new->version->row;
    struct change *c = ARENA_NEW(new->arena, struct change);
    struct history_row *history = ARENA_NEW(new->arena, struct history_row);
    struct idempotency_row *record = ARENA_NEW(new->arena, struct idempotency_row);

    *c = (struct change){
        .kind = new->existing.id == 0 ? CHANGE_OBJECT_CREATE : CHANGE_OBJECT_UPDATE,
        .warehouse_id = new->warehouse->id,
        .namespace_key = row->namespace_key,
        .name = row->name,
        .object_kind = OBJECT_TABLE,
        .expect_id = new->existing.id,
        .expect_version = new->existing.version,
        .expect_metadata_location = new->existing.metadata_location,
        .metadata_location = row->metadata_location,
        .uuid = row->uuid,
        .location = row->location,
    };
    *history = catalog_history(new->catalog, new->caller, 0, new->arena);
    memset(change, 0, sizeof *change);
    change->publish = ARENA_NEW(new->arena, struct object_version *);
    change->publish[0] = new->version;
    change->set.changes = c;
    change->set.change_count = 1;
    change->set.history = history;
    change->set.history_count = 1;
    change->set.idempotency = record;
    change->set.idempotency_count =
        catalog_idempotency_success(new->catalog, new->caller, new->warehouse->id,
                                    new->caller->idempotency.body, row->metadata_location, record);
    return catalog_apply(new->catalog, change);
}

/* The new state's places, before any file is written or vended there. */
static int check_places(const struct new_table *new, const struct table_metadata *metadata,
                        struct str *canonical, struct error *err)
{
    const struct table_places places = {
        .warehouse = new->warehouse,
        .metadata = metadata,
        .own_id = new->existing.id,
        .taken = catalog_location_taken,
        .arg = new->catalog,
    };

    return table_places_check(&places, new->arena, canonical, err);
}

/* ---- create ---------------------------------------------------------------------------------- */

static struct str requested_location(const struct new_table *new, const struct table_create *create,
                                     const char *uuid)
{
    struct str location = create->location;

    if (location.len == 0) {
        return object_location_default(new->warehouse, new->ident, uuid,
                                       new->catalog->options.unique_table_locations, new->arena);
    }
    while (location.len > 1 && location.ptr[location.len - 1] == '/') {
        location.len--;
    }
    return location;
}

static int build_first_version(struct new_table *new, const struct table_create *create,
                               struct error *err)
{
    const struct catalog_options *options = &new->catalog->options;
    struct object_row row = {.kind = OBJECT_TABLE, .warehouse_id = new->warehouse->id};
    char uuid[UUID_TEXT_BYTES], file_uuid[UUID_TEXT_BYTES];
    struct table_metadata metadata;

    random_uuid4(options->random, uuid);
    random_uuid4(options->random, file_uuid);
    struct str location = requested_location(new, create, uuid);
    if (table_create_build(create, location, uuid, clock_now_ms(options->clock), new->arena,
                           &metadata, err) != 0 ||
        check_places(new, &metadata, &row.location, err) != 0) {
        return -1;
    }
    struct metadata_head head = table_metadata_head(&metadata);
    if (!create->stage_create &&
        metadata_file_location(&head, false, STR_NONE, file_uuid, new->arena,
                               &row.metadata_location, err) != 0) {
        return -1;
    }
    row.namespace_key = namespace_key(&new->ident->ns, new->arena);
    row.name = new->ident->name;
    row.uuid = str_cstr(uuid);
    new->version = object_version_build(&metadata, &row);
    return 0;
}

static void submit_to_catalog(void *catalog, struct catalog_change *change)
{
    catalog_submit(catalog, change);
}

/* Some engines (DuckDB) write into a table's directories without making them. */
static void make_directories(const struct new_table *new)
{
    static const char *const names[] = {"metadata", "data"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct error err = {0};
        struct str directory =
            location_join(new->arena, new->version->metadata.location, str_cstr(names[i]));
        if (file_io_make_directory(new->warehouse->io, directory, &err) != 0) {
            log_warn("cannot make a table's directory: %s: %s", err.message, err.detail);
        }
    }
}

static int store_first_version(struct new_table *new, struct error *err)
{
    const struct object_version *version = new->version;
    struct catalog_change change;

    if (FAILPOINT("create_before_put") ||
        metadata_file_write(new->warehouse->io, version->row.metadata_location, version->document,
                            err) != 0) {
        struct error why = *err;
        error_set(err, ERR_UNAVAILABLE, "Cannot write the metadata file of %.*s",
                  STR_ARG(new->ident->name));
        return error_detail(err, "%.400s", why.message);
    }
    (void)FAILPOINT("create_after_put");
    enum change_outcome outcome = submit_row(new, &change);
    if (outcome == CHANGE_APPLIED) {
        return 0;
    }
    if (outcome != CHANGE_UNKNOWN) {
        struct job_row job = orphan_job(new->warehouse->id, version->row.metadata_location,
                                        clock_now_ms(new->catalog->options.clock));
        orphans_journal(submit_to_catalog, new->catalog, &job, 1);
    }
    return outcome_error(new, &change.set, err);
}

static int finish(struct new_table *new, int rc, struct object_version **out)
{
    arena_free(new->arena);
    if (rc == 0) {
        *out = new->version;
    } else {
        object_version_unref(new->version);
    }
    return rc;
}

int catalog_table_create(struct catalog *catalog, struct warehouse *warehouse,
                         const struct caller *caller, const struct identifier *ident,
                         const struct table_create *create, struct object_version **out,
                         struct error *err)
{
    struct new_table new = {.catalog = catalog,
                            .warehouse = warehouse,
                            .caller = caller,
                            .ident = ident,
                            .arena = arena_new()};

    int rc = check_name(&new, false, err);
    if (rc == 0) {
        rc = build_first_version(&new, create, err);
    }
    if (rc == 0 && !create->stage_create) {
        rc = store_first_version(&new, err);
    }
    if (rc == 0) {
        make_directories(&new);
    }
    return finish(&new, rc, out);
}

/* ---- register -------------------------------------------------------------------------------- */

static int read_registered(struct new_table *new, struct str metadata_location, struct error *err)
{
    struct object_row row = {
        .kind = OBJECT_TABLE,
        .warehouse_id = new->warehouse->id,
        .namespace_key = namespace_key(&new->ident->ns, new->arena),
        .name = new->ident->name,
        .metadata_location = metadata_location,
    };
    char uuid[UUID_TEXT_BYTES];

    if (metadata_location_check(new->warehouse, metadata_location, new->arena, err) != 0 ||
        read_version(new->warehouse, &row, &new->version, err) != 0) {
        return -1;
    }
    struct object_version *version = new->version;
    if (check_places(new, &version->metadata, &row.location, err) != 0) {
        return -1;
    }
    version->row.location = arena_str(version->arena, row.location);
    version->row.uuid = version->metadata.table_uuid;
    if (version->row.uuid.len == 0) { /* a v1 file may lack one; the first commit writes it down */
        random_uuid4(new->catalog->options.random, uuid);
        version->row.uuid = arena_str(version->arena, str_cstr(uuid));
    }
    return 0;
}

int catalog_table_register(struct catalog *catalog, struct warehouse *warehouse,
                           const struct caller *caller, const struct identifier *ident,
                           struct str metadata_location, bool overwrite,
                           struct object_version **out, struct error *err)
{
    struct new_table new = {.catalog = catalog,
                            .warehouse = warehouse,
                            .caller = caller,
                            .ident = ident,
                            .arena = arena_new()};
    struct catalog_change change;

    int rc = check_name(&new, overwrite, err);
    if (rc == 0) {
        rc = read_registered(&new, metadata_location, err);
    }
    for (int attempt = 1; rc == 0; attempt++) {
        enum change_outcome outcome = submit_row(&new, &change);
        if (outcome == CHANGE_APPLIED) {
            break;
        }
        bool moved = outcome == CHANGE_CONFLICT || outcome == CHANGE_MISSING ||
                     (outcome == CHANGE_EXISTS && overwrite);
        if (!moved) {
            rc = outcome_error(&new, &change.set, err);
        } else if (attempt >= COMMIT_ATTEMPTS_MAX) {
            rc = error_set(err, ERR_COMMIT_FAILED, "Register lost to concurrent changes");
        } else {
            rc = check_name(&new, overwrite, err);
        }
    }
    return finish(&new, rc, out);
}
