/* Table metadata as a value: look-ups, invariants, the metadata log.
 *
 * Lists grow beyond `count` or are replaced; an element that some copy counts is never written. */
#include "iceberg/table_metadata.h"

#include <assert.h>

#include "base/limits.h"
#include "iceberg/id_map.h"
#include "iceberg/snapshot.h"

#define LOG_CLOCK_SKEW_MS 60000
#define PREVIOUS_VERSIONS_DEFAULT 100
#define REFS_WORTH_A_MAP 8

const struct metadata_ref *table_metadata_ref(const struct table_metadata *metadata,
                                              struct str name)
{
    for (size_t i = 0; i < metadata->ref_count; i++)
        if (str_equal(metadata->refs[i].name, name))
            return &metadata->refs[i];
    return NULL;
}

struct metadata_head table_metadata_head(const struct table_metadata *metadata)
{
    return (struct metadata_head){
        .uuid = metadata->table_uuid,
        .location = metadata->location,
        .properties = metadata->properties,
        .property_count = metadata->property_count,
    };
}

struct str table_metadata_property(const struct table_metadata *metadata, const char *key)
{
    struct metadata_head head = table_metadata_head(metadata);
    return metadata_property(&head, key);
}

bool table_metadata_property_true(const struct table_metadata *metadata, const char *key,
                                  bool otherwise)
{
    struct metadata_head head = table_metadata_head(metadata);
    return metadata_property_true(&head, key, otherwise);
}

/* --- invariants ------------------------------------------------------------------------------ */

/* `later` before `earlier` by more than clocks may differ. */
static bool goes_back(int64_t earlier, int64_t later)
{
    return earlier > INT64_MIN + LOG_CLOCK_SKEW_MS && later < earlier - LOG_CLOCK_SKEW_MS;
}

static int check_log(const struct metadata_list *log, const char *what, int64_t last_updated_ms,
                     struct error *err)
{
    for (size_t i = 1; i < log->count; i++)
        if (goes_back(log->elements[i - 1].timestamp_ms, log->elements[i].timestamp_ms))
            return error_set(err, ERR_VALIDATION,
                             "Expected sorted %s entries: %lld is more than a minute before %lld",
                             what, (long long)log->elements[i].timestamp_ms,
                             (long long)log->elements[i - 1].timestamp_ms);
    if (log->count > 0 && goes_back(log->elements[log->count - 1].timestamp_ms, last_updated_ms))
        return error_set(err, ERR_VALIDATION,
                         "Invalid update timestamp %lld: more than a minute before the last %s "
                         "entry at %lld",
                         (long long)last_updated_ms, what,
                         (long long)log->elements[log->count - 1].timestamp_ms);
    return 0;
}

static int check_layout(const struct table_metadata *metadata, struct error *err)
{
    if (metadata->partition_specs.count == 0)
        return error_set(err, ERR_VALIDATION, "Partition specs cannot be empty");
    if (metadata->sort_orders.count == 0)
        return error_set(err, ERR_VALIDATION, "Sort orders cannot be empty");
    if (metadata_list_find(&metadata->schemas, metadata->current_schema_id) == NULL)
        return error_set(err, ERR_VALIDATION, "Cannot find current schema with id %lld",
                         (long long)metadata->current_schema_id);
    if (metadata_list_find(&metadata->partition_specs, metadata->default_spec_id) == NULL)
        return error_set(err, ERR_VALIDATION, "Cannot find default partition spec with id %lld",
                         (long long)metadata->default_spec_id);
    if (metadata_list_find(&metadata->sort_orders, metadata->default_sort_order_id) == NULL)
        return error_set(err, ERR_VALIDATION, "Cannot find default sort order with id %lld",
                         (long long)metadata->default_sort_order_id);
    return 0;
}

static int check_sequence_numbers(const struct table_metadata *metadata, struct error *err)
{
    int64_t last = metadata->last_sequence_number;
    if (metadata->format_version == 1 && last != 0)
        return error_set(err, ERR_VALIDATION, "Sequence number must be 0 in v1: %lld",
                         (long long)last);
    for (size_t i = 0; i < metadata->snapshots.count; i++)
        if (metadata->snapshots.elements[i].sequence_number > last)
            return error_set(err, ERR_VALIDATION,
                             "Invalid snapshot with sequence number %lld greater than last "
                             "sequence number %lld",
                             (long long)metadata->snapshots.elements[i].sequence_number,
                             (long long)last);
    return 0;
}

static int check_main(const struct table_metadata *metadata, struct error *err)
{
    const struct metadata_ref *main_ref = table_metadata_ref(metadata, STR(REF_MAIN));
    int64_t current = metadata->current_snapshot_id;
    if (main_ref == NULL && current != SNAPSHOT_NONE)
        return error_set(err, ERR_VALIDATION,
                         "Current snapshot is %lld, but there is no branch main",
                         (long long)current);
    if (main_ref != NULL && current == SNAPSHOT_NONE)
        return error_set(err, ERR_VALIDATION,
                         "Current snapshot is not set, but main branch exists: %lld",
                         (long long)main_ref->snapshot_id);
    if (main_ref != NULL && main_ref->snapshot_id != current)
        return error_set(err, ERR_VALIDATION,
                         "Current snapshot ID does not match main branch (%lld != %lld)",
                         (long long)current, (long long)main_ref->snapshot_id);
    if (main_ref != NULL && main_ref->is_tag)
        return error_set(err, ERR_VALIDATION, "Cannot set main as a tag, it must be a branch");
    return 0;
}

/* Every ref points at a snapshot that exists; so does the current snapshot, which is ref main. */
static int check_refs(const struct table_metadata *metadata, struct error *err)
{
    if (check_main(metadata, err) != 0)
        return -1;
    struct arena *scratch = NULL;
    struct id_map ids;
    if (metadata->ref_count > REFS_WORTH_A_MAP) {
        scratch = arena_new();
        id_map_init(&ids, scratch, metadata->snapshots.count);
        for (size_t i = 0; i < metadata->snapshots.count; i++)
            id_map_put(&ids, metadata->snapshots.elements[i].id, (int64_t)i);
    }
    int result = 0;
    for (size_t i = 0; i < metadata->ref_count && result == 0; i++) {
        int64_t id = metadata->refs[i].snapshot_id;
        bool found = scratch != NULL ? id_map_has(&ids, id)
                                     : metadata_list_find(&metadata->snapshots, id) != NULL;
        if (!found)
            result = error_set(err, ERR_VALIDATION,
                               "Snapshot for reference %.*s does not exist in the existing "
                               "snapshots list: %lld",
                               STR_ARG(metadata->refs[i].name), (long long)id);
    }
    arena_free(scratch);
    return result;
}

int table_metadata_check(const struct table_metadata *metadata, struct error *err)
{
    assert(metadata->format_version >= 1 && metadata->format_version <= FORMAT_VERSION_MAX);
    if (metadata->format_version > 1 && metadata->table_uuid.len == 0)
        return error_set(err, ERR_VALIDATION, "UUID is required in format v%d",
                         metadata->format_version);
    if (metadata->location.len == 0)
        return error_set(err, ERR_VALIDATION, "Table location is required");
    if (check_layout(metadata, err) != 0 || check_sequence_numbers(metadata, err) != 0 ||
        check_refs(metadata, err) != 0)
        return -1;
    if (check_log(&metadata->snapshot_log, "snapshot log", metadata->last_updated_ms, err) != 0 ||
        check_log(&metadata->metadata_log, "metadata log", metadata->last_updated_ms, err) != 0)
        return -1;
    return 0;
}

/* --- files ----------------------------------------------------------------------------------- */

static size_t previous_versions_max(const struct table_metadata *metadata)
{
    struct str text = table_metadata_property(metadata, "write.metadata.previous-versions-max");
    long long versions;
    if (!str_to_int64(text, &versions))
        versions = PREVIOUS_VERSIONS_DEFAULT;
    if (versions > SNAPSHOTS_MAX)
        versions = SNAPSHOTS_MAX;
    return versions < 1 ? 1 : (size_t)versions;
}

void table_metadata_log_append(struct table_metadata *metadata, struct str base_location,
                               int64_t base_last_updated_ms, struct arena *arena)
{
    struct metadata_list *log = &metadata->metadata_log;
    metadata_list_append(log, metadata_log_entry(base_location, base_last_updated_ms, arena),
                         arena);
    size_t keep = previous_versions_max(metadata);
    if (log->count > keep) { /* the tail becomes the list; nothing moves */
        size_t dropped = log->count - keep;
        log->elements += dropped;
        log->count -= dropped;
        log->capacity -= dropped;
    }
    assert(log->count > 0 && log->count <= log->capacity);
}

static bool log_names(const struct metadata_element *elements, size_t count, struct str file)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal(elements[i].key, file))
            return true;
    return false;
}

/* A log loses entries at its front: it is enough to look at as many as it lost. */
size_t table_metadata_log_dropped(const struct table_metadata *base,
                                  const struct table_metadata *draft, struct str *out, size_t max)
{
    const struct metadata_list *before = &base->metadata_log, *after = &draft->metadata_log;
    size_t count = 0;
    for (size_t i = 0; i < before->count && i + after->count < before->count + 1; i++) {
        struct str file = before->elements[i].key;
        if (count == max)
            break;
        if (!log_names(after->elements, after->count, file) &&
            !log_names(before->elements, i, file))
            out[count++] = file;
    }
    return count;
}
