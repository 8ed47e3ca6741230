/* What the targets of metadata and commits check alike: a metadata value, its document, and back.
 */
#ifndef TESTS_FUZZ_FUZZ_METADATA_H
#define TESTS_FUZZ_FUZZ_METADATA_H

#include "tests/fuzz/fuzz.h"

#include <jansson.h>

#include "base/limits.h"
#include "iceberg/table_metadata.h"

/* jansson reads it too; numbers beyond a double excepted. */
static inline void fuzz_check_json(struct str text)
{
    json_error_t trouble = {0};
    json_t *tree = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &trouble);
    CHECK(tree != NULL || json_error_code(&trouble) == json_error_numeric_overflow);
    json_decref(tree);
}

static inline void fuzz_check_lists(const struct metadata_list *a, const struct metadata_list *b)
{
    CHECK(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        const struct metadata_element *x = &a->elements[i], *y = &b->elements[i];
        CHECK(str_equal(x->text, y->text) && str_equal(x->key, y->key));
        CHECK(x->id == y->id && x->timestamp_ms == y->timestamp_ms);
        CHECK(x->sequence_number == y->sequence_number);
    }
}

static inline void fuzz_check_table_lists(const struct table_metadata *a,
                                          const struct table_metadata *b)
{
    fuzz_check_lists(&a->schemas, &b->schemas);
    fuzz_check_lists(&a->partition_specs, &b->partition_specs);
    fuzz_check_lists(&a->sort_orders, &b->sort_orders);
    fuzz_check_lists(&a->snapshots, &b->snapshots);
    fuzz_check_lists(&a->snapshot_log, &b->snapshot_log);
    fuzz_check_lists(&a->metadata_log, &b->metadata_log);
    fuzz_check_lists(&a->statistics, &b->statistics);
    fuzz_check_lists(&a->partition_statistics, &b->partition_statistics);
    fuzz_check_lists(&a->encryption_keys, &b->encryption_keys);
}

static inline void fuzz_check_refs(const struct metadata_ref *a, const struct metadata_ref *b)
{
    CHECK(str_equal(a->name, b->name) && a->snapshot_id == b->snapshot_id);
    CHECK(a->is_tag == b->is_tag && a->min_snapshots_to_keep == b->min_snapshots_to_keep);
    CHECK(a->max_snapshot_age_ms == b->max_snapshot_age_ms);
    CHECK(a->max_ref_age_ms == b->max_ref_age_ms);
}

static inline void fuzz_check_table_heads(const struct table_metadata *a,
                                          const struct table_metadata *b)
{
    CHECK(a->format_version == b->format_version && str_equal(a->table_uuid, b->table_uuid));
    CHECK(str_equal(a->location, b->location) && a->last_updated_ms == b->last_updated_ms);
    CHECK(a->last_sequence_number == b->last_sequence_number);
    CHECK(a->last_column_id == b->last_column_id && a->next_row_id == b->next_row_id);
    CHECK(a->current_schema_id == b->current_schema_id);
    CHECK(a->default_spec_id == b->default_spec_id);
    CHECK(a->last_partition_id == b->last_partition_id);
    CHECK(a->default_sort_order_id == b->default_sort_order_id);
    CHECK(a->current_snapshot_id == b->current_snapshot_id);
    CHECK(a->ref_count == b->ref_count && a->property_count == b->property_count);
    CHECK(a->unknown_count == b->unknown_count);
    for (size_t i = 0; i < a->ref_count; i++)
        fuzz_check_refs(&a->refs[i], &b->refs[i]);
    for (size_t i = 0; i < a->property_count; i++)
        CHECK(str_equal(a->properties[i].key, b->properties[i].key) &&
              str_equal(a->properties[i].value, b->properties[i].value));
    for (size_t i = 0; i < a->unknown_count; i++)
        CHECK(str_equal(a->unknown_members[i].name, b->unknown_members[i].name) &&
              str_equal(a->unknown_members[i].value, b->unknown_members[i].value));
}

/* Written, what was published equals what is read from the bytes, and is written the same again. */
static inline void fuzz_check_table_round_trip(const struct table_metadata *metadata,
                                               struct arena *arena)
{
    struct buf first = BUF_INIT(METADATA_FILE_BYTES_MAX),
               second = BUF_INIT(METADATA_FILE_BYTES_MAX);
    struct table_metadata published, parsed, again;
    struct error err = {0};
    table_metadata_publish(metadata, arena, &first, &published);
    CHECK(!first.overflowed);
    fuzz_check_json(buf_str(&first));
    if (table_metadata_parse(buf_str(&first), arena, &parsed, &err) != 0) {
        fprintf(stderr, "what was written cannot be read: %s\n", err.message);
        abort();
    }
    fuzz_check_table_heads(&published, &parsed);
    fuzz_check_table_lists(&published, &parsed);
    table_metadata_publish(&parsed, arena, &second, &again);
    CHECK(str_equal(buf_str(&first), buf_str(&second)));
    buf_free(&first);
    buf_free(&second);
}

#endif
