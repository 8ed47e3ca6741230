/* Loaders that fill the cache at the same time as changes go by. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "base/log.h"
#include "catalog/object_cache.h"

static const struct object_key key = {1, {"ns", 2}, {"t", 1}, false};

static struct object_version *version_of(int64_t id, int64_t number)
{
    struct object_version *version = calloc(1, sizeof(*version));
    assert_non_null(version);
    version->references = 1;
    version->arena = arena_new();
    version->row.id = id;
    version->row.version = number;
    version->bytes = sizeof(*version);
    return version;
}

/* The number of the version in memory, 0 when there is none. */
static int64_t cached(struct object_cache *cache)
{
    struct object_version *version = object_cache_get(cache, &key);
    int64_t number = version == NULL ? 0 : version->row.version;
    object_version_unref(version);
    return number;
}

static void insert(struct object_cache *cache, int64_t id, int64_t number, uint64_t epoch)
{
    struct object_version *version = version_of(id, number);
    object_cache_insert(cache, &key, version, epoch);
    object_version_unref(version);
}

static void publish(struct object_cache *cache, int64_t id, int64_t number)
{
    struct object_version *version = version_of(id, number);
    object_cache_publish(cache, &key, version);
    object_version_unref(version);
}

static void a_load_that_a_change_overtook_is_dropped(void **state)
{
    (void)state;
    struct object_cache *cache = object_cache_new(1 << 20);
    uint64_t epoch = object_cache_epoch(cache, &key);
    publish(cache, 1, 2);
    insert(cache, 1, 1, epoch);
    assert_int_equal(cached(cache), 2);
    epoch = object_cache_epoch(cache, &key);
    object_cache_publish(cache, &key, NULL);
    insert(cache, 1, 2, epoch);
    assert_int_equal(cached(cache), 0);
    object_cache_free(cache);
}

/* Two loads of one epoch, one before and one after a commit that is durable and not yet published.
 * Who was shown the newer state must not be shown the older one. */
static void of_two_loads_the_newer_stays(void **state)
{
    (void)state;
    struct object_cache *cache = object_cache_new(1 << 20);
    uint64_t epoch = object_cache_epoch(cache, &key);
    insert(cache, 1, 2, epoch);
    insert(cache, 1, 1, epoch);
    assert_int_equal(cached(cache), 2);
    insert(cache, 1, 3, epoch);
    assert_int_equal(cached(cache), 3);
    publish(cache, 1, 4);
    assert_int_equal(cached(cache), 4);
    object_cache_free(cache);
}

/* Two objects under one name: which is the newer one only the rows know. */
static void of_two_objects_none_stays(void **state)
{
    (void)state;
    struct object_cache *cache = object_cache_new(1 << 20);
    uint64_t epoch = object_cache_epoch(cache, &key);
    insert(cache, 2, 1, epoch);
    insert(cache, 1, 5, epoch);
    assert_int_equal(cached(cache), 0);
    object_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_load_that_a_change_overtook_is_dropped),
        cmocka_unit_test(of_two_loads_the_newer_stays),
        cmocka_unit_test(of_two_objects_none_stays),
    };
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
