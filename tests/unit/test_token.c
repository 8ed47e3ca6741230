/* Tokens: what is signed is read back, and nothing else is. */
#include "tests/unit/unit.h"

#include "server/token.h"

static struct arena *arena;
static const struct signing_key_row keys[] = {{.id = 7, .bytes = {1, 2, 3}},
                                              {.id = 3, .bytes = {9}}};

static const struct token_claims claims = {
    .principal_id = 42,
    .principal_version = 3,
    .issued_ms = 1700000000000,
    .expires_ms = 1700000003600,
    .scope = {"catalog sign", 12},
};

static bool is_read(struct str text, struct token_claims *out)
{
    return token_read(text, keys, COUNT_OF(keys), arena, out);
}

static void a_token_says_what_was_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct str text = token_write(&claims, &keys[i], arena);
        struct token_claims read;
        assert_true(str_starts_with(text, STR("firn_")));
        assert_false(str_contains(text, STR("."))); /* it must not look like a JWT */
        assert_true(is_read(text, &read));
        assert_int_equal(read.principal_id, 42);
        assert_int_equal(read.principal_version, 3);
        assert_int_equal(read.issued_ms, claims.issued_ms);
        assert_int_equal(read.expires_ms, claims.expires_ms);
        assert_int_equal(read.key_id, keys[i].id);
        assert_str(read.scope, "catalog sign");
    }
}

static void scopes_of_any_length(void **state)
{
    (void)state;
    char scope[TOKEN_SCOPE_BYTES_MAX];
    memset(scope, 'x', sizeof(scope));
    for (size_t len = 0; len <= sizeof(scope); len++) {
        struct token_claims some = claims, read;
        some.scope = str_from(scope, len);
        assert_true(is_read(token_write(&some, &keys[0], arena), &read));
        assert_int_equal(read.scope.len, len);
    }
}

static void every_changed_character_is_noticed(void **state)
{
    (void)state;
    struct str text = token_write(&claims, &keys[0], arena);
    struct token_claims read;
    for (size_t i = 0; i < text.len; i++) {
        struct str changed = arena_str(arena, text);
        ((char *)changed.ptr)[i] = text.ptr[i] == 'A' ? 'B' : 'A';
        assert_false(is_read(changed, &read));
        assert_false(is_read(str_from(text.ptr, i), &read));
    }
    assert_false(is_read(arena_printf(arena, "%.*sA", STR_ARG(text)), &read));
    assert_false(is_read(arena_printf(arena, "%.*s=", STR_ARG(text)), &read));
}

static void foreign_texts_are_refused(void **state)
{
    (void)state;
    static const char *const foreign[] = {
        "", "None", "firn_", "firn_AAAA", "eyJhbGciOiJub25lIn0.e30.", "Firn_", "firn_....",
    };
    struct token_claims read;
    for (size_t i = 0; i < COUNT_OF(foreign); i++)
        assert_false(is_read(str_cstr(foreign[i]), &read));
    const struct signing_key_row other = {.id = 7, .bytes = {1, 2, 4}}, unknown = {.id = 8};
    assert_false(is_read(token_write(&claims, &other, arena), &read));
    assert_false(is_read(token_write(&claims, &unknown, arena), &read));
    char large[5000];
    memset(large, 'A', sizeof(large));
    memcpy(large, "firn_", 5);
    assert_false(is_read(str_from(large, sizeof(large)), &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_says_what_was_written),
        cmocka_unit_test(scopes_of_any_length),
        cmocka_unit_test(every_changed_character_is_noticed),
        cmocka_unit_test(foreign_texts_are_refused),
    };
    arena = arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
