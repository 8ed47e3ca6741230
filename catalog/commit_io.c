/* The commit core's ports in the server: the table cache and metadata files for bases, the
 * warehouse's storage for new files, the metastore for changes and history, the worker pool. */
#include "catalog/commit_core.h"
#include "catalog/metadata_file.h"
#include "catalog/objects_private.h"

#include <assert.h>

static int port_load_base(void *arg, struct warehouse *warehouse, enum object_kind kind,
                          const struct identifier *ident, bool fresh, struct commit_base *out,
                          struct error *err)
{
    struct catalog *catalog = arg;
    struct object_row row;
    bool found = false;
    struct arena *arena = arena_new();
    struct object_key key = object_key_of(warehouse, kind, ident, arena);
    uint64_t epoch = object_cache_epoch(catalog->cache, &key);
    *out = (struct commit_base){0};
    out->version = fresh ? NULL : object_cache_get(catalog->cache, &key);
    if (out->version != NULL && out->version->row.kind == kind) {
        arena_free(arena);
        return 0;
    }
    object_version_unref(out->version);
    out->version = NULL;
    int rc = catalog_object_find(catalog, warehouse, kind, ident, arena, &row, &found, err);
    if (rc == 0 && found && row.kind == kind) {
        rc = object_from_row(catalog, warehouse, &key, &row, epoch, &out->version, err);
    } else if (rc == 0 && found) {
        out->is_other_kind = true;
    } else if (rc == 0) {
        struct error missing = {0};
        out->namespace_exists =
            catalog_namespace_must_exist(catalog, warehouse, &ident->ns, &missing) == 0;
        if (!out->namespace_exists && missing.kind != ERR_NO_SUCH_NAMESPACE) {
            *err = missing;
            rc = -1;
        }
    }
    arena_free(arena);
    return rc;
}

static int port_write_file(void *arg, struct warehouse *warehouse,
                           const struct object_version *version, struct error *err)
{
    (void)arg;
    return metadata_file_write(warehouse->io, version->row.metadata_location, version->document,
                               err);
}

static int port_find_repeat(void *arg, int64_t object_id, const struct caller *caller, bool *found,
                            struct error *err)
{
    struct catalog *catalog = arg;
    struct history_row row;
    struct arena *arena = arena_new();
    int64_t since = clock_now_ms(catalog->options.clock) - REPEAT_WINDOW_MS;

    int rc = metastore_history_find(catalog->options.metastore, object_id, &caller->request_digest,
                                    caller->principal, since, arena, &row, found, err);
    arena_free(arena);
    return rc;
}

static void port_submit(void *arg, struct catalog_change *change)
{
    catalog_submit(arg, change);
}

static void port_run(void *arg, void (*fn)(void *fn_arg), void *fn_arg)
{
    struct catalog *catalog = arg;

    work_queue_push_continuation(catalog->options.workers, fn, fn_arg);
}

static int64_t port_now_ms(void *arg)
{
    struct catalog *catalog = arg;

    return clock_now_ms(catalog->options.clock);
}

static void port_uuid(void *arg, char out[UUID_TEXT_BYTES])
{
    struct catalog *catalog = arg;

    random_uuid4(catalog->options.random, out);
}

struct commit_ports commit_ports_of(struct catalog *catalog)
{
    return (struct commit_ports){
        .arg = catalog,
        .load_base = port_load_base,
        .write_file = port_write_file,
        .find_repeat = port_find_repeat,
        .location_taken = catalog_location_taken,
        .submit = port_submit,
        .run = port_run,
        .now_ms = port_now_ms,
        .uuid = port_uuid,
        .reserve_ms = catalog->options.reserve_ms,
        .implicit_idempotency = catalog->options.implicit_idempotency,
    };
}

/* A transaction names each table once. Errors: ERR_ILLEGAL_ARGUMENT naming the table. */
static int refuse_twice(const struct commit_request *request, struct error *err)
{
    struct str *keys = ARENA_ARRAY(request->arena, struct str, request->change_count);

    for (size_t i = 0; i < request->change_count; i++) {
        const struct identifier *ident = &request->changes[i].ident;
        struct str ns = namespace_key(&ident->ns, request->arena);
        keys[i] = arena_printf(request->arena, "%.*s\x1e%.*s", STR_ARG(ns), STR_ARG(ident->name));
        for (size_t j = 0; j < i; j++) { /* at most TRANSACTION_TABLES_MAX */
            if (str_equal(keys[i], keys[j])) {
                return error_set(err, ERR_ILLEGAL_ARGUMENT,
                                 "Invalid transaction: table %.*s is in it twice",
                                 STR_ARG(identifier_display(ident, request->arena)));
            }
        }
    }
    return 0;
}

void catalog_commit(struct catalog *catalog, struct commit_request *request)
{
    if (request->is_transaction && refuse_twice(request, &request->err) != 0) {
        request->result = -1;
        request->version = NULL;
        request->done(request);
        return;
    }
    commit_core_submit(catalog->commits, request);
}
