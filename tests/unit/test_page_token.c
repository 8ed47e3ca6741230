/* Page tokens: what was given is read back, everything else is refused. */
#include "tests/unit/unit.h"

#include "base/digest.h"
#include "server/page_token.h"

static void test_round_trip(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "table", "a\037b", "\xf0\x9f\x90\xbb", "n", " "};
    struct arena *arena = arena_new();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct error err = {0};
        struct str name;
        struct str token = page_token_make(PAGE_OF_TABLES, str_cstr(names[i]), arena);
        assert_true(token.len > 0);
        assert_int_equal(page_token_read(token, PAGE_OF_TABLES, arena, &name, &err), 0);
        assert_str(name, names[i]);
        assert_int_equal(page_token_read(token, PAGE_OF_NAMESPACES, arena, &name, &err), -1);
        assert_int_equal(err.kind, ERR_BAD_REQUEST);
    }
    arena_free(arena);
}

static void test_refuse(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    const struct str tokens[] = {
        STR("garbage!"),
        STR("a"),
        STR("===="),
        STR("10"),
        base64url_encode(arena, STR("t")),
        base64url_encode(arena, STR("xname")),
        base64url_encode(arena, STR("t\xff")),
    };
    for (size_t i = 0; i < COUNT_OF(tokens); i++) {
        struct error err = {0};
        struct str name;
        assert_int_equal(page_token_read(tokens[i], PAGE_OF_TABLES, arena, &name, &err), -1);
        assert_int_equal(err.kind, ERR_BAD_REQUEST);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
