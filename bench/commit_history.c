/* What one append costs on a table with a long history, without I/O: the commit's check and apply,
 * and the rendering of the new version, against a memcpy of the same document and against a jansson
 * round trip of it (parse, dump).
 *
 *   commit_history SNAPSHOTS
 *
 * Prints: document_bytes=… commit_us=… memcpy_us=… jansson_us=…  (medians of CPU time). */
#include "base/raw_json.h"
#include "catalog/object_version.h"
#include "iceberg/table_commit.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 41

static double cpu_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return values[n / 2];
}

static void fail(const char *what, const struct error *err)
{
    fprintf(stderr, "%s: %s\n", what, err->message);
    exit(1);
}

static void write_snapshot(struct buf *out, long i)
{
    buf_add_format(out,
                   "{\"sequence-number\":%ld,\"snapshot-id\":%ld,%s\"timestamp-ms\":%ld,"
                   "\"summary\":{\"operation\":\"append\",\"added-data-files\":\"1\","
                   "\"added-records\":\"1000\",\"added-files-size\":\"123456\","
                   "\"changed-partition-count\":\"1\",\"total-records\":\"%ld000\","
                   "\"total-files-size\":\"%ld\",\"total-data-files\":\"%ld\","
                   "\"total-delete-files\":\"0\",\"total-position-deletes\":\"0\","
                   "\"total-equality-deletes\":\"0\",\"engine-name\":\"bench\"},"
                   "\"manifest-list\":\"file:///warehouse/bench/t/metadata/snap-%ld-1-"
                   "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee.avro\",\"schema-id\":0}",
                   i, 1000000 + i, "", 1700000000000 + i, i, i * 123456, i, 1000000 + i);
}

static struct str document(long snapshots)
{
    struct buf out = BUF_INIT((size_t)1 << 30);

    buf_add_format(&out,
                   "{\"format-version\":2,\"table-uuid\":\"11111111-2222-4333-8444-555555555555\","
                   "\"location\":\"file:///warehouse/bench/t\",\"last-sequence-number\":%ld,"
                   "\"last-updated-ms\":%ld,\"last-column-id\":1,\"current-schema-id\":0,"
                   "\"schemas\":[{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,"
                   "\"name\":\"x\",\"required\":false,\"type\":\"long\"}]}],\"default-spec-id\":0,"
                   "\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],\"last-partition-id\":999,"
                   "\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,\"fields\":[]}],"
                   "\"properties\":{},\"current-snapshot-id\":%ld,\"refs\":{\"main\":{"
                   "\"snapshot-id\":%ld,\"type\":\"branch\"}},\"snapshots\":[",
                   snapshots, 1700000000000 + snapshots, 1000000 + snapshots, 1000000 + snapshots);
    for (long i = 1; i <= snapshots; i++) {
        buf_add_cstr(&out, i > 1 ? "," : "");
        write_snapshot(&out, i);
    }
    buf_add_cstr(&out, "],\"statistics\":[],\"partition-statistics\":[],\"snapshot-log\":[");
    for (long i = 1; i <= snapshots; i++) {
        buf_add_format(&out, "%s{\"timestamp-ms\":%ld,\"snapshot-id\":%ld}", i > 1 ? "," : "",
                       1700000000000 + i, 1000000 + i);
    }
    buf_add_cstr(&out, "],\"metadata-log\":[]}");
    return buf_str(&out);
}

static struct str append_body(long n)
{
    struct buf out = BUF_INIT(1 << 16);

    buf_add_format(&out,
                   "{\"requirements\":[{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\","
                   "\"snapshot-id\":%ld}],\"updates\":[{\"action\":\"add-snapshot\",\"snapshot\":",
                   1000000 + n - 1);
    write_snapshot(&out, n);
    buf_add_format(&out,
                   "},{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"branch\","
                   "\"snapshot-id\":%ld}]}",
                   1000000 + n);
    return buf_str(&out);
}

/* One commit as the core does it; the new version becomes the next base. */
static double commit_once(struct object_version **base, long n)
{
    struct error err = {0};
    struct arena *arena = arena_new();
    struct str body = append_body(n), value;
    struct table_commit commit;
    union object_metadata next;
    struct object_row row = {.kind = OBJECT_TABLE,
                             .metadata_location = STR("file:///warehouse/bench/t/metadata/x")};
    struct commit_inputs inputs = {1700000000000 + n, "99999999-2222-4333-8444-555555555555"};
    bool changed;

    double start = cpu_us();
    if (raw_json_check(body, &value, &err) != 0 ||
        table_commit_parse(value, arena, &commit, &err) != 0 ||
        table_commit_check(&commit, &(*base)->metadata.table, &err) != 0 ||
        table_commit_apply(&commit, &(*base)->metadata.table, &inputs, arena, &next.table, &changed,
                           &err) != 0) {
        fail("commit", &err);
    }
    struct object_version *version = object_version_build(&next, &row);
    double spent = cpu_us() - start;

    object_version_unref(*base);
    *base = version;
    arena_free(arena);
    free((char *)body.ptr);
    return spent;
}

static double memcpy_once(struct str text)
{
    double start = cpu_us();
    char *copy = malloc(text.len);

    memcpy(copy, text.ptr, text.len);
    __asm__ volatile("" : : "r"(copy) : "memory");
    double spent = cpu_us() - start;
    free(copy);
    return spent;
}

static double jansson_once(struct str text)
{
    double start = cpu_us();
    json_t *root = json_loadb(text.ptr, text.len, 0, NULL);
    char *dump = json_dumps(root, JSON_COMPACT);

    json_decref(root);
    double spent = cpu_us() - start;
    free(dump);
    return spent;
}

int main(int argc, char **argv)
{
    long snapshots = argc > 1 ? strtol(argv[1], NULL, 10) : 10000;
    struct error err = {0};
    struct str text = document(snapshots);
    struct object_row row = {.kind = OBJECT_TABLE,
                             .metadata_location = STR("file:///warehouse/bench/t/metadata/x")};
    struct object_version *base;
    double commit[ROUNDS], copy[ROUNDS], jansson[ROUNDS];

    if (object_version_parse(text, &row, &base, &err) != 0) {
        fail("parse", &err);
    }
    for (int i = 0; i < ROUNDS; i++) { /* interleaved: they share the machine's mood */
        commit[i] = commit_once(&base, snapshots + 1 + i);
        copy[i] = memcpy_once(base->document);
        jansson[i] = i < 5 ? jansson_once(base->document) : jansson[0];
    }
    printf("document_bytes=%zu commit_us=%.1f memcpy_us=%.1f jansson_us=%.1f\n", base->document.len,
           median(commit, ROUNDS), median(copy, ROUNDS), median(jansson, 5));
    object_version_unref(base);
    free((char *)text.ptr);
    return 0;
}
