/* The commit core in a deterministic simulation: no threads, no clock, no disk. One seed decides
 * the order of everything: which task runs, which write fails, what the metastore answers, when
 * somebody else drops a table. A failing seed replays exactly: FIRN_SIM_SEED=17
 * build/release/tests/unit/test_commit_core
 *
 * Checked after each run (contract/reliability.md 1.2, cut to this size):
 *   - a commit answered with success is in the table's history exactly once, and its snapshot is in
 *     the state it was answered with;
 *   - a commit answered with a refusal is in no history, unless as the echo of the same bytes sent
 *     by a sibling, or of an unknown outcome;
 *   - a transaction is in the history of all its tables or of none;
 *   - a view has a version and a log entry for each commit of its history, numbered without gaps;
 *   - a commit finds only an object of its own kind;
 *   - the pointer only ever names a file that was written. */
#include "base/log.h"
#include "base/raw_json.h"
#include "catalog/commit_core.h"
#include "iceberg/view_create.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TABLES 3  /* names that are tables, mostly */
#define OBJECTS 5 /* and the rest that begin as views */
#define REQUESTS 40
#define TASKS_MAX 256
#define HISTORY_MAX 512
#define FILES_MAX 4096
#define TAKEN "file:///w/taken"

struct sim_history {
    struct sha256 digest;
    int64_t id;
    bool unknown; /* applied, but the metastore could not say so */
};

struct sim_table {
    struct object_version *version; /* NULL: does not exist */
    int64_t id, row_version;
    struct sim_history history[HISTORY_MAX]; /* of all tables that ever had the name */
    size_t history_count;
};

struct sim_request {
    struct commit_request request;
    struct caller caller;
    struct object_change changes[2];
    size_t tables[2];
    int64_t snapshot_id;
    bool answered;
    bool moves; /* asks for a place that is taken */
};

struct sim_task {
    void (*fn)(void *);
    void *arg;
};

struct sim {
    uint64_t rng;
    struct arena *arena;
    struct clock clock;
    struct random_source random;
    struct catalog catalog;
    struct warehouse warehouse;
    struct commit_core *core;
    struct sim_table tables[OBJECTS];
    struct sim_request requests[REQUESTS];
    size_t request_count;
    struct sim_task tasks[TASKS_MAX];
    size_t task_count;
    struct catalog_change *submitted[TASKS_MAX];
    size_t submitted_count;
    struct str files[FILES_MAX];
    size_t file_count;
    int64_t now_ms, next_id;
    bool faults;
    bool history_is_unreadable;
};

static uint64_t roll(struct sim *sim)
{
    sim->rng ^= sim->rng << 13;
    sim->rng ^= sim->rng >> 7;
    sim->rng ^= sim->rng << 17;
    return sim->rng;
}

static bool chance(struct sim *sim, unsigned percent)
{
    return roll(sim) % 100 < percent;
}

static void sim_random(void *arg, void *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ((unsigned char *)out)[i] = (unsigned char)(roll(arg) >> 11);
    }
}

static int64_t sim_now(void *arg)
{
    return ((struct sim *)arg)->now_ms;
}

static size_t table_of_name(struct str name)
{
    assert_true(name.len == 2 && name.ptr[0] == 't');
    return (size_t)(name.ptr[1] - '0');
}

static bool same_digest(const struct sha256 *a, const struct sha256 *b)
{
    return memcmp(a->bytes, b->bytes, SHA256_BYTES) == 0;
}

/* ---- ports ----------------------------------------------------------------------------------- */

static int sim_load_base(void *arg, struct warehouse *warehouse, enum object_kind kind,
                         const struct identifier *ident, bool fresh, struct commit_base *out,
                         struct error *err)
{
    struct sim *sim = arg;
    struct sim_table *table = &sim->tables[table_of_name(ident->name)];

    (void)warehouse;
    (void)fresh;
    if (sim->faults && chance(sim, 2)) {
        return error_set(err, ERR_UNAVAILABLE, "no disk");
    }
    *out = (struct commit_base){.namespace_exists = true};
    if (table->version != NULL && table->version->row.kind != kind) {
        out->is_other_kind = true;
    } else if (table->version != NULL) {
        out->version = table->version;
        object_version_ref(table->version);
    }
    return 0;
}

static bool file_is_written(const struct sim *sim, struct str location)
{
    for (size_t i = 0; i < sim->file_count; i++) {
        if (str_equal(sim->files[i], location)) {
            return true;
        }
    }
    return false;
}

static int sim_write_file(void *arg, struct warehouse *warehouse,
                          const struct object_version *version, struct error *err)
{
    struct sim *sim = arg;

    (void)warehouse;
    if (sim->faults && chance(sim, 4)) {
        return error_set(err, ERR_UNAVAILABLE, "no disk");
    }
    assert_false(file_is_written(sim, version->row.metadata_location)); /* create-only */
    assert_true(sim->file_count < FILES_MAX);
    sim->files[sim->file_count++] = arena_str(sim->arena, version->row.metadata_location);
    return 0;
}

static int sim_find_repeat(void *arg, int64_t object_id, const struct caller *caller, bool *found,
                           struct error *err)
{
    struct sim *sim = arg;

    *found = false;
    if (sim->history_is_unreadable || (sim->faults && chance(sim, 5))) {
        return error_set(err, ERR_UNAVAILABLE, "no history");
    }
    for (size_t t = 0; t < OBJECTS; t++) {
        for (size_t i = 0; i < sim->tables[t].history_count; i++) {
            const struct sim_history *h = &sim->tables[t].history[i];
            *found = *found || ((object_id == 0 || h->id == object_id) &&
                                same_digest(&h->digest, &caller->request_digest));
        }
    }
    return 0;
}

/* What the metastore will refuse is not known beforehand: the race is what is simulated. */
static int sim_location_taken(void *arg, struct str location, const struct place_claim *claim,
                              enum place_state *out, struct error *err)
{
    (void)arg, (void)location, (void)claim, (void)err;
    *out = PLACE_FREE;
    return 0;
}

static void sim_submit(void *arg, struct catalog_change *change)
{
    struct sim *sim = arg;

    assert_true(sim->submitted_count < TASKS_MAX);
    sim->submitted[sim->submitted_count++] = change;
}

static void sim_run(void *arg, void (*fn)(void *), void *fn_arg)
{
    struct sim *sim = arg;

    assert_true(sim->task_count < TASKS_MAX);
    sim->tasks[sim->task_count++] = (struct sim_task){fn, fn_arg};
}

static void sim_uuid(void *arg, char out[UUID_TEXT_BYTES])
{
    random_uuid4(&((struct sim *)arg)->random, out);
}

/* ---- the metastore's side -------------------------------------------------------------------- */

static enum change_outcome judge(struct sim *sim, const struct change_set *set)
{
    for (size_t i = 0; i < set->change_count; i++) {
        const struct change *c = &set->changes[i];
        const struct sim_table *table = &sim->tables[table_of_name(c->name)];
        if (c->kind == CHANGE_OBJECT_CREATE && table->version != NULL) {
            return table->version->row.kind == c->object_kind ? CHANGE_EXISTS
                                                              : CHANGE_EXISTS_OTHER_KIND;
        }
        if (c->kind == CHANGE_OBJECT_UPDATE && table->version == NULL) {
            return CHANGE_MISSING;
        }
        if (str_equal(c->location, STR(TAKEN)) ||
            (c->place_count > 0 && str_equal(c->places[0], STR(TAKEN)))) {
            return CHANGE_LOCATION_TAKEN;
        }
        if (c->kind == CHANGE_OBJECT_UPDATE &&
            (c->expect_id != table->id || c->expect_version != table->row_version ||
             !str_equal(c->expect_metadata_location, table->version->row.metadata_location))) {
            return CHANGE_CONFLICT;
        }
    }
    return CHANGE_APPLIED;
}

static void apply(struct sim *sim, struct catalog_change *change, bool unknown)
{
    struct change_set *set = &change->set;

    for (size_t i = 0; i < set->change_count; i++) {
        struct change *c = &set->changes[i];
        struct sim_table *table = &sim->tables[table_of_name(c->name)];
        bool creates = c->kind == CHANGE_OBJECT_CREATE;
        assert_true(file_is_written(sim, c->metadata_location));
        c->id = creates ? ++sim->next_id : table->id;
        c->version = creates ? 1 : table->row_version + 1;
        table->id = c->id;
        table->row_version = c->version;
        object_version_unref(table->version);
        table->version = change->publish[i];
        table->version->row.id = c->id;
        table->version->row.version = c->version;
        object_version_ref(table->version);
    }
    for (size_t i = 0; i < set->history_count; i++) {
        const struct change *c = &set->changes[set->history[i].change_index];
        struct sim_table *table = &sim->tables[table_of_name(c->name)];
        assert_true(table->history_count < HISTORY_MAX);
        table->history[table->history_count++] =
            (struct sim_history){set->history[i].request_digest, c->id, unknown};
    }
}

static void decide_oldest(struct sim *sim)
{
    struct catalog_change *change = sim->submitted[0];
    struct change_set *set = &change->set;

    memmove(sim->submitted, sim->submitted + 1, --sim->submitted_count * sizeof *sim->submitted);
    set->outcome = judge(sim, set);
    if (sim->faults && chance(sim, 5)) {
        set->outcome = CHANGE_UNAVAILABLE;
    } else if (sim->faults && chance(sim, 3)) {
        if (set->outcome == CHANGE_APPLIED && chance(sim, 50)) {
            apply(sim, change, true);
        }
        set->outcome = CHANGE_UNKNOWN;
    } else if (set->outcome == CHANGE_APPLIED) {
        apply(sim, change, false);
    }
    change->done(change);
}

static void drop(struct sim_table *table)
{
    object_version_unref(table->version);
    table->version = NULL;
}

/* Another node commits: the row moves on under everybody who built on the old one. */
static void swing_some_pointer(struct sim *sim)
{
    struct sim_table *table = &sim->tables[roll(sim) % OBJECTS];

    if (table->version == NULL) {
        return;
    }
    struct object_row row = table->version->row;
    row.version = ++table->row_version;
    row.metadata_location =
        arena_printf(sim->arena, "file:///w/elsewhere-%lld", (long long)table->row_version);
    struct object_version *next = object_version_build(&table->version->metadata, &row);
    object_version_unref(table->version);
    table->version = next;
}

/* Another node makes a view. */
static void make_view(struct sim *sim, size_t at)
{
    struct sim_table *view = &sim->tables[at];
    struct error err = {0};
    struct view_create create;
    union object_metadata metadata;
    char uuid[UUID_TEXT_BYTES];
    struct str body =
        STR("{\"name\":\"v\",\"schema\":{\"type\":\"struct\",\"fields\":[]},\"view-version\":{"
            "\"version-id\":1,\"timestamp-ms\":1,\"schema-id\":0,\"summary\":{},"
            "\"default-namespace\":[],\"representations\":[{\"type\":\"sql\",\"sql\":\"0\","
            "\"dialect\":\"d\"}]},\"properties\":{\"version.history.num-entries\":\"1000\"}}");

    sim_uuid(sim, uuid);
    struct str place = arena_printf(sim->arena, "file:///w/t%zu", at);
    if (view_create_parse(body, sim->arena, &create, &err) != 0 ||
        view_create_build(&create, place, uuid, sim->arena, &metadata.view, &err) != 0) {
        fail_msg("%s", err.message);
    }
    struct object_row row = {
        .kind = OBJECT_VIEW,
        .id = view->id = ++sim->next_id,
        .version = view->row_version = 1,
        .metadata_location = arena_printf(sim->arena, "file:///w/made-%lld", (long long)view->id),
    };
    view->version = object_version_build(&metadata, &row);
}

static void drop_or_make(struct sim *sim)
{
    size_t at = roll(sim) % OBJECTS;

    if (at >= TABLES && sim->tables[at].version == NULL) {
        make_view(sim, at);
    } else {
        drop(&sim->tables[at]);
    }
}

/* ---- clients --------------------------------------------------------------------------------- */

static void answered(struct commit_request *request)
{
    struct sim_request *r = request->arg;

    assert_false(r->answered);
    r->answered = true;
}

static struct str body_append(struct sim *sim, int64_t snapshot_id, int64_t parent, bool guard)
{
    struct str requirement = STR_NONE;

    if (guard && parent == SNAPSHOT_NONE) {
        requirement = STR("{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\"}");
    } else if (guard) {
        requirement = arena_printf(sim->arena,
                                   "{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\","
                                   "\"snapshot-id\":%lld}",
                                   (long long)parent);
    }
    return arena_printf(sim->arena,
                        "{\"requirements\":[%.*s],\"updates\":[{\"action\":\"add-snapshot\","
                        "\"snapshot\":{\"snapshot-id\":%lld,\"timestamp-ms\":%lld,"
                        "\"sequence-number\":1,\"summary\":{\"operation\":\"append\"},"
                        "\"manifest-list\":\"file:///w/m\"}},{\"action\":\"set-snapshot-ref\","
                        "\"ref-name\":\"main\",\"type\":\"branch\",\"snapshot-id\":%lld}]}",
                        STR_ARG(requirement), (long long)snapshot_id, (long long)sim->now_ms,
                        (long long)snapshot_id);
}

/* All clients think that the next version is the second. */
static struct str body_replace(struct sim *sim, int64_t number)
{
    return arena_printf(sim->arena,
                        "{\"updates\":[{\"action\":\"add-view-version\",\"view-version\":{"
                        "\"version-id\":2,\"timestamp-ms\":%lld,\"schema-id\":0,\"summary\":{},"
                        "\"default-namespace\":[],\"representations\":[{\"type\":\"sql\","
                        "\"sql\":\"%lld\",\"dialect\":\"d\"}]}},"
                        "{\"action\":\"set-current-view-version\",\"view-version-id\":-1}]}",
                        (long long)sim->now_ms, (long long)number);
}

static struct str body_create(struct sim *sim, size_t table)
{
    char uuid[UUID_TEXT_BYTES];

    sim_uuid(sim, uuid);
    return arena_printf(
        sim->arena,
        "{\"requirements\":[{\"type\":\"assert-create\"}],\"updates\":["
        "{\"action\":\"assign-uuid\",\"uuid\":\"%s\"},"
        "{\"action\":\"add-schema\",\"schema\":{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
        "{\"id\":1,\"name\":\"x\",\"required\":false,\"type\":\"long\"}]}},"
        "{\"action\":\"set-current-schema\",\"schema-id\":-1},"
        "{\"action\":\"add-spec\",\"spec\":{\"spec-id\":0,\"fields\":[]}},"
        "{\"action\":\"set-default-spec\",\"spec-id\":-1},"
        "{\"action\":\"add-sort-order\",\"sort-order\":{\"order-id\":0,\"fields\":[]}},"
        "{\"action\":\"set-default-sort-order\",\"sort-order-id\":-1},"
        "{\"action\":\"set-location\",\"location\":\"file:///w/t%zu\"}]}",
        uuid, table);
}

/* Names a place that the metastore will refuse: for the object, or for its data. */
static struct str body_move(struct sim *sim, const struct sim_request *r)
{
    if (chance(sim, 50))
        return arena_printf(sim->arena,
                            "{\"updates\":[{\"action\":\"set-properties\",\"updates\":"
                            "{\"write.data.path\":\"" TAKEN "\",\"n\":\"%lld\"}}]}",
                            (long long)r->snapshot_id);
    return arena_printf(sim->arena,
                        "{\"updates\":[{\"action\":\"set-location\",\"location\":\"" TAKEN
                        "\"},{\"action\":\"set-properties\",\"updates\":{\"n\":\"%lld\"}}]}",
                        (long long)r->snapshot_id);
}

static struct str view_body(struct sim *sim, struct sim_request *r)
{
    r->moves = chance(sim, 8);
    return r->moves ? body_move(sim, r) : body_replace(sim, r->snapshot_id);
}

static struct str table_body(struct sim *sim, struct sim_request *r, size_t table)
{
    const struct object_version *version = sim->tables[table].version;

    if (version != NULL && chance(sim, 8)) {
        r->moves = true;
        return body_move(sim, r);
    }

    if (chance(sim, version == NULL ? 80 : 3)) {
        return body_create(sim, table);
    }
    bool is_table = version != NULL && version->row.kind == OBJECT_TABLE;
    int64_t parent = is_table ? version->metadata.table.current_snapshot_id : SNAPSHOT_NONE;
    return body_append(sim, r->snapshot_id, parent, chance(sim, 40));
}

/* Mostly of the kind that the name has, or had. */
static void choose_objects(struct sim *sim, struct sim_request *r, enum object_kind kind)
{
    if (chance(sim, 5)) {
        r->tables[0] = roll(sim) % OBJECTS;
    } else if (kind == OBJECT_VIEW) {
        r->tables[0] = TABLES + roll(sim) % (OBJECTS - TABLES);
    } else {
        r->tables[0] = roll(sim) % TABLES;
    }
    r->tables[1] = (r->tables[0] + 1) % TABLES;
}

static void fill_request(struct sim *sim, struct sim_request *r)
{
    static struct str levels[1] = {{"ns", 2}};
    static const char *const names[OBJECTS] = {"t0", "t1", "t2", "t3", "t4"};
    struct str bodies[2];
    enum object_kind kind = chance(sim, 30) ? OBJECT_VIEW : OBJECT_TABLE;

    r->moves = false;
    r->caller.principal = STR("p");
    r->caller.operation = "updateTable";
    r->snapshot_id = 1000 + (int64_t)sim->request_count;
    r->request.change_count = 1 + (kind == OBJECT_TABLE && chance(sim, 20));
    r->request.is_transaction = r->request.change_count > 1;
    choose_objects(sim, r, kind);
    for (size_t i = 0; i < r->request.change_count; i++) {
        struct error err = {0};
        bodies[i] = kind == OBJECT_VIEW ? view_body(sim, r) : table_body(sim, r, r->tables[i]);
        r->changes[i].ident.ns = (struct namespace_ident){1, levels};
        r->changes[i].ident.name = str_cstr(names[r->tables[i]]);
        if (object_change_parse(kind, bodies[i], sim->arena, &r->changes[i], &err) != 0) {
            fail_msg("%s", err.message);
        }
    }
    r->caller.request_digest = sha256_of_parts(bodies, r->request.change_count);
}

static void send_request(struct sim *sim)
{
    struct sim_request *r = &sim->requests[sim->request_count];

    if (sim->request_count > 0 && chance(sim, 10)) {
        /* The same bytes once more: an answer that was lost on the wire. */
        const struct sim_request *old = &sim->requests[roll(sim) % sim->request_count];
        *r = *old;
        r->request.result = 0;
        r->request.version = NULL;
        error_clear(&r->request.err);
        r->answered = false;
    } else {
        fill_request(sim, r);
    }
    r->request.warehouse = &sim->warehouse;
    r->request.caller = &r->caller;
    r->request.changes = r->changes;
    r->request.arena = sim->arena;
    r->request.done = answered;
    r->request.arg = r;
    sim->request_count++;
    commit_core_submit(sim->core, &r->request);
}

/* ---- checking -------------------------------------------------------------------------------- */

static void check_history(struct sim *sim, const struct sim_request *r, bool *all, bool *any,
                          bool *unknown)
{
    *all = true;
    *any = *unknown = false;
    for (size_t i = 0; i < r->request.change_count; i++) {
        struct sim_table *table = &sim->tables[r->tables[i]];
        bool here = false;
        int64_t seen_in = 0;
        for (size_t h = 0; h < table->history_count; h++) {
            if (same_digest(&table->history[h].digest, &r->caller.request_digest)) {
                /* never twice in one table, however often it was sent */
                assert_true(seen_in != table->history[h].id);
                seen_in = table->history[h].id;
                here = true;
                *unknown = *unknown || table->history[h].unknown;
            }
        }
        *all = *all && here;
        *any = *any || here;
    }
}

/* Was the same request, sent before `end`, answered with success? */
static bool has_successful_sibling(const struct sim_request *r, const struct sim_request *first,
                                   const struct sim_request *end)
{
    for (const struct sim_request *other = first; other < end; other++) {
        if (other != r && other->request.result == 0 &&
            same_digest(&other->caller.request_digest, &r->caller.request_digest)) {
            return true;
        }
    }
    return false;
}

static void check_request(struct sim *sim, const struct sim_request *r)
{
    bool all, any, unknown;

    assert_true(r->answered);
    check_history(sim, r, &all, &any, &unknown);
    assert_true(all == any); /* a transaction is whole */
    if (!sim->faults && r->changes[0].is_repeatable &&
        has_successful_sibling(r, sim->requests, r)) {
        assert_int_equal(r->request.result, 0); /* the echo of a success is a success */
    }
    if (r->request.result == 0) {
        assert_true(all);
    } else {
        assert_true(r->request.err.kind != ERR_INTERNAL);
        /* Only who asked for the taken place hears of it. */
        assert_true(r->request.err.kind != ERR_ILLEGAL_ARGUMENT || r->moves);
        assert_true(!any || unknown ||
                    has_successful_sibling(r, sim->requests, sim->requests + sim->request_count));
    }
    if (r->request.result == 0 && r->request.version != NULL && r->changes[0].is_repeatable) {
        const struct table_metadata *m = &r->request.version->metadata.table;
        assert_non_null(metadata_list_find(&m->snapshots, r->snapshot_id));
    }
}

/* Its history is its versions: the first, and one per commit that was applied. */
static void check_view(const struct sim_table *view)
{
    const struct view_metadata *m = &view->version->metadata.view;
    size_t commits = 0;

    for (size_t h = 0; h < view->history_count; h++) {
        commits += view->history[h].id == view->id;
    }
    assert_int_equal(m->versions.count, 1 + commits);
    assert_int_equal(m->version_log.count, 1 + commits);
    for (size_t i = 0; i <= commits; i++) {
        assert_int_equal(m->versions.elements[i].id, 1 + i);
        assert_int_equal(m->version_log.elements[i].id, 1 + i);
    }
    assert_int_equal(m->current_version_id, 1 + commits);
}

/* ---- one run --------------------------------------------------------------------------------- */

static void step(struct sim *sim)
{
    sim->now_ms += (int64_t)(roll(sim) % 3);
    unsigned dice = (unsigned)(roll(sim) % 100);
    if (dice < 45 && sim->task_count > 0) {
        size_t i = roll(sim) % sim->task_count;
        struct sim_task task = sim->tasks[i];
        sim->tasks[i] = sim->tasks[--sim->task_count];
        task.fn(task.arg);
    } else if (dice < 75 && sim->submitted_count > 0) {
        decide_oldest(sim);
    } else if (dice < 97 && sim->request_count < REQUESTS) {
        send_request(sim);
    } else if (sim->faults && chance(sim, 30)) {
        drop_or_make(sim);
    } else if (sim->faults && chance(sim, 50)) {
        swing_some_pointer(sim);
    }
}

static void open_sim(struct sim *sim, uint64_t seed, bool faults)
{
    struct error err = {0};

    memset(sim, 0, sizeof *sim);
    sim->rng = seed * 0x9e3779b97f4a7c15ull + 1;
    sim->arena = arena_new();
    sim->faults = faults;
    sim->now_ms = 1700000000000;
    sim->clock = (struct clock){sim_now, sim_now, sim};
    sim->random = (struct random_source){sim_random, sim};
    sim->catalog.options.random = &sim->random;
    sim->catalog.options.clock = &sim->clock;
    sim->warehouse.id = 1;
    sim->warehouse.name = STR("w");
    assert_int_equal(location_parse(STR("file:///w"), sim->arena, &sim->warehouse.root, &err), 0);
    struct commit_ports ports = {
        .arg = sim,
        .load_base = sim_load_base,
        .write_file = sim_write_file,
        .find_repeat = sim_find_repeat,
        .location_taken = sim_location_taken,
        .submit = sim_submit,
        .run = sim_run,
        .now_ms = sim_now,
        .uuid = sim_uuid,
        .implicit_idempotency = true,
    };
    sim->core = commit_core_new(&sim->catalog, &ports, 1000);
    for (size_t i = TABLES; i < OBJECTS; i++) {
        make_view(sim, i);
    }
}

static void close_sim(struct sim *sim)
{
    commit_core_drain(sim->core);
    commit_core_free(sim->core);
    for (size_t i = 0; i < sim->request_count; i++) {
        object_version_unref(sim->requests[i].request.version);
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        object_version_unref(sim->tables[i].version);
    }
    arena_free(sim->arena);
}

static size_t run_seed(uint64_t seed, bool faults)
{
    static struct sim sim;
    size_t committed = 0;

    open_sim(&sim, seed, faults);
    for (size_t i = 0; i < 100000; i++) {
        if (sim.request_count == REQUESTS && sim.task_count == 0 && sim.submitted_count == 0) {
            break;
        }
        step(&sim);
    }
    for (size_t i = 0; i < sim.request_count; i++) {
        check_request(&sim, &sim.requests[i]);
        committed += sim.requests[i].request.result == 0;
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        if (sim.tables[i].version != NULL && sim.tables[i].version->row.kind == OBJECT_VIEW) {
            check_view(&sim.tables[i]);
        }
    }
    close_sim(&sim);
    return committed;
}

static uint64_t running_seed;

static void tell_seed(int signal_number)
{
    fprintf(stderr, "FIRN_SIM_SEED=%llu\n", (unsigned long long)running_seed);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static int say_seed_on_failure(void **state)
{
    (void)state;
    fprintf(stderr, "last seed %llu\n", (unsigned long long)running_seed);
    return 0;
}

static void run_seeds(bool faults, uint64_t count)
{
    const char *one = getenv("FIRN_SIM_SEED");
    uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
    uint64_t last = one != NULL ? first : first + count - 1;
    size_t committed = 0;

    for (uint64_t seed = first; seed <= last; seed++) {
        running_seed = seed;
        committed += run_seed(seed, faults);
    }
    assert_true(committed > (last - first + 1) * REQUESTS / 10); /* else it proved nothing */
}

static void without_faults(void **state)
{
    (void)state;
    run_seeds(false, 1000);
}

static void with_faults(void **state)
{
    (void)state;
    run_seeds(true, 3000);
}

/* ---- what a refusal may say ------------------------------------------------------------------ */

static void run_to_end(struct sim *sim)
{
    while (sim->task_count > 0 || sim->submitted_count > 0) {
        if (sim->task_count > 0) {
            struct sim_task task = sim->tasks[--sim->task_count];
            task.fn(task.arg);
        } else {
            decide_oldest(sim);
        }
    }
}

static struct sim_request *send(struct sim *sim, struct str body)
{
    static struct str levels[1] = {{"ns", 2}};
    struct sim_request *r = &sim->requests[sim->request_count++];
    struct error err = {0};

    r->caller = (struct caller){.principal = STR("p"), .operation = "updateTable"};
    r->caller.request_digest = sha256_of_parts(&body, 1);
    r->changes[0].ident = (struct identifier){.ns = {1, levels}, .name = STR("t0")};
    assert_int_equal(object_change_parse(OBJECT_TABLE, body, sim->arena, &r->changes[0], &err), 0);
    r->request = (struct commit_request){.warehouse = &sim->warehouse,
                                         .caller = &r->caller,
                                         .changes = r->changes,
                                         .change_count = 1,
                                         .arena = sim->arena,
                                         .done = answered,
                                         .arg = r};
    commit_core_submit(sim->core, &r->request);
    run_to_end(sim);
    assert_true(r->answered);
    return r;
}

/* A refusal is told only by who knows that the same request was not applied before. */
static void a_repeat_is_never_refused_by_mistake(void **state)
{
    static struct sim sim;
    (void)state;

    open_sim(&sim, 1, false);
    assert_int_equal(send(&sim, body_create(&sim, 0))->request.result, 0);
    struct str append = body_append(&sim, 7, SNAPSHOT_NONE, true);
    struct str other = body_append(&sim, 8, SNAPSHOT_NONE, true);
    assert_int_equal(send(&sim, append)->request.result, 0);
    assert_int_equal(send(&sim, append)->request.result, 0);
    assert_int_equal(send(&sim, other)->request.err.kind, ERR_COMMIT_FAILED);

    sim.history_is_unreadable = true;
    assert_int_equal(send(&sim, append)->request.err.kind, ERR_COMMIT_STATE_UNKNOWN);
    sim.history_is_unreadable = false;

    object_version_unref(sim.tables[0].version); /* renamed, or dropped */
    sim.tables[0].version = NULL;
    assert_int_equal(send(&sim, append)->request.err.kind, ERR_COMMIT_STATE_UNKNOWN);
    assert_int_equal(send(&sim, other)->request.err.kind, ERR_NO_SUCH_TABLE);
    close_sim(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(without_faults, say_seed_on_failure),
        cmocka_unit_test_teardown(with_faults, say_seed_on_failure),
        cmocka_unit_test(a_repeat_is_never_refused_by_mistake),
    };
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    signal(SIGABRT, tell_seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
