/* Commits as data: every folder of tests/data/commit is a case (see the README.md there), so that
 * adding one needs no C. Besides what the case says, every result must survive a round trip through
 * its text, and every base must be unharmed afterwards. */
#include "tests/unit/golden_fixture.h"

#define BASE_FILE \
    "s3://bucket/ns/t/metadata/00003-4ab24c3a-4d5e-4d3b-8a5e-3a7a3f2c1d00.metadata.json"

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
    json_t *want = base_with(arena, base_text, changes),
           *base = load(arena, "base.json", base_text);
    json_int_t updated_ms = json_integer_value(json_object_get(base, "last-updated-ms"));
    if (json_object_get(changes, "metadata-log") == NULL)
        json_array_append_new(
            json_object_get(want, "metadata-log"),
            json_pack("{s:I,s:s}", "timestamp-ms", updated_ms, "metadata-file", BASE_FILE));
    if (json_object_get(changes, "last-updated-ms") == NULL)
        json_object_set_new(want, "last-updated-ms",
                            json_integer(updated_ms > NOW_MS ? updated_ms : NOW_MS));
    return want;
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
        expect_result(arena, folder, base_text, &got, changed_base);
    if (got.result == 0)
        expect_round_trip(arena, got.document);
    if (base_text.ptr != NULL)
        assert_true(str_equal(before, publish(arena, &base, &unused)));
    arena_free(arena);
}

int main(void)
{
    return run_cases("commits", COMMIT_CASES, run_case);
}
