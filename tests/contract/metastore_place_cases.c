/* The metastore's contract: places of objects besides their locations. */
#include "tests/contract/metastore_cases.h"

static struct change with_places(struct change change, const struct str *places, size_t count)
{
    change.places = places;
    change.place_count = count;
    return change;
}

static bool is_taken(struct metastore_fixture *f, const char *location, int64_t own_id)
{
    struct error err = {0};
    const struct place_claim claim = {.own_id = own_id};
    enum place_state state = PLACE_RESERVED;
    assert_int_equal(metastore_location_taken(f->store, str_cstr(location), &claim, &state, &err),
                     0);
    assert_int_not_equal(state, PLACE_RESERVED);
    return state == PLACE_TAKEN;
}

/* A table "t" at wh/t with the places wh/x and wh/y/z. */
static struct object_row make_with_places(struct metastore_fixture *f)
{
    const struct str places[] = {STR("s3://bucket/wh/x"), STR("s3://bucket/wh/y/z"),
                                 STR("s3://bucket/wh/x")};
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, with_places(make_table(f, "n", "t", "s3://bucket/wh/t"), places, 3));
    return get_object(f, "n", "t");
}

static void places_keep_others_away(void **state)
{
    struct metastore_fixture *f = *state;
    struct object_row t = make_with_places(f);
    static const struct {
        const char *location;
        enum change_outcome outcome;
    } cases[] = {
        {"s3://bucket/wh/x", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh/x/deep/er", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh/y", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh/y/z", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh/x1", CHANGE_APPLIED},
        {"s3://bucket/wh/y/z-1", CHANGE_APPLIED},
        {"s3://bucket/wh/y/a", CHANGE_APPLIED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool refused = cases[i].outcome == CHANGE_LOCATION_TAKEN;
        struct str location = str_cstr(cases[i].location);
        struct str name = arena_printf(f->arena, "location%zu", i);
        struct change by_location = make_table(f, "n", name.ptr, cases[i].location);
        assert_int_equal(is_taken(f, cases[i].location, 0), refused);
        assert_false(is_taken(f, cases[i].location, t.id));
        if (apply_one(f, &by_location) != cases[i].outcome)
            fail_msg("as a location: %s", cases[i].location);
        if (!refused)
            continue;
        name = arena_printf(f->arena, "place%zu", i);
        struct str own = arena_printf(f->arena, "s3://elsewhere/%zu", i);
        struct change by_place = with_places(make_table(f, "n", name.ptr, own.ptr), &location, 1);
        if (apply_one(f, &by_place) != cases[i].outcome)
            fail_msg("as a place: %s", cases[i].location);
        assert_false(is_taken(f, own.ptr, 0)); /* nothing of the refused one stays */
    }
}

static void places_are_judged_against_locations(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/t"));
    must_apply(f, make_table(f, "n", "u", "s3://bucket/wh/u"));
    static const struct {
        const char *place;
        enum change_outcome outcome;
    } cases[] = {
        {"s3://bucket/wh/u", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh/u/data", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh", CHANGE_LOCATION_TAKEN},
        {"s3://bucket/wh/u2", CHANGE_APPLIED},
        {"s3://bucket/wh/t", CHANGE_APPLIED}, /* its own location */
        {"s3://bucket/wh/t/data", CHANGE_APPLIED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct object_row t = get_object(f, "n", "t");
        struct str places[] = {STR("s3://bucket/wh/free"), str_cstr(cases[i].place)};
        struct change update = with_places(move_pointer(&t, "m"), places, 2);
        if (apply_one(f, &update) != cases[i].outcome)
            fail_msg("%s", cases[i].place);
        assert_int_equal(get_object(f, "n", "t").version,
                         t.version + (cases[i].outcome == CHANGE_APPLIED));
    }
}

static void updates_replace_the_places(void **state)
{
    struct metastore_fixture *f = *state;
    struct object_row t = make_with_places(f);
    struct str same[] = {STR("s3://bucket/wh/y/z"), STR("s3://bucket/wh/x")};
    must_apply(f, with_places(move_pointer(&t, "m1"), same, 2));
    assert_true(is_taken(f, "s3://bucket/wh/x", 0) && is_taken(f, "s3://bucket/wh/y/z", 0));

    struct str inside[] = {STR("s3://bucket/wh/x/inside"), STR("s3://bucket/wh/w")};
    t = get_object(f, "n", "t");
    must_apply(f, with_places(move_pointer(&t, "m2"), inside, 2));
    assert_true(is_taken(f, "s3://bucket/wh/x/inside", 0) && is_taken(f, "s3://bucket/wh/w", 0));
    assert_false(is_taken(f, "s3://bucket/wh/y/z", 0));
    assert_false(is_taken(f, "s3://bucket/wh/x/beside", 0));

    struct str foreign = STR("s3://bucket/wh/u/x"); /* refused: those it has stay */
    must_apply(f, make_table(f, "n", "u", "s3://bucket/wh/u"));
    t = get_object(f, "n", "t");
    struct change refused = with_places(move_pointer(&t, "m3"), &foreign, 1);
    assert_int_equal(apply_one(f, &refused), CHANGE_LOCATION_TAKEN);
    assert_true(is_taken(f, "s3://bucket/wh/w", 0));

    must_apply(f, move_pointer(&t, "m3"));
    assert_false(is_taken(f, "s3://bucket/wh/w", 0));
    assert_true(is_taken(f, "s3://bucket/wh/t", 0));
}

static void places_go_with_the_object(void **state)
{
    struct metastore_fixture *f = *state;
    struct object_row t = make_with_places(f);
    struct change rename = move_pointer(&t, "");
    rename.kind = CHANGE_OBJECT_RENAME;
    rename.to_namespace_key = STR("n");
    rename.to_name = STR("t2");
    must_apply(f, rename);
    assert_true(is_taken(f, "s3://bucket/wh/x", 0));
    fixture_reopen(f);
    assert_true(is_taken(f, "s3://bucket/wh/x", 0));

    t = get_object(f, "n", "t2");
    struct change drop = move_pointer(&t, "");
    drop.kind = CHANGE_OBJECT_DROP;
    must_apply(f, drop);
    assert_false(is_taken(f, "s3://bucket/wh/x", 0));
    must_apply(f, make_table(f, "n", "u", "s3://bucket/wh/x"));
}

/* Two that would have the same place, in one transaction or in two: one gets it. */
static void one_of_two_gets_the_place(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/t"));
    must_apply(f, make_table(f, "n", "u", "s3://bucket/wh/u"));
    struct object_row t = get_object(f, "n", "t"), u = get_object(f, "n", "u");
    struct str place = STR("s3://bucket/wh/shared"), inside = STR("s3://bucket/wh/shared/in");
    struct change both[] = {with_places(move_pointer(&t, "m1"), &place, 1),
                            with_places(move_pointer(&u, "m1"), &inside, 1)};
    struct change_set set = {.changes = both, .change_count = 2};
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_LOCATION_TAKEN);
    assert_int_equal(set.failed_change, 1);
    assert_false(is_taken(f, "s3://bucket/wh/shared", 0));
    assert_int_equal(apply_one(f, &both[1]), CHANGE_APPLIED);
    assert_int_equal(apply_one(f, &both[0]), CHANGE_LOCATION_TAKEN);

    u = get_object(f, "n", "u"); /* what one change of a set leaves, a later one may take */
    both[1] = with_places(move_pointer(&u, "m2"), NULL, 0);
    struct change swap[] = {both[1], both[0]};
    set = (struct change_set){.changes = swap, .change_count = 2};
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_APPLIED);
}

const struct CMUnitTest metastore_place_cases[] = {
    METASTORE_CASE(places_keep_others_away),    METASTORE_CASE(places_are_judged_against_locations),
    METASTORE_CASE(updates_replace_the_places), METASTORE_CASE(places_go_with_the_object),
    METASTORE_CASE(one_of_two_gets_the_place),
};
const size_t metastore_place_case_count = COUNT_OF(metastore_place_cases);
