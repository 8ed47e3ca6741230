/* A commit on a table. Input: a document of metadata (nothing: the table does not exist), a line
 * "---", the body of a commit.
 *
 * 1. What a commit makes can be written, and reads as the same.
 * 2. The base is not changed by it: it writes the same document as before.
 * 3. A commit without effect gives the base. */
#include "tests/fuzz/fuzz.h"

#include "base/raw_json.h"
#include "iceberg/table_commit.h"
#include "tests/fuzz/fuzz_metadata.h"

#define NOW_MS 1700000100000
#define BASE_LOCATION "file:///w/t/metadata/00004-a.metadata.json"

static void write_document(const struct table_metadata *metadata, struct arena *arena,
                           struct buf *out)
{
    struct table_metadata published;
    table_metadata_publish(metadata, arena, out, &published);
    CHECK(!out->overflowed);
}

static void apply(const struct table_commit *commit, const struct table_metadata *base,
                  struct arena *arena)
{
    const struct commit_inputs inputs = {NOW_MS, "11111111-2222-4333-8444-555555555555"};
    struct table_metadata next;
    bool changed;
    struct error err = {0};
    if (table_commit_apply(commit, base, &inputs, arena, &next, &changed, &err) != 0) {
        fuzz_check_error(&err);
        return;
    }
    if (!changed) {
        fuzz_check_table_heads(base, &next);
        fuzz_check_table_lists(base, &next);
        return;
    }
    if (base != NULL)
        table_metadata_log_append(&next, STR(BASE_LOCATION), base->last_updated_ms, arena);
    CHECK(table_metadata_check(&next, &err) == 0);
    fuzz_check_table_round_trip(&next, arena);
}

static void run(struct str document, struct str body, struct arena *arena)
{
    struct table_metadata base;
    struct table_commit commit;
    struct error err = {0};
    struct buf before = BUF_INIT(METADATA_FILE_BYTES_MAX),
               after = BUF_INIT(METADATA_FILE_BYTES_MAX);
    bool exists = document.len > 0;
    if ((exists && table_metadata_parse(document, arena, &base, &err) != 0) ||
        raw_json_check(body, &body, &err) != 0 ||
        (raw_json_kind(body) == RAW_JSON_OBJECT &&
         table_commit_parse(body, arena, &commit, &err) != 0)) {
        fuzz_check_error(&err);
        return;
    }
    if (raw_json_kind(body) != RAW_JSON_OBJECT)
        return;
    if (exists)
        write_document(&base, arena, &before);
    bool holds = table_commit_check(&commit, exists ? &base : NULL, &err) == 0;
    if (!holds)
        fuzz_check_error(&err);
    if (holds || exists) /* updates must be safe whether or not requirements let them happen */
        apply(&commit, exists ? &base : NULL, arena);
    if (exists)
        write_document(&base, arena, &after);
    CHECK(str_equal(buf_str(&before), buf_str(&after)));
    buf_free(&before);
    buf_free(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = fuzz_copy(data, size), rest = input, document = fuzz_cut_document(&rest);
    struct arena *arena = arena_new();
    run(document, rest, arena);
    arena_free(arena);
    free((char *)input.ptr);
    return 0;
}
