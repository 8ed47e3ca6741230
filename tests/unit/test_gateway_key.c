/* Keys of the gateway: what was granted is opened again, and nothing else is. */
#include "tests/unit/catalog_fixture.h"

#include "catalog/gateway_key.h"

#define LATER_MS (FIXTURE_NOW_MS + 3600000)

static struct gateway_keys *open_keys(struct fixture *f)
{
    struct gateway_keys *keys = NULL;
    assert_ok(f, gateway_keys_open(f->catalog, &keys, &f->err));
    return keys;
}

static struct gateway_grant a_grant(void)
{
    return (struct gateway_grant){
        .warehouse_id = 7,
        .prefixes = {STR("a/t-1/"), STR("elsewhere/data/")},
        .prefix_count = 2,
        .write = true,
        .principal = STR("alice"),
        .expires_ms = LATER_MS,
    };
}

static int open_key(struct fixture *f, const struct gateway_keys *keys,
                    const struct file_keys *given, struct gateway_grant *out, struct str *secret)
{
    error_clear(&f->err);
    return gateway_key_open(keys, given->access_key_id, given->session_token, f->now_ms, f->arena,
                            out, secret, &f->err);
}

static void what_was_granted_is_opened(void **state)
{
    struct fixture *f = *state;
    struct gateway_keys *keys = open_keys(f);
    for (size_t count = 1; count <= GATEWAY_PREFIXES_MAX; count++) {
        struct gateway_grant grant = a_grant(), got;
        struct file_keys issued;
        struct str secret;
        for (size_t i = 0; i < count; i++)
            grant.prefixes[i] = arena_printf(f->arena, "ns/t%zu/", i);
        grant.prefix_count = count;
        grant.write = count % 2 == 0;
        gateway_key_issue(keys, &grant, f->arena, &issued);
        assert_int_equal(issued.access_key_id.len, 20);
        assert_true(str_starts_with(issued.access_key_id, STR("FIRN")));
        assert_int_equal(issued.expires_ms, LATER_MS);
        assert_ok(f, open_key(f, keys, &issued, &got, &secret));
        assert_true(str_equal(secret, issued.secret_access_key));
        assert_int_equal(got.warehouse_id, 7);
        assert_int_equal(got.write, grant.write);
        assert_int_equal(got.expires_ms, LATER_MS);
        assert_str(got.principal, "alice");
        assert_int_equal(got.prefix_count, count);
        for (size_t i = 0; i < count; i++)
            assert_true(str_equal(got.prefixes[i], grant.prefixes[i]));
    }
    gateway_keys_close(keys);
}

static void keys_last_over_a_restart(void **state)
{
    struct fixture *f = *state;
    struct gateway_keys *before = open_keys(f);
    struct gateway_grant grant = a_grant(), got;
    struct file_keys issued;
    struct str secret;
    gateway_key_issue(before, &grant, f->arena, &issued);
    gateway_keys_close(before);
    struct gateway_keys *after = open_keys(f);
    assert_ok(f, open_key(f, after, &issued, &got, &secret));
    assert_true(str_equal(secret, issued.secret_access_key));
    gateway_keys_close(after);
}

static void time_ends_them(void **state)
{
    struct fixture *f = *state;
    struct gateway_keys *keys = open_keys(f);
    struct gateway_grant grant = a_grant(), got;
    struct file_keys issued;
    struct str secret;
    gateway_key_issue(keys, &grant, f->arena, &issued);
    f->now_ms = LATER_MS - 1;
    assert_ok(f, open_key(f, keys, &issued, &got, &secret));
    f->now_ms = LATER_MS;
    assert_refused(f, open_key(f, keys, &issued, &got, &secret), ERR_FORBIDDEN,
                   "The key has expired");
    gateway_keys_close(keys);
}

#define assert_no_key(f, keys, given)                                                    \
    do {                                                                                 \
        struct gateway_grant got_;                                                       \
        struct str secret_;                                                              \
        assert_refused(f, open_key(f, keys, given, &got_, &secret_), ERR_NOT_AUTHORIZED, \
                       "Not authorized: the key is not valid");                          \
    } while (0)

static void every_changed_character_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct gateway_keys *keys = open_keys(f);
    struct gateway_grant grant = a_grant();
    struct file_keys issued;
    gateway_key_issue(keys, &grant, f->arena, &issued);
    for (size_t i = 0; i < issued.session_token.len; i++) {
        struct file_keys changed = issued;
        changed.session_token = arena_str(f->arena, issued.session_token);
        ((char *)(uintptr_t)changed.session_token.ptr)[i] ^= 1;
        assert_no_key(f, keys, &changed);
    }
    for (size_t i = 0; i < issued.access_key_id.len; i++) {
        struct file_keys changed = issued;
        changed.access_key_id = arena_str(f->arena, issued.access_key_id);
        ((char *)(uintptr_t)changed.access_key_id.ptr)[i] ^= 1;
        assert_no_key(f, keys, &changed);
    }
    for (size_t len = 0; len < issued.session_token.len; len++) {
        struct file_keys cut = issued;
        cut.session_token.len = len;
        assert_no_key(f, keys, &cut);
    }
    const char *tails[] = {"=", "A", "AA", "==", ".", "%00"};
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        struct file_keys longer = issued;
        longer.session_token =
            arena_printf(f->arena, "%.*s%s", STR_ARG(issued.session_token), tails[i]);
        assert_no_key(f, keys, &longer);
    }
    gateway_keys_close(keys);
}

/* A secret goes with its own token only: bytes that move from one field into the next make another
 * token, another access key id and another secret. */
static void fields_do_not_shift(void **state)
{
    struct fixture *f = *state;
    struct gateway_keys *keys = open_keys(f);
    const struct gateway_grant grants[] = {
        {.warehouse_id = 1,
         .prefixes = {STR("a/b/")},
         .prefix_count = 1,
         .principal = STR("x"),
         .expires_ms = LATER_MS},
        {.warehouse_id = 1,
         .prefixes = {STR("b/")},
         .prefix_count = 1,
         .principal = STR("xa/"),
         .expires_ms = LATER_MS},
        {.warehouse_id = 1,
         .prefixes = {STR("a/"), STR("b/")},
         .prefix_count = 2,
         .principal = STR("x"),
         .expires_ms = LATER_MS},
        {.warehouse_id = 1,
         .prefixes = {STR("a/b/"), STR("")},
         .prefix_count = 2,
         .principal = STR("x"),
         .expires_ms = LATER_MS},
    };
    struct file_keys issued[COUNT_OF(grants)];
    for (size_t i = 0; i < COUNT_OF(grants); i++)
        gateway_key_issue(keys, &grants[i], f->arena, &issued[i]);
    for (size_t i = 0; i < COUNT_OF(grants); i++)
        for (size_t j = 0; j < COUNT_OF(grants); j++) {
            if (i == j)
                continue;
            struct file_keys mixed = issued[i];
            assert_false(str_equal(issued[i].secret_access_key, issued[j].secret_access_key));
            mixed.session_token = issued[j].session_token;
            assert_no_key(f, keys, &mixed);
        }
    gateway_keys_close(keys);
}

/* The payload of one token under the signature of another, and re-cut at every place. */
static void spliced_tokens_are_refused(void **state)
{
    struct fixture *f = *state;
    struct gateway_keys *keys = open_keys(f);
    struct gateway_grant narrow = a_grant(), wide = a_grant();
    struct file_keys a, b;
    struct str bytes_a, bytes_b;
    narrow.prefix_count = 1;
    wide.prefixes[0] = STR("");
    gateway_key_issue(keys, &narrow, f->arena, &a);
    gateway_key_issue(keys, &wide, f->arena, &b);
    assert_true(base64url_decode(f->arena, a.session_token, &bytes_a));
    assert_true(base64url_decode(f->arena, b.session_token, &bytes_b));
    for (size_t cut = 1; cut < bytes_a.len && cut < bytes_b.len; cut++) {
        struct str mixed = arena_printf(f->arena, "%*s", (int)bytes_a.len, "");
        char *out = (char *)(uintptr_t)mixed.ptr;
        memcpy(out, bytes_b.ptr, cut);
        memcpy(out + cut, bytes_a.ptr + cut, bytes_a.len - cut);
        struct file_keys forged = a;
        forged.session_token = base64url_encode(f->arena, mixed);
        if (!str_equal(forged.session_token, a.session_token))
            assert_no_key(f, keys, &forged);
    }
    gateway_keys_close(keys);
}

static void another_installation_refuses(void **state)
{
    struct fixture *f = *state;
    void *other_state = NULL;
    assert_int_equal(fixture_setup(&other_state), 0);
    struct fixture *other = other_state;
    struct gateway_keys *keys = open_keys(f), *others = open_keys(other);
    struct gateway_grant grant = a_grant();
    struct file_keys issued;
    gateway_key_issue(keys, &grant, f->arena, &issued);
    assert_no_key(f, others, &issued);
    gateway_keys_close(others);
    gateway_keys_close(keys);
    fixture_teardown(&other_state);
}

/* ---- what a grant covers --------------------------------------------------------------------- */

/* Component by component: the prefix's segments are the first of the key's, and more follows. */
static bool covers_by_components(struct str prefix, struct str key)
{
    while (prefix.len > 0) {
        if (!str_contains(key, STR("/")))
            return false;
        if (!str_equal(str_cut(&prefix, '/'), str_cut(&key, '/')))
            return false;
    }
    return true;
}

static struct str random_path(struct fixture *f, unsigned *seed, bool is_prefix)
{
    static const char *const segments[] = {"t", "t1", "t10", "a", "", "%2F", "t1 "};
    struct str path = STR("");
    int count = rand_r(seed) % 4;
    for (int i = 0; i < count; i++)
        path = arena_printf(f->arena, "%.*s%s/", STR_ARG(path),
                            segments[(size_t)rand_r(seed) % COUNT_OF(segments)]);
    return is_prefix ? path
                     : arena_printf(f->arena, "%.*s%s", STR_ARG(path),
                                    segments[(size_t)rand_r(seed) % COUNT_OF(segments)]);
}

static void a_grant_covers_what_is_below_its_prefixes(void **state)
{
    struct fixture *f = *state;
    unsigned seed = 20261125;
    size_t covered = 0, rounds = 20000;
    for (size_t i = 0; i < rounds; i++) {
        struct gateway_grant grant = {.prefix_count = 1 + (size_t)rand_r(&seed) % 3};
        struct str key = random_path(f, &seed, false);
        bool expected = false;
        for (size_t p = 0; p < grant.prefix_count; p++) {
            grant.prefixes[p] = random_path(f, &seed, true);
            expected = expected || covers_by_components(grant.prefixes[p], key);
        }
        assert_int_equal(gateway_grant_covers(&grant, key), expected);
        covered += expected ? 1 : 0;
        if (i % 500 == 0)
            arena_reset(f->arena);
    }
    assert_in_range(covered, rounds / 10, rounds * 9 / 10); /* both answers were tried */
}

static void neighbours_are_not_covered(void **state)
{
    (void)state;
    const struct gateway_grant grant = {.prefixes = {STR("ns/t1/")}, .prefix_count = 1};
    const char *inside[] = {"ns/t1/", "ns/t1/a", "ns/t1/data/../../t2", "ns/t1//"};
    const char *outside[] = {"",        "ns",     "ns/",        "ns/t1", "ns/t10/a", "ns/t1x",
                             "/ns/t1/", "NS/t1/", "ns%2Ft1%2F", "ns/t/", "x/ns/t1/"};
    for (size_t i = 0; i < COUNT_OF(inside); i++)
        assert_true(gateway_grant_covers(&grant, str_cstr(inside[i])));
    for (size_t i = 0; i < COUNT_OF(outside); i++)
        assert_false(gateway_grant_covers(&grant, str_cstr(outside[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATALOG_TEST(what_was_granted_is_opened),
        CATALOG_TEST(keys_last_over_a_restart),
        CATALOG_TEST(time_ends_them),
        CATALOG_TEST(every_changed_character_is_noticed),
        CATALOG_TEST(fields_do_not_shift),
        CATALOG_TEST(spliced_tokens_are_refused),
        CATALOG_TEST(another_installation_refuses),
        CATALOG_TEST(a_grant_covers_what_is_below_its_prefixes),
        CATALOG_TEST(neighbours_are_not_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
