/* View metadata and commits to views. Input: a document, and behind a line "---" the body of a
 * commit, when there is one.
 *
 * What is read, or made by a commit, can be written; what was written reads as the same and is
 * written the same again. */
#include "tests/fuzz/fuzz.h"

#include "base/raw_json.h"
#include "iceberg/view_commit.h"
#include "iceberg/view_create.h"
#include "tests/fuzz/fuzz_metadata.h"

#define UUID "11111111-2222-4333-8444-555555555555"

static void check_round_trip(const struct view_metadata *metadata, struct arena *arena)
{
    struct buf first = BUF_INIT(METADATA_FILE_BYTES_MAX),
               second = BUF_INIT(METADATA_FILE_BYTES_MAX);
    struct view_metadata published, parsed, again;
    struct error err = {0};
    view_metadata_publish(metadata, arena, &first, &published);
    CHECK(!first.overflowed);
    fuzz_check_json(buf_str(&first));
    if (view_metadata_parse(buf_str(&first), arena, &parsed, &err) != 0) {
        fprintf(stderr, "what was written cannot be read: %s\n", err.message);
        abort();
    }
    CHECK(str_equal(published.view_uuid, parsed.view_uuid));
    CHECK(str_equal(published.location, parsed.location));
    CHECK(published.current_version_id == parsed.current_version_id);
    CHECK(published.property_count == parsed.property_count);
    fuzz_check_lists(&published.schemas, &parsed.schemas);
    fuzz_check_lists(&published.versions, &parsed.versions);
    fuzz_check_lists(&published.version_log, &parsed.version_log);
    view_metadata_publish(&parsed, arena, &second, &again);
    CHECK(str_equal(buf_str(&first), buf_str(&second)));
    buf_free(&first);
    buf_free(&second);
}

static void commit(const struct view_metadata *base, struct str text, struct arena *arena)
{
    const struct commit_inputs inputs = {1700000100000, UUID};
    struct view_metadata next;
    struct view_commit commit;
    struct str body;
    bool changed;
    struct error err = {0};
    if (raw_json_check(text, &body, &err) != 0 || raw_json_kind(body) != RAW_JSON_OBJECT)
        return;
    if (view_commit_parse(body, arena, &commit, &err) != 0 ||
        (view_commit_check(&commit, base, &err) != 0 && err.kind != ERR_COMMIT_FAILED) ||
        view_commit_apply(&commit, base, &inputs, arena, &next, &changed, &err) != 0) {
        fuzz_check_error(&err);
        return;
    }
    CHECK(view_metadata_check(&next, &err) == 0);
    check_round_trip(&next, arena);
}

static void create(struct str text, struct arena *arena)
{
    struct view_create create;
    struct view_metadata made;
    struct str body;
    struct error err = {0};
    if (raw_json_check(text, &body, &err) != 0 || raw_json_kind(body) != RAW_JSON_OBJECT)
        return;
    if (view_create_parse(body, arena, &create, &err) != 0 ||
        view_create_build(&create, STR("file:///w/v"), UUID, arena, &made, &err) != 0) {
        fuzz_check_error(&err);
        return;
    }
    check_round_trip(&made, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = fuzz_copy(data, size), rest = input, document = fuzz_cut_document(&rest);
    struct arena *arena = arena_new();
    struct view_metadata metadata;
    struct error err = {0};
    if (view_metadata_parse(document, arena, &metadata, &err) == 0) {
        fuzz_check_json(document);
        check_round_trip(&metadata, arena);
        if (rest.ptr != NULL)
            commit(&metadata, rest, arena);
    } else {
        fuzz_check_error(&err);
    }
    create(document, arena);
    arena_free(arena);
    free((char *)input.ptr);
    return 0;
}
