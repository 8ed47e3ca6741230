/* Delegation: what is told by access, wish, rights and time, with the gateway's keys. */
#include "tests/unit/catalog_fixture.h"

#include "catalog/delegation.h"
#include "catalog/tombstones.h"
#include "storage/file_io_mapped.h"

#define LIFETIME_MS 3600000

struct scene {
    struct fixture *f;
    struct warehouse *warehouse;
    struct gateway_keys *keys;
    struct delegation_settings settings;
    struct object_version *table;
    struct delegation_request request;
};

static int open_mapped(struct str place, struct str root, const struct storage_options *options,
                       const struct storage_context *context, struct file_io **out,
                       struct error *err)
{
    struct file_io *io;
    if (fixture_storage_open(place, place, options, context, &io, err) != 0)
        return -1;
    *out = io;
    return str_equal(place, root) ? 0 : file_io_mapped_open(root, place, io, out, err);
}

static struct object_version *make_real_table(struct scene *s, const char *name)
{
    struct fixture *f = s->f;
    struct table_create create;
    struct object_version *version;
    json_t *body = json_pack("{s:s,s:{s:s,s:[]},s:{s:s}}", "name", name, "schema", "type", "struct",
                             "fields", "properties", "write.data.path", "s3://lake/else/where/");
    assert_ok(f, table_create_parse(body, f->arena, &create, &f->err));
    const struct identifier ident = {.ns = *ns(f, "n"), .name = str_cstr(name)};
    assert_ok(f, catalog_table_create(f->catalog, s->warehouse, &f->caller, &ident, &create,
                                      &version, &f->err));
    json_decref(body);
    return version;
}

static struct scene set_up(struct fixture *f)
{
    struct scene s = {.f = f};
    const struct warehouse_create wanted = {
        .name = STR("lake"), .location = fixture_path(f, "lake"), .access = WAREHOUSE_GATEWAY};
    f->catalog->options.storage_open = open_mapped;
    assert_ok(f, catalog_warehouse_create(f->catalog, &f->caller, &wanted, &s.warehouse, &f->err));
    assert_ok(f, gateway_keys_open(f->catalog, &s.keys, &f->err));
    s.settings = (struct delegation_settings){s.keys, &f->clock, LIFETIME_MS};
    assert_ok(f, catalog_namespace_create(f->catalog, s.warehouse, &f->caller, ns(f, "n"), NULL,
                                          &f->err));
    s.table = make_real_table(&s, "t");
    s.request = (struct delegation_request){
        .settings = NULL, /* set by ask(): the scene moves */
        .warehouse = s.warehouse,
        .table = s.table,
        .may_write = true,
        .principal = STR("alice"),
        .until_ms = INT64_MAX,
        .public_uri = STR("http://firn.test"),
        .table_path = STR("v1/lake/namespaces/n/tables/t"),
    };
    return s;
}

static void tear_down(struct scene *s)
{
    object_version_unref(s->table);
    gateway_keys_close(s->keys);
}

/* What the answer's keys grant. */
static struct gateway_grant granted(struct scene *s)
{
    struct fixture *f = s->f;
    struct buf out = BUF_INIT(1 << 20);
    struct gateway_grant grant;
    struct str secret;
    bool is_secret = false;
    s->request.settings = &s->settings;
    buf_add(&out, STR("{\"x\":1"));
    assert_ok(f, delegation_write(&s->request, f->arena, &out, &is_secret, &f->err));
    assert_true(is_secret);
    json_t *answer = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(answer);
    const json_t *config = json_object_get(answer, "config");
    const json_t *credentials = json_object_get(answer, "storage-credentials");
    assert_int_equal(json_array_size(credentials), 1);
    assert_true(json_equal(config, json_object_get(json_array_get(credentials, 0), "config")));
    assert_ok(f,
              gateway_key_open(
                  s->keys, str_cstr(json_string_value(json_object_get(config, "s3.access-key-id"))),
                  str_cstr(json_string_value(json_object_get(config, "s3.session-token"))),
                  f->now_ms, f->arena, &grant, &secret, &f->err));
    assert_str(secret, json_string_value(json_object_get(config, "s3.secret-access-key")));
    json_decref(answer);
    buf_free(&out);
    return grant;
}

static const char *tag(struct scene *s)
{
    const char *out = NULL;
    s->request.settings = &s->settings;
    assert_ok(s->f, delegation_etag(&s->request, "\"document\"", s->f->arena, &out, &s->f->err));
    assert_non_null(out);
    return out;
}

static void keys_are_for_the_tables_places(void **state)
{
    struct scene s = set_up(*state);
    struct gateway_grant grant = granted(&s);
    struct str own = str_skip(s.table->metadata.table.location, strlen("s3://lake/"));
    assert_int_equal(grant.warehouse_id, s.warehouse->id);
    assert_int_equal(grant.prefix_count, 2);
    assert_true(str_equal(grant.prefixes[0], arena_printf(s.f->arena, "%.*s/", STR_ARG(own))));
    assert_str(grant.prefixes[1], "else/where/");
    assert_str(grant.principal, "alice");
    tear_down(&s);
}

static void who_may_not_commit_reads(void **state)
{
    struct scene s = set_up(*state);
    assert_true(granted(&s).write);
    s.request.may_write = false;
    assert_false(granted(&s).write);
    tear_down(&s);
}

static void keys_end_in_time(void **state)
{
    struct scene s = set_up(*state);
    assert_int_equal(granted(&s).expires_ms, s.f->now_ms + LIFETIME_MS);
    s.request.until_ms = s.f->now_ms + 1000; /* the caller's token */
    assert_int_equal(granted(&s).expires_ms, s.f->now_ms + 1000);
    s.request.until_ms = s.f->now_ms + 2 * LIFETIME_MS;
    assert_int_equal(granted(&s).expires_ms, s.f->now_ms + LIFETIME_MS);
    tear_down(&s);
}

static void a_tag_is_of_one_caller_with_his_rights(void **state)
{
    struct scene s = set_up(*state);
    const char *first = tag(&s);
    assert_string_equal(first, tag(&s));
    s.request.principal = STR("bob");
    assert_string_not_equal(first, tag(&s));
    s.request.principal = STR("alice");
    s.request.may_write = false; /* what a revocation does */
    assert_string_not_equal(first, tag(&s));
    s.request.may_write = true;
    s.request.public_uri = STR("http://elsewhere.test");
    assert_string_not_equal(first, tag(&s));
    s.request.public_uri = STR("http://firn.test");
    assert_string_equal(first, tag(&s));
    tear_down(&s);
}

/* Whenever a tag that was given still matches, the keys given with it are good for half their
 * life. */
static void a_tag_never_outlives_keys(void **state)
{
    struct scene s = set_up(*state);
    for (int64_t start = 0; start < LIFETIME_MS; start += LIFETIME_MS / 7) {
        s.f->now_ms = FIXTURE_NOW_MS + start;
        const char *given = tag(&s);
        int64_t expires_ms = granted(&s).expires_ms;
        for (int64_t later = 0; later < 2 * LIFETIME_MS; later += 60000) {
            s.f->now_ms = FIXTURE_NOW_MS + start + later;
            if (strcmp(tag(&s), given) == 0)
                assert_true(s.f->now_ms + LIFETIME_MS / 2 <= expires_ms);
        }
    }
    s.f->now_ms = FIXTURE_NOW_MS;
    s.request.until_ms = FIXTURE_NOW_MS + 60000;
    const char *given = tag(&s);
    s.request.until_ms += 1; /* another token */
    assert_string_not_equal(given, tag(&s));
    tear_down(&s);
}

static void without_an_address_nothing_is_given(void **state)
{
    struct scene s = set_up(*state);
    struct buf out = BUF_INIT(1 << 20);
    bool secret;
    s.request.settings = &s.settings;
    s.request.public_uri = STR_NONE;
    error_clear(&s.f->err);
    assert_int_equal(delegation_write(&s.request, s.f->arena, &out, &secret, &s.f->err), -1);
    assert_int_equal(s.f->err.kind, ERR_BAD_REQUEST);
    assert_int_equal(out.len, 0);
    tear_down(&s);
}

static void the_dropped_are_remembered_for_a_while(void **state)
{
    struct scene s = set_up(*state);
    struct fixture *f = s.f;
    const struct identifier ident = {.ns = *ns(f, "n"), .name = STR("t")};
    struct file_scope scope;
    bool found;
#define IS_BURIED(who)                                                                       \
    (catalog_table_buried(f->catalog, s.warehouse, &ident, NULL, STR(who), f->arena, &scope, \
                          &found, &f->err) == 0 &&                                           \
     found)
    assert_false(IS_BURIED("alice"));
    catalog_table_bury(f->catalog, s.warehouse, s.table, STR("alice"));
    assert_false(IS_BURIED("alice")); /* the table is still there: its place is not free */
    assert_ok(f, catalog_table_drop(f->catalog, s.warehouse, &f->caller, &ident, false, &f->err));
    assert_true(IS_BURIED("alice"));
    assert_int_equal(scope.location_count, 2);
    assert_int_equal(scope.guarded_count, 0);
    assert_false(IS_BURIED("bob"));
    f->now_ms += TOMBSTONE_LIFETIME_MS - 1;
    assert_true(IS_BURIED("alice"));
    f->now_ms += 1;
    assert_false(IS_BURIED("alice"));
    f->now_ms -= 1;
    for (int i = 0; i < TOMBSTONES_MAX; i++) /* the oldest makes room */
        catalog_table_bury(f->catalog, s.warehouse, s.table, STR("carol"));
    assert_false(IS_BURIED("alice"));
    assert_true(IS_BURIED("carol"));
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATALOG_TEST(keys_are_for_the_tables_places),
        CATALOG_TEST(who_may_not_commit_reads),
        CATALOG_TEST(keys_end_in_time),
        CATALOG_TEST(a_tag_is_of_one_caller_with_his_rights),
        CATALOG_TEST(a_tag_never_outlives_keys),
        CATALOG_TEST(without_an_address_nothing_is_given),
        CATALOG_TEST(the_dropped_are_remembered_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
