/* The floors of the benchmarks that end in SQLite: the least program that does the same to the same
 * rows, on one thread, with statements prepared once.
 *
 *   floor_sqlite commits DB SECONDS BATCH TABLES
 *       group commit: BATCH commits per transaction, each an UPDATE with a compare and an INSERT of
 *       about 250 bytes; WAL, synchronous=FULL. DB is made anew.
 *       Prints: commits=N seconds=S
 *   floor_sqlite names DB LIMIT ROUNDS [AFTER]
 *       one keyset page of the names of the largest namespace of a store, ROUNDS times.
 *       Prints: names=N page_us=…  (median of CPU time) */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHECKPOINT_PAGES "8000" /* as the server's */
#define REST_BYTES "140"        /* of a table's row: its name, uuid and place */
#define ROUNDS_MAX 10000
#define LOCATION_BYTES 160

static sqlite3 *db;

static void check(int rc)
{
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE)
        return;
    fprintf(stderr, "floor_sqlite: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static void exec(const char *sql)
{
    check(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *stmt;

    check(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL));
    return stmt;
}

static int64_t clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- commits --------------------------------------------------------------------------------- */

struct commits {
    sqlite3_stmt *begin, *update, *insert, *commit;
    int64_t *versions; /* of the tables */
    int table_count;
    uint64_t rng;
    char parent[LOCATION_BYTES], location[LOCATION_BYTES], payload[251];
};

static void write_location(char out[LOCATION_BYTES], int table, int64_t version)
{
    snprintf(out, LOCATION_BYTES,
             "file:///warehouse/bench/t%d-11111111222243338444555555555555/metadata/"
             "%05lld-aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee.metadata.json",
             table, (long long)version);
}

static void make_tables(int count)
{
    exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
         "PRAGMA wal_autocheckpoint=" CHECKPOINT_PAGES ";"
         "CREATE TABLE t (id INTEGER PRIMARY KEY, version INTEGER, location TEXT, rest BLOB);"
         "CREATE TABLE history (sequence INTEGER PRIMARY KEY, table_id INTEGER, payload BLOB);"
         "BEGIN");
    sqlite3_stmt *insert = prepare("INSERT INTO t VALUES (?, 0, ?, zeroblob(" REST_BYTES "))");
    char location[LOCATION_BYTES];
    for (int i = 0; i < count; i++) {
        write_location(location, i, 0);
        sqlite3_bind_int(insert, 1, i);
        sqlite3_bind_text(insert, 2, location, -1, SQLITE_STATIC);
        check(sqlite3_step(insert));
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    exec("COMMIT");
}

static void step(sqlite3_stmt *stmt)
{
    check(sqlite3_step(stmt));
    check(sqlite3_reset(stmt));
}

static void commit_one(struct commits *c)
{
    c->rng = c->rng * 6364136223846793005ull + 1442695040888963407ull;
    int table = (int)((c->rng >> 33) % (uint64_t)c->table_count);
    int64_t version = c->versions[table]++;

    write_location(c->parent, table, version);
    write_location(c->location, table, version + 1);
    sqlite3_bind_int64(c->update, 1, version + 1);
    sqlite3_bind_text(c->update, 2, c->location, -1, SQLITE_STATIC);
    sqlite3_bind_int(c->update, 3, table);
    sqlite3_bind_text(c->update, 4, c->parent, -1, SQLITE_STATIC);
    step(c->update);
    if (sqlite3_changes(db) != 1) {
        fprintf(stderr, "floor_sqlite: a compare failed\n");
        exit(1);
    }
    memcpy(c->payload, &c->rng, sizeof c->rng);
    sqlite3_bind_int(c->insert, 1, table);
    sqlite3_bind_blob(c->insert, 2, c->payload, sizeof c->payload - 1, SQLITE_STATIC);
    step(c->insert);
}

static void run_commits(double seconds, int batch, int tables)
{
    long count = 0;
    make_tables(tables);
    struct commits c = {
        .begin = prepare("BEGIN IMMEDIATE"),
        .update = prepare("UPDATE t SET version = ?, location = ? WHERE id = ? AND location = ?"),
        .insert = prepare("INSERT INTO history (table_id, payload) VALUES (?, ?)"),
        .commit = prepare("COMMIT"),
        .versions = calloc((size_t)tables, sizeof(int64_t)),
        .table_count = tables,
        .rng = 1,
    };
    memset(c.payload, 'x', sizeof c.payload);
    int64_t start = clock_ns(CLOCK_MONOTONIC), spent;
    do {
        step(c.begin);
        for (int i = 0; i < batch; i++)
            commit_one(&c);
        step(c.commit);
        count += batch;
        spent = clock_ns(CLOCK_MONOTONIC) - start;
    } while ((double)spent < seconds * 1e9);
    printf("commits=%ld seconds=%.3f\n", count, (double)spent / 1e9);
}

/* ---- names ----------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static long read_page(sqlite3_stmt *select)
{
    long count = 0;

    while (sqlite3_step(select) == SQLITE_ROW) {
        const unsigned char *name = sqlite3_column_text(select, 0);
        __asm__ volatile("" : : "r"(name) : "memory");
        count++;
    }
    check(sqlite3_reset(select));
    return count;
}

static void run_names(int limit, int rounds, const char *after)
{
    static int64_t spent[ROUNDS_MAX];
    long count = 0;

    sqlite3_stmt *largest = prepare("SELECT namespace_id, kind FROM object"
                                    " GROUP BY namespace_id, kind ORDER BY count(*) DESC LIMIT 1");
    check(sqlite3_step(largest));
    sqlite3_stmt *select = prepare("SELECT name FROM object WHERE namespace_id = ? AND kind = ?"
                                   " AND name > ? ORDER BY name LIMIT ?");
    sqlite3_bind_int64(select, 1, sqlite3_column_int64(largest, 0));
    sqlite3_bind_int64(select, 2, sqlite3_column_int64(largest, 1));
    sqlite3_bind_text(select, 3, after, -1, SQLITE_STATIC);
    sqlite3_bind_int(select, 4, limit);
    sqlite3_finalize(largest);
    for (int i = 0; i < rounds; i++) {
        int64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        count = read_page(select);
        spent[i] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
    }
    qsort(spent, (size_t)rounds, sizeof *spent, compare);
    printf("names=%ld page_us=%.1f\n", count, (double)spent[rounds / 2] / 1e3);
}

int main(int argc, char **argv)
{
    bool commits = argc == 6 && strcmp(argv[1], "commits") == 0;
    bool names = (argc == 5 || argc == 6) && strcmp(argv[1], "names") == 0;

    if (!commits && !names) {
        fprintf(stderr, "usage: floor_sqlite commits DB SECONDS BATCH TABLES\n"
                        "       floor_sqlite names DB LIMIT ROUNDS [AFTER]\n");
        return 2;
    }
    if (commits)
        (void)unlink(argv[2]);
    int rc = sqlite3_open(argv[2], &db);
    check(rc);
    int third = (int)strtol(argv[commits ? 4 : 3], NULL, 10);
    int fourth = (int)strtol(argv[commits ? 5 : 4], NULL, 10);
    if (third < 1 || fourth < 1 || (names && fourth > ROUNDS_MAX)) {
        fprintf(stderr, "floor_sqlite: a number is out of range\n");
        return 2;
    }
    if (commits)
        run_commits(strtod(argv[3], NULL), third, fourth);
    else
        run_names(third, fourth, argc == 6 ? argv[5] : "");
    return 0;
}
