/* The read cache on a real directory: budget, crashes, torn blocks, many readers at once. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/metric.h"
#include "storage/read_cache.h"
#include "tests/contract/directory.h"

#define BLOCK 1000
#define BUDGET (10 * BLOCK)

static char directory[] = "/tmp/firn-test-XXXXXX";

static struct read_cache *open_cache(void)
{
    struct read_cache *cache = NULL;
    struct error err;
    if (read_cache_open(directory, BUDGET, &cache, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    return cache;
}

static int wipe(void **state)
{
    (void)state;
    directory_empty(directory);
    return 0;
}

static struct read_cache_block block_named(const char *file, uint32_t number)
{
    return (struct read_cache_block){sha256_of(str_cstr(file)), number, BLOCK};
}

/* A store whose files hold one letter over and over. */
struct source {
    char letter;
    size_t left, piece;
    bool fails;
    _Atomic int pulls;
};

static int pull(void *arg, void *to, size_t size, size_t *got)
{
    struct source *source = arg;
    source->pulls++;
    if (source->fails && source->left <= BLOCK / 2)
        return -1;
    *got = size < source->piece ? size : source->piece;
    if (*got > source->left)
        *got = source->left;
    memset(to, source->letter, *got);
    source->left -= *got;
    return 0;
}

static void assert_content(int fd, char letter)
{
    char content[BLOCK], expected[BLOCK];
    memset(expected, letter, BLOCK);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, content, BLOCK, 0), BLOCK);
    assert_memory_equal(content, expected, BLOCK);
    close(fd);
}

static void fill(struct read_cache *cache, const struct read_cache_block *block, char letter)
{
    bool pass, broken;
    struct source source = {.letter = letter, .left = BLOCK, .piece = 300};
    assert_int_equal(read_cache_get(cache, block, &pass), -1);
    assert_false(pass);
    assert_content(read_cache_fill(cache, block, pull, &source, &broken), letter);
    assert_false(broken);
}

static bool has(struct read_cache *cache, const struct read_cache_block *block, char letter)
{
    bool pass;
    int fd = read_cache_get(cache, block, &pass);
    if (fd >= 0)
        assert_content(fd, letter);
    else
        read_cache_give_up(cache, block);
    return fd >= 0;
}

static int64_t bytes_on_disk;

static int count_block(const char *path, const struct stat *file, int type, struct FTW *at)
{
    (void)path;
    (void)at;
    if (type == FTW_F && file->st_size > SHA256_BYTES)
        bytes_on_disk += file->st_size - SHA256_BYTES;
    return 0;
}

static int64_t on_disk(void)
{
    bytes_on_disk = 0;
    (void)nftw(directory, count_block, 16, FTW_PHYS);
    return bytes_on_disk;
}

static void what_was_filled_is_found_again(void **state)
{
    (void)state;
    struct read_cache *cache = open_cache();
    struct read_cache_block one = block_named("f", 0), other = block_named("f", 1);
    int64_t hits = metric_value(METRIC_READ_CACHE_HITS);
    fill(cache, &one, 'a');
    fill(cache, &other, 'b');
    assert_true(has(cache, &one, 'a'));
    assert_true(has(cache, &other, 'b'));
    assert_int_equal(metric_value(METRIC_READ_CACHE_HITS) - hits, 2);
    assert_int_equal(metric_value(METRIC_READ_CACHE_BYTES), 2 * BLOCK);
    read_cache_close(cache);

    cache = open_cache();
    assert_true(has(cache, &one, 'a'));
    assert_true(has(cache, &other, 'b'));
    read_cache_close(cache);
}

static void the_budget_holds_and_the_oldest_go(void **state)
{
    (void)state;
    struct read_cache *cache = open_cache();
    struct read_cache_block used = block_named("f", 0);
    fill(cache, &used, 'a');
    for (uint32_t i = 1; i < 40; i++) {
        struct read_cache_block block = block_named("f", i);
        fill(cache, &block, 'x');
        assert_true(has(cache, &used, 'a'));
        assert_true(on_disk() <= BUDGET);
    }
    struct read_cache_block old = block_named("f", 1);
    assert_false(has(cache, &old, 'x'));
    assert_int_equal(on_disk(), BUDGET);
    read_cache_close(cache);
}

static void a_block_beyond_the_budget_passes(void **state)
{
    (void)state;
    struct read_cache *cache = open_cache();
    struct read_cache_block block = block_named("f", 0);
    bool pass;
    block.bytes = BUDGET + 1;
    assert_int_equal(read_cache_get(cache, &block, &pass), -1);
    assert_true(pass);
    read_cache_close(cache);
}

static void an_open_block_outlives_its_eviction(void **state)
{
    (void)state;
    struct read_cache *cache = open_cache();
    struct read_cache_block first = block_named("f", 0);
    bool pass;
    fill(cache, &first, 'a');
    int fd = read_cache_get(cache, &first, &pass);
    for (uint32_t i = 1; i <= 10; i++) {
        struct read_cache_block block = block_named("f", i);
        fill(cache, &block, 'x');
    }
    assert_false(has(cache, &first, 'a'));
    assert_content(fd, 'a');
    read_cache_close(cache);
}

static void a_broken_source_leaves_nothing(void **state)
{
    (void)state;
    struct read_cache *cache = open_cache();
    struct read_cache_block block = block_named("f", 0);
    struct source source = {.letter = 'a', .left = BLOCK, .piece = 300, .fails = true};
    bool pass, broken;
    assert_int_equal(read_cache_get(cache, &block, &pass), -1);
    assert_int_equal(read_cache_fill(cache, &block, pull, &source, &broken), -1);
    assert_true(broken);
    /* One that ends early is no trouble of the source, but no block either. */
    struct source ended = {.letter = 'a', .left = BLOCK / 2, .piece = 300};
    assert_int_equal(read_cache_get(cache, &block, &pass), -1);
    assert_int_equal(read_cache_fill(cache, &block, pull, &ended, &broken), -1);
    assert_false(broken);
    assert_int_equal(on_disk(), 0);
    fill(cache, &block, 'a');
    read_cache_close(cache);
}

/* A full disk: here a limit on the size of files, which writes meet in the same way. */
static void a_full_disk_sends_to_the_store(void **state)
{
    (void)state;
    struct rlimit before, limit;
    struct read_cache *cache = open_cache();
    struct read_cache_block block = block_named("f", 0);
    struct source source = {.letter = 'a', .left = BLOCK, .piece = 300};
    bool pass, broken;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = BLOCK / 2;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(read_cache_get(cache, &block, &pass), -1);
    int fd = read_cache_fill(cache, &block, pull, &source, &broken);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(fd, -1);
    assert_false(broken);
    assert_int_equal(on_disk(), 0);
    fill(cache, &block, 'a');
    read_cache_close(cache);
}

static char found_path[400];

static int note_block(const char *path, const struct stat *file, int type, struct FTW *at)
{
    (void)at;
    if (type == FTW_F && file->st_size > SHA256_BYTES)
        snprintf(found_path, sizeof(found_path), "%s", path);
    return 0;
}

/* What a power loss may leave: another length, zeros, a block under another's name. */
static void torn_blocks_are_fetched_again(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        wipe(NULL);
        struct read_cache *cache = open_cache();
        struct read_cache_block block = block_named("f", 0), other = block_named("f", 1);
        fill(cache, &block, 'a');
        read_cache_close(cache);
        (void)nftw(directory, note_block, 16, FTW_PHYS);
        int fd = open(found_path, O_RDWR);
        assert_true(fd >= 0);
        if (way == 0)
            assert_int_equal(ftruncate(fd, BLOCK / 2), 0);
        else if (way == 1)
            assert_int_equal(pwrite(fd, "\0\0\0\0", 4, BLOCK / 2), 4);
        else if (way == 2)
            assert_int_equal(pwrite(fd, "x", 1, BLOCK + 3), 1);
        close(fd);
        if (way == 3) { /* …-0 becomes …-1 */
            char wrong[sizeof(found_path)];
            snprintf(wrong, sizeof(wrong), "%s", found_path);
            wrong[strlen(wrong) - 1] = '1';
            assert_int_equal(rename(found_path, wrong), 0);
        }
        cache = open_cache();
        assert_false(has(cache, way == 3 ? &other : &block, 'a'));
        assert_int_equal(on_disk(), 0);
        fill(cache, &block, 'b');
        assert_true(has(cache, &block, 'b'));
        read_cache_close(cache);
    }
}

static void leftovers_and_strangers_are_cleared(void **state)
{
    (void)state;
    struct read_cache *cache = open_cache();
    read_cache_close(cache);
    char path[200];
    const char *const names[] = {"00/.new-7", "00/stranger", "00/00-1"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        for (int j = 0; j < 100; j++)
            fputs("xxxx", file);
        fclose(file);
    }
    cache = open_cache();
    assert_int_equal(on_disk(), 0);
    read_cache_close(cache);
}

static void a_directory_has_one_owner(void **state)
{
    (void)state;
    struct read_cache *cache = open_cache(), *second;
    struct error err;
    assert_int_equal(read_cache_open(directory, BUDGET, &second, &err), -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    read_cache_close(cache);
    assert_int_equal(read_cache_open("/proc/no/such/place", BUDGET, &second, &err), -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
}

/* ---- many at once ---------------------------------------------------------------------------- */

#define READERS 8
#define ROUNDS 3000

struct race {
    struct read_cache *cache;
    _Atomic int filled;
    unsigned int seed;
};

static void *read_some(void *arg)
{
    struct race *race = arg;
    for (int i = 0; i < ROUNDS; i++) {
        race->seed = race->seed * 1103515245u + 12345u;
        uint32_t number = race->seed >> 16 & 15; /* 16 blocks, 10 fit */
        struct read_cache_block block = block_named("race", number);
        char letter = (char)('a' + number);
        bool pass, broken;
        int fd = read_cache_get(race->cache, &block, &pass);
        if (fd < 0) {
            struct source source = {.letter = letter, .left = BLOCK, .piece = 400};
            source.fails = race->seed % 7 == 0;
            fd = read_cache_fill(race->cache, &block, pull, &source, &broken);
            race->filled++;
            if (fd < 0) {
                assert_true(source.fails && broken);
                continue;
            }
        }
        assert_content(fd, letter);
    }
    return NULL;
}

static void many_readers(void **state)
{
    (void)state;
    struct read_cache *cache = open_cache();
    struct race races[READERS];
    pthread_t threads[READERS];
    int filled = 0;
    for (unsigned int i = 0; i < READERS; i++) {
        races[i] = (struct race){.cache = cache, .seed = i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, read_some, &races[i]), 0);
    }
    for (unsigned int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        filled += races[i].filled;
    }
    assert_in_range(filled, 16, READERS * ROUNDS - 1);
    assert_true(on_disk() <= BUDGET);
    read_cache_close(cache);
}

struct same_block {
    struct read_cache *cache;
    struct source *source;
};

static void *read_same(void *arg)
{
    struct same_block *same = arg;
    struct read_cache_block block = block_named("same", 0);
    bool pass, broken;
    int fd = read_cache_get(same->cache, &block, &pass);
    if (fd < 0)
        fd = read_cache_fill(same->cache, &block, pull, same->source, &broken);
    assert_content(fd, 's');
    return NULL;
}

static void one_of_many_fetches(void **state)
{
    (void)state;
    struct read_cache *cache = open_cache();
    struct source source = {.letter = 's', .left = BLOCK, .piece = 1};
    struct same_block same = {cache, &source};
    pthread_t threads[READERS];
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_same, &same), 0);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(source.pulls, BLOCK);
    read_cache_close(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_was_filled_is_found_again, wipe),
        cmocka_unit_test_setup(the_budget_holds_and_the_oldest_go, wipe),
        cmocka_unit_test_setup(a_block_beyond_the_budget_passes, wipe),
        cmocka_unit_test_setup(an_open_block_outlives_its_eviction, wipe),
        cmocka_unit_test_setup(a_broken_source_leaves_nothing, wipe),
        cmocka_unit_test_setup(a_full_disk_sends_to_the_store, wipe),
        cmocka_unit_test_setup(torn_blocks_are_fetched_again, wipe),
        cmocka_unit_test_setup(leftovers_and_strangers_are_cleared, wipe),
        cmocka_unit_test_setup(a_directory_has_one_owner, wipe),
        cmocka_unit_test_setup(many_readers, wipe),
        cmocka_unit_test_setup(one_of_many_fetches, wipe),
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    wipe(NULL);
    rmdir(directory);
    return failed;
}
