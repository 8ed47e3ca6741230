/* Runs the durable jobs that delete files.
 *
 * 1. A file goes only when a job names it, directly or through the final metadata of a dropped
 *    table; never because of where it lies. Beyond that it must lie inside the table's location.
 * 2. A metadata file whose commit failed goes only when no history row names it. Every row of an
 *    object has its history row, so this covers the rows too, and a file that somebody registered
 *    in the meantime. The file of a dropped object goes only when no later object names it.
 * 3. A job leaves the metastore after its files are gone; running it twice does no harm.
 * 4. What cannot be deleted now is tried again later, for ever; what must not be deleted is told in
 *    the log and left alone. */
#include "catalog/sweeper.h"

#include <assert.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/metric.h"
#include "base/raw_json.h"
#include "catalog/mutation.h"
#include "catalog/tables.h"
#include "catalog/upkeep.h"

#define RETRY_MS_MIN (60 * 1000ll)
#define RETRY_MS_MAX (3600 * 1000ll)
#define HISTORY_PAGE 1000
/* How long before its job a file can have been written: longer than any request may take. */
#define REQUEST_MS_MAX (3600 * 1000ll)
#define NEVER_DUE INT64_MAX
#define NO_OBJECT (-1)

enum job_end {
    JOB_DONE,
    JOB_LATER,
    JOB_WAITS, /* goes on as *next */
};

struct doomed_file {
    struct str location;
    int64_t warehouse_id;
    int64_t object_id; /* of the dropped object that named it; NO_OBJECT: nothing ever did */
    bool named;        /* by the history of a later object: it lives */
};

struct sweep {
    struct catalog *catalog;
    struct arena *arena; /* of the whole sweep */
    struct job_row *jobs;
    size_t job_count;
    struct doomed_file *doomed; /* of the jobs for one file each, sorted */
    size_t doomed_count;
};

/* ---- jobs as rows ---------------------------------------------------------------------------- */

/* A text that is not UTF-8 stays out: then the job cannot read it back and deletes nothing. */
static void set_text(json_t *payload, const char *key, struct str text)
{
    json_object_set_new(payload, key, json_stringn(text.ptr == NULL ? "" : text.ptr, text.len));
}

struct job_row sweeper_purge_job(struct catalog *catalog, const struct object_row *dropped,
                                 struct arena *arena)
{
    int64_t now_ms = clock_now_ms(catalog->options.clock);
    json_t *payload = json_object();
    set_text(payload, "metadata-location", dropped->metadata_location);
    set_text(payload, "location", dropped->location);
    set_text(payload, "table-uuid", dropped->uuid);
    set_text(payload, "object-id", arena_printf(arena, "%lld", (long long)dropped->id));
    struct job_row job = {
        .kind = STR("purge-table"),
        .payload = catalog_json_text(payload, arena),
        .warehouse_id = dropped->warehouse_id,
        .created_ms = now_ms,
        .not_before_ms = now_ms,
    };
    json_decref(payload);
    return job;
}

struct job_row sweeper_dropped_file_job(struct catalog *catalog, const struct object_row *dropped,
                                        struct arena *arena)
{
    int64_t now_ms = clock_now_ms(catalog->options.clock);
    json_t *payload = json_object();
    set_text(payload, "metadata-location", dropped->metadata_location);
    set_text(payload, "object-id", arena_printf(arena, "%lld", (long long)dropped->id));
    struct job_row job = {
        .kind = STR("remove-dropped-file"),
        .payload = catalog_json_text(payload, arena),
        .warehouse_id = dropped->warehouse_id,
        .created_ms = now_ms,
        .not_before_ms = now_ms + SWEEP_GRACE_MS,
    };
    json_decref(payload);
    return job;
}

/* A text of the payload. Absent: STR_NONE. */
static struct str payload_text(const struct job_row *job, const char *key, struct arena *arena)
{
    struct error ignored;
    struct str object;
    if (raw_json_check(job->payload, &object, &ignored) != 0 ||
        raw_json_kind(object) != RAW_JSON_OBJECT)
        return STR_NONE;
    struct str member = raw_json_member(object, key);
    if (member.ptr == NULL || raw_json_kind(member) != RAW_JSON_STRING)
        return STR_NONE;
    return raw_json_string(member, arena);
}

/* Also one that was dropped meanwhile: its storage stays open until the catalog closes. */
static struct warehouse *warehouse_of(struct catalog *catalog, const struct job_row *job)
{
    struct warehouse *at = atomic_load(&catalog->warehouses);
    while (at != NULL && at->id != job->warehouse_id)
        at = at->next;
    return at;
}

static enum job_end unreadable(const struct job_row *job, const char *why)
{
    log_error("sweeper: job given up: kind=%.*s id=%lld reason=%s", STR_ARG(job->kind),
              (long long)job->id, why);
    return JOB_DONE;
}

/* ---- remove-file, remove-dropped-file ---------------------------------------------------------
 */

static int compare_doomed(const void *left, const void *right)
{
    const struct doomed_file *a = left, *b = right;
    if (a->warehouse_id != b->warehouse_id)
        return a->warehouse_id < b->warehouse_id ? -1 : 1;
    return str_compare(a->location, b->location);
}

/* The first of those with that location. */
static struct doomed_file *find_doomed(struct sweep *sweep, int64_t warehouse_id,
                                       struct str location)
{
    struct doomed_file key = {.location = location, .warehouse_id = warehouse_id};
    if (location.len == 0)
        return NULL;
    struct doomed_file *file =
        bsearch(&key, sweep->doomed, sweep->doomed_count, sizeof(key), compare_doomed);
    while (file != NULL && file > sweep->doomed && compare_doomed(file - 1, file) == 0)
        file--;
    return file;
}

/* A row may spell a location as a client did: compared are canonical forms. STR_NONE: is none. */
static struct str canonical(struct str location, struct arena *arena)
{
    struct location parsed;
    struct error ignored;
    if (location.len == 0 || location_parse(location, arena, &parsed, &ignored) != 0)
        return STR_NONE;
    return parsed.text;
}

/* Ids of objects only ever grow: a file that a dropped object named lives when a later one does. */
static void mark_file(struct sweep *sweep, const struct history_row *row, struct str location,
                      struct arena *arena)
{
    struct doomed_file *end = sweep->doomed + sweep->doomed_count;
    struct doomed_file *first = find_doomed(sweep, row->warehouse_id, canonical(location, arena));
    for (struct doomed_file *file = first; file != NULL && file < end; file++) {
        if (compare_doomed(file, first) != 0)
            break;
        file->named = file->named || row->object_id > file->object_id;
    }
}

static void mark(struct sweep *sweep, const struct history_row *row, void *arg, struct arena *arena)
{
    (void)arg;
    mark_file(sweep, row, row->metadata_location, arena);
    mark_file(sweep, row, row->parent_location, arena);
}

/* Shows `look` a warehouse's history back to since_ms. It ends with a page of older rows only, so
 * that a clock that was set back hides nothing. */
static int walk_history(struct sweep *sweep, int64_t warehouse_id, int64_t since_ms,
                        void (*look)(struct sweep *sweep, const struct history_row *row, void *arg,
                                     struct arena *arena),
                        void *arg, struct error *err)
{
    struct object_name all = {.warehouse_id = warehouse_id};
    struct arena *page = arena_new();
    int64_t before = 0;
    int result = 0;
    bool more = true;
    while (result == 0 && more) {
        struct history_row *rows;
        size_t count;
        arena_reset(page);
        result = metastore_history_list(sweep->catalog->options.metastore, &all, before,
                                        HISTORY_PAGE, page, &rows, &count, err);
        more = false;
        for (size_t i = 0; result == 0 && i < count; i++) {
            look(sweep, &rows[i], arg, page);
            more = more || rows[i].time_ms >= since_ms;
            before = rows[i].sequence;
        }
    }
    arena_free(page);
    return result;
}

/* The file of a job for one file; false: it is another kind of job. */
static bool doomed_of(struct sweep *sweep, const struct job_row *job, struct doomed_file *out)
{
    bool was_named = str_equal(job->kind, STR("remove-dropped-file"));
    if (!was_named && !str_equal(job->kind, STR("remove-file")))
        return false;
    *out = (struct doomed_file){.warehouse_id = job->warehouse_id, .object_id = NO_OBJECT};
    struct str location = job->payload;
    if (was_named) {
        long long object_id;
        location = STR_NONE;
        if (str_to_int64(payload_text(job, "object-id", sweep->arena), &object_id)) {
            out->object_id = object_id;
            location = payload_text(job, "metadata-location", sweep->arena);
        }
    }
    out->location = canonical(location, sweep->arena);
    return true;
}

/* Fills sweep->doomed; one pass over the history of each warehouse concerned. */
static int find_named(struct sweep *sweep, struct error *err)
{
    int64_t since_ms = INT64_MAX;
    sweep->doomed = ARENA_ARRAY(sweep->arena, struct doomed_file, sweep->job_count);
    for (size_t i = 0; i < sweep->job_count; i++) {
        const struct job_row *job = &sweep->jobs[i];
        if (!doomed_of(sweep, job, &sweep->doomed[sweep->doomed_count]))
            continue;
        sweep->doomed_count++;
        if (job->created_ms < since_ms)
            since_ms = job->created_ms;
    }
    if (sweep->doomed_count == 0)
        return 0;
    qsort(sweep->doomed, sweep->doomed_count, sizeof(*sweep->doomed), compare_doomed);
    for (size_t i = 0; i < sweep->doomed_count; i++) {
        int64_t id = sweep->doomed[i].warehouse_id;
        if (i > 0 && id == sweep->doomed[i - 1].warehouse_id)
            continue;
        if (walk_history(sweep, id, since_ms - REQUEST_MS_MAX, mark, NULL, err) != 0)
            return -1;
    }
    return 0;
}

/* false: could not be removed now. */
static bool remove_one(struct warehouse *warehouse, struct str location)
{
    struct error err;
    if (file_io_remove(warehouse->io, location, &err) == 0) {
        metric_add(METRIC_SWEPT, 1);
        return true;
    }
    log_warn("sweeper: file not removed: location=%.*s error=%s %s", STR_ARG(location), err.message,
             err.detail);
    return err.kind == ERR_FORBIDDEN || err.kind == ERR_ILLEGAL_ARGUMENT;
}

static enum job_end run_remove_file(struct sweep *sweep, const struct job_row *job,
                                    struct job_row *next)
{
    struct doomed_file own;
    struct warehouse *warehouse = warehouse_of(sweep->catalog, job);
    bool is_for_one_file = doomed_of(sweep, job, &own);
    const struct doomed_file *file = find_doomed(sweep, job->warehouse_id, own.location);
    assert(is_for_one_file);
    (void)is_for_one_file;
    (void)next;
    while (file != NULL && file->object_id != own.object_id)
        file++; /* it is among those with the same location */
    if (file == NULL)
        return unreadable(job, "no location");
    if (warehouse == NULL)
        return unreadable(job, "no such warehouse");
    if (file->named) {
        log_warn("sweeper: kept a file that the history names: location=%.*s",
                 STR_ARG(own.location));
        return JOB_DONE;
    }
    return remove_one(warehouse, own.location) ? JOB_DONE : JOB_LATER;
}

/* ---- remove-old-metadata --------------------------------------------------------------------- */

static enum job_end run_remove_old(struct sweep *sweep, const struct job_row *job,
                                   struct job_row *next)
{
    struct warehouse *warehouse = warehouse_of(sweep->catalog, job);
    struct str file;
    (void)next;
    if (warehouse == NULL)
        return unreadable(job, "no such warehouse");
    switch (upkeep_judge(sweep->catalog, warehouse, job, sweep->arena, &file)) {
    case UPKEEP_REMOVE:
        return remove_one(warehouse, file) ? JOB_DONE : JOB_LATER;
    case UPKEEP_LATER:
        return JOB_LATER;
    case UPKEEP_DONE:
        break;
    }
    return JOB_DONE;
}

/* ---- purge-table ----------------------------------------------------------------------------- */

struct purge {
    struct warehouse *warehouse;
    struct arena *arena;
    struct location table; /* what lies outside is not ours */
    struct str metadata_location;
    size_t failed;
};

/* One file that the final metadata names. */
static void purge_file(struct purge *purge, struct str name)
{
    struct error err;
    struct location file, kept;
    if (location_parse_file(name, purge->arena, &file, &err) != 0 ||
        location_parse(purge->metadata_location, purge->arena, &kept, &err) != 0 ||
        !location_contains(&purge->table, &file) || str_equal(file.text, purge->table.text)) {
        log_warn("sweeper: not purged, outside of the table: location=%.*s", STR_ARG(name));
        return;
    }
    if (!str_equal(file.text, kept.text) && !remove_one(purge->warehouse, file.text))
        purge->failed++;
}

static void purge_statistics(struct purge *purge, const struct metadata_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct str path = raw_json_member(list->elements[i].text, "statistics-path");
        if (path.ptr != NULL && raw_json_kind(path) == RAW_JSON_STRING)
            purge_file(purge, raw_json_string(path, purge->arena));
    }
}

static void purge_files(struct purge *purge, const struct table_metadata *metadata)
{
    purge_statistics(purge, &metadata->statistics);
    purge_statistics(purge, &metadata->partition_statistics);
    for (size_t i = 0; i < metadata->metadata_log.count; i++)
        purge_file(purge, metadata->metadata_log.elements[i].key);
}

struct successor {
    long long dropped_id;
    struct str uuid, metadata_location; /* of the dropped table; canonical */
    bool found;
};

static void look_for_successor(struct sweep *sweep, const struct history_row *row, void *arg,
                               struct arena *arena)
{
    struct successor *successor = arg;
    (void)sweep;
    if (row->object_id > successor->dropped_id &&
        (str_equal(row->uuid, successor->uuid) ||
         str_equal(canonical(row->metadata_location, arena), successor->metadata_location)))
        successor->found = true;
}

/* Was the dropped table registered again, under whatever name? Then its files are that one's, and
 * stay even if it was dropped since. */
static int lives_again(struct sweep *sweep, const struct job_row *job, long long dropped_id,
                       bool *lives, struct error *err)
{
    struct successor successor = {
        .dropped_id = dropped_id,
        .uuid = payload_text(job, "table-uuid", sweep->arena),
        .metadata_location =
            canonical(payload_text(job, "metadata-location", sweep->arena), sweep->arena),
    };
    int result = walk_history(sweep, job->warehouse_id, job->created_ms - REQUEST_MS_MAX,
                              look_for_successor, &successor, err);
    *lives = successor.found;
    return result;
}

static enum job_end purge_with_metadata(struct sweep *sweep, const struct job_row *job,
                                        struct purge *purge, struct job_row *next)
{
    struct object_version *version;
    struct error err = {0};
    if (catalog_table_load_at(sweep->catalog, purge->warehouse, purge->metadata_location, &version,
                              &err) != 0)
        return err.kind == ERR_UNAVAILABLE || err.kind == ERR_STORAGE_REFUSED
                   ? JOB_LATER
                   : unreadable(job, err.message);
    purge_files(purge, &version->metadata.table);
    object_version_unref(version);
    if (purge->failed > 0)
        return JOB_LATER;
    *next = *job;
    next->kind = STR("purge-manifests");
    next->not_before_ms = NEVER_DUE;
    next->attempts = 0;
    return JOB_WAITS;
}

static enum job_end run_purge_table(struct sweep *sweep, const struct job_row *job,
                                    struct job_row *next)
{
    struct error err = {0};
    struct str location = payload_text(job, "location", sweep->arena);
    long long dropped_id;
    struct purge purge = {
        .warehouse = warehouse_of(sweep->catalog, job),
        .arena = sweep->arena,
        .metadata_location = payload_text(job, "metadata-location", sweep->arena),
    };
    bool lives = false;
    if (purge.warehouse == NULL)
        return unreadable(job, "no such warehouse");
    if (location_parse(location, sweep->arena, &purge.table, &err) != 0)
        return unreadable(job, err.message);
    if (!location_contains(&purge.warehouse->root, &purge.table))
        return unreadable(job, "the table lies outside of its warehouse");
    if (!str_to_int64(payload_text(job, "object-id", sweep->arena), &dropped_id))
        return unreadable(job, "no object");
    if (lives_again(sweep, job, dropped_id, &lives, &err) != 0)
        return JOB_LATER;
    if (lives) {
        log_warn("sweeper: not purged, the table was registered again: location=%.*s",
                 STR_ARG(location));
        return JOB_DONE;
    }
    return purge_with_metadata(sweep, job, &purge, next);
}

/* ---- the sweep ------------------------------------------------------------------------------- */

static const struct job_kind {
    const char *name;
    enum job_end (*run)(struct sweep *sweep, const struct job_row *job, struct job_row *next);
} JOB_KINDS[] = {
    {"remove-file", run_remove_file},
    {"remove-dropped-file", run_remove_file},
    {"remove-old-metadata", run_remove_old},
    {"purge-table", run_purge_table},
};

static enum job_end run(struct sweep *sweep, const struct job_row *job, struct job_row *next)
{
    for (size_t i = 0; i < sizeof(JOB_KINDS) / sizeof(JOB_KINDS[0]); i++)
        if (str_equal_cstr(job->kind, JOB_KINDS[i].name))
            return JOB_KINDS[i].run(sweep, job, next);
    log_warn("sweeper: unknown kind of job: kind=%.*s", STR_ARG(job->kind)); /* a newer program's */
    return JOB_LATER;
}

static struct job_row postponed(struct sweep *sweep, const struct job_row *job)
{
    struct job_row later = *job;
    int64_t delay_ms = RETRY_MS_MAX;
    if (job->attempts < 6)
        delay_ms = RETRY_MS_MIN << job->attempts;
    assert(delay_ms > 0 && delay_ms <= RETRY_MS_MAX);
    later.attempts = job->attempts + 1;
    later.not_before_ms = clock_now_ms(sweep->catalog->options.clock) + delay_ms;
    return later;
}

/* Takes the job out, and puts in what is left of it, in one transaction. */
static int settle(struct sweep *sweep, const struct job_row *job, struct job_row *next,
                  struct error *err)
{
    struct catalog_change change = {.set = {.jobs_done = &job->id,
                                            .jobs_done_count = 1,
                                            .jobs = next,
                                            .job_count = next != NULL ? 1 : 0}};
    if (catalog_apply(sweep->catalog, &change) != CHANGE_APPLIED)
        return catalog_outcome_error(&change.set, err);
    return 0;
}

static int run_all(struct sweep *sweep, size_t limit, size_t *done, struct error *err)
{
    struct catalog *catalog = sweep->catalog;
    if (metastore_job_list(catalog->options.metastore, clock_now_ms(catalog->options.clock), limit,
                           sweep->arena, &sweep->jobs, &sweep->job_count, err) != 0 ||
        find_named(sweep, err) != 0)
        return -1;
    for (size_t i = 0; i < sweep->job_count; i++) {
        const struct job_row *job = &sweep->jobs[i];
        struct job_row next;
        enum job_end end = run(sweep, job, &next);
        if (end == JOB_LATER)
            next = postponed(sweep, job);
        if (settle(sweep, job, end == JOB_DONE ? NULL : &next, err) != 0)
            return -1;
        if (end != JOB_LATER)
            (*done)++;
    }
    return 0;
}

int catalog_sweep(struct catalog *catalog, size_t limit, size_t *done, struct error *err)
{
    struct sweep sweep = {.catalog = catalog, .arena = arena_new()};
    *done = 0;
    int result = run_all(&sweep, limit, done, err);
    arena_free(sweep.arena);
    return result;
}

int catalog_expire(struct catalog *catalog, struct error *err)
{
    return metastore_expire(catalog->options.metastore, clock_now_ms(catalog->options.clock), err);
}
