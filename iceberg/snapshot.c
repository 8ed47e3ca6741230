/* Snapshots, refs, logs and statistics as text with keys.
 *
 * Known members are checked for their kinds here and nowhere else; unknown ones are never looked
 * at. */
#include "iceberg/snapshot.h"

#include <assert.h>

#include "base/limits.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    SNAPSHOT_ID,
    SNAPSHOT_PARENT,
    SNAPSHOT_SEQUENCE,
    SNAPSHOT_TIMESTAMP,
    SNAPSHOT_SUMMARY,
    SNAPSHOT_MANIFEST_LIST,
    SNAPSHOT_MANIFESTS,
    SNAPSHOT_SCHEMA_ID,
    SNAPSHOT_FIRST_ROW_ID,
    SNAPSHOT_ADDED_ROWS,
    SNAPSHOT_KEY_ID,
    SNAPSHOT_MEMBERS,
};

static const struct member_spec snapshot_members[SNAPSHOT_MEMBERS] = {
    [SNAPSHOT_ID] = MEMBER("snapshot-id", INT, REQUIRED),
    [SNAPSHOT_PARENT] = MEMBER("parent-snapshot-id", INT, OPTIONAL),
    [SNAPSHOT_SEQUENCE] = MEMBER("sequence-number", INT, OPTIONAL),
    [SNAPSHOT_TIMESTAMP] = MEMBER("timestamp-ms", INT, REQUIRED),
    [SNAPSHOT_SUMMARY] = MEMBER("summary", STRING_MAP, OPTIONAL),
    [SNAPSHOT_MANIFEST_LIST] = MEMBER("manifest-list", STRING, OPTIONAL),
    [SNAPSHOT_MANIFESTS] = MEMBER("manifests", STRING_ARRAY, OPTIONAL),
    [SNAPSHOT_SCHEMA_ID] = MEMBER("schema-id", INT, OPTIONAL),
    [SNAPSHOT_FIRST_ROW_ID] = MEMBER("first-row-id", INT, OPTIONAL),
    [SNAPSHOT_ADDED_ROWS] = MEMBER("added-rows", INT, OPTIONAL),
    [SNAPSHOT_KEY_ID] = MEMBER("key-id", STRING, OPTIONAL),
};

int snapshot_read(struct str object, struct snapshot *out, struct error *err)
{
    struct str values[SNAPSHOT_MEMBERS];
    if (members_read(object, "snapshot", snapshot_members, SNAPSHOT_MEMBERS, values, err) != 0)
        return -1;
    *out = (struct snapshot){
        .snapshot_id = member_int64(values[SNAPSHOT_ID]),
        .sequence_number = member_int64_or(values[SNAPSHOT_SEQUENCE], 0),
        .timestamp_ms = member_int64(values[SNAPSHOT_TIMESTAMP]),
        .has_parent = values[SNAPSHOT_PARENT].ptr != NULL,
        .has_manifest_list = values[SNAPSHOT_MANIFEST_LIST].ptr != NULL,
        .has_first_row_id = values[SNAPSHOT_FIRST_ROW_ID].ptr != NULL,
        .first_row_id = member_int64_or(values[SNAPSHOT_FIRST_ROW_ID], 0),
        .added_rows = member_int64_or(values[SNAPSHOT_ADDED_ROWS], 0),
    };
    if (out->snapshot_id == SNAPSHOT_NONE)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse snapshot: snapshot-id is -1");
    if (out->sequence_number < 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse snapshot %lld: sequence-number is negative",
                         (long long)out->snapshot_id);
    if (!out->has_manifest_list && values[SNAPSHOT_MANIFESTS].ptr == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse snapshot %lld: missing manifest-list",
                         (long long)out->snapshot_id);
    if (out->has_first_row_id && values[SNAPSHOT_ADDED_ROWS].ptr == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse snapshot %lld: first-row-id without added-rows",
                         (long long)out->snapshot_id);
    if (out->first_row_id < 0 || out->added_rows < 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse snapshot %lld: first-row-id and added-rows must not be "
                         "negative",
                         (long long)out->snapshot_id);
    return 0;
}

struct str snapshot_text(struct str object, struct arena *arena)
{
    struct str text = members_without_nulls(object, snapshot_members, SNAPSHOT_MEMBERS, arena);
    return text.ptr == object.ptr ? arena_str(arena, text) : text;
}

int snapshot_element_read(struct str object, struct arena *arena, struct metadata_element *out,
                          struct error *err)
{
    (void)arena;
    struct snapshot snapshot;
    if (snapshot_read(object, &snapshot, err) != 0)
        return -1;
    *out = (struct metadata_element){.text = object,
                                     .id = snapshot.snapshot_id,
                                     .sequence_number = snapshot.sequence_number,
                                     .timestamp_ms = snapshot.timestamp_ms};
    return 0;
}

/* --- refs ---------------------------------------------------------------------------------- */

enum { REF_SNAPSHOT_ID, REF_TYPE, REF_MIN_KEEP, REF_MAX_SNAPSHOT_AGE, REF_MAX_AGE, REF_MEMBERS };

static const struct member_spec ref_members[REF_MEMBERS] = {
    [REF_SNAPSHOT_ID] = MEMBER("snapshot-id", INT, REQUIRED),
    [REF_TYPE] = MEMBER("type", STRING, REQUIRED),
    [REF_MIN_KEEP] = MEMBER("min-snapshots-to-keep", INT, OPTIONAL),
    [REF_MAX_SNAPSHOT_AGE] = MEMBER("max-snapshot-age-ms", INT, OPTIONAL),
    [REF_MAX_AGE] = MEMBER("max-ref-age-ms", INT, OPTIONAL),
};

/* A positive number, or absent, which is 0. */
static int read_retention(struct str value, const struct member_spec *spec, int64_t *out,
                          struct error *err)
{
    *out = member_int64_or(value, 0);
    if (value.ptr != NULL && *out <= 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse snapshot ref: %s must be > 0",
                         spec->name.ptr);
    return 0;
}

int snapshot_ref_read(struct str object, struct arena *arena, struct metadata_ref *out,
                      struct error *err)
{
    struct str values[REF_MEMBERS];
    if (members_read(object, "snapshot ref", ref_members, REF_MEMBERS, values, err) != 0)
        return -1;
    *out = (struct metadata_ref){.snapshot_id = member_int64(values[REF_SNAPSHOT_ID])};
    struct str type = raw_json_string(values[REF_TYPE], arena);
    out->is_tag = str_equal_ignore_case(type, STR("tag"));
    if (!out->is_tag && !str_equal_ignore_case(type, STR("branch")))
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse snapshot ref: type must be branch or tag, not %.*s",
                         STR_ARG(type));
    if (read_retention(values[REF_MIN_KEEP], &ref_members[REF_MIN_KEEP],
                       &out->min_snapshots_to_keep, err) != 0 ||
        read_retention(values[REF_MAX_SNAPSHOT_AGE], &ref_members[REF_MAX_SNAPSHOT_AGE],
                       &out->max_snapshot_age_ms, err) != 0 ||
        read_retention(values[REF_MAX_AGE], &ref_members[REF_MAX_AGE], &out->max_ref_age_ms, err) !=
            0)
        return -1;
    if (out->is_tag && (out->min_snapshots_to_keep != 0 || out->max_snapshot_age_ms != 0))
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Tags do not support setting minSnapshotsToKeep and maxSnapshotAgeMs");
    return 0;
}

bool snapshot_ref_equal(const struct metadata_ref *a, const struct metadata_ref *b)
{
    return a->snapshot_id == b->snapshot_id && a->is_tag == b->is_tag &&
           a->min_snapshots_to_keep == b->min_snapshots_to_keep &&
           a->max_snapshot_age_ms == b->max_snapshot_age_ms &&
           a->max_ref_age_ms == b->max_ref_age_ms;
}

/* --- logs ---------------------------------------------------------------------------------- */

int snapshot_log_element_read(struct str object, struct arena *arena, struct metadata_element *out,
                              struct error *err)
{
    static const struct member_spec members[] = {
        MEMBER("timestamp-ms", INT, REQUIRED),
        MEMBER("snapshot-id", INT, REQUIRED),
    };
    (void)arena;
    struct str values[COUNT(members)];
    if (members_read(object, "snapshot-log entry", members, COUNT(members), values, err) != 0)
        return -1;
    *out = (struct metadata_element){
        .text = object, .timestamp_ms = member_int64(values[0]), .id = member_int64(values[1])};
    return 0;
}

int metadata_log_element_read(struct str object, struct arena *arena, struct metadata_element *out,
                              struct error *err)
{
    static const struct member_spec members[] = {
        MEMBER("timestamp-ms", INT, REQUIRED),
        MEMBER("metadata-file", STRING, REQUIRED),
    };
    struct str values[COUNT(members)];
    if (members_read(object, "metadata-log entry", members, COUNT(members), values, err) != 0)
        return -1;
    *out = (struct metadata_element){.text = object,
                                     .timestamp_ms = member_int64(values[0]),
                                     .key = raw_json_string(values[1], arena)};
    return 0;
}

struct metadata_element snapshot_log_entry(int64_t snapshot_id, int64_t timestamp_ms,
                                           struct arena *arena)
{
    assert(snapshot_id != SNAPSHOT_NONE);
    struct str text = arena_printf(arena, "{\"timestamp-ms\":%lld,\"snapshot-id\":%lld}",
                                   (long long)timestamp_ms, (long long)snapshot_id);
    return (struct metadata_element){.text = text, .id = snapshot_id, .timestamp_ms = timestamp_ms};
}

struct metadata_element metadata_log_entry(struct str metadata_file, int64_t timestamp_ms,
                                           struct arena *arena)
{
    assert(metadata_file.len > 0);
    struct buf buf = BUF_INIT(METADATA_FILE_BYTES_MAX);
    buf_add_format(&buf, "{\"timestamp-ms\":%lld,\"metadata-file\":", (long long)timestamp_ms);
    raw_json_write_string(&buf, metadata_file);
    buf_add_char(&buf, '}');
    struct metadata_element entry = {.text = arena_str(arena, buf_str(&buf)),
                                     .key = arena_str(arena, metadata_file),
                                     .timestamp_ms = timestamp_ms};
    buf_free(&buf);
    return entry;
}

/* --- statistics and keys --------------------------------------------------------------------- */

static int check_blob(struct str blob, struct error *err)
{
    static const struct member_spec members[] = {
        MEMBER("type", STRING, REQUIRED),           MEMBER("snapshot-id", INT, REQUIRED),
        MEMBER("sequence-number", INT, REQUIRED),   MEMBER("fields", INT_ARRAY, REQUIRED),
        MEMBER("properties", STRING_MAP, OPTIONAL),
    };
    struct str values[COUNT(members)];
    return members_read(blob, "blob metadata", members, COUNT(members), values, err);
}

int statistics_element_read(struct str object, struct arena *arena, struct metadata_element *out,
                            struct error *err)
{
    static const struct member_spec members[] = {
        MEMBER("snapshot-id", INT, REQUIRED),
        MEMBER("statistics-path", STRING, REQUIRED),
        MEMBER("file-size-in-bytes", INT, REQUIRED),
        MEMBER("file-footer-size-in-bytes", INT, REQUIRED),
        MEMBER("blob-metadata", ARRAY, REQUIRED),
        MEMBER("key-metadata", STRING, OPTIONAL),
    };
    (void)arena;
    struct str values[COUNT(members)];
    if (members_read(object, "statistics file", members, COUNT(members), values, err) != 0)
        return -1;
    struct str blob;
    struct raw_json_cursor cursor = raw_json_enter(values[4]);
    while (raw_json_next_element(&cursor, &blob))
        if (check_blob(blob, err) != 0)
            return -1;
    *out = (struct metadata_element){.text = object, .id = member_int64(values[0])};
    return 0;
}

int partition_statistics_element_read(struct str object, struct arena *arena,
                                      struct metadata_element *out, struct error *err)
{
    static const struct member_spec members[] = {
        MEMBER("snapshot-id", INT, REQUIRED),
        MEMBER("statistics-path", STRING, REQUIRED),
        MEMBER("file-size-in-bytes", INT, REQUIRED),
    };
    (void)arena;
    struct str values[COUNT(members)];
    if (members_read(object, "partition statistics file", members, COUNT(members), values, err) !=
        0)
        return -1;
    *out = (struct metadata_element){.text = object, .id = member_int64(values[0])};
    return 0;
}

static bool is_base64(struct str text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789+/";
    size_t len = text.len;
    for (int i = 0; i < 2 && len > 0 && text.ptr[len - 1] == '='; i++)
        len--;
    if (len % 4 == 1)
        return false;
    for (size_t i = 0; i < len; i++)
        if (memchr(alphabet, text.ptr[i], sizeof(alphabet) - 1) == NULL)
            return false;
    return true;
}

int encryption_key_element_read(struct str object, struct arena *arena,
                                struct metadata_element *out, struct error *err)
{
    static const struct member_spec members[] = {
        MEMBER("key-id", STRING, REQUIRED),
        MEMBER("encrypted-key-metadata", STRING, REQUIRED),
        MEMBER("encrypted-by-id", STRING, OPTIONAL),
        MEMBER("properties", STRING_MAP, OPTIONAL),
    };
    struct str values[COUNT(members)];
    if (members_read(object, "encryption key", members, COUNT(members), values, err) != 0)
        return -1;
    if (!is_base64(raw_json_string(values[1], arena)))
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse encryption key: encrypted-key-metadata is not base64");
    *out = (struct metadata_element){.text = object, .key = raw_json_string(values[0], arena)};
    return 0;
}
