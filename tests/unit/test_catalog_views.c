/* Views in the catalog: names, files, commits beside those of tables, what a drop leaves behind. */
#include "tests/unit/catalog_fixture.h"

#include "base/raw_json.h"
#include "catalog/metadata_file.h"
#include "catalog/views.h"

#define SCHEMA "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[]}"

static struct str version_text(struct arena *arena, int number)
{
    return arena_printf(arena,
                        "{\"version-id\":%d,\"timestamp-ms\":5,\"schema-id\":0,\"summary\":{},"
                        "\"default-namespace\":[],\"representations\":[{\"type\":\"sql\","
                        "\"sql\":\"select %d\",\"dialect\":\"d\"}]}",
                        number, number);
}

static int create_with(struct fixture *f, const char *name, const char *properties,
                       struct object_version **out)
{
    struct view_create create = {
        .schema = STR(SCHEMA),
        .view_version = version_text(f->arena, 1),
        .properties = str_cstr(properties),
    };
    return catalog_view_create(f->catalog, f->warehouse, &f->caller, id(f, name), &create, out,
                               &f->err);
}

static int create(struct fixture *f, const char *name)
{
    struct object_version *version;
    int result = create_with(f, name, "{}", &version);
    if (result == 0)
        object_version_unref(version);
    return result;
}

static int load(struct fixture *f, const char *name, struct object_version **out)
{
    return catalog_view_load(f->catalog, f->warehouse, id(f, name), out, &f->err);
}

static int drop(struct fixture *f, const char *name)
{
    return catalog_view_drop(f->catalog, f->warehouse, &f->caller, id(f, name), &f->err);
}

static int rename_view(struct fixture *f, const char *from, const char *to)
{
    return catalog_view_rename(f->catalog, f->warehouse, &f->caller, id(f, from), id(f, to),
                               &f->err);
}

static int register_view(struct fixture *f, const char *name, struct str location)
{
    struct object_version *version;
    int result = catalog_view_register(f->catalog, f->warehouse, &f->caller, id(f, name), location,
                                       &version, &f->err);
    if (result == 0) {
        assert_true(str_equal(version->row.metadata_location, location));
        object_version_unref(version);
    }
    return result;
}

static struct str location_of(struct fixture *f, const char *name)
{
    return row_of(f, name).metadata_location;
}

static bool has_file(struct fixture *f, struct str location)
{
    bool exists;
    assert_ok(f, file_io_exists(f->warehouse->io, location, &exists, &f->err));
    return exists;
}

static void remove_file(struct fixture *f, struct str location)
{
    assert_ok(f, file_io_remove(f->warehouse->io, location, &f->err));
}

static size_t sweep_after_grace(struct fixture *f)
{
    size_t done;
    atomic_fetch_add(&f->now_ms, SWEEP_GRACE_MS);
    assert_ok(f, catalog_sweep(f->catalog, 100, &done, &f->err));
    return done;
}

/* ---- commits --------------------------------------------------------------------------------- */

struct commit_wait {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
};

static void commit_done(struct commit_request *request)
{
    struct commit_wait *wait = request->arg;
    pthread_mutex_lock(&wait->lock);
    wait->done = true;
    pthread_cond_signal(&wait->cond);
    pthread_mutex_unlock(&wait->lock);
}

static int commit(struct fixture *f, enum object_kind kind, const char *name, struct str body,
                  struct error *err)
{
    struct commit_wait wait = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    struct arena *arena = arena_new();
    struct object_change change = {.ident = id_of(arena, name)};
    struct commit_request request = {.warehouse = f->warehouse,
                                     .caller = &f->caller,
                                     .changes = &change,
                                     .change_count = 1,
                                     .arena = arena,
                                     .done = commit_done,
                                     .arg = &wait};
    int result = object_change_parse(kind, body, arena, &change, err);
    if (result == 0) {
        catalog_commit(f->catalog, &request);
        pthread_mutex_lock(&wait.lock);
        while (!wait.done)
            pthread_cond_wait(&wait.cond, &wait.lock);
        pthread_mutex_unlock(&wait.lock);
        result = request.result;
        *err = request.err;
        object_version_unref(request.version);
    }
    arena_free(arena);
    return result;
}

static struct str replace_body(struct arena *arena, int number)
{
    return arena_printf(arena,
                        "{\"updates\":[{\"action\":\"add-view-version\",\"view-version\":%.*s},"
                        "{\"action\":\"set-current-view-version\",\"view-version-id\":-1}]}",
                        STR_ARG(version_text(arena, number)));
}

struct committer {
    struct fixture *f;
    int number;
    struct error err;
    int failed;
};

enum { COMMITTERS = 8, COMMITS = 6 };

static void *commit_some(void *arg)
{
    struct committer *c = arg;
    struct arena *arena = arena_new();
    for (int i = 0; i < COMMITS; i++) {
        int number = 100 + c->number * COMMITS + i;
        c->failed += commit(c->f, OBJECT_VIEW, "a.v", replace_body(arena, number), &c->err) != 0;
    }
    arena_free(arena);
    return NULL;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_create(void **state)
{
    struct fixture *f = *state;
    struct object_version *version, *loaded;
    assert_refused(f, create(f, "a.v"), ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: a");
    make_ns(f, "a");
    assert_ok(f, create_with(f, "a.v", "{\"k\":\"w\"}", &version));
    struct object_row row = row_of(f, "a.v");
    assert_int_equal(row.kind, OBJECT_VIEW);
    assert_true(str_equal(row.uuid, version->metadata.view.view_uuid));
    assert_true(str_equal(row.metadata_location, version->row.metadata_location));
    assert_true(str_ends_with(row.metadata_location, STR(".gz.metadata.json")));
    assert_int_equal(version->row.id, row.id);

    struct buf text = BUF_INIT(1 << 20);
    assert_ok(f, metadata_file_read(f->warehouse->io, row.metadata_location, &text, &f->err));
    assert_true(str_equal(buf_str(&text), version->document));
    buf_free(&text);

    loaded = catalog_view_cached(f->catalog, f->warehouse, id(f, "a.v"));
    assert_ptr_equal(loaded, version);
    object_version_unref(loaded);
    assert_null(catalog_table_cached(f->catalog, f->warehouse, id(f, "a.v")));
    catalog_close(f->catalog);
    fixture_open_catalog(f);
    assert_null(catalog_view_cached(f->catalog, f->warehouse, id(f, "a.v")));
    assert_ok(f, load(f, "a.v", &loaded));
    assert_true(str_equal(loaded->reply, version->reply));
    object_version_unref(loaded);
    object_version_unref(version);
}

static void test_names_are_shared_with_tables(void **state)
{
    struct fixture *f = *state;
    struct object_version *version;
    make_ns(f, "a");
    make_table(f, "a.t");
    assert_ok(f, create(f, "a.v"));
    assert_refused(f, create(f, "a.v"), ERR_ALREADY_EXISTS, "View already exists: a.v");
    assert_refused(f, create(f, "a.t"), ERR_ALREADY_EXISTS,
                   "Table with same name already exists: a.t");
    assert_refused(f, load(f, "a.t", &version), ERR_NO_SUCH_VIEW, "View does not exist: a.t");
    assert_refused(f, load(f, "b.v", &version), ERR_NO_SUCH_VIEW, "View does not exist: b.v");
    assert_refused(f, drop(f, "a.t"), ERR_NO_SUCH_VIEW, "View does not exist: a.t");
    assert_refused(f, catalog_view_exists(f->catalog, f->warehouse, id(f, "a.t"), &f->err),
                   ERR_NO_SUCH_VIEW, "View does not exist: a.t");
    assert_ok(f, catalog_view_exists(f->catalog, f->warehouse, id(f, "a.v"), &f->err));
    assert_refused(f, catalog_table_load(f->catalog, f->warehouse, id(f, "a.v"), &version, &f->err),
                   ERR_NO_SUCH_TABLE, "Table does not exist: a.v");
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    struct page_request page = {.limit = 1};
    struct name_list list;
    make_ns(f, "a");
    make_table(f, "a.t");
    assert_ok(f, create(f, "a.w"));
    assert_ok(f, create(f, "a.v"));
    assert_ok(f, catalog_view_list(f->catalog, f->warehouse, ns(f, "a"), &page, f->arena, &list,
                                   &f->err));
    assert_int_equal(list.count, 1);
    assert_true(list.more);
    assert_str(list.names[0], "v");
    page.after = list.names[0];
    assert_ok(f, catalog_view_list(f->catalog, f->warehouse, ns(f, "a"), &page, f->arena, &list,
                                   &f->err));
    assert_str(list.names[0], "w");
    assert_false(list.more);
    assert_refused(
        f, catalog_view_list(f->catalog, f->warehouse, ns(f, "b"), &page, f->arena, &list, &f->err),
        ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: b");
}

static void test_rename(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "a");
    make_ns(f, "b");
    make_table(f, "a.t");
    assert_ok(f, create(f, "a.v"));
    assert_ok(f, create(f, "a.w"));
    struct str location = location_of(f, "a.v");
    assert_refused(f, rename_view(f, "a.x", "n.v"), ERR_NO_SUCH_VIEW, "View does not exist: a.x");
    assert_refused(f, rename_view(f, "a.t", "a.x"), ERR_NO_SUCH_VIEW, "View does not exist: a.t");
    assert_refused(f, rename_view(f, "a.v", "n.v"), ERR_NO_SUCH_NAMESPACE,
                   "Namespace does not exist: n");
    assert_refused(f, rename_view(f, "a.v", "a.w"), ERR_ALREADY_EXISTS,
                   "Cannot rename a.v to a.w. View already exists");
    assert_refused(f, rename_view(f, "a.v", "a.t"), ERR_ALREADY_EXISTS,
                   "Cannot rename a.v to a.t. Table already exists");
    assert_ok(f, rename_view(f, "a.v", "a.v"));
    assert_ok(f, rename_view(f, "a.v", "b.v"));
    assert_true(str_equal(location_of(f, "b.v"), location));
    assert_ok(f, create(f, "a.v"));
}

/* The file outlives the drop by the grace, then goes. */
static void test_drop(void **state)
{
    struct fixture *f = *state;
    struct str error = STR("View does not exist: a.v");
    make_ns(f, "a");
    assert_ok(f, create(f, "a.v"));
    struct str location = location_of(f, "a.v");
    assert_ok(f, drop(f, "a.v"));
    assert_refused(f, drop(f, "a.v"), ERR_NO_SUCH_VIEW, error.ptr);
    assert_true(has_file(f, location));
    assert_int_equal(sweep_after_grace(f), 1);
    assert_false(has_file(f, location));
}

static void test_drop_keeps_the_file_when_told(void **state)
{
    struct fixture *f = *state;
    struct object_version *version;
    make_ns(f, "a");
    assert_ok(f, create_with(f, "a.v", "{\"gc.enabled\":\"FALSE\"}", &version));
    object_version_unref(version);
    struct str location = location_of(f, "a.v");
    assert_ok(f, drop(f, "a.v"));
    assert_int_equal(sweep_after_grace(f), 0);
    assert_true(has_file(f, location));
    assert_ok(f, register_view(f, "a.again", location));
}

static void test_drop_without_the_file(void **state)
{
    struct fixture *f = *state;
    struct object_version *version;
    make_ns(f, "a");
    assert_ok(f, create(f, "a.v"));
    remove_file(f, location_of(f, "a.v"));
    catalog_close(f->catalog);
    fixture_open_catalog(f);
    assert_int_equal(load(f, "a.v", &version), -1);
    assert_int_equal(f->err.kind, ERR_FILE_NOT_FOUND);
    assert_ok(f, drop(f, "a.v"));
    assert_int_equal(sweep_after_grace(f), 0);
}

/* Dropped, registered, dropped, registered: the file belongs to the last one. */
static void test_a_registered_file_is_kept(void **state)
{
    struct fixture *f = *state;
    struct object_version *version;
    make_ns(f, "a");
    assert_ok(f, create(f, "a.v"));
    struct str location = location_of(f, "a.v");
    assert_ok(f, drop(f, "a.v"));
    assert_ok(f, register_view(f, "a.w", location));
    assert_ok(f, drop(f, "a.w"));
    assert_ok(f, register_view(f, "a.x", location));
    assert_int_equal(sweep_after_grace(f), 2);
    assert_true(has_file(f, location));
    assert_ok(f, load(f, "a.x", &version));
    object_version_unref(version);
    assert_ok(f, drop(f, "a.x"));
    assert_int_equal(sweep_after_grace(f), 1);
    assert_false(has_file(f, location));
}

static void test_strange_jobs_delete_nothing(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "a");
    assert_ok(f, create(f, "a.v"));
    struct str location = location_of(f, "a.v");
    const struct str payloads[] = {
        STR("nonsense"),
        STR("{}"),
        arena_printf(f->arena, "{\"metadata-location\":\"%.*s\"}", STR_ARG(location)),
        arena_printf(f->arena, "{\"metadata-location\":\"%.*s\",\"object-id\":7}",
                     STR_ARG(location)),
        arena_printf(f->arena, "{\"metadata-location\":\"%.*s\",\"object-id\":\"x\"}",
                     STR_ARG(location)),
    };
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct job_row job = {.kind = STR("remove-dropped-file"),
                              .payload = payloads[i],
                              .warehouse_id = f->warehouse->id,
                              .not_before_ms = f->now_ms};
        struct catalog_change change = {.set = {.jobs = &job, .job_count = 1}};
        assert_int_equal(catalog_apply(f->catalog, &change), CHANGE_APPLIED);
    }
    assert_int_equal(sweep_after_grace(f), 5);
    assert_true(has_file(f, location));
}

static void test_register(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "a");
    make_table(f, "a.t");
    assert_ok(f, create(f, "a.v"));
    struct str location = location_of(f, "a.v");
    assert_refused(f, register_view(f, "b.x", location), ERR_NO_SUCH_NAMESPACE,
                   "Namespace does not exist: b");
    assert_refused(f, register_view(f, "a.v", location), ERR_ALREADY_EXISTS,
                   "View already exists: a.v");
    assert_refused(f, register_view(f, "a.t", location), ERR_ALREADY_EXISTS,
                   "Table with same name already exists: a.t");
    assert_int_equal(register_view(f, "a.x", location), -1); /* it is a.v already */
    assert_int_equal(f->err.kind, ERR_ALREADY_EXISTS);
    assert_int_equal(register_view(f, "a.x", STR("file:///etc/v.metadata.json")), -1);
    assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    struct str missing =
        arena_printf(f->arena, "%.*s/none.metadata.json", STR_ARG(f->warehouse->root.text));
    assert_int_equal(register_view(f, "a.x", missing), -1);
    assert_int_equal(f->err.kind, ERR_FILE_NOT_FOUND);
}

/* Commits that wait for each other are folded; each keeps its version and its log entry. */
static void test_concurrent_replaces(void **state)
{
    struct fixture *f = *state;
    struct object_version *version;
    struct committer committers[COMMITTERS] = {0};
    pthread_t threads[COMMITTERS];
    make_ns(f, "a");
    assert_ok(f, create_with(f, "a.v", "{\"version.history.num-entries\":\"1000\"}", &version));
    object_version_unref(version);
    for (int i = 0; i < COMMITTERS; i++) {
        committers[i] = (struct committer){.f = f, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, commit_some, &committers[i]), 0);
    }
    for (int i = 0; i < COMMITTERS; i++) {
        pthread_join(threads[i], NULL);
        if (committers[i].failed > 0)
            fail_msg("%s", committers[i].err.message);
    }
    assert_ok(f, load(f, "a.v", &version));
    const struct view_metadata *m = &version->metadata.view;
    assert_int_equal(m->versions.count, 1 + COMMITTERS * COMMITS);
    assert_int_equal(m->version_log.count, 1 + COMMITTERS * COMMITS);
    assert_int_equal(m->current_version_id, m->versions.elements[m->versions.count - 1].id);
    assert_int_equal(m->version_log.elements[m->version_log.count - 1].id, m->current_version_id);
    object_version_unref(version);
}

static void test_commits_find_their_own_kind(void **state)
{
    struct fixture *f = *state;
    struct error *err = &f->err;
    make_ns(f, "a");
    make_table(f, "a.t");
    assert_ok(f, create(f, "a.v"));
    assert_refused(f, commit(f, OBJECT_VIEW, "a.t", replace_body(f->arena, 2), err),
                   ERR_NO_SUCH_VIEW, "View does not exist: a.t");
    assert_refused(f, commit(f, OBJECT_TABLE, "a.v", STR("{}"), err), ERR_NO_SUCH_TABLE,
                   "Table does not exist: a.v");
    assert_refused(f,
                   commit(f, OBJECT_TABLE, "a.v",
                          STR("{\"requirements\":[{\"type\":\"assert-create\"}]}"), err),
                   ERR_ALREADY_EXISTS, "View with same name already exists: a.v");
    assert_ok(f, commit(f, OBJECT_VIEW, "a.v", replace_body(f->arena, 2), err));
}

static void test_moves_are_fenced(void **state)
{
    struct fixture *f = *state;
    struct error *err = &f->err;
    make_ns(f, "a");
    make_table(f, "a.t");
    assert_ok(f, create(f, "a.v"));
    struct str taken = row_of(f, "a.t").location;
    struct str body = arena_printf(
        f->arena, "{\"updates\":[{\"action\":\"set-location\",\"location\":\"%.*s\"}]}",
        STR_ARG(taken));
    assert_int_equal(commit(f, OBJECT_VIEW, "a.v", body, err), -1);
    assert_int_equal(err->kind, ERR_ILLEGAL_ARGUMENT);
    body = STR("{\"updates\":[{\"action\":\"set-properties\",\"updates\":{\"write.metadata.path\":"
               "\"file:///etc\"}}]}");
    assert_int_equal(commit(f, OBJECT_VIEW, "a.v", body, err), -1);
    assert_int_equal(err->kind, ERR_ILLEGAL_ARGUMENT);
    body = STR("{\"updates\":[{\"action\":\"set-properties\",\"updates\":{"
               "\"write.metadata.compression-codec\":\"zip\"}}]}");
    assert_int_equal(commit(f, OBJECT_VIEW, "a.v", body, err), -1);
    assert_int_equal(err->kind, ERR_ILLEGAL_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATALOG_TEST(test_create),
        CATALOG_TEST(test_names_are_shared_with_tables),
        CATALOG_TEST(test_list),
        CATALOG_TEST(test_rename),
        CATALOG_TEST(test_drop),
        CATALOG_TEST(test_drop_keeps_the_file_when_told),
        CATALOG_TEST(test_drop_without_the_file),
        CATALOG_TEST(test_a_registered_file_is_kept),
        CATALOG_TEST(test_strange_jobs_delete_nothing),
        CATALOG_TEST(test_register),
        CATALOG_TEST(test_concurrent_replaces),
        CATALOG_TEST(test_commits_find_their_own_kind),
        CATALOG_TEST(test_moves_are_fenced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
