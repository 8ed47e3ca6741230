/* Namespaces: texts, ancestors, emptiness, properties (rest.md 3.1). */
#include "tests/unit/catalog_fixture.h"

static json_t *json(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static int create(struct fixture *f, const char *name, const char *properties)
{
    json_t *object = properties != NULL ? json(properties) : NULL;
    int result = catalog_namespace_create(f->catalog, f->warehouse, &f->caller, ns(f, name), object,
                                          &f->err);
    json_decref(object);
    return result;
}

static int drop(struct fixture *f, const char *name)
{
    return catalog_namespace_drop(f->catalog, f->warehouse, &f->caller, ns(f, name), &f->err);
}

static int load(struct fixture *f, const char *name, struct str *properties)
{
    return catalog_namespace_load(f->catalog, f->warehouse, ns(f, name), f->arena, properties,
                                  &f->err);
}

static int update(struct fixture *f, const char *name, const char *removals, const char *updates,
                  struct str *result)
{
    json_t *r = removals != NULL ? json(removals) : NULL;
    json_t *u = updates != NULL ? json(updates) : NULL;
    int outcome = catalog_namespace_update(f->catalog, f->warehouse, &f->caller, ns(f, name), r, u,
                                           f->arena, result, &f->err);
    json_decref(r);
    json_decref(u);
    return outcome;
}

static void assert_properties(struct fixture *f, const char *name, const char *expected)
{
    struct str text;
    assert_ok(f, load(f, name, &text));
    json_t *got = json_loadb(text.ptr, text.len, 0, NULL);
    json_t *want = json(expected);
    if (!json_equal(got, want))
        fail_msg("properties are %.*s, expected %s", STR_ARG(text), expected);
    json_decref(got);
    json_decref(want);
}

static void assert_children(struct fixture *f, const char *parent, const char *expected)
{
    struct page_request page = {0};
    struct name_list list;
    struct str got = STR("");
    assert_ok(f, catalog_namespace_list(f->catalog, f->warehouse, ns(f, parent), &page, f->arena,
                                        &list, &f->err));
    for (size_t i = 0; i < list.count; i++) {
        struct namespace_ident each = namespace_from_key(list.names[i], f->arena);
        got = arena_printf(f->arena, "%.*s%s%.*s", STR_ARG(got), i > 0 ? " " : "",
                           STR_ARG(namespace_display(&each, f->arena)));
    }
    assert_str(got, expected);
    assert_false(list.more);
}

static void test_create_makes_ancestors(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, "a.b.c", "{\"owner\":\"ü\"}"));
    assert_children(f, "", "a");
    assert_children(f, "a", "a.b");
    assert_children(f, "a.b", "a.b.c");
    assert_children(f, "a.b.c", "");
    assert_properties(f, "a", "{}");
    assert_properties(f, "a.b", "{}");
    assert_properties(f, "a.b.c", "{\"owner\":\"ü\"}");
    assert_refused(f, create(f, "a.b", NULL), ERR_ALREADY_EXISTS, "Namespace already exists: a.b");
    assert_refused(f, create(f, "a.b.c", NULL), ERR_ALREADY_EXISTS,
                   "Namespace already exists: a.b.c");
}

static void test_missing(void **state)
{
    struct fixture *f = *state;
    struct page_request page = {0};
    struct name_list list;
    struct str text;
    assert_refused(f,
                   catalog_namespace_list(f->catalog, f->warehouse, ns(f, "non-existing"), &page,
                                          f->arena, &list, &f->err),
                   ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: non-existing");
    assert_refused(f, load(f, "a.b", &text), ERR_NO_SUCH_NAMESPACE,
                   "Namespace does not exist: a.b");
    assert_refused(f, drop(f, "a.b"), ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: a.b");
    assert_refused(f, update(f, "a.b", NULL, "{\"k\":\"v\"}", &text), ERR_NO_SUCH_NAMESPACE,
                   "Namespace does not exist: a.b");
}

/* The root is no namespace, and asking for it is no accident. */
static void test_root(void **state)
{
    struct fixture *f = *state;
    struct str text;
    assert_refused(f, load(f, "", &text), ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: ");
    assert_refused(f, drop(f, ""), ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: ");
    assert_int_equal(create(f, "", NULL), -1);
    assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    assert_refused(f, catalog_table_exists(f->catalog, f->warehouse, id(f, "t"), &f->err),
                   ERR_NO_SUCH_TABLE, "Table does not exist: t");
}

static void test_drop(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "a.b");
    make_ns(f, "ab");
    assert_refused(f, drop(f, "a"), ERR_NAMESPACE_NOT_EMPTY, "Namespace a is not empty");
    make_table(f, "a.b.t");
    assert_refused(f, drop(f, "a.b"), ERR_NAMESPACE_NOT_EMPTY, "Namespace a.b is not empty");
    assert_ok(f, catalog_table_drop(f->catalog, f->warehouse, &f->caller, id(f, "a.b.t"), false,
                                    &f->err));
    make_view(f, "a.b.v");
    assert_refused(f, drop(f, "a.b"), ERR_NAMESPACE_NOT_EMPTY, "Namespace a.b is not empty");
    make_ns(f, "c");
    assert_ok(f, drop(f, "c"));
    assert_string_equal(newest_history(f).operation, "testOperation");
    assert_str(newest_history(f).namespace_key, "c");
    assert_refused(f, drop(f, "c"), ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: c");
    assert_children(f, "", "a ab");
}

static void test_list_pages(void **state)
{
    struct fixture *f = *state;
    struct page_request page = {.limit = 2};
    struct name_list list;
    make_ns(f, "p.3");
    make_ns(f, "p.1");
    make_ns(f, "p.2");
    assert_ok(f, catalog_namespace_list(f->catalog, f->warehouse, ns(f, "p"), &page, f->arena,
                                        &list, &f->err));
    assert_int_equal(list.count, 2);
    assert_true(list.more);
    page.after = list.names[1];
    assert_ok(f, catalog_namespace_list(f->catalog, f->warehouse, ns(f, "p"), &page, f->arena,
                                        &list, &f->err));
    assert_int_equal(list.count, 1);
    assert_str(list.names[0], "p\x1f"
                              "3");
    assert_false(list.more);
}

/* ---- properties ------------------------------------------------------------------------------ */

static void test_bad_properties(void **state)
{
    struct fixture *f = *state;
    struct str text;
    assert_refused(f, create(f, "a", "[]"), ERR_ILLEGAL_ARGUMENT,
                   "Cannot parse properties: not an object");
    assert_refused(f, create(f, "a", "{\"k\":1}"), ERR_ILLEGAL_ARGUMENT,
                   "Cannot parse properties: the value of k is not a string");
    make_ns(f, "a");
    assert_refused(f, update(f, "a", "{}", NULL, &text), ERR_ILLEGAL_ARGUMENT,
                   "Cannot parse removals: not an array");
    assert_refused(f, update(f, "a", "[\"k\",null]", NULL, &text), ERR_ILLEGAL_ARGUMENT,
                   "Cannot parse removals: element 1 is not a string");
    assert_refused(f, update(f, "a", NULL, "{\"k\":null}", &text), ERR_ILLEGAL_ARGUMENT,
                   "Cannot parse updates: the value of k is not a string");
    assert_properties(f, "a", "{}");
}

static void test_update(void **state)
{
    struct fixture *f = *state;
    struct str result;
    assert_ok(f, create(f, "a", "{\"x\":\"1\",\"y\":\"2\",\"z\":\"3\"}"));
    assert_ok(
        f, update(f, "a", "[\"y\",\"gone\",\"y\",\"gone\"]", "{\"x\":\"1\",\"n\":\"\"}", &result));
    assert_str(result, "{\"updated\":[\"x\",\"n\"],\"removed\":[\"y\"],\"missing\":[\"gone\"]}");
    assert_properties(f, "a", "{\"x\":\"1\",\"z\":\"3\",\"n\":\"\"}");
    assert_str(newest_history(f).detail,
               "{\"updated\":[\"x\",\"n\"],\"removed\":[\"y\"],\"missing\":[\"gone\"]}");

    assert_ok(f, update(f, "a", NULL, NULL, &result));
    assert_str(result, "{\"updated\":[],\"removed\":[],\"missing\":[]}");
    assert_ok(f, update(f, "a", "[\"gone\"]", NULL, &result));
    assert_str(result, "{\"updated\":[],\"removed\":[],\"missing\":[\"gone\"]}");
}

static void test_overlap_is_told_before_existence(void **state)
{
    struct fixture *f = *state;
    struct str result;
    assert_refused(f, update(f, "missing", "[\"a\",\"k\"]", "{\"k\":\"v\"}", &result),
                   ERR_UNPROCESSABLE,
                   "Invalid namespace update: cannot simultaneously set and remove keys: [k]");
}

static void test_too_many_properties(void **state)
{
    struct fixture *f = *state;
    struct str result;
    json_t *many = json_object();
    for (int i = 0; i < 5000; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%d", i);
        json_object_set_new(many, key, json_string("v"));
    }
    assert_ok(f, catalog_namespace_create(f->catalog, f->warehouse, &f->caller, ns(f, "a"), many,
                                          &f->err));
    json_decref(many);
    assert_ok(f, update(f, "a", NULL, "{\"k7\":\"w\"}", &result));
    assert_refused(f, update(f, "a", NULL, "{\"one more\":\"v\"}", &result), ERR_ILLEGAL_ARGUMENT,
                   "A namespace can have at most 5000 properties");
}

#define UPDATERS 4
#define UPDATES_EACH 25

struct updater {
    struct fixture *f;
    pthread_t thread;
    int number, failures;
};

static void *update_many(void *arg)
{
    struct updater *updater = arg;
    struct arena *arena = arena_new();
    struct namespace_ident a = ns_of(arena, "a");
    for (int i = 0; i < UPDATES_EACH; i++) {
        struct error err;
        struct str result;
        char key[32];
        (void)snprintf(key, sizeof(key), "k%d-%d", updater->number, i);
        json_t *updates = json_pack("{s:s}", key, "v");
        updater->failures += catalog_namespace_update(updater->f->catalog, updater->f->warehouse,
                                                      &updater->f->caller, &a, NULL, updates, arena,
                                                      &result, &err) != 0;
        json_decref(updates);
    }
    arena_free(arena);
    return NULL;
}

static void test_no_update_is_lost(void **state)
{
    struct fixture *f = *state;
    struct updater updaters[UPDATERS];
    struct str text;
    make_ns(f, "a");
    for (int i = 0; i < UPDATERS; i++) {
        updaters[i] = (struct updater){.f = f, .number = i};
        assert_int_equal(pthread_create(&updaters[i].thread, NULL, update_many, &updaters[i]), 0);
    }
    for (int i = 0; i < UPDATERS; i++) {
        pthread_join(updaters[i].thread, NULL);
        assert_int_equal(updaters[i].failures, 0);
    }
    assert_ok(f, load(f, "a", &text));
    json_t *properties = json_loadb(text.ptr, text.len, 0, NULL);
    assert_int_equal(json_object_size(properties), UPDATERS * UPDATES_EACH);
    json_decref(properties);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATALOG_TEST(test_create_makes_ancestors),
        CATALOG_TEST(test_missing),
        CATALOG_TEST(test_root),
        CATALOG_TEST(test_drop),
        CATALOG_TEST(test_list_pages),
        CATALOG_TEST(test_bad_properties),
        CATALOG_TEST(test_update),
        CATALOG_TEST(test_overlap_is_told_before_existence),
        CATALOG_TEST(test_too_many_properties),
        CATALOG_TEST(test_no_update_is_lost),
    };
    return cmocka_run_group_tests_name("catalog_namespaces", tests, NULL, NULL);
}
