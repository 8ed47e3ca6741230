/* Cases as data: every folder of a directory is a case, but bases/. What the drivers for tables and
 * for views share. */
#ifndef TESTS_UNIT_GOLDEN_FIXTURE_H
#define TESTS_UNIT_GOLDEN_FIXTURE_H

#include "tests/unit/metadata_fixture.h"

#include <dirent.h>

#define NOW_MS 1700000100000
#define NEW_UUID "11111111-2222-4333-8444-555555555555"
#define CASES_MAX 4096

struct outcome {
    int result;
    bool changed;
    struct error err;
    struct str document; /* when result is 0 */
};

/* A copy of the base with the members of `changes`; null takes one away. */
static json_t *base_with(struct arena *arena, struct str base_text, json_t *changes)
{
    json_t *want = json_deep_copy(load(arena, "base.json", base_text));
    arena_defer(arena, drop_json, want);
    const char *name;
    json_t *value;
    json_object_foreach(changes, name, value)
    {
        if (json_is_null(value))
            json_object_del(want, name);
        else
            json_object_set(want, name, value);
    }
    return want;
}

/* The result is the case's expected.json, or else what `changed_base` makes of its changes.json. */
static void expect_result(struct arena *arena, const char *folder, struct str base_text,
                          const struct outcome *got,
                          json_t *(*changed_base)(struct arena *arena, struct str base_text,
                                                  json_t *changes))
{
    if (got->result != 0)
        fail_msg("refused: %s: %s", error_name(got->err.kind), got->err.message);
    struct str expected = read_text(arena, folder, "expected.json");
    if (expected.ptr != NULL) {
        expect_equal(arena, got->document, load(arena, "expected.json", expected));
        return;
    }
    struct str text = read_text(arena, folder, "changes.json");
    if (text.ptr == NULL)
        fail_msg("no expected.json, changes.json or error.json");
    json_t *changes = load(arena, "changes.json", text);
    assert_int_equal(got->changed, !json_is_null(changes));
    if (json_is_null(changes))
        expect_equal(arena, got->document, load(arena, "base.json", base_text));
    else
        expect_equal(arena, got->document, changed_base(arena, base_text, changes));
}

static int is_case(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strcmp(entry->d_name, "bases") != 0 &&
           strcmp(entry->d_name, "README.md") != 0;
}

/* Runs each folder below `directory`; a case's state is its folder. Returns how many failed. */
static int run_cases(const char *group, const char *directory, void (*run_case)(void **state))
{
    static struct CMUnitTest tests[CASES_MAX];
    struct dirent **entries;
    struct arena *arena = arena_new();
    int count = scandir(directory, &entries, is_case, alphasort);
    if (count <= 0 || count > CASES_MAX) {
        fprintf(stderr, "no cases in %s\n", directory);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        const char *name = arena_printf(arena, "%s", entries[i]->d_name).ptr;
        const char *folder = arena_printf(arena, "%s/%s", directory, name).ptr;
        tests[i] = (struct CMUnitTest){name, run_case, NULL, NULL, (void *)folder};
        free(entries[i]);
    }
    free(entries);
    int failed = _cmocka_run_group_tests(group, tests, (size_t)count, NULL, NULL);
    arena_free(arena);
    return failed;
}

#endif
