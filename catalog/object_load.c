/* From a name to a version: memory, else row and file.
 *
 * Always holds: a row is read before its file, files never change, so what a load returns was true
 * at one moment after the load began. */
#include "catalog/metadata_file.h"
#include "catalog/objects_private.h"

#include "base/limits.h"
#include "base/metric.h"

struct object_key object_key_of(const struct warehouse *warehouse, enum object_kind kind,
                                const struct identifier *ident, struct arena *arena)
{
    return (struct object_key){
        .warehouse_id = warehouse->id,
        .namespace_key = namespace_key(&ident->ns, arena),
        .name = ident->name,
        .is_function = kind == OBJECT_FUNCTION,
    };
}

int object_read(struct warehouse *warehouse, const struct object_row *row,
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

int object_from_row(struct catalog *catalog, struct warehouse *warehouse,
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
    if (object_read(warehouse, row, out, err) != 0) {
        if (err->kind != ERR_FILE_NOT_FOUND && err->kind != ERR_UNAVAILABLE &&
            err->kind != ERR_STORAGE_REFUSED) {
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

struct object_version *object_cached(struct catalog *catalog, struct warehouse *warehouse,
                                     enum object_kind kind, const struct identifier *ident)
{
    struct arena *arena = NULL;
    struct object_key key = {warehouse->id, STR_NONE, ident->name, kind == OBJECT_FUNCTION};
    struct error err;

    if (ident->ns.level_count == 1) {
        key.namespace_key = ident->ns.levels[0]; /* the common case needs no memory */
    } else {
        arena = arena_new();
        key = object_key_of(warehouse, kind, ident, arena);
    }
    struct object_version *version = object_cache_get(catalog->cache, &key);
    if (arena != NULL) {
        arena_free(arena);
    }
    if (version != NULL &&
        (version->row.kind != kind || verify_file(catalog, warehouse, version, &err) != 0)) {
        object_version_unref(version);
        return NULL;
    }
    if (version != NULL) {
        metric_add(METRIC_CACHE_HITS, 1);
    }
    return version;
}

int object_load(struct catalog *catalog, struct warehouse *warehouse, enum object_kind kind,
                const struct identifier *ident, struct object_version **out, struct error *err)
{
    struct object_row row;
    struct arena *arena = arena_new();
    struct object_key key = object_key_of(warehouse, kind, ident, arena);
    uint64_t epoch = object_cache_epoch(catalog->cache, &key);
    int rc = catalog_object_row(catalog, warehouse, kind, ident, arena, &row, err);

    if (rc == 0) {
        rc = object_from_row(catalog, warehouse, &key, &row, epoch, out, err);
    }
    if (rc == 0 && verify_file(catalog, warehouse, *out, err) != 0) {
        object_version_unref(*out);
        rc = -1;
    }
    arena_free(arena);
    return rc;
}

int object_load_at(struct warehouse *warehouse, enum object_kind kind, struct str metadata_location,
                   struct object_version **out, struct error *err)
{
    struct object_row row = {
        .kind = kind,
        .warehouse_id = warehouse->id,
        .metadata_location = metadata_location,
    };

    return object_read(warehouse, &row, out, err);
}
