/* Reading through the cache: the contract of all backends, over local storage; and that hits come
 * from the cache, changes are seen, and trouble of the cache's disk is no trouble of the reader. */
#include "tests/contract/file_stream_cases.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/metric.h"
#include "storage/file_io_cached.h"
#include "storage/file_io_local.h"
#include "tests/contract/directory.h"

#define BUDGET (64ll << 20)
#define BLOCK READ_CACHE_BLOCK_BYTES

static char directory[] = "/tmp/firn-test-XXXXXX";
static char root[160], outside[160], store_path[100], cache_path[100];
static struct read_cache *cache;
static int64_t now_ms = 1000000;

static int64_t test_now(void *arg)
{
    (void)arg;
    return now_ms;
}

static int64_t test_monotonic(void *arg)
{
    (void)arg;
    return now_ms * 1000;
}

static const struct clock test_clock = {test_now, test_monotonic, NULL};

static struct file_io *open_cached(void *arg)
{
    (void)arg;
    struct file_io *inner = NULL;
    struct error err;
    if (file_io_local_open(str_cstr(root), &inner, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    return file_io_cached_open(inner, cache, STR("test"), &test_clock);
}

static void wipe(void *arg)
{
    (void)arg;
    directory_empty(store_path);
}

static void open_cache(void)
{
    struct error err;
    if (read_cache_open(cache_path, BUDGET, &cache, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
}

struct fixture {
    struct file_io *io;
    struct arena *arena;
    int64_t hits, misses;
};

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    wipe(NULL);
    f->io = open_cached(NULL);
    f->arena = arena_new();
    f->hits = metric_value(METRIC_READ_CACHE_HITS);
    f->misses = metric_value(METRIC_READ_CACHE_MISSES);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    file_io_close(f->io);
    arena_free(f->arena);
    free(f);
    return 0;
}

static struct str at(struct fixture *f, const char *key)
{
    return arena_printf(f->arena, "%s/%s", root, key);
}

/* The byte of a file of `seed` at an offset. */
static char byte_at(int seed, int64_t offset)
{
    return (char)(seed + offset % 251 + offset / BLOCK);
}

static void put(struct fixture *f, const char *key, int seed, int64_t bytes)
{
    const struct file_write write = {.mode = FILE_REPLACE, .bytes = bytes};
    struct file_writer *writer;
    struct file_stat stat;
    struct error err;
    char *body = malloc((size_t)bytes);
    assert_non_null(body);
    for (int64_t i = 0; i < bytes; i++)
        body[i] = byte_at(seed, i);
    assert_int_equal(file_io_create(f->io, at(f, key), &write, &writer, &err), 0);
    assert_int_equal(file_writer_write(writer, str_from(body, (size_t)bytes), &err), 0);
    assert_int_equal(file_writer_finish(writer, &stat, &err), 0);
    free(body);
}

/* Reads a range whole and compares it. */
static void get(struct fixture *f, const char *key, int seed, int64_t offset, int64_t length)
{
    struct file_reader *reader;
    struct error err;
    char piece[70000];
    size_t got;
    if (file_io_open(f->io, at(f, key), offset, length, &reader, &err) != 0)
        fail_msg("%s", err.message);
    int64_t from = reader->offset, until = from + reader->length;
    while (file_reader_read(reader, piece, sizeof(piece), &got, &err) == 0 && got > 0)
        for (size_t i = 0; i < got; i++, from++)
            assert_int_equal(piece[i], byte_at(seed, from));
    assert_int_equal(from, until);
    file_reader_close(reader);
}

static void assert_counts(struct fixture *f, int hits, int misses)
{
    assert_int_equal(metric_value(METRIC_READ_CACHE_HITS) - f->hits, hits);
    assert_int_equal(metric_value(METRIC_READ_CACHE_MISSES) - f->misses, misses);
    f->hits += hits;
    f->misses += misses;
}

static void remove_behind(struct fixture *f, const char *key)
{
    (void)f;
    char path[400];
    snprintf(path, sizeof(path), "%s/wh/%s", store_path, key);
    assert_int_equal(unlink(path), 0);
}

static void what_was_read_needs_no_store(void **state)
{
    struct fixture *f = *state;
    put(f, "a/f", 1, 3 * BLOCK + 10);
    get(f, "a/f", 1, 0, FILE_TO_END);
    assert_counts(f, 0, 4);
    remove_behind(f, "a/f");
    get(f, "a/f", 1, 0, FILE_TO_END);
    assert_counts(f, 4, 0);
    get(f, "a/f", 1, BLOCK - 1, 2);
    get(f, "a/f", 1, -10, FILE_TO_END);
    get(f, "a/f", 1, 3 * BLOCK + 10, FILE_TO_END);
    assert_counts(f, 3, 0);
}

static void ranges_fetch_only_their_blocks(void **state)
{
    struct fixture *f = *state;
    put(f, "f", 2, 8 * BLOCK);
    get(f, "f", 2, 2 * BLOCK + 5, 10);
    assert_counts(f, 0, 1);
    get(f, "f", 2, 2 * BLOCK - 5, 2 * BLOCK);
    assert_counts(f, 1, 2);
    get(f, "f", 2, 0, FILE_TO_END);
    assert_counts(f, 3, 5);
}

static void a_replaced_file_is_another_one(void **state)
{
    struct fixture *f = *state;
    put(f, "f", 3, BLOCK + 1);
    get(f, "f", 3, 0, FILE_TO_END);
    put(f, "f", 4, BLOCK + 1);
    get(f, "f", 4, 0, FILE_TO_END);
    assert_counts(f, 0, 4);
}

static void a_removed_file_is_gone(void **state)
{
    struct fixture *f = *state;
    struct file_reader *reader;
    struct error err;
    put(f, "f", 5, 100);
    get(f, "f", 5, 0, FILE_TO_END);
    assert_int_equal(file_io_remove(f->io, at(f, "f"), &err), 0);
    assert_int_equal(file_io_open(f->io, at(f, "f"), 0, 1, &reader, &err), -1);
    assert_int_equal(err.kind, ERR_FILE_NOT_FOUND);
}

/* What others do to the store is seen when the trust is over. */
static void trust_ends(void **state)
{
    struct fixture *f = *state;
    struct file_reader *reader;
    struct error err;
    put(f, "f", 6, 100);
    get(f, "f", 6, 0, FILE_TO_END);
    remove_behind(f, "f");
    get(f, "f", 6, 0, FILE_TO_END);
    now_ms += FILE_IO_CACHED_TRUST_MS;
    assert_int_equal(file_io_open(f->io, at(f, "f"), 0, 1, &reader, &err), -1);
    assert_int_equal(err.kind, ERR_FILE_NOT_FOUND);
}

/* Replaced by somebody else while it is read: an error, never a mixture. */
static void a_change_in_the_middle_is_told(void **state)
{
    struct fixture *f = *state;
    struct file_reader *reader;
    struct error err;
    char piece[BLOCK];
    size_t got;
    put(f, "f", 7, 3 * BLOCK);
    get(f, "f", 7, 0, 1);
    struct file_io *other = NULL;
    assert_int_equal(file_io_local_open(str_cstr(root), &other, &err), 0);
    assert_int_equal(file_io_remove(other, at(f, "f"), &err), 0);
    assert_int_equal(file_io_write_new(other, at(f, "f"), STR("short"), &err), 0);
    file_io_close(other);
    assert_int_equal(file_io_open(f->io, at(f, "f"), 0, FILE_TO_END, &reader, &err), 0);
    int result;
    while ((result = file_reader_read(reader, piece, sizeof(piece), &got, &err)) == 0 && got > 0)
        continue;
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    file_reader_close(reader);
}

/* A directory of the cache that vanished, as a full or broken disk: reads go on. */
static void a_broken_cache_is_passed(void **state)
{
    struct fixture *f = *state;
    put(f, "f", 8, 2 * BLOCK + 7);
    directory_empty(cache_path);
    get(f, "f", 8, 0, FILE_TO_END);
    get(f, "f", 8, BLOCK - 3, 9);
    read_cache_close(cache);
    open_cache();
    file_io_close(f->io);
    f->io = open_cached(NULL);
    get(f, "f", 8, 0, FILE_TO_END);
    get(f, "f", 8, 0, FILE_TO_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_read_needs_no_store, begin, end),
        cmocka_unit_test_setup_teardown(ranges_fetch_only_their_blocks, begin, end),
        cmocka_unit_test_setup_teardown(a_replaced_file_is_another_one, begin, end),
        cmocka_unit_test_setup_teardown(a_removed_file_is_gone, begin, end),
        cmocka_unit_test_setup_teardown(trust_ends, begin, end),
        cmocka_unit_test_setup_teardown(a_change_in_the_middle_is_told, begin, end),
        cmocka_unit_test_setup_teardown(a_broken_cache_is_passed, begin, end),
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    snprintf(store_path, sizeof(store_path), "%s/store", directory);
    snprintf(cache_path, sizeof(cache_path), "%s/cache", directory);
    snprintf(root, sizeof(root), "file://%s/wh", store_path);
    snprintf(outside, sizeof(outside), "file://%s/elsewhere", store_path);
    if (mkdir(store_path, 0700) != 0)
        return 1;
    open_cache();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    struct file_io_opener opener = {open_cached, wipe, root, outside, NULL};
    failed += file_io_cases_run("cached", &opener);
    failed += file_stream_cases_run("cached", &opener);
    read_cache_close(cache);
    directory_empty(directory);
    rmdir(directory);
    return failed;
}
