/* How near the metastore comes to SQLite itself: commits per second with 64 in flight, as a share
 * of a bare loop that does one UPDATE and one INSERT of 250 bytes per commit, 64 per transaction.
 *
 *     metastore_group [directory [rounds [seconds [tables]]]]
 *
 * Both run in turn, in the same directory, on stores of the same size; the median of the rounds
 * counts. The directory should lie on a disk that flushes; status 1 when the share is below 60 %.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "metastore/metastore_sqlite.h"

#define IN_FLIGHT 64
#define SHARE_MIN 0.60
#define ROUNDS_MAX 100

struct run {
    const char *directory;
    int64_t seconds, tables;
};

struct result {
    double per_second, cpu_us;
};

/* As long as a real one. */
#define UUID_FORMAT "6a1d6a52-2e4b-4f11-9d3a-%012llx"
#define LOCATION_FORMAT "s3://lake/warehouse/db/t%lld/metadata/%05lld-2f0c1f5e-3b1a-4c55-9a4e.json"

static uint64_t random_state = 88172645463325252u;
static int64_t random_below(int64_t end)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int64_t)(random_state % (uint64_t)end);
}

static void check(bool good, const char *what)
{
    if (!good)
        log_fatal("%s", what);
}

static int64_t cpu_us(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void remove_store(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
    char name[600];
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        (void)snprintf(name, sizeof(name), "%s%s", path, endings[i]);
        (void)unlink(name);
    }
}

/* ---- the floor ------------------------------------------------------------------------------- */

static void exec(sqlite3 *db, const char *sql)
{
    check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(db));
}

static sqlite3 *floor_open(const char *path, int64_t tables, int64_t **versions)
{
    sqlite3 *db = NULL;
    check(sqlite3_open_v2(path, &db,
                          SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                          NULL) == SQLITE_OK,
          "open");
    exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=8000;"
             "PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY;"
             "CREATE TABLE object (id INTEGER PRIMARY KEY, name TEXT, version INTEGER, uuid TEXT,"
             " metadata_location TEXT, location TEXT);"
             "CREATE TABLE history (id INTEGER PRIMARY KEY, object_id INTEGER, body TEXT); BEGIN");
    sqlite3_stmt *insert = NULL;
    check(sqlite3_prepare_v2(db,
                             "INSERT INTO object VALUES (?, 't', 0,"
                             " '6a1d6a52-2e4b-4f11-9d3a-6f1f0a0e5b01', ?,"
                             " 's3://lake/warehouse/db/table-location/')",
                             -1, &insert, NULL) == SQLITE_OK,
          "prepare");
    *versions = calloc((size_t)tables, sizeof(**versions));
    for (int64_t i = 0; i < tables; i++) {
        char location[200];
        (void)snprintf(location, sizeof(location), LOCATION_FORMAT, (long long)i, 0ll);
        (void)sqlite3_bind_int64(insert, 1, i + 1);
        (void)sqlite3_bind_text(insert, 2, location, -1, SQLITE_STATIC);
        check(sqlite3_step(insert) == SQLITE_DONE, "insert");
        (void)sqlite3_reset(insert);
    }
    (void)sqlite3_finalize(insert);
    exec(db, "COMMIT");
    return db;
}

static void floor_commit(sqlite3_stmt *update, sqlite3_stmt *insert, int64_t table,
                         int64_t *version)
{
    static const char body[251] =
        "................................................................................"
        "................................................................................"
        "................................................................................"
        "..........";
    char old[200], new[200];
    (void)snprintf(old, sizeof(old), LOCATION_FORMAT, (long long)table, (long long)*version);
    (void)snprintf(new, sizeof(new), LOCATION_FORMAT, (long long)table, (long long)*version + 1);
    ++*version;
    (void)sqlite3_bind_text(update, 1, new, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(update, 2, table + 1);
    (void)sqlite3_bind_text(update, 3, old, -1, SQLITE_STATIC);
    check(sqlite3_step(update) == SQLITE_DONE, "update");
    (void)sqlite3_reset(update);
    (void)sqlite3_bind_int64(insert, 1, table + 1);
    (void)sqlite3_bind_text(insert, 2, body, 250, SQLITE_STATIC);
    check(sqlite3_step(insert) == SQLITE_DONE, "insert");
    (void)sqlite3_reset(insert);
}

static struct result run_floor(const struct run *run)
{
    char path[500];
    (void)snprintf(path, sizeof(path), "%s/firn-bench-floor.db", run->directory);
    remove_store(path);
    int64_t *versions = NULL;
    sqlite3 *db = floor_open(path, run->tables, &versions);
    sqlite3_stmt *update = NULL, *insert = NULL;
    check(sqlite3_prepare_v2(db,
                             "UPDATE object SET metadata_location = ?1, version = version + 1"
                             " WHERE id = ?2 AND metadata_location = ?3",
                             -1, &update, NULL) == SQLITE_OK &&
              sqlite3_prepare_v2(db, "INSERT INTO history (object_id, body) VALUES (?, ?)", -1,
                                 &insert, NULL) == SQLITE_OK,
          "prepare");
    int64_t begun_us = clock_monotonic_us(&clock_system), begun_cpu = cpu_us(), commits = 0;
    int64_t end_us = begun_us + run->seconds * 1000000;
    while (clock_monotonic_us(&clock_system) < end_us) {
        exec(db, "BEGIN IMMEDIATE");
        for (int i = 0; i < IN_FLIGHT; i++) {
            int64_t table = random_below(run->tables);
            floor_commit(update, insert, table, &versions[table]);
        }
        exec(db, "COMMIT");
        commits += IN_FLIGHT;
    }
    double seconds = (double)(clock_monotonic_us(&clock_system) - begun_us) / 1e6;
    double cpu = (double)(cpu_us() - begun_cpu);
    (void)sqlite3_finalize(update);
    (void)sqlite3_finalize(insert);
    check(sqlite3_close(db) == SQLITE_OK, "close");
    remove_store(path);
    free(versions);
    return (struct result){(double)commits / seconds, cpu / (double)commits};
}

/* ---- the metastore --------------------------------------------------------------------------- */

struct bench {
    struct metastore *store;
    int64_t warehouse_id, tables;
    int64_t *ids, *versions;
    _Atomic int64_t commits;
    _Atomic bool ending;
    _Atomic int running;
};

struct slot { /* one commit in flight; tables number, number + IN_FLIGHT, … are its own */
    struct change_set set;
    struct change change;
    struct history_row history;
    struct bench *bench;
    int64_t number, table;
    char name[20], old[200], new[200], id[40], uuid[40];
};

static void submit_next(struct slot *slot)
{
    struct bench *bench = slot->bench;
    slot->table = slot->number + IN_FLIGHT * random_below(bench->tables / IN_FLIGHT);
    int64_t version = bench->versions[slot->table];
    int name_len = snprintf(slot->name, sizeof(slot->name), "t%07lld", (long long)slot->table);
    int old_len = snprintf(slot->old, sizeof(slot->old), LOCATION_FORMAT, (long long)slot->table,
                           (long long)version);
    int new_len = snprintf(slot->new, sizeof(slot->new), LOCATION_FORMAT, (long long)slot->table,
                           (long long)version + 1);
    int id_len = snprintf(slot->id, sizeof(slot->id), "6a1d6a52-2e4b-4f11-9d3a-%012llx",
                          (unsigned long long)random_state & 0xFFFFFFFFFFFFu);
    int uuid_len =
        snprintf(slot->uuid, sizeof(slot->uuid), UUID_FORMAT, (unsigned long long)slot->table);
    slot->change = (struct change){.kind = CHANGE_OBJECT_UPDATE,
                                   .warehouse_id = bench->warehouse_id,
                                   .namespace_key = STR("db"),
                                   .name = str_from(slot->name, (size_t)name_len),
                                   .expect_id = bench->ids[slot->table],
                                   .expect_version = version + 1,
                                   .expect_metadata_location = str_from(slot->old, (size_t)old_len),
                                   .metadata_location = str_from(slot->new, (size_t)new_len),
                                   .uuid = str_from(slot->uuid, (size_t)uuid_len)};
    slot->history = (struct history_row){.operation = "updateTable",
                                         .commit_id = str_from(slot->id, (size_t)id_len),
                                         .request_id = STR("b0b7ac7c5a0a4d4f"),
                                         .principal = STR("loader"),
                                         .client = STR("10.0.0.1"),
                                         .time_ms = 1700000000000};
    uint64_t digest[4] = {random_state, random_state * 3, random_state * 5, random_state * 7};
    memcpy(slot->history.request_digest.bytes, digest, sizeof(digest));
    metastore_submit(bench->store, &slot->set);
}

static void slot_done(struct change_set *set)
{
    struct slot *slot = set->arg;
    check(set->outcome == CHANGE_APPLIED, "a commit failed");
    slot->bench->versions[slot->table]++;
    slot->bench->commits++;
    if (slot->bench->ending)
        slot->bench->running--;
    else
        submit_next(slot);
}

static void fill_store(struct bench *bench)
{
    struct change change = {
        .kind = CHANGE_WAREHOUSE_CREATE, .name = STR("wh"), .location = STR("s3://lake")};
    struct change_set set = {.changes = &change, .change_count = 1};
    check(metastore_apply(bench->store, &set) == CHANGE_APPLIED, "warehouse");
    bench->warehouse_id = change.id;
    change = (struct change){.kind = CHANGE_NAMESPACE_CREATE,
                             .warehouse_id = bench->warehouse_id,
                             .namespace_key = STR("db")};
    check(metastore_apply(bench->store, &set) == CHANGE_APPLIED, "namespace");
    struct arena *arena = arena_new();
    struct change *creates = calloc((size_t)bench->tables, sizeof(*creates));
    for (int64_t i = 0; i < bench->tables; i++)
        creates[i] = (struct change){
            .kind = CHANGE_OBJECT_CREATE,
            .warehouse_id = bench->warehouse_id,
            .namespace_key = STR("db"),
            .name = arena_printf(arena, "t%07lld", (long long)i),
            .object_kind = OBJECT_TABLE,
            .uuid = arena_printf(arena, UUID_FORMAT, (unsigned long long)i),
            .metadata_location = arena_printf(arena, LOCATION_FORMAT, (long long)i, 0ll),
            .location = arena_printf(arena, "s3://lake/warehouse/db/t%lld", (long long)i),
        };
    struct change_set all = {.changes = creates, .change_count = (size_t)bench->tables};
    check(metastore_apply(bench->store, &all) == CHANGE_APPLIED, "tables");
    bench->ids = calloc((size_t)bench->tables, sizeof(*bench->ids));
    bench->versions = calloc((size_t)bench->tables, sizeof(*bench->versions));
    for (int64_t i = 0; i < bench->tables; i++)
        bench->ids[i] = creates[i].id;
    free(creates);
    arena_free(arena);
}

static struct result run_metastore(const struct run *run)
{
    char path[500];
    (void)snprintf(path, sizeof(path), "%s/firn-bench.db", run->directory);
    remove_store(path);
    static struct bench bench;
    bench = (struct bench){.tables = run->tables, .running = IN_FLIGHT};
    struct metastore_sqlite_options options = {.path = path, .group_max = IN_FLIGHT};
    struct error err;
    check(metastore_sqlite_open(&options, &bench.store, &err) == 0, err.message);
    fill_store(&bench);
    metastore_close(bench.store); /* the checkpoint of the filling is not to be measured */
    check(metastore_sqlite_open(&options, &bench.store, &err) == 0, err.message);
    int64_t begun_us = clock_monotonic_us(&clock_system), begun_cpu = cpu_us();
    struct slot *slots = calloc(IN_FLIGHT, sizeof(*slots));
    for (int i = 0; i < IN_FLIGHT; i++) {
        slots[i].bench = &bench;
        slots[i].number = i;
        slots[i].set = (struct change_set){.changes = &slots[i].change,
                                           .change_count = 1,
                                           .history = &slots[i].history,
                                           .history_count = 1,
                                           .done = slot_done,
                                           .arg = &slots[i]};
        submit_next(&slots[i]);
    }
    (void)usleep((useconds_t)run->seconds * 1000000);
    int64_t commits = bench.commits;
    double seconds = (double)(clock_monotonic_us(&clock_system) - begun_us) / 1e6;
    double cpu = (double)(cpu_us() - begun_cpu);
    bench.ending = true;
    while (bench.running > 0)
        (void)usleep(1000);
    metastore_close(bench.store);
    remove_store(path);
    free(slots);
    free(bench.ids);
    free(bench.versions);
    return (struct result){(double)commits / seconds, cpu / (double)commits};
}

static int compare_doubles(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return difference < 0 ? -1 : difference > 0;
}

int main(int argc, char **argv)
{
    struct run run = {argc > 1 ? argv[1] : ".", 3, 10000};
    long long rounds = 5, seconds = run.seconds, tables = run.tables;
    if ((argc > 2 && !str_to_int64(str_cstr(argv[2]), &rounds)) ||
        (argc > 3 && !str_to_int64(str_cstr(argv[3]), &seconds)) ||
        (argc > 4 && !str_to_int64(str_cstr(argv[4]), &tables)) || rounds < 1 ||
        rounds > ROUNDS_MAX || seconds < 1 || seconds > 3600 || tables < IN_FLIGHT)
        log_fatal("usage: metastore_group [directory [rounds [seconds [tables]]]]");
    run.seconds = seconds;
    run.tables = tables - tables % IN_FLIGHT;
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    double shares[ROUNDS_MAX];
    for (long long i = 0; i < rounds; i++) {
        struct result floor = run_floor(&run), ours = run_metastore(&run);
        shares[i] = ours.per_second / floor.per_second;
        printf("sqlite %7.0f/s %5.1f us CPU   metastore %7.0f/s %5.1f us CPU   share %.0f %%\n",
               floor.per_second, floor.cpu_us, ours.per_second, ours.cpu_us, shares[i] * 100);
        (void)fflush(stdout);
    }
    qsort(shares, (size_t)rounds, sizeof(*shares), compare_doubles);
    double median = shares[rounds / 2];
    printf("metastore / sqlite: %.2f (target %.2f)\n", median, SHARE_MIN);
    return median >= SHARE_MIN ? 0 : 1;
}
