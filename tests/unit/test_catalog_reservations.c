/* Reservations of places as the catalog makes them (reliability.md 3.1 L04, L10): what they cost,
 * whose they are, and when they end. */
#include "tests/unit/catalog_fixture.h"

#include <jansson.h>

#include "metastore/backend.h"

static int create(struct fixture *f, const char *name, const char *place, bool staged)
{
    struct object_version *version = NULL;
    struct table_create create;
    json_t *body =
        json_pack("{s:s,s:{s:s,s:[]}}", "name", "t", "schema", "type", "struct", "fields");
    assert_non_null(body);
    assert_ok(f, table_create_parse(body, f->arena, &create, &f->err));
    create.location = place[0] == '\0' ? STR_NONE : fixture_path(f, place);
    create.stage_create = staged;
    int rc = catalog_table_create(f->catalog, f->warehouse, &f->caller, id(f, name), &create,
                                  &version, &f->err);
    if (rc == 0)
        object_version_unref(version);
    json_decref(body);
    return rc;
}

static void is_refused(struct fixture *f, const char *name, const char *place, bool staged)
{
    error_clear(&f->err);
    assert_int_equal(create(f, name, place, staged), -1);
    assert_int_equal(f->err.kind, ERR_ILLEGAL_ARGUMENT);
    assert_non_null(strstr(f->err.message, "is reserved"));
}

static void expire_after(struct fixture *f, int64_t ms)
{
    atomic_fetch_add(&f->now_ms, ms);
    assert_ok(f, catalog_expire(f->catalog, &f->err));
}

static void drop(struct fixture *f, const char *name)
{
    assert_ok(
        f, catalog_table_drop(f->catalog, f->warehouse, &f->caller, id(f, name), false, &f->err));
}

/* ---- cost ------------------------------------------------------------------------------------ */

static _Atomic int submits;
static const struct metastore_backend *counted;

static void count_submit(struct metastore *store, struct change_set *set)
{
    submits++;
    counted->submit(store, set);
}

/* What nobody else could name needs no row: CREATE TABLE AS of engines costs what it did. */
static void default_places_need_no_row(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "ns");
    counted = f->store->backend;
    struct metastore_backend counting = *counted;
    counting.submit = count_submit;
    f->store->backend = &counting;
    submits = 0;
    assert_ok(f, create(f, "ns.t", "", true));
    assert_int_equal(submits, 0);
    assert_ok(f, create(f, "ns.t", "main/p", true));
    assert_int_equal(submits, 1);
    f->store->backend = counted;
}

/* ---- whose ----------------------------------------------------------------------------------- */

static void another_user_is_another_holder(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "ns");
    assert_ok(f, create(f, "ns.t", "main/p", true));
    f->caller.principal = STR("bob");
    is_refused(f, "ns.t", "main/p", true);
    is_refused(f, "ns.t", "main/p", false);
    f->caller.principal = STR("alice");
    is_refused(f, "ns.u", "main/p", true);
    assert_ok(f, create(f, "ns.t", "main/p", true));
    assert_ok(f, create(f, "ns.t", "main/p", false));
}

/* ---- when ------------------------------------------------------------------------------------ */

static void staged_places_expire(void **state)
{
    struct fixture *f = *state;
    make_ns(f, "ns");
    assert_ok(f, create(f, "ns.t", "main/p", true));
    expire_after(f, FIXTURE_RESERVE_MS - 1);
    is_refused(f, "ns.u", "main/p", false);
    expire_after(f, 1);
    assert_ok(f, create(f, "ns.u", "main/p", false));
}

static void left_places_expire(void **state)
{
    static const enum warehouse_access kept[] = {WAREHOUSE_VEND, WAREHOUSE_SIGN, WAREHOUSE_GATEWAY};
    struct fixture *f = *state;
    make_ns(f, "ns");
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        f->warehouse->access = kept[i];
        assert_ok(f, create(f, "ns.t", "main/p", false));
        drop(f, "ns.t");
        is_refused(f, "ns.t", "main/p", false); /* not to its own user either: others have keys */
        expire_after(f, FIXTURE_RESERVE_MS - 1);
        is_refused(f, "ns.t", "main/p/deeper", false);
        expire_after(f, 1);
        assert_ok(f, create(f, "ns.t", "main/p/deeper", false));
        drop(f, "ns.t");
        expire_after(f, FIXTURE_RESERVE_MS);
    }
    f->warehouse->access = WAREHOUSE_DIRECT;
    assert_ok(f, create(f, "ns.t", "main/p", false));
    drop(f, "ns.t");
    assert_ok(f, create(f, "ns.u", "main/p", false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATALOG_TEST(default_places_need_no_row),
        CATALOG_TEST(another_user_is_another_holder),
        CATALOG_TEST(staged_places_expire),
        CATALOG_TEST(left_places_expire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
