/* The metastore's contract: warehouses, namespaces, objects, and whole sets. */
#include "tests/contract/metastore_cases.h"

/* ---- warehouses ------------------------------------------------------------------------------ */

static void warehouses_are_created_listed_and_dropped(void **state)
{
    struct metastore_fixture *f = *state;
    struct error err;
    struct change create = {.kind = CHANGE_WAREHOUSE_CREATE,
                            .name = STR("a"),
                            .location = STR("file:///data/a"),
                            .properties = STR("{\"x\":1}")};
    assert_int_equal(apply_one(f, &create), CHANGE_APPLIED);
    assert_true(create.id > f->warehouse_id);
    assert_int_equal(apply_one(f, &create), CHANGE_EXISTS);

    struct warehouse_row row;
    bool found;
    assert_int_equal(metastore_warehouse_find(f->store, STR("a"), f->arena, &row, &found, &err), 0);
    assert_true(found);
    assert_str(row.location, "file:///data/a");
    assert_str(row.options, "{\"x\":1}");
    assert_int_equal(metastore_warehouse_find(f->store, STR("b"), f->arena, &row, &found, &err), 0);
    assert_false(found);

    struct warehouse_row *rows;
    size_t count;
    assert_int_equal(metastore_warehouse_list(f->store, f->arena, &rows, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_str(rows[0].name, "a");
    assert_str(rows[1].name, "wh");

    must_apply(f, make_namespace(f, "n"));
    struct change drop = {.kind = CHANGE_WAREHOUSE_DROP, .name = STR("wh")};
    assert_int_equal(apply_one(f, &drop), CHANGE_NOT_EMPTY);
    drop.name = STR("a");
    assert_int_equal(apply_one(f, &drop), CHANGE_APPLIED);
    assert_int_equal(apply_one(f, &drop), CHANGE_MISSING);
    int64_t old = create.id;
    assert_int_equal(apply_one(f, &create), CHANGE_APPLIED);
    assert_true(create.id > old);
}

/* ---- namespaces ------------------------------------------------------------------------------ */

static struct name_list children(struct metastore_fixture *f, const char *parent, const char *after,
                                 size_t limit)
{
    struct page_request page = {.after = str_cstr(after), .limit = limit};
    struct name_list list;
    struct error err;
    assert_int_equal(metastore_namespace_list(f->store, f->warehouse_id, str_cstr(parent), &page,
                                              f->arena, &list, &err),
                     0);
    return list;
}

static bool find_namespace(struct metastore_fixture *f, const char *key, struct namespace_row *out)
{
    bool found;
    struct error err;
    assert_int_equal(metastore_namespace_find(f->store, f->warehouse_id, str_cstr(key), f->arena,
                                              out, &found, &err),
                     0);
    return found;
}

static void namespaces_appear_with_their_ancestors(void **state)
{
    struct metastore_fixture *f = *state;
    struct namespace_row row;
    must_apply(f, make_namespace(f, "a\x1F"
                                    "b\x1F"
                                    "c"));
    assert_true(find_namespace(f,
                               "a\x1F"
                               "b\x1F"
                               "c",
                               &row));
    assert_str(row.properties, "{\"a\":\"b\"}");
    assert_int_equal(row.version, 1);
    assert_true(find_namespace(f,
                               "a\x1F"
                               "b",
                               &row));
    assert_str(row.properties, NAMESPACE_EMPTY_PROPERTIES);
    assert_true(find_namespace(f, "a", &row));
    assert_false(find_namespace(f, "b", &row));

    struct change again = make_namespace(f, "a");
    assert_int_equal(apply_one(f, &again), CHANGE_EXISTS);
    struct change nowhere = make_namespace(f, "a");
    nowhere.warehouse_id = 999;
    assert_int_equal(apply_one(f, &nowhere), CHANGE_MISSING);
}

static void namespaces_are_listed_by_level_and_page(void **state)
{
    struct metastore_fixture *f = *state;
    static const char *const keys[] = {"b",        "a\x1Fz", "a\x1Fy\x1Fx", "a b", "a\x1F\x7F",
                                       "\xC3\xA9", "B"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        must_apply(f, make_namespace(f, keys[i]));
    struct name_list top = children(f, "", NULL, 0);
    static const char *const tops[] = {"B", "a", "a b", "b", "\xC3\xA9"};
    assert_int_equal(top.count, COUNT_OF(tops));
    assert_false(top.more);
    for (size_t i = 0; i < top.count; i++)
        assert_str(top.names[i], tops[i]);

    struct name_list below = children(f, "a", NULL, 2);
    assert_int_equal(below.count, 2);
    assert_true(below.more);
    assert_str(below.names[0], "a\x1Fy");
    assert_str(below.names[1], "a\x1Fz");
    below = children(f, "a", "a\x1Fz", 2);
    assert_int_equal(below.count, 1);
    assert_false(below.more);
    assert_str(below.names[0], "a\x1F\x7F");
    assert_int_equal(children(f, "nothing", NULL, 0).count, 0);
    assert_int_equal(children(f, "b", NULL, 0).count, 0);
    assert_int_equal(children(f, "", "\xC3\xA9", 0).count, 0);
}

static void namespaces_are_dropped_only_when_empty(void **state)
{
    struct metastore_fixture *f = *state;
    struct namespace_row row;
    must_apply(f, make_namespace(f, "a\x1F"
                                    "b"));
    must_apply(f, make_table(f,
                             "a\x1F"
                             "b",
                             "t", "s3://bucket/wh/t"));
    struct change drop = {
        .kind = CHANGE_NAMESPACE_DROP, .warehouse_id = f->warehouse_id, .namespace_key = STR("a")};
    assert_int_equal(apply_one(f, &drop), CHANGE_NOT_EMPTY);
    drop.namespace_key = STR("a\x1F"
                             "b");
    assert_int_equal(apply_one(f, &drop), CHANGE_NOT_EMPTY);
    struct object_row object = get_object(f,
                                          "a\x1F"
                                          "b",
                                          "t");
    struct change drop_table = move_pointer(&object, "");
    drop_table.kind = CHANGE_OBJECT_DROP;
    must_apply(f, drop_table);
    assert_int_equal(apply_one(f, &drop), CHANGE_APPLIED);
    assert_int_equal(apply_one(f, &drop), CHANGE_MISSING);
    drop.namespace_key = STR("a");
    assert_int_equal(apply_one(f, &drop), CHANGE_APPLIED);
    assert_false(find_namespace(f, "a", &row));
    must_apply(f, make_namespace(f, "a")); /* "aa" is not below it */
    must_apply(f, make_namespace(f, "aa"));
    assert_int_equal(apply_one(f, &drop), CHANGE_APPLIED);
}

static void namespace_properties_are_compared_and_swapped(void **state)
{
    struct metastore_fixture *f = *state;
    struct namespace_row row;
    must_apply(f, make_namespace(f, "a"));
    struct change change = {.kind = CHANGE_NAMESPACE_PROPERTIES,
                            .warehouse_id = f->warehouse_id,
                            .namespace_key = STR("a"),
                            .expect_version = 1,
                            .properties = STR("{\"n\":\"1\"}")};
    assert_int_equal(apply_one(f, &change), CHANGE_APPLIED);
    assert_int_equal(change.version, 2);
    assert_int_equal(apply_one(f, &change), CHANGE_CONFLICT);
    assert_true(find_namespace(f, "a", &row));
    assert_int_equal(row.version, 2);
    assert_str(row.properties, "{\"n\":\"1\"}");
    change.namespace_key = STR("b");
    assert_int_equal(apply_one(f, &change), CHANGE_MISSING);
}

/* ---- objects --------------------------------------------------------------------------------- */

static void objects_are_created_and_found(void **state)
{
    struct metastore_fixture *f = *state;
    struct object_row row;
    must_apply(f, make_namespace(f, "n"));
    struct change create = make_table(f, "n", "t", "s3://bucket/wh/n/t");
    assert_int_equal(apply_one(f, &create), CHANGE_APPLIED);
    assert_true(create.id > 0);
    assert_int_equal(create.version, 1);
    row = get_object(f, "n", "t");
    assert_int_equal(row.id, create.id);
    assert_int_equal(row.kind, OBJECT_TABLE);
    assert_int_equal(row.version, 1);
    assert_int_equal(row.warehouse_id, f->warehouse_id);
    assert_str(row.namespace_key, "n");
    assert_str(row.name, "t");
    assert_str(row.metadata_location, "m0");
    assert_str(row.location, "s3://bucket/wh/n/t");
    assert_str(row.uuid, "uuid of n.t");
    assert_false(find_object_named(f, "n", "T", &row));
    assert_false(find_object_named(f, "m", "t", &row));

    create.location = STR("s3://bucket/wh/n/other");
    assert_int_equal(apply_one(f, &create), CHANGE_EXISTS);
    create.object_kind = OBJECT_VIEW;
    assert_int_equal(apply_one(f, &create), CHANGE_EXISTS_OTHER_KIND);
    create.namespace_key = STR("m");
    assert_int_equal(apply_one(f, &create), CHANGE_NAMESPACE_MISSING);
    create.namespace_key = STR("n");
    create.warehouse_id = 999;
    assert_int_equal(apply_one(f, &create), CHANGE_NAMESPACE_MISSING);
}

static void names_are_any_bytes(void **state)
{
    struct metastore_fixture *f = *state;
    static const char odd[] = "a'b\"; DROP TABLE object; --\0\xF0\x9F\x98\x80%_*";
    must_apply(f, make_namespace(f, "n"));
    struct change create = make_table(f, "n", "", "s3://bucket/wh/odd");
    create.name = str_from(odd, sizeof(odd) - 1);
    create.uuid = STR_NONE;
    must_apply(f, create);
    struct object_name name = {
        .warehouse_id = f->warehouse_id, .namespace_key = STR("n"), .name = create.name};
    struct object_row row;
    struct error err;
    bool found;
    assert_int_equal(metastore_object_find(f->store, &name, f->arena, &row, &found, &err), 0);
    assert_true(found);
    assert_true(str_equal(row.name, create.name));
    name.name.len--;
    assert_int_equal(metastore_object_find(f->store, &name, f->arena, &row, &found, &err), 0);
    assert_false(found);
}

static void objects_are_listed_by_kind_and_page(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    for (int i = 0; i < 25; i++) {
        struct str name = arena_printf(f->arena, "t%02d", i);
        struct str place = arena_printf(f->arena, "s3://bucket/wh/n/%d", i);
        struct change create = make_table(f, "n", name.ptr, place.ptr);
        create.object_kind = i % 5 == 4 ? OBJECT_VIEW : OBJECT_TABLE;
        must_apply(f, create);
    }
    struct object_name in = {
        .warehouse_id = f->warehouse_id, .namespace_key = STR("n"), .kind = OBJECT_TABLE};
    struct page_request page = {.limit = 7};
    struct name_list list;
    struct error err;
    size_t seen = 0, pages = 0;
    do {
        assert_int_equal(metastore_object_list(f->store, &in, &page, f->arena, &list, &err), 0);
        for (size_t i = 0; i < list.count; i++) {
            assert_true(page.after.ptr == NULL || str_compare(list.names[i], page.after) > 0);
            page.after = list.names[i];
        }
        seen += list.count;
        pages++;
    } while (list.more);
    assert_int_equal(seen, 20);
    assert_int_equal(pages, 3);
    in.kind = OBJECT_VIEW;
    page = (struct page_request){0};
    assert_int_equal(metastore_object_list(f->store, &in, &page, f->arena, &list, &err), 0);
    assert_int_equal(list.count, 5);
    assert_str(list.names[0], "t04");
    in.namespace_key = STR("missing");
    assert_int_equal(metastore_object_list(f->store, &in, &page, f->arena, &list, &err), 0);
    assert_int_equal(list.count, 0);
}

static void pointers_are_compared_and_swapped(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/n/t"));
    struct object_row row = get_object(f, "n", "t");
    struct change update = move_pointer(&row, "m1");
    assert_int_equal(apply_one(f, &update), CHANGE_APPLIED);
    assert_int_equal(update.version, 2);
    assert_int_equal(update.id, row.id);
    assert_int_equal(apply_one(f, &update), CHANGE_CONFLICT);

    row = get_object(f, "n", "t");
    assert_int_equal(row.version, 2);
    assert_str(row.metadata_location, "m1");
    struct change wrong = move_pointer(&row, "m2");
    wrong.expect_version = 1;
    assert_int_equal(apply_one(f, &wrong), CHANGE_CONFLICT);
    wrong = move_pointer(&row, "m2");
    wrong.expect_metadata_location = STR("m0");
    assert_int_equal(apply_one(f, &wrong), CHANGE_CONFLICT);
    wrong = move_pointer(&row, "m2");
    wrong.expect_id++;
    assert_int_equal(apply_one(f, &wrong), CHANGE_CONFLICT);
    wrong = move_pointer(&row, "m2");
    wrong.name = STR("u");
    assert_int_equal(apply_one(f, &wrong), CHANGE_MISSING);
    wrong.namespace_key = STR("u");
    assert_int_equal(apply_one(f, &wrong), CHANGE_MISSING);

    struct change move = move_pointer(&row, "m2");
    move.location = STR("s3://bucket/wh/elsewhere");
    move.uuid = STR("other");
    must_apply(f, move);
    row = get_object(f, "n", "t");
    assert_str(row.location, "s3://bucket/wh/elsewhere");
    assert_str(row.uuid, "other");
    assert_int_equal(row.version, 3);
}

static void a_recreated_name_is_another_object(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/n/t"));
    struct object_row old = get_object(f, "n", "t"), row;
    struct change drop = move_pointer(&old, "");
    drop.kind = CHANGE_OBJECT_DROP;
    struct change wrong = drop;
    wrong.expect_version++;
    assert_int_equal(apply_one(f, &wrong), CHANGE_CONFLICT);
    assert_int_equal(apply_one(f, &drop), CHANGE_APPLIED);
    assert_int_equal(apply_one(f, &drop), CHANGE_MISSING);
    assert_false(find_object_named(f, "n", "t", &row));
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/n/t"));
    row = get_object(f, "n", "t");
    assert_true(row.id > old.id);
    struct change stale = move_pointer(&old, "m1"); /* version and location are the same again */
    assert_int_equal(apply_one(f, &stale), CHANGE_CONFLICT);
}

static void renames_keep_the_object(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_namespace(f, "m"));
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/n/t"));
    must_apply(f, make_table(f, "n", "u", "s3://bucket/wh/n/u"));
    struct change view = make_table(f, "m", "v", "s3://bucket/wh/n/v");
    view.object_kind = OBJECT_VIEW;
    must_apply(f, view);
    struct object_row before = get_object(f, "n", "t"), row;
    struct change rename = move_pointer(&before, "");
    rename.kind = CHANGE_OBJECT_RENAME;
    rename.to_namespace_key = STR("n");
    rename.to_name = STR("u");
    assert_int_equal(apply_one(f, &rename), CHANGE_EXISTS);
    rename.to_namespace_key = STR("m");
    rename.to_name = STR("v");
    assert_int_equal(apply_one(f, &rename), CHANGE_EXISTS_OTHER_KIND);
    rename.to_namespace_key = STR("x");
    assert_int_equal(apply_one(f, &rename), CHANGE_NAMESPACE_MISSING);
    rename.to_namespace_key = STR("m");
    rename.to_name = STR("t2");
    rename.expect_id++;
    assert_int_equal(apply_one(f, &rename), CHANGE_CONFLICT);
    rename.expect_id--;
    assert_int_equal(apply_one(f, &rename), CHANGE_APPLIED);
    assert_int_equal(apply_one(f, &rename), CHANGE_MISSING);

    struct change late = move_pointer(&before, "m1"); /* a commit to the old name */
    assert_int_equal(apply_one(f, &late), CHANGE_MISSING);
    row = get_object(f, "m", "t2");
    assert_int_equal(row.id, before.id);
    assert_int_equal(row.version, before.version);
    must_apply(f, move_pointer(&row, "m1"));
}

/* ---- locations ------------------------------------------------------------------------------- */

/* A look tells beforehand what a change would be told. */
static void check_look(struct metastore_fixture *f, const char *location, int64_t own_id,
                       enum change_outcome outcome)
{
    struct error err = {0};
    const struct place_claim claim = {.own_id = own_id};
    enum place_state state;
    if (location[0] == '\0')
        return;
    assert_int_equal(metastore_location_taken(f->store, str_cstr(location), &claim, &state, &err),
                     0);
    if (state != (outcome == CHANGE_LOCATION_TAKEN ? PLACE_TAKEN : PLACE_FREE))
        fail_msg("looked at: %s", location);
}

static void locations_do_not_overlap(void **state)
{
    struct metastore_fixture *f = *state;
    static const struct {
        const char *location;
        enum change_outcome outcome;
    } cases[] = {
        {"s3://bucket/wh/a/t1", CHANGE_APPLIED},
        {"s3://bucket/wh/a/t1", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh/a/t1/data", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh/a/t1/x/y/z", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh/a", CHANGE_LOCATION_TAKEN},
        {"s3://bucket", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh/a/t10", CHANGE_APPLIED},
        {"s3://bucket/wh/a/t1-b", CHANGE_APPLIED}, /* '-' sorts before '/' */
        {"s3://bucket/wh/a/t", CHANGE_APPLIED},
        {"s3://bucket/wh/b/t1", CHANGE_APPLIED},
        {"s3://bucket2/wh/a/t1", CHANGE_APPLIED},
        {"hdfs://bucket/wh/a/t1", CHANGE_APPLIED},
        {"file:///wh/a/t1", CHANGE_APPLIED},
        {"file:///wh/a/t1/metadata", CHANGE_LOCATION_TAKEN},
        {"file:///wh", CHANGE_LOCATION_TAKEN},
        {"file:///", CHANGE_LOCATION_TAKEN},
        {"", CHANGE_APPLIED}, /* without a place there is nothing to overlap */
        {"", CHANGE_APPLIED},
    };
    must_apply(f, make_namespace(f, "n"));
    struct change other = {.kind = CHANGE_WAREHOUSE_CREATE, .name = STR("other")};
    assert_int_equal(apply_one(f, &other), CHANGE_APPLIED);
    struct change in_other = make_namespace(f, "n");
    in_other.warehouse_id = other.id;
    must_apply(f, in_other);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str name = arena_printf(f->arena, "t%zu", i);
        struct change create = make_table(f, "n", name.ptr, cases[i].location);
        if (i % 2 == 1) /* it does not matter in which warehouse */
            create.warehouse_id = other.id;
        check_look(f, cases[i].location, 0, cases[i].outcome);
        if (apply_one(f, &create) != cases[i].outcome)
            fail_msg("%s", cases[i].location);
    }
}

static void moves_do_not_overlap_others(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/t"));
    must_apply(f, make_table(f, "n", "u", "s3://bucket/wh/u"));
    static const struct {
        const char *location;
        enum change_outcome outcome;
    } cases[] = {
        {"s3://bucket/wh/t", CHANGE_APPLIED}, /* stays */
        {"s3://bucket/wh/u", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh/u/x", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh/t/deeper", CHANGE_APPLIED}, /* into itself */
        {"s3://bucket/wh/t", CHANGE_APPLIED},        /* and around itself */
        {"s3://bucket/wh/w", CHANGE_APPLIED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct object_row row = get_object(f, "n", "t");
        struct change move = move_pointer(&row, "m");
        move.location = str_cstr(cases[i].location);
        check_look(f, cases[i].location, row.id, cases[i].outcome);
        if (apply_one(f, &move) != cases[i].outcome)
            fail_msg("%s", cases[i].location);
    }
    must_apply(f, make_table(f, "n", "x", "s3://bucket/wh/t")); /* it is free again */
}

/* ---- sets ------------------------------------------------------------------------------------ */

static void sets_apply_whole_or_not_at_all(void **state)
{
    struct metastore_fixture *f = *state;
    struct object_row row;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/t"));
    struct object_row t = get_object(f, "n", "t");
    struct change changes[] = {
        make_namespace(f, "m"),
        make_table(f, "m", "new", "s3://bucket/wh/new"), /* sees the one before */
        move_pointer(&t, "m1"), make_table(f, "n", "t", "s3://bucket/wh/t2"), /* EXISTS */
    };
    struct history_row history = {.change_index = 2, .operation = "x", .commit_id = STR("c1")};
    struct idempotency_row key = {
        .key = STR("k"), .status = 200, .created_ms = 1, .expires_ms = 100};
    struct job_row job = {.kind = STR("j"), .payload = STR("p")};
    struct change_set set = {.changes = changes,
                             .change_count = COUNT_OF(changes),
                             .history = &history,
                             .history_count = 1,
                             .idempotency = &key,
                             .idempotency_count = 1,
                             .jobs = &job,
                             .job_count = 1};
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_EXISTS);
    assert_int_equal(set.failed_change, 3);
    assert_false(find_object_named(f, "m", "new", &row));
    assert_int_equal(get_object(f, "n", "t").version, 1);

    set.change_count = 3;
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_APPLIED);
    assert_true(find_object_named(f, "m", "new", &row));
    assert_int_equal(get_object(f, "n", "t").version, 2);

    struct object_row *rows = (struct object_row[]){get_object(f, "n", "t"), row};
    struct change two[] = {move_pointer(&rows[0], "m2"), move_pointer(&rows[1], "m2")};
    two[1].expect_version = 7;
    struct change_set pair = {.changes = two, .change_count = 2};
    assert_int_equal(metastore_apply(f->store, &pair), CHANGE_CONFLICT);
    assert_int_equal(pair.failed_change, 1);
    assert_str(get_object(f, "n", "t").metadata_location, "m1");
}

static void everything_is_there_after_reopening(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/t"));
    struct object_row before = get_object(f, "n", "t");
    must_apply(f, move_pointer(&before, "m1"));
    fixture_reopen(f);
    struct object_row row = get_object(f, "n", "t");
    assert_int_equal(row.id, before.id);
    assert_int_equal(row.version, 2);
    assert_str(row.metadata_location, "m1");
    must_apply(f, move_pointer(&row, "m2"));
    bool writable;
    struct error err;
    assert_int_equal(metastore_health(f->store, &writable, &err), 0);
    assert_true(writable);
}

static void objects_are_found_by_place(void **state)
{
    struct metastore_fixture *f = *state;
    struct object_row row;
    struct error err;
    bool found = false;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/t"));
    static const char *const elsewhere[] = {"s3://bucket/wh", "s3://bucket/wh/t/x",
                                            "s3://bucket/wh/tt"};
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++) {
        assert_int_equal(metastore_object_find_at(f->store, str_cstr(elsewhere[i]), f->arena, &row,
                                                  &found, &err),
                         0);
        assert_false(found);
    }
    assert_int_equal(
        metastore_object_find_at(f->store, STR("s3://bucket/wh/t"), f->arena, &row, &found, &err),
        0);
    assert_true(found);
    struct object_row same = get_object(f, "n", "t");
    assert_int_equal(row.id, same.id);
    assert_int_equal(row.kind, OBJECT_TABLE);
    assert_int_equal(row.warehouse_id, f->warehouse_id);
    assert_int_equal(row.version, 1);
    assert_str(row.namespace_key, "n");
    assert_str(row.name, "t");
    assert_str(row.metadata_location, "m0");
    assert_str(row.location, "s3://bucket/wh/t");
}

/* A function may have the name of a table or view; a namespace that holds one is not empty. */
static void functions_have_names_of_their_own(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_table(f, "n", "x", "s3://bucket/wh/x"));
    struct change create = make_table(f, "n", "x", "");
    create.object_kind = OBJECT_FUNCTION;
    create.metadata_location = STR("f0");
    must_apply(f, create);
    assert_int_equal(apply_one(f, &create), CHANGE_EXISTS);

    struct object_row row;
    struct error err;
    bool found;
    struct object_name name = {.warehouse_id = f->warehouse_id,
                               .namespace_key = STR("n"),
                               .name = STR("x"),
                               .kind = OBJECT_FUNCTION};
    assert_int_equal(metastore_object_find(f->store, &name, f->arena, &row, &found, &err), 0);
    assert_true(found && row.kind == OBJECT_FUNCTION);
    assert_true(str_equal(row.metadata_location, STR("f0")));
    assert_int_equal(get_object(f, "n", "x").kind, OBJECT_TABLE);
    name.name = STR("y");
    assert_int_equal(metastore_object_find(f->store, &name, f->arena, &row, &found, &err), 0);
    assert_false(found);

    struct page_request page = {0};
    struct name_list list;
    assert_int_equal(metastore_object_list(f->store, &name, &page, f->arena, &list, &err), 0);
    assert_int_equal(list.count, 1);

    struct object_row table = get_object(f, "n", "x");
    struct change drop = {.kind = CHANGE_OBJECT_DROP,
                          .warehouse_id = f->warehouse_id,
                          .namespace_key = STR("n"),
                          .name = STR("x"),
                          .object_kind = OBJECT_TABLE,
                          .expect_id = table.id,
                          .expect_version = table.version,
                          .expect_metadata_location = table.metadata_location};
    must_apply(f, drop);
    struct change drop_namespace = {
        .kind = CHANGE_NAMESPACE_DROP, .warehouse_id = f->warehouse_id, .namespace_key = STR("n")};
    assert_int_equal(apply_one(f, &drop_namespace), CHANGE_NOT_EMPTY);
    must_apply(f, make_table(f, "n", "x", "s3://bucket/wh/x")); /* the function is not in the way */
    assert_int_equal(apply_one(f, &drop), CHANGE_CONFLICT);
    drop.object_kind = OBJECT_FUNCTION;
    name.name = STR("x");
    assert_int_equal(metastore_object_find(f->store, &name, f->arena, &row, &found, &err), 0);
    drop.expect_id = row.id;
    drop.expect_version = row.version;
    drop.expect_metadata_location = row.metadata_location;
    must_apply(f, drop);
    assert_int_equal(apply_one(f, &drop), CHANGE_MISSING);
}

const struct CMUnitTest metastore_object_cases[] = {
    METASTORE_CASE(objects_are_found_by_place),
    METASTORE_CASE(functions_have_names_of_their_own),
    METASTORE_CASE(warehouses_are_created_listed_and_dropped),
    METASTORE_CASE(namespaces_appear_with_their_ancestors),
    METASTORE_CASE(namespaces_are_listed_by_level_and_page),
    METASTORE_CASE(namespaces_are_dropped_only_when_empty),
    METASTORE_CASE(namespace_properties_are_compared_and_swapped),
    METASTORE_CASE(objects_are_created_and_found),
    METASTORE_CASE(names_are_any_bytes),
    METASTORE_CASE(objects_are_listed_by_kind_and_page),
    METASTORE_CASE(pointers_are_compared_and_swapped),
    METASTORE_CASE(a_recreated_name_is_another_object),
    METASTORE_CASE(renames_keep_the_object),
    METASTORE_CASE(locations_do_not_overlap),
    METASTORE_CASE(moves_do_not_overlap_others),
    METASTORE_CASE(sets_apply_whole_or_not_at_all),
    METASTORE_CASE(everything_is_there_after_reopening),
};
const size_t metastore_object_case_count = COUNT_OF(metastore_object_cases);
