/* Tables as names: list, exists, drop, unregister, rename, and their races with commits. */
#include "tests/unit/catalog_fixture.h"

static int exists(struct fixture *f, const char *name)
{
    return catalog_table_exists(f->catalog, f->warehouse, id(f, name), &f->err);
}

static int drop(struct fixture *f, const char *name, bool purge)
{
    return catalog_table_drop(f->catalog, f->warehouse, &f->caller, id(f, name), purge, &f->err);
}

static int rename_table(struct fixture *f, const char *from, const char *to)
{
    return catalog_table_rename(f->catalog, f->warehouse, &f->caller, id(f, from), id(f, to),
                                &f->err);
}

static size_t jobs_due(struct fixture *f, struct job_row **jobs)
{
    size_t count;
    assert_ok(f, metastore_job_list(f->store, f->now_ms, 100, f->arena, jobs, &count, &f->err));
    return count;
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    struct page_request page = {0};
    struct name_list list;
    assert_refused(
        f,
        catalog_table_list(f->catalog, f->warehouse, ns(f, "a"), &page, f->arena, &list, &f->err),
        ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: a");
    make_ns(f, "a");
    assert_ok(f, catalog_table_list(f->catalog, f->warehouse, ns(f, "a"), &page, f->arena, &list,
                                    &f->err));
    assert_int_equal(list.count, 0);
    make_table(f, "a.t2");
    make_view(f, "a.t1");
    make_table(f, "a.t0");
    make_ns(f, "a.b");
    make_table(f, "a.b.below");
    assert_ok(f, catalog_table_list(f->catalog, f->warehouse, ns(f, "a"), &page, f->arena, &list,
                                    &f->err));
    assert_int_equal(list.count, 2);
    assert_str(list.names[0], "t0");
    assert_str(list.names[1], "t2");
    page.limit = 1;
    page.after = STR("t0");
    assert_ok(f, catalog_table_list(f->catalog, f->warehouse, ns(f, "a"), &page, f->arena, &list,
                                    &f->err));
    assert_int_equal(list.count, 1);
    assert_false(list.more);
}

static void test_exists(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "a");
    make_table(f, "a.t");
    make_view(f, "a.v");
    assert_ok(f, exists(f, "a.t"));
    assert_refused(f, exists(f, "a.x"), ERR_NO_SUCH_TABLE, "Table does not exist: a.x");
    assert_refused(f, exists(f, "a.v"), ERR_NO_SUCH_TABLE, "Table does not exist: a.v");
    assert_refused(f, exists(f, "a.t.files"), ERR_NO_SUCH_TABLE, "Table does not exist: a.t.files");
    assert_refused(f, exists(f, "a.T"), ERR_NO_SUCH_TABLE, "Table does not exist: a.T");
}

/* ---- drop ------------------------------------------------------------------------------------ */

static void test_drop(void **state)
{
    struct fixture *f = *state;
    struct job_row *jobs;
    make_ns(f, "a");
    make_table(f, "a.t");
    make_view(f, "a.v");
    struct object_row row = row_of(f, "a.t");
    assert_refused(f, drop(f, "a.v", false), ERR_NO_SUCH_TABLE, "Table does not exist: a.v");
    assert_refused(f, drop(f, "none.t", true), ERR_NO_SUCH_TABLE, "Table does not exist: none.t");
    assert_ok(f, drop(f, "a.t", false));
    struct history_row history = newest_history(f);
    assert_string_equal(history.operation, "testOperation");
    assert_str(history.name, "t");
    assert_str(history.principal, "alice");
    assert_int_equal(history.object_id, row.id);
    assert_int_equal(history.version, row.version);
    assert_true(str_equal(history.uuid, row.uuid));
    assert_true(str_equal(history.parent_location, row.metadata_location));
    assert_int_equal(jobs_due(f, &jobs), 0);
    assert_refused(f, drop(f, "a.t", false), ERR_NO_SUCH_TABLE, "Table does not exist: a.t");
    make_table(f, "a.t");
    assert_true(row_of(f, "a.t").id != row.id);
}

static void test_purge_is_a_job(void **state)
{
    struct fixture *f = *state;
    struct job_row *jobs;
    make_ns(f, "a");
    make_table(f, "a.t");
    struct object_row row = row_of(f, "a.t");
    assert_ok(f, drop(f, "a.t", true));
    assert_int_equal(jobs_due(f, &jobs), 1);
    assert_str(jobs[0].kind, "purge-table");
    assert_true(str_contains(jobs[0].payload, row.metadata_location));
    assert_true(str_contains(jobs[0].payload, row.uuid));
    assert_str(newest_history(f).detail, "{\"purge\":true}");
}

/* ---- rename ---------------------------------------------------------------------------------- */

static void test_rename_matrix(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "ns");
    make_ns(f, "other");
    make_table(f, "ns.table");
    make_table(f, "ns.taken");
    make_view(f, "ns.view");
    assert_ok(f, rename_table(f, "ns.table", "ns.table"));
    assert_refused(f, rename_table(f, "ns.none", "ns.none"), ERR_NO_SUCH_TABLE,
                   "Table does not exist: ns.none");
    assert_refused(f, rename_table(f, "ns.none", "non_existing.x"), ERR_NO_SUCH_TABLE,
                   "Table does not exist: ns.none");
    assert_refused(f, rename_table(f, "none.t", "ns.x"), ERR_NO_SUCH_TABLE,
                   "Table does not exist: none.t");
    assert_refused(f, rename_table(f, "ns.view", "ns.x"), ERR_NO_SUCH_TABLE,
                   "Table does not exist: ns.view");
    assert_refused(f, rename_table(f, "ns.table", "non_existing.table"), ERR_NO_SUCH_NAMESPACE,
                   "Namespace does not exist: non_existing");
    assert_refused(f, rename_table(f, "ns.table", "table"), ERR_NO_SUCH_NAMESPACE,
                   "Namespace does not exist: ");
    assert_refused(f, rename_table(f, "ns.table", "ns.taken"), ERR_ALREADY_EXISTS,
                   "Cannot rename ns.table to ns.taken. Table already exists");
    assert_refused(f, rename_table(f, "ns.table", "ns.view"), ERR_ALREADY_EXISTS,
                   "Cannot rename ns.table to ns.view. View already exists");

    struct object_row before = row_of(f, "ns.table");
    assert_ok(f, rename_table(f, "ns.table", "other.moved"));
    struct object_row after = row_of(f, "other.moved");
    assert_int_equal(after.id, before.id);
    assert_int_equal(after.version, before.version);
    assert_true(str_equal(after.uuid, before.uuid));
    assert_true(str_equal(after.metadata_location, before.metadata_location));
    assert_true(str_equal(after.location, before.location));
    assert_str(newest_history(f).detail,
               "{\"destination\":{\"namespace\":[\"other\"],\"name\":\"moved\"}}");
    assert_refused(f, exists(f, "ns.table"), ERR_NO_SUCH_TABLE, "Table does not exist: ns.table");
    make_table(f, "ns.table");
}

/* ---- races ----------------------------------------------------------------------------------- */

#define COMMITTERS 3

/* Commits to a table as fast as it can until the name is gone. */
struct committer {
    struct fixture *f;
    const char *name;
    int number;
    pthread_t thread;
    _Atomic int applied;
    struct error last_err;
    int64_t version; /* of the last commit, and its metadata location */
    char location[300];
};

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

static int commit_property(struct committer *c, struct arena *arena)
{
    struct commit_wait wait = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    struct object_change change = {.ident = id_of(arena, c->name)};
    struct commit_request request = {.warehouse = c->f->warehouse,
                                     .caller = &c->f->caller,
                                     .changes = &change,
                                     .change_count = 1,
                                     .arena = arena,
                                     .done = commit_done,
                                     .arg = &wait};
    struct str body = arena_printf(arena,
                                   "{\"updates\":[{\"action\":\"set-properties\",\"updates\":"
                                   "{\"p%d\":\"%d\"}}]}",
                                   c->number, atomic_load(&c->applied));
    if (object_change_parse(OBJECT_TABLE, body, arena, &change, &c->last_err) != 0)
        return -1;
    catalog_commit(c->f->catalog, &request);
    pthread_mutex_lock(&wait.lock);
    while (!wait.done)
        pthread_cond_wait(&wait.cond, &wait.lock);
    pthread_mutex_unlock(&wait.lock);
    c->last_err = request.err;
    if (request.result == 0) {
        struct object_row *row = &request.version->row;
        c->version = row->version;
        (void)snprintf(c->location, sizeof(c->location), "%.*s", STR_ARG(row->metadata_location));
        object_version_unref(request.version);
    }
    return request.result;
}

static void *commit_until_gone(void *arg)
{
    struct committer *c = arg;
    struct arena *arena = arena_new();
    while (commit_property(c, arena) == 0) {
        atomic_fetch_add(&c->applied, 1);
        arena_reset(arena);
    }
    arena_free(arena);
    return NULL;
}

static void create_table(struct fixture *f, const char *name)
{
    struct object_version *version;
    struct table_create create = {0};
    json_t *body =
        json_pack("{s:s,s:{s:s,s:[]}}", "name", "t", "schema", "type", "struct", "fields");
    assert_ok(f, table_create_parse(body, f->arena, &create, &f->err));
    assert_ok(f, catalog_table_create(f->catalog, f->warehouse, &f->caller, id(f, name), &create,
                                      &version, &f->err));
    object_version_unref(version);
    json_decref(body);
}

/* Makes the table and lets the committers commit to it for a moment. */
static void start(struct committer *c, struct fixture *f, const char *name)
{
    create_table(f, name);
    for (int i = 0; i < COMMITTERS; i++) {
        c[i] = (struct committer){.f = f, .name = name, .number = i};
        assert_int_equal(pthread_create(&c[i].thread, NULL, commit_until_gone, &c[i]), 0);
    }
    for (int i = 0; i < COMMITTERS; i++)
        while (atomic_load(&c[i].applied) < 2)
            usleep(100);
}

/* Joins them and returns the location of the last commit that was acknowledged. Every one ended
 * with being told that the table is gone. */
static const char *finish(struct committer *c)
{
    int last = 0;
    for (int i = 0; i < COMMITTERS; i++)
        pthread_join(c[i].thread, NULL);
    for (int i = 0; i < COMMITTERS; i++) {
        if (c[i].last_err.kind != ERR_NO_SUCH_TABLE)
            fail_msg("a commit ended with: %s (%s)", c[i].last_err.message, c[i].last_err.detail);
        if (c[i].version > c[last].version)
            last = i;
    }
    return c[last].location;
}

/* A use case that must win: when it does not, the committers would go on for ever. */
static void must_win(struct fixture *f, int result)
{
    if (result != 0) {
        (void)fprintf(stderr, "lost against commits: %s (%s)\n", f->err.message, f->err.detail);
        abort();
    }
}

/* A purge knows the final metadata, however fast commits come. */
static void test_drop_against_commits(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "a");
    for (int round = 0; round < 20; round++) {
        struct committer c[COMMITTERS];
        struct job_row *jobs;
        start(c, f, "a.t");
        must_win(f, drop(f, "a.t", true));
        const char *last = finish(c);
        size_t count = jobs_due(f, &jobs);
        assert_int_equal(count, round + 1);
        assert_true(str_contains(jobs[count - 1].payload, str_cstr(last)));
        assert_str(newest_history(f).parent_location, last);
    }
}

/* What is returned is the final state. */
static void test_unregister_against_commits(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "a");
    for (int round = 0; round < 20; round++) {
        struct committer c[COMMITTERS];
        struct object_version *version;
        start(c, f, "a.t");
        must_win(f, catalog_table_unregister(f->catalog, f->warehouse, &f->caller, id(f, "a.t"),
                                             &version, &f->err));
        assert_str(version->row.metadata_location, finish(c));
        object_version_unref(version);
    }
}

/* After a rename, what went on under the old name goes on nowhere. */
static void test_rename_against_commits(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "a");
    for (int round = 0; round < 20; round++) {
        struct committer c[COMMITTERS];
        start(c, f, "a.t");
        must_win(f, rename_table(f, "a.t", "a.moved"));
        assert_str(row_of(f, "a.moved").metadata_location, finish(c));
        assert_ok(f, drop(f, "a.moved", false));
    }
}

struct contender {
    struct fixture *f;
    const char *from;
    pthread_t thread;
    int result;
    struct error err;
};

static void *rename_to_prize(void *arg)
{
    struct contender *c = arg;
    struct arena *arena = arena_new();
    struct identifier from = id_of(arena, c->from), to = id_of(arena, "a.prize");
    c->result =
        catalog_table_rename(c->f->catalog, c->f->warehouse, &c->f->caller, &from, &to, &c->err);
    arena_free(arena);
    return NULL;
}

static void test_one_rename_wins(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "a");
    make_table(f, "a.x");
    make_table(f, "a.y");
    struct contender c[2] = {{.f = f, .from = "a.x"}, {.f = f, .from = "a.y"}};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&c[i].thread, NULL, rename_to_prize, &c[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(c[i].thread, NULL);
    assert_int_equal(c[0].result + c[1].result, -1);
    struct contender *loser = c[0].result != 0 ? &c[0] : &c[1];
    assert_int_equal(loser->err.kind, ERR_ALREADY_EXISTS);
    assert_ok(f, exists(f, loser->from));
}

/* Two that drop the same table: one did it, the other finds nothing. */
static void *drop_contended(void *arg)
{
    struct contender *c = arg;
    struct arena *arena = arena_new();
    struct identifier ident = id_of(arena, c->from);
    c->result =
        catalog_table_drop(c->f->catalog, c->f->warehouse, &c->f->caller, &ident, true, &c->err);
    arena_free(arena);
    return NULL;
}

static void test_one_drop_wins(void **state)
{
    struct fixture *f = *state;
    struct job_row *jobs;
    make_ns(f, "a");
    for (size_t round = 0; round < 20; round++) {
        make_table(f, "a.t");
        struct contender c[2] = {{.f = f, .from = "a.t"}, {.f = f, .from = "a.t"}};
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&c[i].thread, NULL, drop_contended, &c[i]), 0);
        for (int i = 0; i < 2; i++)
            pthread_join(c[i].thread, NULL);
        assert_int_equal(c[0].result + c[1].result, -1);
        assert_int_equal(c[c[0].result != 0 ? 0 : 1].err.kind, ERR_NO_SUCH_TABLE);
        assert_int_equal(jobs_due(f, &jobs), round + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATALOG_TEST(test_list),
        CATALOG_TEST(test_exists),
        CATALOG_TEST(test_drop),
        CATALOG_TEST(test_purge_is_a_job),
        CATALOG_TEST(test_rename_matrix),
        CATALOG_TEST(test_drop_against_commits),
        CATALOG_TEST(test_unregister_against_commits),
        CATALOG_TEST(test_rename_against_commits),
        CATALOG_TEST(test_one_rename_wins),
        CATALOG_TEST(test_one_drop_wins),
    };
    return cmocka_run_group_tests_name("catalog_names", tests, NULL, NULL);
}
