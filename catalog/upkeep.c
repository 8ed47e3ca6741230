/* Which old metadata files go, and the last look before one does.
 *
 * 1. A file is named by the committed chain: it is in the log of the version that was replaced, and
 *    not in that of the version that replaced it.
 * 2. The log is text that somebody may have made up and registered: a file goes only when it lies
 *    inside of the table's own location.
 * 3. Whoever points at a file has the location that is written in it, as its row was made from it.
 *    So one look at the row of that location tells whether the file is in use. */
#include "catalog/upkeep.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/raw_json.h"
#include "catalog/metadata_file.h"
#include "catalog/mutation.h"

#define DELETE_AFTER_COMMIT "write.metadata.delete-after-commit.enabled"

/* ---- jobs ------------------------------------------------------------------------------------ */

static struct job_row job_of(int64_t warehouse_id, struct str file, struct str location,
                             int64_t now_ms, struct arena *arena)
{
    json_t *payload = json_pack("{s:s%,s:s%}", "metadata-location", file.ptr, file.len, "location",
                                location.ptr, location.len);
    struct job_row job = {
        .kind = STR("remove-old-metadata"),
        .payload = payload == NULL ? STR("{}") : catalog_json_text(payload, arena),
        .warehouse_id = warehouse_id,
        .created_ms = now_ms,
        .not_before_ms = now_ms,
    };
    json_decref(payload);
    return job;
}

size_t upkeep_jobs(const struct object_version *base, const union object_metadata *draft,
                   struct str location, int64_t now_ms, struct arena *arena, struct job_row **out)
{
    struct str dropped[UPKEEP_FILES_MAX];
    if (base == NULL || base->row.kind != OBJECT_TABLE ||
        !table_metadata_property_true(&draft->table, DELETE_AFTER_COMMIT, false))
        return 0;
    size_t count =
        table_metadata_log_dropped(&base->metadata.table, &draft->table, dropped, UPKEEP_FILES_MAX);
    *out = ARENA_ARRAY(arena, struct job_row, count);
    for (size_t i = 0; i < count; i++)
        (*out)[i] = job_of(base->row.warehouse_id, dropped[i], location, now_ms, arena);
    return count;
}

/* ---- the last look --------------------------------------------------------------------------- */

static bool payload_location(const struct job_row *job, const char *key, struct arena *arena,
                             struct location *out)
{
    struct error ignored;
    struct str object;
    if (raw_json_check(job->payload, &object, &ignored) != 0)
        return false;
    struct str member = raw_json_member(object, key);
    if (member.ptr == NULL || raw_json_kind(member) != RAW_JSON_STRING)
        return false;
    return location_parse(raw_json_string(member, arena), arena, out, &ignored) == 0;
}

static bool is_metadata_name(struct str location)
{
    return str_ends_with(location, STR(".metadata.json")) ||
           str_ends_with(location, STR(".metadata.json.gz"));
}

/* Does the object at that place point at the file? */
static int is_pointed_at(struct catalog *catalog, struct str place, struct str file,
                         struct arena *arena, bool *is, struct error *err)
{
    struct object_row row;
    struct location pointer;
    struct error ignored;
    bool found;
    if (metastore_object_find_at(catalog->options.metastore, place, arena, &row, &found, err) != 0)
        return -1;
    *is = found && (location_parse(row.metadata_location, arena, &pointer, &ignored) != 0 ||
                    str_equal(pointer.text, file));
    return 0;
}

/* The canonical location that the document says its table has; STR_NONE: it says none. */
static struct str place_in_document(struct str document, struct arena *arena)
{
    struct str object;
    struct location place;
    struct error ignored;
    if (raw_json_check(document, &object, &ignored) != 0 ||
        raw_json_kind(object) != RAW_JSON_OBJECT)
        return STR_NONE;
    struct str member = raw_json_member(object, "location");
    if (member.ptr == NULL || raw_json_kind(member) != RAW_JSON_STRING ||
        location_parse(raw_json_string(member, arena), arena, &place, &ignored) != 0)
        return STR_NONE;
    return place.text;
}

static enum upkeep_end unreadable(struct str file, const struct error *err)
{
    if (err->kind == ERR_FILE_NOT_FOUND)
        return UPKEEP_DONE; /* gone already */
    log_warn("sweeper: old metadata kept for now: location=%.*s error=%s %s", STR_ARG(file),
             err->message, err->detail);
    bool later = err->kind == ERR_UNAVAILABLE || err->kind == ERR_STORAGE_REFUSED ||
                 err->kind == ERR_INTERNAL;
    return later ? UPKEEP_LATER : UPKEEP_DONE;
}

static enum upkeep_end judge_content(struct catalog *catalog, struct warehouse *warehouse,
                                     struct str file, struct arena *arena)
{
    struct error err = {0};
    struct buf text = BUF_INIT(METADATA_FILE_BYTES_MAX);
    bool in_use = false;
    int result = metadata_file_read(warehouse->io, file, &text, &err);
    struct str place = result == 0 ? place_in_document(buf_str(&text), arena) : STR_NONE;
    buf_free(&text);
    if (result == 0 && place.len > 0)
        result = is_pointed_at(catalog, place, file, arena, &in_use, &err);
    if (result != 0)
        return unreadable(file, &err);
    if (place.len > 0 && !in_use)
        return UPKEEP_REMOVE;
    log_warn("sweeper: kept old metadata that %s: location=%.*s",
             in_use ? "a table points at" : "is none", STR_ARG(file));
    return UPKEEP_DONE;
}

enum upkeep_end upkeep_judge(struct catalog *catalog, struct warehouse *warehouse,
                             const struct job_row *job, struct arena *arena, struct str *file)
{
    struct location at, table;
    struct error err = {0};
    bool in_use = false;
    if (!payload_location(job, "metadata-location", arena, &at) ||
        !payload_location(job, "location", arena, &table) || !location_contains(&table, &at) ||
        !is_metadata_name(at.text)) {
        log_warn("sweeper: kept old metadata that lies outside of its table: id=%lld",
                 (long long)job->id);
        return UPKEEP_DONE;
    }
    *file = at.text;
    if (is_pointed_at(catalog, table.text, at.text, arena, &in_use, &err) != 0)
        return unreadable(at.text, &err);
    if (in_use)
        return UPKEEP_DONE;
    return judge_content(catalog, warehouse, at.text, arena);
}
