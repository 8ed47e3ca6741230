/* Routing and the decoding of URLs: what is structure and what is a name. */
#include "tests/unit/unit.h"

#include "server/router.h"

static struct arena *arena;
static struct error err;

static int setup(void **state)
{
    (void)state;
    arena = arena_new();
    error_clear(&err);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static void finds(const char *method, const char *target, const char *operation)
{
    struct route_match match;
    if (router_find(str_cstr(method), str_cstr(target), arena, &match, &err) != 0)
        fail_msg("%s %s: %s", method, target, err.message);
    assert_string_equal(match.route->operation, operation);
}

static void refuses(const char *method, const char *target, enum error_kind kind)
{
    struct route_match match;
    error_clear(&err);
    if (router_find(str_cstr(method), str_cstr(target), arena, &match, &err) == 0)
        fail_msg("%s %s is %s", method, target, match.route->operation);
    if (err.kind != kind)
        fail_msg("%s %s: %s", method, target, error_name(err.kind));
}

static void test_find(void **state)
{
    (void)state;
    finds("GET", "/v1/config", "getConfig");
    finds("GET", "/v1/config?warehouse=a", "getConfig");
    finds("GET", "/v1/config/", "getConfig");
    finds("GET", "/v1/w/namespaces", "listNamespaces");
    finds("GET", "/v1/namespaces", "listNamespaces");
    finds("GET", "/v1/w/namespaces/a/tables/t", "loadTable");
    finds("GET", "/v1/namespaces/a/tables/t", "loadTable");
    finds("GET", "/v1/namespaces/a/tables/", "listTables");
    finds("HEAD", "/v1/namespaces/a", "namespaceExists");
    finds("POST", "/v1/tables/rename", "renameTable");
    finds("POST", "/v1/w/tables/rename", "renameTable");
    finds("POST", "/v1/transactions/commit", "commitTransaction");
    finds("GET", "/v1/namespaces/namespaces/tables/tables", "loadTable");
    finds("GET", "/v1/namespaces/a%2Fb/tables/c%2fd", "loadTable");
    finds("DELETE", "/management/v1/warehouses/w", "dropWarehouse");
    finds("GET", "/health/live", "healthLive");
}

static void test_refuse(void **state)
{
    (void)state;
    refuses("GET", "/", ERR_NO_SUCH_ROUTE);
    refuses("GET", "/other", ERR_NO_SUCH_ROUTE);
    refuses("GET", "/v2/config", ERR_NO_SUCH_ROUTE);
    refuses("GET", "/management/v1/other", ERR_NO_SUCH_ROUTE);
    refuses("GET", "/v1", ERR_BAD_REQUEST);
    refuses("GET", "/v1/", ERR_BAD_REQUEST);
    refuses("GET", "/v1/w", ERR_BAD_REQUEST);
    refuses("GET", "/v1/w/namespaces/a/other", ERR_BAD_REQUEST);
    refuses("GET", "/v1/config/namespaces", ERR_BAD_REQUEST);
    refuses("GET", "/v1/oauth/namespaces", ERR_BAD_REQUEST);
    refuses("GET", "/v1//namespaces", ERR_BAD_REQUEST);
    refuses("GET", "/v1/namespaces//", ERR_BAD_REQUEST);
    refuses("GET", "//v1/config", ERR_BAD_REQUEST);
    refuses("GET", "/v1/namespaces/a//tables", ERR_BAD_REQUEST);
    refuses("GET", "/v1/Namespaces", ERR_BAD_REQUEST);
    refuses("GET", "/v1/w/v/namespaces", ERR_BAD_REQUEST);
    refuses("GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n", ERR_BAD_REQUEST);
    refuses("GET", "/v1/namespaces/\xff", ERR_BAD_REQUEST);
    refuses("GET", "http://h/v1/config", ERR_BAD_REQUEST);
    refuses("GET", "", ERR_BAD_REQUEST);
    refuses("get", "/v1/config", ERR_METHOD_NOT_ALLOWED);
    refuses("PATCH", "/v1/namespaces/a", ERR_METHOD_NOT_ALLOWED);
}

static void test_allow(void **state)
{
    (void)state;
    struct route_match match;
    assert_int_equal(router_find(STR("PUT"), STR("/v1/namespaces/a"), arena, &match, &err), -1);
    assert_string_equal(match.allow, "GET, HEAD, DELETE");
    assert_int_equal(router_find(STR("GET"), STR("/v1/tables/rename"), arena, &match, &err), -1);
    assert_string_equal(match.allow, "POST");
    assert_int_equal(router_find(STR("GET"), STR("/v1/x/y"), arena, &match, &err), -1);
    assert_null(match.allow);
}

static void test_params(void **state)
{
    (void)state;
    struct route_match match;
    assert_int_equal(router_find(STR("GET"), STR("/v1/w/namespaces/a%1Fb/tables/t%2Fu/?x=1&y"),
                                 arena, &match, &err),
                     0);
    assert_str(match.params[PARAM_PREFIX], "w");
    assert_str(match.params[PARAM_NAMESPACE], "a%1Fb");
    assert_str(match.params[PARAM_TABLE], "t%2Fu");
    assert_null(match.params[PARAM_WAREHOUSE].ptr);
    assert_str(match.query, "x=1&y");

    assert_int_equal(router_find(STR("GET"), STR("/v1/namespaces/a"), arena, &match, &err), 0);
    assert_non_null(match.params[PARAM_PREFIX].ptr); /* empty: the default warehouse */
    assert_int_equal(match.params[PARAM_PREFIX].len, 0);
    assert_null(match.query.ptr);
}

static void test_decode(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *text;
        enum error_kind kind;
    } rows[] = {
        {"plain", "plain", ERR_NONE},
        {"a+b", "a b", ERR_NONE},
        {"a%20b", "a b", ERR_NONE},
        {"a%2Bb", "a+b", ERR_NONE},
        {"a%2Fb", "a/b", ERR_NONE},
        {"a%2fb", "a/b", ERR_NONE},
        {"%2e%2e", "..", ERR_NONE},
        {"100%25", "100%", ERR_NONE},
        {"%251F", "%1F", ERR_NONE},
        {"%C3%A9", "\xc3\xa9", ERR_NONE},
        {"%F0%9F%90%BB", "\xf0\x9f\x90\xbb", ERR_NONE},
        {"\xc3\xa9", "\xc3\xa9", ERR_NONE},
        {"%1F", "\x1f", ERR_NONE},
        {"", "", ERR_NONE},
        {"%00", NULL, ERR_ILLEGAL_ARGUMENT},
        {"a%00b", NULL, ERR_ILLEGAL_ARGUMENT},
        {"%", NULL, ERR_BAD_REQUEST},
        {"%4", NULL, ERR_BAD_REQUEST},
        {"a%4", NULL, ERR_BAD_REQUEST},
        {"%zz", NULL, ERR_BAD_REQUEST},
        {"%4g", NULL, ERR_BAD_REQUEST},
        {"%+1", NULL, ERR_BAD_REQUEST},
        {"%C3", NULL, ERR_BAD_REQUEST},
        {"%C0%AF", NULL, ERR_BAD_REQUEST},
        {"%ED%A0%80", NULL, ERR_BAD_REQUEST},
        {"\xff", NULL, ERR_BAD_REQUEST},
        {"\xff%00", NULL, ERR_BAD_REQUEST},
        {"\xff%zz", NULL, ERR_BAD_REQUEST},
        {"\xc3%A9", NULL, ERR_BAD_REQUEST}, /* half a character raw */
        {"a\nb", NULL, ERR_BAD_REQUEST},
        {"a\x1f"
         "b",
         NULL, ERR_BAD_REQUEST},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text;
        error_clear(&err);
        int rc = url_decode(str_cstr(rows[i].raw), arena, &text, &err);
        if ((rc == 0) != (rows[i].text != NULL) || err.kind != rows[i].kind)
            fail_msg("%s: %d, %s", rows[i].raw, rc, err.message);
        if (rc == 0)
            assert_str(text, rows[i].text);
        else
            assert_true(str_is_utf8(str_cstr(err.message)));
    }
}

static void test_decode_namespace(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        size_t count;
        const char *levels[3];
    } rows[] = {
        {"a", 1, {"a"}},           {"a%1Fb", 2, {"a", "b"}}, {"a%1fb%1Fc", 3, {"a", "b", "c"}},
        {"a.b", 1, {"a.b"}},       {"a%2Eb", 1, {"a.b"}},    {"a%2Fb%1Fc+d", 2, {"a/b", "c d"}},
        {"a%251Fb", 1, {"a%1Fb"}}, {"a%1F", 2, {"a", ""}},   {"%1Fa", 2, {"", "a"}},
        {"%1F", 2, {"", ""}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct namespace_ident ns;
        assert_int_equal(url_decode_namespace(str_cstr(rows[i].raw), '\0', arena, &ns, &err), 0);
        assert_int_equal(ns.level_count, rows[i].count);
        for (size_t level = 0; level < rows[i].count; level++)
            assert_str(ns.levels[level], rows[i].levels[level]);
    }
    static const struct {
        const char *raw;
        size_t count;
        const char *levels[3];
    } announced[] = {
        {"a.b", 2, {"a", "b"}},
        {"a%2Eb.c", 3, {"a", "b", "c"}},
        {"a.b%1Fc.d", 2, {"a.b", "c.d"}},
        {"a%252Eb", 1, {"a%2Eb"}},
        {"a%2", 0, {NULL}},
        {"a%G.b", 0, {NULL}},
    };
    for (size_t i = 0; i < COUNT_OF(announced); i++) {
        struct namespace_ident ns;
        int rc = url_decode_namespace(str_cstr(announced[i].raw), '.', arena, &ns, &err);
        assert_int_equal(rc, announced[i].count == 0 ? -1 : 0);
        for (size_t level = 0; level < announced[i].count; level++)
            assert_str(ns.levels[level], announced[i].levels[level]);
    }
    struct namespace_ident ns;
    assert_int_equal(url_decode_namespace(STR("a%1Fb%0"), '\0', arena, &ns, &err), -1);
    assert_int_equal(err.kind, ERR_BAD_REQUEST);
    assert_int_equal(url_decode_namespace(STR("a%1F%00"), '\0', arena, &ns, &err), -1);
    assert_int_equal(err.kind, ERR_ILLEGAL_ARGUMENT);
}

static void test_query(void **state)
{
    (void)state;
    struct str raw;
    assert_true(url_query_raw(STR("a=1&b=2"), "b", &raw));
    assert_str(raw, "2");
    assert_true(url_query_raw(STR("a=1&a=2"), "a", &raw));
    assert_str(raw, "1"); /* of a repeated one the first */
    assert_true(url_query_raw(STR("pageToken=&x"), "pageToken", &raw));
    assert_str(raw, "");
    assert_true(url_query_raw(STR("a&b=1"), "a", &raw));
    assert_str(raw, "");
    assert_non_null(raw.ptr);
    assert_true(url_query_raw(STR("t=a=b=="), "t", &raw));
    assert_str(raw, "a=b==");
    assert_false(url_query_raw(STR("ab=1&b"), "a", &raw));
    assert_false(url_query_raw(STR_NONE, "a", &raw));
    assert_false(url_query_raw(STR("&&"), "a", &raw));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_find, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_params, setup, teardown),
        cmocka_unit_test_setup_teardown(test_decode, setup, teardown),
        cmocka_unit_test_setup_teardown(test_decode_namespace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_query, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
