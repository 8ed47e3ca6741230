/* What the tests of the catalog share: a catalog over the SQLite metastore and local storage in a
 * directory of its own, a clock that moves when told, names from dotted text, and tables made as
 * rows and files, without the table format. */
#ifndef TESTS_UNIT_CATALOG_FIXTURE_H
#define TESTS_UNIT_CATALOG_FIXTURE_H

#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/log.h"
#include "catalog/catalog_private.h"
#include "catalog/commit.h"
#include "catalog/idempotency.h"
#include "catalog/namespaces.h"
#include "catalog/reports.h"
#include "catalog/sweeper.h"
#include "catalog/tables.h"
#include "metastore/metastore_sqlite.h"
#include "storage/file_io_local.h"

#define FIXTURE_NOW_MS 1700000000000ll
#define FIXTURE_LIFETIME_MS 60000ll
#define FIXTURE_RESERVE_MS 90000ll

struct fixture {
    char dir[64];
    struct arena *arena;
    struct work_queue *workers;
    struct metastore *store;
    struct catalog *catalog;
    struct warehouse *warehouse;
    struct clock clock;
    _Atomic int64_t now_ms;
    struct error err;
    struct caller caller;
};

static inline int64_t fixture_now_ms(void *arg)
{
    return atomic_load(&((struct fixture *)arg)->now_ms);
}

static inline int64_t fixture_monotonic_us(void *arg)
{
    return fixture_now_ms(arg) * 1000;
}

static inline struct str fixture_path(struct fixture *f, const char *name)
{
    return arena_printf(f->arena, "file://%s/%s", f->dir, name);
}

static inline int fixture_storage_open(struct str place, struct str root,
                                       const struct storage_options *options,
                                       const struct storage_context *context, struct file_io **out,
                                       struct error *err)
{
    (void)place;
    (void)options;
    (void)context;
    return file_io_local_open(root, out, err);
}

static inline void fixture_open_catalog(struct fixture *f)
{
    struct catalog_options options = {
        .metastore = f->store,
        .storage_open = fixture_storage_open,
        .workers = f->workers,
        .clock = &f->clock,
        .random = &random_system,
        .default_warehouse = STR("main"),
        .default_warehouse_location = fixture_path(f, "main"),
        .table_cache_bytes = 1 << 20,
        .idempotency_lifetime_ms = FIXTURE_LIFETIME_MS,
        .reserve_ms = FIXTURE_RESERVE_MS,
        .unique_table_locations = true,
        .secret_key_file = arena_printf(f->arena, "%s/secret.key", f->dir).ptr,
    };
    if (catalog_open(&options, &f->catalog, &f->err) != 0)
        fail_msg("catalog_open: %s (%s)", f->err.message, f->err.detail);
    f->warehouse = catalog_default_warehouse(f->catalog);
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct metastore_sqlite_options options = {.owner = "test"};
    char path[128];
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/firn-catalog-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->arena = arena_new();
    f->now_ms = FIXTURE_NOW_MS;
    f->clock = (struct clock){fixture_now_ms, fixture_monotonic_us, f};
    f->caller = (struct caller){.principal = STR("alice"),
                                .request_id = STR("r-1"),
                                .client = STR("test"),
                                .operation = "testOperation"};
    f->workers = work_queue_open("test", 2, 100);
    (void)snprintf(path, sizeof(path), "%s/catalog.db", f->dir);
    options.path = path;
    if (metastore_sqlite_open(&options, &f->store, &f->err) != 0)
        fail_msg("metastore: %s (%s)", f->err.message, f->err.detail);
    fixture_open_catalog(f);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    catalog_close(f->catalog);
    metastore_close(f->store);
    work_queue_close(f->workers);
    arena_free(f->arena);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

#define CATALOG_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

/* ---- checks ---------------------------------------------------------------------------------- */

#define assert_ok(f, call)                                                     \
    do {                                                                       \
        if ((call) != 0)                                                       \
            fail_msg("%s: %s (%s)", #call, (f)->err.message, (f)->err.detail); \
    } while (0)

#define assert_refused(f, call, expected_kind, text)      \
    do {                                                  \
        error_clear(&(f)->err);                           \
        assert_int_equal((call), -1);                     \
        assert_string_equal((f)->err.message, (text));    \
        assert_int_equal((f)->err.kind, (expected_kind)); \
    } while (0)

/* ---- names ----------------------------------------------------------------------------------- */

/* "a.b" → levels a, b; "" → the root. */
static inline struct namespace_ident ns_of(struct arena *arena, const char *dotted)
{
    struct namespace_ident ns = {.levels = ARENA_ARRAY(arena, struct str, strlen(dotted) + 1)};
    struct str rest = arena_str(arena, str_cstr(dotted));
    while (rest.len > 0)
        ns.levels[ns.level_count++] = str_cut(&rest, '.');
    return ns;
}

/* "a.b.t" → table t in a.b. */
static inline struct identifier id_of(struct arena *arena, const char *dotted)
{
    struct namespace_ident all = ns_of(arena, dotted);
    assert_true(all.level_count > 0);
    return (struct identifier){
        .ns = {.level_count = all.level_count - 1, .levels = all.levels},
        .name = all.levels[all.level_count - 1],
    };
}

static inline const struct namespace_ident *ns(struct fixture *f, const char *dotted)
{
    struct namespace_ident *out = ARENA_NEW(f->arena, struct namespace_ident);
    *out = ns_of(f->arena, dotted);
    return out;
}

static inline const struct identifier *id(struct fixture *f, const char *dotted)
{
    struct identifier *out = ARENA_NEW(f->arena, struct identifier);
    *out = id_of(f->arena, dotted);
    return out;
}

static inline void make_ns(struct fixture *f, const char *dotted)
{
    assert_ok(f, catalog_namespace_create(f->catalog, f->warehouse, &f->caller, ns(f, dotted), NULL,
                                          &f->err));
}

/* ---- objects as rows ------------------------------------------------------------------------- */

static inline enum change_outcome apply_change(struct fixture *f, struct change *change)
{
    struct arena *arena = arena_new();
    struct catalog_change set = {.set = {.changes = change, .change_count = 1}};
    struct history_row history = catalog_history(f->catalog, &f->caller, 0, arena);
    set.set.history = &history;
    set.set.history_count = 1;
    enum change_outcome outcome = catalog_apply(f->catalog, &set);
    arena_free(arena);
    return outcome;
}

/* A table or view without files. Its location is {root}/{name}-{uuid}. */
static inline void make_object(struct fixture *f, const char *dotted, enum object_kind kind)
{
    char uuid[UUID_TEXT_BYTES];
    const struct identifier *ident = id(f, dotted);
    random_uuid4(&random_system, uuid);
    struct str location = arena_printf(f->arena, "%.*s/%.*s-%s", STR_ARG(f->warehouse->root.text),
                                       STR_ARG(ident->name), uuid);
    struct change change = {
        .kind = CHANGE_OBJECT_CREATE,
        .warehouse_id = f->warehouse->id,
        .namespace_key = namespace_key(&ident->ns, f->arena),
        .name = ident->name,
        .object_kind = kind,
        .uuid = str_cstr(uuid),
        .location = location,
        .metadata_location =
            arena_printf(f->arena, "%.*s/metadata/00000-a.metadata.json", STR_ARG(location)),
    };
    assert_int_equal(apply_change(f, &change), CHANGE_APPLIED);
}

static inline void make_table(struct fixture *f, const char *dotted)
{
    make_object(f, dotted, OBJECT_TABLE);
}

static inline void make_view(struct fixture *f, const char *dotted)
{
    make_object(f, dotted, OBJECT_VIEW);
}

/* Swings the table's pointer from that row to `location`, as a commit does. */
static inline enum change_outcome swing(struct fixture *f, const struct identifier *ident,
                                        const struct object_row *row, struct str location,
                                        struct arena *arena)
{
    struct change change = {
        .kind = CHANGE_OBJECT_UPDATE,
        .warehouse_id = f->warehouse->id,
        .namespace_key = namespace_key(&ident->ns, arena),
        .name = ident->name,
        .object_kind = OBJECT_TABLE,
        .expect_id = row->id,
        .expect_version = row->version,
        .expect_metadata_location = row->metadata_location,
        .metadata_location = location,
        .uuid = row->uuid,
        .location = row->location,
    };
    return apply_change(f, &change);
}

static inline struct object_row row_of(struct fixture *f, const char *dotted)
{
    struct object_row row;
    bool found;
    assert_ok(f, catalog_object_find(f->catalog, f->warehouse, OBJECT_TABLE, id(f, dotted),
                                     f->arena, &row, &found, &f->err));
    assert_true(found);
    return row;
}

/* The newest history row of the warehouse. */
static inline struct history_row newest_history(struct fixture *f)
{
    struct history_row *rows;
    size_t count;
    assert_ok(f, catalog_history_list(f->catalog, f->warehouse, NULL, 0, 1, f->arena, &rows, &count,
                                      &f->err));
    assert_int_equal(count, 1);
    return rows[0];
}

#endif
