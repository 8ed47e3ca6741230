/* Table metadata, ours or anybody's. Input: a document.
 *
 * 1. What is read can be written, and what was written reads as the same: the second writing has
 *    the same bytes as the first.
 * 2. A document that is read is JSON for jansson too, and so is what is written.
 * 3. The document with the snapshots of refs only can be read, and holds no others. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>

#include "base/limits.h"
#include "base/raw_json.h"
#include "iceberg/table_metadata.h"
#include "tests/fuzz/fuzz_metadata.h"

static void check_refs_only(const struct table_metadata *metadata, struct arena *arena)
{
    struct buf out = BUF_INIT(METADATA_FILE_BYTES_MAX);
    struct table_metadata few;
    struct error err = {0};
    table_metadata_write_refs_only(metadata, &out);
    CHECK(!out.overflowed);
    CHECK(table_metadata_parse(buf_str(&out), arena, &few, &err) == 0);
    CHECK(few.snapshots.count <= metadata->ref_count && few.ref_count == metadata->ref_count);
    buf_free(&out);
}

static void check_file_location(const struct table_metadata *metadata, struct str document,
                                struct arena *arena)
{
    static const char uuid[] = "11111111-2222-4333-8444-555555555555";
    struct str first, second;
    struct error err = {0};
    struct metadata_head head = table_metadata_head(metadata);
    if (metadata_file_location(&head, false, STR_NONE, uuid, arena, &first, &err) != 0) {
        fuzz_check_error(&err);
        return;
    }
    CHECK(str_contains(first, STR(".metadata.json")));
    CHECK(metadata_file_location(&head, false, first, uuid, arena, &second, &err) == 0);
    CHECK(!str_equal(first, second));
    (void)document;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = fuzz_copy(data, size);
    struct arena *arena = arena_new();
    struct table_metadata metadata;
    struct error err = {0};
    if (table_metadata_parse(input, arena, &metadata, &err) == 0) {
        fuzz_check_json(input);
        fuzz_check_table_round_trip(&metadata, arena);
        check_refs_only(&metadata, arena);
        check_file_location(&metadata, input, arena);
    } else {
        fuzz_check_error(&err);
    }
    arena_free(arena);
    free((char *)input.ptr);
    return 0;
}
