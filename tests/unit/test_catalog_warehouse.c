/* Warehouses: names, roots, life across a restart. */
#include "tests/unit/catalog_fixture.h"

#include <dirent.h>
#include <sys/stat.h>

static int create(struct fixture *f, const char *name, const char *location, struct warehouse **out)
{
    const struct warehouse_create wanted = {.name = str_cstr(name), .location = str_cstr(location)};
    return catalog_warehouse_create(f->catalog, &f->caller, &wanted, out, &f->err);
}

static int drop(struct fixture *f, const char *name)
{
    return catalog_warehouse_drop(f->catalog, &f->caller, str_cstr(name), &f->err);
}

static void reopen(struct fixture *f)
{
    catalog_close(f->catalog);
    fixture_open_catalog(f);
}

static void assert_warehouses(struct fixture *f, const char *expected)
{
    struct warehouse **list;
    size_t count;
    struct str got = STR("");
    assert_ok(f, catalog_warehouse_list(f->catalog, f->arena, &list, &count, &f->err));
    for (size_t i = 0; i < count; i++)
        got = arena_printf(f->arena, "%.*s%s%.*s", STR_ARG(got), i > 0 ? " " : "",
                           STR_ARG(list[i]->name));
    assert_str(got, expected);
}

static void test_default(void **state)
{
    struct fixture *f = *state;
    struct warehouse *found;
    assert_ok(f, catalog_warehouse_find(f->catalog, STR_NONE, &found, &f->err));
    assert_ptr_equal(found, f->warehouse);
    assert_ok(f, catalog_warehouse_find(f->catalog, STR(""), &found, &f->err));
    assert_ptr_equal(found, f->warehouse);
    assert_ok(f, catalog_warehouse_find(f->catalog, STR("main"), &found, &f->err));
    assert_ptr_equal(found, f->warehouse);
    assert_refused(f, catalog_warehouse_find(f->catalog, STR("Main"), &found, &f->err),
                   ERR_NO_SUCH_WAREHOUSE, "Warehouse does not exist: Main");
    assert_true(str_equal(f->warehouse->root.text, fixture_path(f, "main")));
    assert_refused(f, drop(f, "main"), ERR_ILLEGAL_ARGUMENT,
                   "The default warehouse cannot be dropped: main");
    int64_t id_before = f->warehouse->id;
    reopen(f);
    assert_int_equal(f->warehouse->id, id_before);
    assert_warehouses(f, "main");
}

static void test_names(void **state)
{
    struct fixture *f = *state;
    struct warehouse *made;
    char longest[130];
    memset(longest, 'w', sizeof(longest));
    longest[129] = '\0';
    static const struct {
        const char *name, *message;
    } bad[] = {
        {"", "Invalid warehouse name '': it must have 1 to 128 characters"},
        {"a/b", "Invalid warehouse name 'a/b': only letters, digits, '_', '-' and '.' are allowed"},
        {"a b", "Invalid warehouse name 'a b': only letters, digits, '_', '-' and '.' are allowed"},
        {"ä", "Invalid warehouse name 'ä': only letters, digits, '_', '-' and '.' are allowed"},
        {"\xff", "Invalid warehouse name '?': only letters, digits, '_', '-' and '.' are allowed"},
        {".", "Invalid warehouse name '.': it must not begin with a dot"},
        {"..", "Invalid warehouse name '..': it must not begin with a dot"},
        {"namespaces", "Invalid warehouse name 'namespaces': the word is reserved"},
        {"Config", "Invalid warehouse name 'Config': the word is reserved"},
        {"aws", "Invalid warehouse name 'aws': the word is reserved"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_refused(f, create(f, bad[i].name, NULL, &made), ERR_ILLEGAL_ARGUMENT,
                       bad[i].message);
    assert_int_equal(create(f, longest, NULL, &made), -1);
    longest[128] = '\0';
    assert_ok(f, create(f, longest, NULL, &made));
    assert_ok(f, create(f, "A-b_c.9", NULL, &made));
    assert_refused(f, create(f, "A-b_c.9", NULL, &made), ERR_ALREADY_EXISTS,
                   "Warehouse already exists: A-b_c.9");
}

static void test_create_beside_default(void **state)
{
    struct fixture *f = *state;
    struct warehouse *made, *found;
    char path[128];
    assert_ok(f, create(f, "lake", NULL, &made));
    assert_true(str_equal(made->root.text, fixture_path(f, "lake")));
    assert_true(made->id != f->warehouse->id);
    assert_ok(f, catalog_warehouse_find(f->catalog, STR("lake"), &found, &f->err));
    assert_ptr_equal(found, made);
    assert_warehouses(f, "lake main");
    /* the file that proved the place is gone again */
    (void)snprintf(path, sizeof(path), "%s/lake", f->dir);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        assert_int_equal(entry->d_name[0], '.');
    closedir(dir);
    reopen(f);
    assert_warehouses(f, "lake main");
    assert_ok(f, catalog_warehouse_find(f->catalog, STR("lake"), &found, &f->err));
    assert_true(str_equal(found->root.text, fixture_path(f, "lake")));
}

static const char *overlap(struct fixture *f, const char *path, const char *with)
{
    return arena_cstr(f->arena,
                      arena_printf(f->arena, "Location %.*s overlaps that of warehouse %s",
                                   STR_ARG(fixture_path(f, path)), with));
}

static void test_nested_roots(void **state)
{
    struct fixture *f = *state;
    struct warehouse *made;
    const char *inside = arena_cstr(f->arena, fixture_path(f, "main/inside"));
    const char *same = arena_cstr(f->arena, fixture_path(f, "main"));
    const char *around = arena_cstr(f->arena, arena_printf(f->arena, "file://%s", f->dir));
    const char *sibling = arena_cstr(f->arena, fixture_path(f, "main2"));
    assert_refused(f, create(f, "w", inside, &made), ERR_ILLEGAL_ARGUMENT,
                   overlap(f, "main/inside", "main"));
    assert_refused(f, create(f, "w", same, &made), ERR_ILLEGAL_ARGUMENT,
                   overlap(f, "main", "main"));
    assert_int_equal(create(f, "w", around, &made), -1);
    assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    assert_refused(f, create(f, "w", "/", &made), ERR_ILLEGAL_ARGUMENT,
                   "A warehouse cannot be the root of the file system");
    assert_int_equal(create(f, "w", "nowhere", &made), -1);
    assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    assert_ok(f, create(f, "w", sibling, &made));
    assert_warehouses(f, "main w");
}

/* A place that cannot be used is told, and leaves nothing behind. */
static void test_unusable_root(void **state)
{
    struct fixture *f = *state;
    struct warehouse *made;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/file", f->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(create(f, "w", path, &made), -1);
    assert_true(f->err.kind == ERR_UNAVAILABLE || f->err.kind == ERR_ILLEGAL_ARGUMENT);
    assert_warehouses(f, "main");
}

static void test_drop(void **state)
{
    struct fixture *f = *state;
    struct warehouse *lake, *again, *found;
    assert_refused(f, drop(f, "none"), ERR_NO_SUCH_WAREHOUSE, "Warehouse does not exist: none");
    assert_ok(f, create(f, "lake", NULL, &lake));
    assert_ok(f, catalog_namespace_create(f->catalog, lake, &f->caller, ns(f, "a"), NULL, &f->err));
    assert_refused(f, drop(f, "lake"), ERR_NAMESPACE_NOT_EMPTY, "Warehouse lake is not empty");
    assert_ok(f, catalog_namespace_drop(f->catalog, lake, &f->caller, ns(f, "a"), &f->err));
    assert_ok(f, drop(f, "lake"));
    assert_refused(f, catalog_warehouse_find(f->catalog, STR("lake"), &found, &f->err),
                   ERR_NO_SUCH_WAREHOUSE, "Warehouse does not exist: lake");
    assert_warehouses(f, "main");
    /* who still holds it finds nothing in it */
    assert_true(lake->dropped);
    assert_refused(
        f, catalog_namespace_create(f->catalog, lake, &f->caller, ns(f, "a"), NULL, &f->err),
        ERR_NO_SUCH_WAREHOUSE, "Warehouse does not exist: lake");
    assert_refused(f, catalog_table_exists(f->catalog, lake, id(f, "a.t"), &f->err),
                   ERR_NO_SUCH_TABLE, "Table does not exist: a.t");
    /* name and place are free again */
    assert_ok(f, create(f, "lake", NULL, &again));
    assert_ptr_not_equal(again, lake);
    assert_true(again->id != lake->id);
    assert_ok(f, catalog_warehouse_find(f->catalog, STR("lake"), &found, &f->err));
    assert_ptr_equal(found, again);
    reopen(f);
    assert_warehouses(f, "lake main");
}

/* Namespaces of two warehouses know nothing of each other. */
static void test_apart(void **state)
{
    struct fixture *f = *state;
    struct warehouse *lake;
    struct str properties;
    assert_ok(f, create(f, "lake", NULL, &lake));
    make_ns(f, "a");
    assert_refused(
        f, catalog_namespace_load(f->catalog, lake, ns(f, "a"), f->arena, &properties, &f->err),
        ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: a");
    assert_ok(f, catalog_namespace_create(f->catalog, lake, &f->caller, ns(f, "a"), NULL, &f->err));
}

struct creator {
    struct fixture *f;
    pthread_t thread;
    int result;
    struct error err;
};

static void *create_lake(void *arg)
{
    struct creator *c = arg;
    struct warehouse *made;
    const struct warehouse_create wanted = {.name = STR("lake")};
    c->result = catalog_warehouse_create(c->f->catalog, &c->f->caller, &wanted, &made, &c->err);
    return NULL;
}

static void test_one_creator_wins(void **state)
{
    struct fixture *f = *state;
    struct creator c[2] = {{.f = f}, {.f = f}};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&c[i].thread, NULL, create_lake, &c[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(c[i].thread, NULL);
    assert_int_equal(c[0].result + c[1].result, -1);
    assert_int_equal(c[c[0].result != 0 ? 0 : 1].err.kind, ERR_ALREADY_EXISTS);
    assert_warehouses(f, "lake main");
}

/* ---- options and secrets --------------------------------------------------------------------- */

#define CANARY "canary-c0ffee-secret"

static struct warehouse_create remote(struct fixture *f)
{
    struct warehouse_create wanted = {.name = STR("far"), .location = fixture_path(f, "far")};
    wanted.storage.endpoint = STR("http://127.0.0.1:9");
    wanted.storage.region = STR("eu-test-1");
    wanted.storage.access_key_id = STR("AKIATEST");
    wanted.storage.secret_access_key = STR(CANARY);
    return wanted;
}

/* What the storage of the warehouse was opened with last. */
static char opened_secret[64];

static int open_and_remember(struct str place, struct str root,
                             const struct storage_options *options,
                             const struct storage_context *context, struct file_io **out,
                             struct error *err)
{
    (void)snprintf(opened_secret, sizeof(opened_secret), "%.*s",
                   STR_ARG(options->secret_access_key));
    return fixture_storage_open(place, root, options, context, out, err);
}

static bool file_contains(struct fixture *f, const char *name, const char *text)
{
    char command[256];
    (void)snprintf(command, sizeof(command), "grep -qa '%s' '%s/'%s", text, f->dir, name);
    return system(command) == 0;
}

static void test_secrets_are_sealed_and_come_back(void **state)
{
    struct fixture *f = *state;
    struct warehouse *made;
    const struct warehouse_create wanted = remote(f);
    f->catalog->options.storage_open = open_and_remember;
    assert_ok(f, catalog_warehouse_create(f->catalog, &f->caller, &wanted, &made, &f->err));
    assert_str(made->storage.endpoint, "http://127.0.0.1:9");
    assert_non_null(made->storage.secret_access_key.ptr);
    assert_int_equal(made->storage.secret_access_key.len, 0);
    assert_null(made->storage.session_token.ptr);
    assert_true(file_contains(f, "catalog.db*", "eu-test-1"));
    assert_false(file_contains(f, "catalog.db*", CANARY));
    reopen(f);
    assert_ok(f, catalog_warehouse_find(f->catalog, STR("far"), &made, &f->err));
    assert_str(made->storage.region, "eu-test-1");
    assert_int_equal(made->storage.secret_access_key.len, 0);
    struct metastore *store = f->store;
    struct warehouse_row row;
    struct warehouse_options options;
    bool found;
    assert_ok(f, metastore_warehouse_find(store, STR("far"), f->arena, &row, &found, &f->err));
    assert_ok(
        f, warehouse_options_read(f->catalog, row.name, row.options, f->arena, &options, &f->err));
    assert_str(options.storage.secret_access_key, CANARY);
    assert_refused(
        f,
        warehouse_options_read(f->catalog, STR("near"), row.options, f->arena, &options, &f->err),
        ERR_UNAVAILABLE,
        arena_printf(f->arena,
                     "The secrets of warehouse near cannot be read: they were sealed "
                     "with another key than that of %s/secret.key (secret-key-file)",
                     f->dir)
            .ptr);
}

static void assert_does_not_open(struct fixture *f, const char *message)
{
    struct catalog *catalog;
    struct catalog_options options = f->catalog->options;
    error_clear(&f->err);
    assert_int_equal(catalog_open(&options, &catalog, &f->err), -1);
    assert_string_equal(f->err.message, message);
}

static void test_another_key_or_none_does_not_open(void **state)
{
    struct fixture *f = *state;
    struct warehouse *made;
    const struct warehouse_create wanted = remote(f);
    assert_ok(f, catalog_warehouse_create(f->catalog, &f->caller, &wanted, &made, &f->err));
    struct str path = arena_printf(f->arena, "%s/secret.key", f->dir);
    assert_int_equal(unlink(path.ptr), 0);
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    assert_does_not_open(f, arena_printf(f->arena,
                                         "The secrets of warehouse far cannot be read: the key "
                                         "file is missing: %s (secret-key-file)",
                                         path.ptr)
                                .ptr);
    assert_int_equal(access(path.ptr, F_OK), -1); /* none was made */
    FILE *file = fopen(path.ptr, "we");
    assert_non_null(file);
    (void)fprintf(file, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    assert_int_equal(fclose(file), 0);
    assert_does_not_open(f, arena_printf(f->arena,
                                         "The secrets of warehouse far cannot be read: they were "
                                         "sealed with another key than that of %s "
                                         "(secret-key-file)",
                                         path.ptr)
                                .ptr);
}

static void test_without_secrets_there_is_no_key(void **state)
{
    struct fixture *f = *state;
    struct warehouse *made;
    struct warehouse_create wanted = remote(f);
    wanted.storage.secret_access_key = STR_NONE;
    assert_ok(f, catalog_warehouse_create(f->catalog, &f->caller, &wanted, &made, &f->err));
    assert_int_equal(access(arena_printf(f->arena, "%s/secret.key", f->dir).ptr, F_OK), -1);
    wanted.name = STR("bad");
    wanted.location = fixture_path(f, "bad");
    wanted.storage.region = STR("two\nlines");
    assert_refused(f, catalog_warehouse_create(f->catalog, &f->caller, &wanted, &made, &f->err),
                   ERR_ILLEGAL_ARGUMENT,
                   "Invalid storage option region: it must be one line of text");
}

static void test_access(void **state)
{
    struct fixture *f = *state;
    struct warehouse *made;
    struct warehouse_create wanted = {.name = STR("vended"), .access = WAREHOUSE_VEND};
    assert_refused(
        f, catalog_warehouse_create(f->catalog, &f->caller, &wanted, &made, &f->err),
        ERR_ILLEGAL_ARGUMENT,
        arena_printf(f->arena, "Storage at file://%s/vended has no keys to vend", f->dir).ptr);
    wanted.access = WAREHOUSE_SIGN;
    assert_refused(
        f, catalog_warehouse_create(f->catalog, &f->caller, &wanted, &made, &f->err),
        ERR_ILLEGAL_ARGUMENT,
        arena_printf(f->arena, "Storage at file://%s/vended has no requests to sign", f->dir).ptr);
    assert_warehouses(f, "main");
}

static void test_gateway_names_are_those_of_buckets(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"UP", "ab", "-ab", "ab-", "a_b", "a..b", "10.0.0.1", "Abc"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct warehouse *made;
        const struct warehouse_create wanted = {.name = str_cstr(bad[i]),
                                                .access = WAREHOUSE_GATEWAY};
        error_clear(&f->err);
        assert_int_equal(catalog_warehouse_create(f->catalog, &f->caller, &wanted, &made, &f->err),
                         -1);
        assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATALOG_TEST(test_default),
        CATALOG_TEST(test_names),
        CATALOG_TEST(test_create_beside_default),
        CATALOG_TEST(test_nested_roots),
        CATALOG_TEST(test_unusable_root),
        CATALOG_TEST(test_drop),
        CATALOG_TEST(test_apart),
        CATALOG_TEST(test_one_creator_wins),
        CATALOG_TEST(test_secrets_are_sealed_and_come_back),
        CATALOG_TEST(test_another_key_or_none_does_not_open),
        CATALOG_TEST(test_without_secrets_there_is_no_key),
        CATALOG_TEST(test_access),
        CATALOG_TEST(test_gateway_names_are_those_of_buckets),
    };
    return cmocka_run_group_tests_name("catalog_warehouse", tests, NULL, NULL);
}
