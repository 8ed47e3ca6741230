/* Tests of storage/key_cache: whose keys are served, how long, and that a crowd fetches once. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sched.h>

#include "storage/key_cache.h"

#define HOUR INT64_C(3600000)

static struct arena *arena;

/* What is fetched: keys of a name and a life, or a failure. */
struct source {
    const char *name;
    int64_t expires_ms;
    bool fails;
    int count;
};

static int fetch(void *arg, struct arena *to, struct file_keys *out, struct error *err)
{
    struct source *source = arg;
    source->count++;
    if (source->fails)
        return error_set(err, ERR_UNAVAILABLE, "%s", source->name);
    *out = (struct file_keys){arena_printf(to, "%s-%d", source->name, source->count),
                              arena_printf(to, "secret of %s", source->name), STR("token"),
                              source->expires_ms};
    return 0;
}

static struct sha256 digest_of(const char *text)
{
    return sha256_of(str_cstr(text));
}

static struct file_keys get(struct key_cache *cache, const char *what, int64_t now_ms,
                            int64_t lifetime_ms, struct source *source)
{
    struct file_keys keys;
    struct error err = {0};
    struct sha256 digest = digest_of(what);
    if (key_cache_get(cache, &digest, now_ms, lifetime_ms, fetch, source, arena, &keys, &err) != 0)
        fail_msg("%s", err.message);
    assert_str(keys.secret_access_key, arena_printf(arena, "secret of %s", source->name).ptr);
    assert_str(keys.session_token, "token");
    return keys;
}

static void until_half_of_their_life(void **state)
{
    (void)state;
    struct key_cache *cache = key_cache_new();
    struct source source = {.name = "a", .expires_ms = 1000 + HOUR};
    assert_str(get(cache, "x", 1000, HOUR, &source).access_key_id, "a-1");
    assert_str(get(cache, "x", 1000 + HOUR / 2, HOUR, &source).access_key_id, "a-1");
    assert_int_equal(get(cache, "x", 1000, HOUR, &source).expires_ms, 1000 + HOUR);
    source.expires_ms += HOUR;
    assert_str(get(cache, "x", 1001 + HOUR / 2, HOUR, &source).access_key_id, "a-2");
    assert_str(get(cache, "x", 1001 + HOUR / 2, HOUR, &source).access_key_id, "a-2");
    assert_int_equal(source.count, 2);
    key_cache_free(cache);
}

/* Who may have keys for a short time gets none that live on; longer ones are told as asked. */
static void no_longer_than_asked(void **state)
{
    (void)state;
    struct key_cache *cache = key_cache_new();
    struct source source = {.name = "a", .expires_ms = 2 * HOUR};
    assert_int_equal(get(cache, "x", 0, HOUR, &source).expires_ms, HOUR);
    assert_int_equal(get(cache, "x", 0, HOUR / 4, &source).expires_ms, HOUR / 4);
    assert_int_equal(source.count, 2);
    assert_str(get(cache, "x", HOUR / 8, HOUR / 8, &source).access_key_id, "a-2");
    assert_str(get(cache, "x", 0, HOUR, &source).access_key_id, "a-2");
    key_cache_free(cache);
}

static void two_never_meet(void **state)
{
    (void)state;
    struct key_cache *cache = key_cache_new();
    struct source a = {.name = "a", .expires_ms = HOUR}, b = {.name = "b", .expires_ms = HOUR};
    for (int i = 0; i < 10000; i++) {
        assert_str(get(cache, "alice", i, HOUR, &a).access_key_id, "a-1");
        assert_str(get(cache, "bob", i, HOUR, &b).access_key_id, "b-1");
    }
    key_cache_free(cache);
}

/* More than it holds: each gets its own all the same. */
static void many(void **state)
{
    (void)state;
    struct key_cache *cache = key_cache_new();
    int fetched = 0;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 3 * KEY_CACHE_ENTRIES; i++) {
            char name[20];
            (void)snprintf(name, sizeof(name), "n%d", i);
            struct source source = {.name = name, .expires_ms = HOUR + i};
            struct str id = get(cache, name, 0, 2 * HOUR, &source).access_key_id;
            assert_str(id, arena_printf(arena, "%s-1", name).ptr);
            fetched += source.count;
        }
    assert_in_range(fetched, 5 * KEY_CACHE_ENTRIES, 6 * KEY_CACHE_ENTRIES - 1);
    key_cache_free(cache);
}

static void failures_are_not_kept(void **state)
{
    (void)state;
    struct key_cache *cache = key_cache_new();
    struct source source = {.name = "a", .expires_ms = HOUR, .fails = true};
    struct sha256 digest = digest_of("x");
    struct file_keys keys;
    struct error err = {0};
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(key_cache_get(cache, &digest, 0, HOUR, fetch, &source, arena, &keys, &err),
                         -1);
        assert_int_equal(err.kind, ERR_UNAVAILABLE);
        assert_string_equal(err.message, "a");
        assert_int_equal(source.count, i);
    }
    source.fails = false;
    assert_str(get(cache, "x", 0, HOUR, &source).access_key_id, "a-4");
    key_cache_free(cache);
}

/* ---- a crowd --------------------------------------------------------------------------------- */

#define CROWD 16

struct crowd {
    struct key_cache *cache;
    _Atomic int coming, fetches;
    bool fails;
};

/* Goes on when all are there, or about to be: who is late finds what was kept. */
static int fetch_slowly(void *arg, struct arena *to, struct file_keys *out, struct error *err)
{
    struct crowd *crowd = arg;
    crowd->fetches++;
    while (crowd->coming < CROWD)
        (void)sched_yield();
    if (crowd->fails)
        return error_set(err, ERR_UNAVAILABLE, "no");
    *out = (struct file_keys){arena_str(to, STR("id")), arena_str(to, STR("secret")),
                              arena_str(to, STR("token")), HOUR};
    return 0;
}

static void *one_of_many(void *arg)
{
    struct crowd *crowd = arg;
    struct arena *own = arena_new();
    struct file_keys keys = {0};
    struct error err = {0};
    struct sha256 digest = digest_of("x");
    crowd->coming++;
    int result =
        key_cache_get(crowd->cache, &digest, 0, HOUR, fetch_slowly, crowd, own, &keys, &err);
    bool good = crowd->fails ? result == -1 && err.kind == ERR_UNAVAILABLE
                             : result == 0 && str_equal(keys.secret_access_key, STR("secret"));
    arena_free(own);
    return good ? crowd : NULL;
}

static void run_crowd(struct crowd *crowd)
{
    pthread_t threads[CROWD];
    crowd->cache = key_cache_new();
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, one_of_many, crowd), 0);
    for (int i = 0; i < CROWD; i++) {
        void *good;
        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_non_null(good);
    }
    key_cache_free(crowd->cache);
}

static void a_crowd_fetches_once(void **state)
{
    (void)state;
    struct crowd crowd = {.fails = false};
    run_crowd(&crowd);
    assert_int_equal(crowd.fetches, 1);
    struct crowd failing = {.fails = true};
    run_crowd(&failing);
    assert_in_range(failing.fetches, 1, CROWD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(until_half_of_their_life), cmocka_unit_test(no_longer_than_asked),
        cmocka_unit_test(two_never_meet),           cmocka_unit_test(many),
        cmocka_unit_test(failures_are_not_kept),    cmocka_unit_test(a_crowd_fetches_once),
    };
    arena = arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
