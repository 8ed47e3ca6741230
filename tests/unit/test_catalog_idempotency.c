/* Keys that make mutations repeatable: states, waiting and waking, what is recorded, expiry. */
#include "tests/unit/catalog_fixture.h"

static struct idempotency_claim claim_of(const char *key, const char *binding)
{
    return (struct idempotency_claim){
        .key = str_cstr(key),
        .binding = sha256_of(str_cstr(binding)),
        .status = 200,
    };
}

struct waiting {
    struct idempotency_waiter waiter;
    _Atomic int woken;
};

static void wake(struct idempotency_waiter *waiter)
{
    atomic_fetch_add(&((struct waiting *)waiter->arg)->woken, 1);
}

static void waiting_init(struct waiting *w)
{
    *w = (struct waiting){.waiter = {.woken = wake}};
    w->waiter.arg = w;
}

static enum idempotency_state begin(struct fixture *f, const struct idempotency_claim *claim,
                                    struct waiting *w, struct idempotency_row *record)
{
    enum idempotency_state state;
    struct idempotency_row ignored;
    waiting_init(w);
    assert_ok(f, catalog_idempotency_begin(f->catalog, claim, &w->waiter, f->arena, &state,
                                           record != NULL ? record : &ignored, &f->err));
    return state;
}

static void test_states(void **state)
{
    struct fixture *f = *state;
    struct waiting first, second, third, other;
    struct idempotency_claim claim = claim_of("k", "request");
    struct idempotency_claim foreign = claim_of("k", "another");
    assert_int_equal(begin(f, &claim, &first, NULL), IDEMPOTENCY_NEW);
    assert_int_equal(begin(f, &claim, &second, NULL), IDEMPOTENCY_WAITING);
    assert_int_equal(begin(f, &claim, &third, NULL), IDEMPOTENCY_WAITING);
    assert_int_equal(begin(f, &foreign, &other, NULL), IDEMPOTENCY_MISMATCH);
    assert_int_equal(second.woken, 0);
    catalog_idempotency_end(f->catalog, claim.key);
    assert_int_equal(first.woken, 0);
    assert_int_equal(second.woken, 1);
    assert_int_equal(third.woken, 1);
    assert_int_equal(other.woken, 0);
    /* nothing was recorded: who is first now runs anew, whatever the binding */
    assert_int_equal(begin(f, &foreign, &other, NULL), IDEMPOTENCY_NEW);
    catalog_idempotency_end(f->catalog, foreign.key);
}

static void test_no_key(void **state)
{
    struct fixture *f = *state;
    struct waiting a, b;
    struct idempotency_claim none = {.key = STR_NONE};
    assert_int_equal(begin(f, &none, &a, NULL), IDEMPOTENCY_NEW);
    assert_int_equal(begin(f, &none, &b, NULL), IDEMPOTENCY_NEW);
    catalog_idempotency_end(f->catalog, none.key);
    catalog_idempotency_end(f->catalog, none.key);
}

/* A use case writes its record with its change. */
static void test_success_is_replayed(void **state)
{
    struct fixture *f = *state;
    struct waiting w;
    struct idempotency_row record;
    struct caller caller = f->caller;
    caller.idempotency = claim_of("k", "create a");
    caller.idempotency.body = STR("{\"namespace\":[\"a\"]}");
    assert_int_equal(begin(f, &caller.idempotency, &w, NULL), IDEMPOTENCY_NEW);
    assert_ok(
        f, catalog_namespace_create(f->catalog, f->warehouse, &caller, ns(f, "a"), NULL, &f->err));
    catalog_idempotency_end(f->catalog, caller.idempotency.key);

    assert_int_equal(begin(f, &caller.idempotency, &w, &record), IDEMPOTENCY_REPLAY);
    assert_int_equal(record.status, 200);
    assert_str(record.kind, "");
    assert_str(record.body, "{\"namespace\":[\"a\"]}");
    struct idempotency_claim foreign = claim_of("k", "create b");
    assert_int_equal(begin(f, &foreign, &w, NULL), IDEMPOTENCY_MISMATCH);
    /* a replay leaves nothing running */
    assert_int_equal(begin(f, &caller.idempotency, &w, &record), IDEMPOTENCY_REPLAY);
}

/* Every mutation, also those that find nothing to change. */
static void test_all_mutations_record(void **state)
{
    struct fixture *f = *state;
    struct waiting w;
    struct idempotency_row record;
    struct caller caller = f->caller;
    struct str result;
    make_ns(f, "a");
    make_table(f, "a.t");

    caller.idempotency = claim_of("update", "x");
    json_t *updates = json_pack("{s:s}", "k", "v");
    assert_ok(f, catalog_namespace_update(f->catalog, f->warehouse, &caller, ns(f, "a"), NULL,
                                          updates, f->arena, &result, &f->err));
    json_decref(updates);
    assert_int_equal(begin(f, &caller.idempotency, &w, &record), IDEMPOTENCY_REPLAY);
    assert_str(record.body, "{\"updated\":[\"k\"],\"removed\":[],\"missing\":[]}");

    caller.idempotency = claim_of("update nothing", "x");
    assert_ok(f, catalog_namespace_update(f->catalog, f->warehouse, &caller, ns(f, "a"), NULL, NULL,
                                          f->arena, &result, &f->err));
    assert_int_equal(begin(f, &caller.idempotency, &w, &record), IDEMPOTENCY_REPLAY);
    assert_str(record.body, "{\"updated\":[],\"removed\":[],\"missing\":[]}");

    caller.idempotency = claim_of("rename to itself", "x");
    caller.idempotency.status = 204;
    assert_ok(f, catalog_table_rename(f->catalog, f->warehouse, &caller, id(f, "a.t"), id(f, "a.t"),
                                      &f->err));
    assert_int_equal(begin(f, &caller.idempotency, &w, &record), IDEMPOTENCY_REPLAY);
    assert_int_equal(record.status, 204);

    caller.idempotency = claim_of("rename", "x");
    assert_ok(f, catalog_table_rename(f->catalog, f->warehouse, &caller, id(f, "a.t"), id(f, "a.u"),
                                      &f->err));
    assert_int_equal(begin(f, &caller.idempotency, &w, &record), IDEMPOTENCY_REPLAY);

    caller.idempotency = claim_of("drop", "x");
    assert_ok(f,
              catalog_table_drop(f->catalog, f->warehouse, &caller, id(f, "a.u"), false, &f->err));
    assert_int_equal(begin(f, &caller.idempotency, &w, &record), IDEMPOTENCY_REPLAY);

    caller.idempotency = claim_of("drop namespace", "x");
    assert_ok(f, catalog_namespace_drop(f->catalog, f->warehouse, &caller, ns(f, "a"), &f->err));
    assert_int_equal(begin(f, &caller.idempotency, &w, &record), IDEMPOTENCY_REPLAY);
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    static const enum error_kind kept[] = {
        ERR_BAD_REQUEST,       ERR_ILLEGAL_ARGUMENT, ERR_VALIDATION,     ERR_FORBIDDEN,
        ERR_NO_SUCH_NAMESPACE, ERR_NO_SUCH_TABLE,    ERR_UNSUPPORTED,    ERR_ALREADY_EXISTS,
        ERR_COMMIT_FAILED,     ERR_UNPROCESSABLE,    ERR_FILE_NOT_FOUND, ERR_NAMESPACE_NOT_EMPTY};
    static const enum error_kind forgotten[] = {
        ERR_NOT_AUTHORIZED, ERR_TOO_MANY_REQUESTS,    ERR_INTERNAL,
        ERR_UNAVAILABLE,    ERR_COMMIT_STATE_UNKNOWN, ERR_BODY_TOO_LARGE};
    struct waiting w;
    struct idempotency_row record;
    struct error why;
    char key[16];
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        (void)snprintf(key, sizeof(key), "kept-%zu", i);
        struct idempotency_claim claim = claim_of(key, "x");
        (void)error_set(&why, kept[i], "why %zu", i);
        catalog_idempotency_record_error(f->catalog, i % 2 ? f->warehouse : NULL, &claim, &why);
        assert_int_equal(begin(f, &claim, &w, &record), IDEMPOTENCY_REPLAY);
        assert_str(record.kind, error_name(kept[i]));
        assert_str(record.body, why.message);
        assert_int_equal(record.status, error_status(kept[i]));
    }
    for (size_t i = 0; i < COUNT_OF(forgotten); i++) {
        (void)snprintf(key, sizeof(key), "forgotten-%zu", i);
        struct idempotency_claim claim = claim_of(key, "x");
        (void)error_set(&why, forgotten[i], "why");
        catalog_idempotency_record_error(f->catalog, f->warehouse, &claim, &why);
        assert_int_equal(begin(f, &claim, &w, &record), IDEMPOTENCY_NEW);
        catalog_idempotency_end(f->catalog, claim.key);
    }
}

static void test_expiry(void **state)
{
    struct fixture *f = *state;
    struct waiting w;
    struct idempotency_row record;
    struct caller caller = f->caller;
    caller.idempotency = claim_of("k", "create a");
    assert_ok(
        f, catalog_namespace_create(f->catalog, f->warehouse, &caller, ns(f, "a"), NULL, &f->err));
    atomic_fetch_add(&f->now_ms, FIXTURE_LIFETIME_MS - 1);
    assert_ok(f, catalog_expire(f->catalog, &f->err));
    assert_int_equal(begin(f, &caller.idempotency, &w, &record), IDEMPOTENCY_REPLAY);
    atomic_fetch_add(&f->now_ms, 1);
    assert_int_equal(begin(f, &caller.idempotency, &w, &record), IDEMPOTENCY_NEW);
    assert_refused(
        f, catalog_namespace_create(f->catalog, f->warehouse, &caller, ns(f, "a"), NULL, &f->err),
        ERR_ALREADY_EXISTS, "Namespace already exists: a");
    catalog_idempotency_record_error(f->catalog, f->warehouse, &caller.idempotency, &f->err);
    catalog_idempotency_end(f->catalog, caller.idempotency.key);
    assert_int_equal(begin(f, &caller.idempotency, &w, &record), IDEMPOTENCY_REPLAY);
    assert_str(record.body, "Namespace already exists: a");
    atomic_fetch_add(&f->now_ms, FIXTURE_LIFETIME_MS);
    assert_ok(f, catalog_expire(f->catalog, &f->err));
    assert_int_equal(begin(f, &caller.idempotency, &w, &record), IDEMPOTENCY_NEW);
    catalog_idempotency_end(f->catalog, caller.idempotency.key);
}

/* ---- many threads, one key: the mutation runs once, all hear the same -------------------------
 */

#define THREADS 8

struct repeater {
    struct fixture *f;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool woken;
    const char *key;
    const char *name; /* of the namespace to be made */
    _Atomic int *ran;
    _Atomic int *replayed;
    int strange;
};

static void wake_repeater(struct idempotency_waiter *waiter)
{
    struct repeater *r = waiter->arg;
    pthread_mutex_lock(&r->lock);
    r->woken = true;
    pthread_cond_signal(&r->cond);
    pthread_mutex_unlock(&r->lock);
}

static void wait_until_woken(struct repeater *r)
{
    pthread_mutex_lock(&r->lock);
    while (!r->woken)
        pthread_cond_wait(&r->cond, &r->lock);
    r->woken = false;
    pthread_mutex_unlock(&r->lock);
}

/* The first try of every key ends in trouble, so that the key must pass on to another. */
static void run_once(struct repeater *r, const struct caller *caller, struct arena *arena)
{
    struct error err;
    struct namespace_ident name = ns_of(arena, r->name);
    if (atomic_fetch_add(r->ran, 1) > 0 &&
        catalog_namespace_create(r->f->catalog, r->f->warehouse, caller, &name, NULL, &err) != 0)
        r->strange++;
    catalog_idempotency_end(r->f->catalog, caller->idempotency.key);
}

static void *repeat_until_answered(void *arg)
{
    struct repeater *r = arg;
    struct arena *arena = arena_new();
    struct caller caller = r->f->caller;
    struct idempotency_waiter waiter = {.woken = wake_repeater, .arg = r};
    caller.idempotency = claim_of(r->key, r->name);
    for (bool answered = false; !answered;) {
        enum idempotency_state state;
        struct idempotency_row record;
        struct error err;
        if (catalog_idempotency_begin(r->f->catalog, &caller.idempotency, &waiter, arena, &state,
                                      &record, &err) != 0 ||
            state == IDEMPOTENCY_MISMATCH) {
            r->strange++;
            break;
        }
        if (state == IDEMPOTENCY_NEW)
            run_once(r, &caller, arena);
        else if (state == IDEMPOTENCY_WAITING)
            wait_until_woken(r);
        else
            answered = true;
    }
    atomic_fetch_add(r->replayed, 1);
    arena_free(arena);
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 20; round++) {
        struct repeater repeaters[THREADS];
        _Atomic int ran = 0, replayed = 0;
        char key[16];
        (void)snprintf(key, sizeof(key), "k%d", round);
        for (int i = 0; i < THREADS; i++) {
            repeaters[i] = (struct repeater){.f = f,
                                             .lock = PTHREAD_MUTEX_INITIALIZER,
                                             .cond = PTHREAD_COND_INITIALIZER,
                                             .key = key,
                                             .name = key,
                                             .ran = &ran,
                                             .replayed = &replayed};
            assert_int_equal(
                pthread_create(&repeaters[i].thread, NULL, repeat_until_answered, &repeaters[i]),
                0);
        }
        int strange = 0;
        for (int i = 0; i < THREADS; i++) {
            pthread_join(repeaters[i].thread, NULL);
            strange += repeaters[i].strange;
        }
        assert_int_equal(strange, 0);
        assert_int_equal(ran, 2); /* the one that failed, and the one that did it */
        assert_int_equal(replayed, THREADS);
    }
}

static void test_keys_can_be_off(void **state)
{
    struct fixture *f = *state;
    struct waiting a, b;
    struct caller caller = f->caller;
    f->catalog->options.idempotency_lifetime_ms = 0;
    caller.idempotency = claim_of("k", "x");
    assert_int_equal(begin(f, &caller.idempotency, &a, NULL), IDEMPOTENCY_NEW);
    assert_int_equal(begin(f, &caller.idempotency, &b, NULL), IDEMPOTENCY_NEW);
    assert_ok(
        f, catalog_namespace_create(f->catalog, f->warehouse, &caller, ns(f, "a"), NULL, &f->err));
    catalog_idempotency_end(f->catalog, caller.idempotency.key);
    catalog_idempotency_end(f->catalog, caller.idempotency.key);
    assert_int_equal(begin(f, &caller.idempotency, &b, NULL), IDEMPOTENCY_NEW);
    catalog_idempotency_end(f->catalog, caller.idempotency.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATALOG_TEST(test_states),
        CATALOG_TEST(test_no_key),
        CATALOG_TEST(test_success_is_replayed),
        CATALOG_TEST(test_all_mutations_record),
        CATALOG_TEST(test_refusals),
        CATALOG_TEST(test_expiry),
        CATALOG_TEST(test_threads),
        CATALOG_TEST(test_keys_can_be_off),
    };
    return cmocka_run_group_tests_name("catalog_idempotency", tests, NULL, NULL);
}
