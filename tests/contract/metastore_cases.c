/* The metastore's contract: running the cases, and what they share. */
#include "tests/contract/metastore_cases.h"

static const struct metastore_opener *current_opener;

int metastore_case_begin(void **state)
{
    struct metastore_fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->opener = current_opener;
    fixture->opener->wipe(fixture->opener->arg);
    fixture->store = fixture->opener->open(fixture->opener->arg);
    fixture->arena = arena_new();
    struct change warehouse = {.kind = CHANGE_WAREHOUSE_CREATE,
                               .name = STR("wh"),
                               .location = STR("s3://bucket/wh"),
                               .properties = STR("{}")};
    assert_int_equal(apply_one(fixture, &warehouse), CHANGE_APPLIED);
    fixture->warehouse_id = warehouse.id;
    *state = fixture;
    return 0;
}

int metastore_case_end(void **state)
{
    struct metastore_fixture *fixture = *state;
    if (fixture->store != NULL)
        metastore_close(fixture->store);
    fixture->opener->wipe(fixture->opener->arg);
    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

void fixture_reopen(struct metastore_fixture *fixture)
{
    metastore_close(fixture->store);
    fixture->store = fixture->opener->open(fixture->opener->arg);
}

enum change_outcome apply_one(struct metastore_fixture *fixture, struct change *change)
{
    struct change_set set = {.changes = change, .change_count = 1};
    return metastore_apply(fixture->store, &set);
}

struct change make_namespace(struct metastore_fixture *fixture, const char *key)
{
    return (struct change){.kind = CHANGE_NAMESPACE_CREATE,
                           .warehouse_id = fixture->warehouse_id,
                           .namespace_key = str_cstr(key),
                           .properties = STR("{\"a\":\"b\"}")};
}

struct change make_table(struct metastore_fixture *fixture, const char *key, const char *name,
                         const char *location)
{
    return (struct change){.kind = CHANGE_OBJECT_CREATE,
                           .warehouse_id = fixture->warehouse_id,
                           .namespace_key = str_cstr(key),
                           .name = str_cstr(name),
                           .object_kind = OBJECT_TABLE,
                           .uuid = arena_printf(fixture->arena, "uuid of %s.%s", key, name),
                           .metadata_location = STR("m0"),
                           .location = str_cstr(location)};
}

struct change move_pointer(const struct object_row *object, const char *metadata_location)
{
    return (struct change){.kind = CHANGE_OBJECT_UPDATE,
                           .warehouse_id = object->warehouse_id,
                           .namespace_key = object->namespace_key,
                           .name = object->name,
                           .object_kind = object->kind,
                           .expect_id = object->id,
                           .expect_version = object->version,
                           .expect_metadata_location = object->metadata_location,
                           .metadata_location = str_cstr(metadata_location),
                           .uuid = object->uuid,
                           .location = object->location};
}

void must_apply(struct metastore_fixture *fixture, struct change change)
{
    assert_int_equal(apply_one(fixture, &change), CHANGE_APPLIED);
}

bool find_object_named(struct metastore_fixture *fixture, const char *key, const char *name,
                       struct object_row *out)
{
    struct object_name wanted = {.warehouse_id = fixture->warehouse_id,
                                 .namespace_key = str_cstr(key),
                                 .name = str_cstr(name)};
    struct error err;
    bool found = false;
    assert_int_equal(
        metastore_object_find(fixture->store, &wanted, fixture->arena, out, &found, &err), 0);
    return found;
}

struct object_row get_object(struct metastore_fixture *fixture, const char *key, const char *name)
{
    struct object_row object;
    assert_true(find_object_named(fixture, key, name, &object));
    return object;
}

int metastore_cases_run(const char *backend, const struct metastore_opener *opener)
{
    current_opener = opener;
    char name[100];
    int failed = 0;
    (void)snprintf(name, sizeof(name), "metastore %s: objects", backend);
    failed += _cmocka_run_group_tests(name, metastore_object_cases, metastore_object_case_count,
                                      NULL, NULL);
    (void)snprintf(name, sizeof(name), "metastore %s: places", backend);
    failed += _cmocka_run_group_tests(name, metastore_place_cases, metastore_place_case_count, NULL,
                                      NULL);
    (void)snprintf(name, sizeof(name), "metastore %s: reservations", backend);
    failed += _cmocka_run_group_tests(name, metastore_reservation_cases,
                                      metastore_reservation_case_count, NULL, NULL);
    (void)snprintf(name, sizeof(name), "metastore %s: rows", backend);
    failed +=
        _cmocka_run_group_tests(name, metastore_row_cases, metastore_row_case_count, NULL, NULL);
    (void)snprintf(name, sizeof(name), "metastore %s: principals", backend);
    failed += _cmocka_run_group_tests(name, metastore_principal_cases,
                                      metastore_principal_case_count, NULL, NULL);
    (void)snprintf(name, sizeof(name), "metastore %s: threads", backend);
    failed += _cmocka_run_group_tests(name, metastore_thread_cases, metastore_thread_case_count,
                                      NULL, NULL);
    return failed;
}
