/* Tests of base/error and its table. */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "base/log.h"

static void sets_and_clears(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_set(&err, ERR_NO_SUCH_TABLE, "Table does not exist: %s", "a.b"), -1);
    assert_int_equal(err.kind, ERR_NO_SUCH_TABLE);
    assert_string_equal(err.message, "Table does not exist: a.b");
    assert_int_equal(error_detail(&err, "errno %d", 2), -1);
    assert_string_equal(err.detail, "errno 2");
    error_set(&err, ERR_INTERNAL, "x");
    assert_string_equal(err.detail, "");
    error_clear(&err);
    assert_int_equal(err.kind, ERR_NONE);
    assert_string_equal(err.message, "");
}

static void arguments_may_be_the_error_itself(void **state)
{
    (void)state;
    struct error err = {0};
    error_set(&err, ERR_INTERNAL, "inner");
    error_detail(&err, "why");
    error_set(&err, ERR_COMMIT_FAILED, "outer: %s (%s)", err.message, err.detail);
    assert_string_equal(err.message, "outer: inner (why)");
}

static void cuts_at_whole_characters(void **state)
{
    (void)state;
    struct error err = {0};
    char text[2 * ERROR_MESSAGE_BYTES_MAX];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        size_t len = shift;
        while (len + 4 < sizeof(text)) {
            memcpy(text + len, "\xF0\x9F\x98\x80", 4);
            len += 4;
        }
        text[len] = '\0';
        error_set(&err, ERR_BAD_REQUEST, "%s", text);
        error_detail(&err, "%s", text);
        assert_true(str_is_utf8(str_cstr(err.message)));
        assert_true(strlen(err.message) > ERROR_MESSAGE_BYTES_MAX - 5);
        assert_true(str_is_utf8(str_cstr(err.detail)));
        assert_true(strlen(err.detail) > ERROR_DETAIL_BYTES_MAX - 5);
    }
}

static void table_is_sound(void **state)
{
    (void)state;
    assert_int_equal(error_status(ERR_NONE), 200);
    assert_string_equal(error_name(ERR_COMMIT_FAILED), "commit_failed");
    assert_int_equal(error_status(ERR_COMMIT_FAILED), 409);
    assert_string_equal(error_type(ERR_COMMIT_STATE_UNKNOWN), "CommitStateUnknownException");
    assert_int_equal(error_log_level(ERR_INTERNAL), LOG_LEVEL_ERROR);
    for (enum error_kind kind = ERR_NONE + 1; kind < ERROR_KIND_COUNT; kind++) {
        assert_in_range(error_status(kind), 400, 599);
        assert_true(strlen(error_type(kind)) > 0);
        assert_true(strlen(error_name(kind)) > 0);
        for (enum error_kind other = ERR_NONE + 1; other < kind; other++)
            assert_string_not_equal(error_name(kind), error_name(other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_and_clears),
        cmocka_unit_test(arguments_may_be_the_error_itself),
        cmocka_unit_test(cuts_at_whole_characters),
        cmocka_unit_test(table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
