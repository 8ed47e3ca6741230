/* What the tests of the table format share: JSON written with single quotes, an arena per test,
 * and checks of errors by kind and message. */
#ifndef TESTS_UNIT_ICEBERG_FIXTURE_H
#define TESTS_UNIT_ICEBERG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static inline int arena_setup(void **state)
{
    *state = arena_new();
    return 0;
}

static inline int arena_teardown(void **state)
{
    arena_free(*state);
    return 0;
}

#define ARENA_TEST(fn) cmocka_unit_test_setup_teardown(fn, arena_setup, arena_teardown)

static inline void drop_json(void *json)
{
    json_decref(json);
}

/* The JSON of a text in which ' stands for "; freed with the arena. */
static inline json_t *parse_json(struct arena *arena, const char *text)
{
    char *copy = strdup(text);
    json_error_t error;

    for (char *at = copy; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    json_t *json = json_loads(copy, JSON_DECODE_ANY, &error);
    if (json == NULL)
        fail_msg("bad JSON in the test: %s: %s", error.text, copy);
    free(copy);
    arena_defer(arena, drop_json, json);
    return json;
}

static inline void expect_text(struct str got, const char *want)
{
    char quoted[8192];
    char *at = quoted;

    assert_true(strlen(want) < sizeof(quoted));
    for (const char *from = want; *from != '\0'; from++)
        *at++ = *from == '\'' ? '"' : *from;
    *at = '\0';
    if (!str_equal_cstr(got, quoted))
        fail_msg("got  %.*s\nwant %s", STR_ARG(got), quoted);
}

/* A failure of that kind whose message contains `part`; `what` names the case. */
static inline void expect_error(const char *what, int result, const struct error *err,
                                enum error_kind kind, const char *part)
{
    if (result != -1)
        fail_msg("accepted: %s", what);
    if (err->kind != kind)
        fail_msg("%s: kind %d instead of %d: %s", what, (int)err->kind, (int)kind, err->message);
    if (strstr(err->message, part) == NULL)
        fail_msg("%s: \"%s\" not in \"%s\"", what, part, err->message);
}

static inline void expect_success(const char *what, int result, const struct error *err)
{
    if (result != 0)
        fail_msg("refused: %s: %s", what, err->message);
}

#endif
