/* Identifiers: forms, round trips, what may be a name. */
#include "tests/unit/iceberg_fixture.h"

#include "base/limits.h"
#include "iceberg/identifier.h"

static void test_forms(void **state)
{
    struct arena *arena = *state;
    struct str levels[] = {STR("a.x"), STR("b")};
    struct namespace_ident ns = {2, levels};
    struct identifier ident = {ns, STR("t")};
    struct namespace_ident root = {0, NULL};
    struct identifier at_root = {root, STR("t")};

    assert_true(str_equal(namespace_key(&ns, arena), STR("a.x\x1f"
                                                         "b")));
    expect_text(namespace_display(&ns, arena), "a.x.b");
    expect_text(identifier_display(&ident, arena), "a.x.b.t");
    expect_text(identifier_display(&at_root, arena), "t");
    assert_int_equal(namespace_key(&root, arena).len, 0);
}

static void test_key_round_trip(void **state)
{
    static const char *const keys[] = {"a", "a\037b", "a.b\x1f/\x1f%1F", "\x1f", "a\x1f"};
    static const size_t counts[] = {1, 2, 3, 2, 2};
    struct arena *arena = *state;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct namespace_ident ns = namespace_from_key(str_cstr(keys[i]), arena);
        assert_int_equal(ns.level_count, counts[i]);
        assert_true(str_equal_cstr(namespace_key(&ns, arena), keys[i]));
    }
    assert_int_equal(namespace_from_key(STR(""), arena).level_count, 0);
    assert_int_equal(namespace_from_key(STR_NONE, arena).level_count, 0);
}

static void test_name_check(void **state)
{
    static char longest[NAME_BYTES_MAX + 1];
    static const struct {
        struct str name;
        const char *message; /* NULL: accepted */
    } cases[] = {
        {{"t", 1}, NULL},
        {{"a.b/c d%2F+'\"", 13}, NULL},
        {{"\xf0\x9f\xa6\x86", 4}, NULL},
        {{"\x1e", 1}, NULL},
        {{longest, NAME_BYTES_MAX}, NULL},
        {{longest, NAME_BYTES_MAX + 1}, "Invalid table name: 1025 bytes is longer than 1024"},
        {{"", 0}, "Invalid table name: must not be empty"},
        {{NULL, 0}, "Invalid table name: must not be empty"},
        {{"a\0b", 3}, "NUL"},
        {{"a\x1f", 2}, "U+001F"},
        {{"\xff", 1}, "not valid UTF-8"},
        {{"\xed\xa0\x80", 3}, "not valid UTF-8"},
    };

    (void)state;
    memset(longest, 'n', sizeof(longest));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        int result = name_check(cases[i].name, "table name", &err);
        if (cases[i].message == NULL)
            expect_success("name", result, &err);
        else
            expect_error("name", result, &err, ERR_ILLEGAL_ARGUMENT, cases[i].message);
    }
}

static void test_namespace_check(void **state)
{
    struct str levels[NAMESPACE_LEVELS_MAX + 1];
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < NAMESPACE_LEVELS_MAX + 1; i++)
        levels[i] = STR("n");
    struct namespace_ident ns = {NAMESPACE_LEVELS_MAX, levels};
    expect_success("32 levels", namespace_check(&ns, &err), &err);
    ns.level_count++;
    expect_error("33 levels", namespace_check(&ns, &err), &err, ERR_ILLEGAL_ARGUMENT, "33 levels");
    ns.level_count = 0;
    expect_error("root", namespace_check(&ns, &err), &err, ERR_ILLEGAL_ARGUMENT, "empty");
    ns.level_count = 3;
    levels[2] = STR("");
    expect_error("empty level", namespace_check(&ns, &err), &err, ERR_ILLEGAL_ARGUMENT,
                 "Invalid namespace level: must not be empty");
}

static void test_parse(void **state)
{
    static const struct {
        const char *json;
        const char *display; /* NULL: refused */
    } cases[] = {
        {"{'namespace':['a','b'],'name':'t'}", "a.b.t"},
        {"{'name':'t','namespace':['a'],'other':1}", "a.t"},
        {"{'namespace':['\\u00e9'],'name':'\xc3\xbc'}", "\xc3\xa9.\xc3\xbc"},
        {"{'namespace':[],'name':'t'}", NULL},
        {"{'namespace':[''],'name':'t'}", NULL},
        {"{'namespace':['a'],'name':''}", NULL},
        {"{'namespace':['a\\u001fb'],'name':'t'}", NULL},
        {"{'namespace':['a',1],'name':'t'}", NULL},
        {"{'namespace':['a',null],'name':'t'}", NULL},
        {"{'namespace':['a',['b']],'name':'t'}", NULL},
        {"{'namespace':'a','name':'t'}", NULL},
        {"{'namespace':{},'name':'t'}", NULL},
        {"{'namespace':null,'name':'t'}", NULL},
        {"{'name':'t'}", NULL},
        {"{'namespace':['a']}", NULL},
        {"{'namespace':['a'],'name':null}", NULL},
        {"{'namespace':['a'],'name':5}", NULL},
        {"{'namespace':['a'],'name':['t']}", NULL},
        {"['a','t']", NULL},
        {"'a.t'", NULL},
        {"null", NULL},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        struct identifier ident = {0};
        int result = identifier_parse(parse_json(arena, cases[i].json), arena, &ident, &err);
        if (cases[i].display == NULL) {
            expect_error(cases[i].json, result, &err, ERR_ILLEGAL_ARGUMENT, "");
        } else {
            expect_success(cases[i].json, result, &err);
            expect_text(identifier_display(&ident, arena), cases[i].display);
        }
    }
}

static void test_parse_copies(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct namespace_ident ns;
    json_t *json = json_pack("[s, s]", "alpha", "beta");

    expect_success("pair", namespace_parse(json, arena, &ns, &err), &err);
    json_decref(json);
    expect_text(namespace_display(&ns, arena), "alpha.beta");
    expect_error("absent", namespace_parse(NULL, arena, &ns, &err), &err, ERR_ILLEGAL_ARGUMENT,
                 "nothing");
}

static void test_parse_too_many_levels(void **state)
{
    struct arena *arena = *state;
    struct error err = {0};
    struct namespace_ident ns;
    json_t *json = json_array();

    for (int i = 0; i < 100000; i++)
        json_array_append_new(json, json_string("n"));
    expect_error("100000 levels", namespace_parse(json, arena, &ns, &err), &err,
                 ERR_ILLEGAL_ARGUMENT, "100000 levels");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_forms),
        ARENA_TEST(test_key_round_trip),
        ARENA_TEST(test_name_check),
        ARENA_TEST(test_namespace_check),
        ARENA_TEST(test_parse),
        ARENA_TEST(test_parse_copies),
        ARENA_TEST(test_parse_too_many_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
