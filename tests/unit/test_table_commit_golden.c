/* Commits as data: every folder of tests/data/commit is a case (see the README.md there), so that
 * adding one needs no C. Besides what the case says, every result must survive a round trip through
 * its text, and every base must be unharmed afterwards. */
#include "tests/unit/metadata_fixture.h"

#include <dirent.h>

#define NOW_MS 1700000100000
#define NEW_UUID "11111111-2222-4333-8444-555555555555"
#define BASE_FILE \
    "s3://bucket/ns/t/metadata/00003-4ab24c3a-4d5e-4d3b-8a5e-3a7a3f2c1d00.metadata.json"
#define CASES_MAX 4096

struct outcome {
    int result;
    bool changed;
    struct error err;
    struct str document; /* when result is 0 */
};

/* base.json is a document, or the name of one in bases/. */
static struct str read_base(struct arena *arena, const char *folder)
{
    struct str text = read_text(arena, folder, "base.json");
    if (text.ptr == NULL || text.ptr[0] != '"')
        return text;
    return read_base_text(arena, json_string_value(load(arena, "base.json", text)));
}

static void run_commit(struct arena *arena, struct str commit_text,
                       const struct table_metadata *base, struct outcome *out)
{
    struct table_commit commit;
    struct table_metadata next, published;
    struct commit_inputs inputs = {NOW_MS, NEW_UUID};
    out->result = -1;
    if (parse_commit(arena, commit_text, &commit, &out->err) != 0)
        return;
    if (table_commit_check(&commit, base, &out->err) != 0)
        return;
    if (table_commit_apply(&commit, base, &inputs, arena, &next, &out->changed, &out->err) != 0)
        return;
    if (base != NULL && out->changed)
        table_metadata_log_append(&next, STR(BASE_FILE), base->last_updated_ms, arena);
    out->result = 0;
    out->document = publish(arena, &next, &published);
}

/* The base with last-updated-ms and the metadata log as every commit leaves them, and `changes`. */
static json_t *changed_base(struct arena *arena, struct str base_text, json_t *changes)
{
    json_t *want = json_deep_copy(load(arena, "base.json", base_text));
    arena_defer(arena, drop_json, want);
    json_int_t updated_ms = json_integer_value(json_object_get(want, "last-updated-ms"));
    json_t *log = json_object_get(want, "metadata-log");
    json_array_append_new(
        log, json_pack("{s:I,s:s}", "timestamp-ms", updated_ms, "metadata-file", BASE_FILE));
    json_object_set_new(want, "last-updated-ms",
                        json_integer(updated_ms > NOW_MS ? updated_ms : NOW_MS));
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

static void expect_result(struct arena *arena, const char *folder, struct str base_text,
                          const struct outcome *got)
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

/* What was published can be read, and is published again byte for byte. */
static void expect_round_trip(struct arena *arena, struct str document)
{
    struct table_metadata published;
    struct table_metadata parsed = parse_metadata(arena, document);
    assert_true(str_equal(publish(arena, &parsed, &published), document));
}

static void run_case(void **state)
{
    struct arena *arena = arena_new();
    const char *folder = *state;
    struct table_metadata base, unused;
    struct outcome got = {0};
    struct str base_text = read_base(arena, folder);
    if (base_text.ptr != NULL)
        base = parse_metadata(arena, base_text);
    struct str before = base_text.ptr == NULL ? STR_NONE : publish(arena, &base, &unused);

    run_commit(arena, read_text(arena, folder, "commit.json"), base_text.ptr == NULL ? NULL : &base,
               &got);

    struct str error_text = read_text(arena, folder, "error.json");
    if (error_text.ptr != NULL)
        expect_refusal(arena, error_text, got.result, &got.err, got.document);
    else
        expect_result(arena, folder, base_text, &got);
    if (got.result == 0)
        expect_round_trip(arena, got.document);
    if (base_text.ptr != NULL)
        assert_true(str_equal(before, publish(arena, &base, &unused)));
    arena_free(arena);
}

static int is_case(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strcmp(entry->d_name, "bases") != 0 &&
           strcmp(entry->d_name, "README.md") != 0;
}

int main(void)
{
    static struct CMUnitTest tests[CASES_MAX];
    struct dirent **entries;
    struct arena *arena = arena_new();
    int count = scandir(COMMIT_CASES, &entries, is_case, alphasort);
    if (count <= 0 || count > CASES_MAX) {
        fprintf(stderr, "no cases in %s\n", COMMIT_CASES);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        const char *name = arena_printf(arena, "%s", entries[i]->d_name).ptr;
        const char *folder = arena_printf(arena, COMMIT_CASES "/%s", name).ptr;
        tests[i] = (struct CMUnitTest){name, run_case, NULL, NULL, (void *)folder};
        free(entries[i]);
    }
    free(entries);
    int failed = _cmocka_run_group_tests("commits", tests, (size_t)count, NULL, NULL);
    arena_free(arena);
    return failed;
}
