/* The metastore's contract: places that are reserved, and uuids that are known. */
#include "tests/contract/metastore_cases.h"

#define UNTIL_MS 1000

static struct change reserve(struct metastore_fixture *f, const char *uuid, const char *holder,
                             const char *location)
{
    return (struct change){.kind = CHANGE_LOCATION_RESERVE,
                           .warehouse_id = f->warehouse_id,
                           .namespace_key = STR("n"),
                           .name = STR("staged"),
                           .uuid = str_cstr(uuid),
                           .holder = str_cstr(holder),
                           .location = str_cstr(location),
                           .reserve_until_ms = UNTIL_MS};
}

static struct change with_uuid(struct change change, const char *uuid)
{
    change.uuid = str_cstr(uuid);
    return change;
}

static struct change drop_of(const struct object_row *row, int64_t reserve_until_ms)
{
    struct change drop = move_pointer(row, "");
    drop.kind = CHANGE_OBJECT_DROP;
    drop.reserve_until_ms = reserve_until_ms;
    return drop;
}

static enum place_state state_for(struct metastore_fixture *f, const char *location,
                                  const char *uuid, const char *holder)
{
    struct error err = {0};
    const struct place_claim claim = {.uuid = str_cstr(uuid), .holder = str_cstr(holder)};
    enum place_state state;
    assert_int_equal(metastore_location_taken(f->store, str_cstr(location), &claim, &state, &err),
                     0);
    return state;
}

static enum place_state state_of(struct metastore_fixture *f, const char *location)
{
    return state_for(f, location, "", "");
}

static void expire_at(struct metastore_fixture *f, int64_t now_ms)
{
    struct error err;
    assert_int_equal(metastore_expire(f->store, now_ms, &err), 0);
}

static void refuses(struct metastore_fixture *f, struct change change, enum change_outcome outcome)
{
    assert_int_equal(apply_one(f, &change), outcome);
}

/* ---- staged ---------------------------------------------------------------------------------- */

static void reservations_keep_others_away(void **state)
{
    struct metastore_fixture *f = *state;
    static const struct {
        const char *location;
        enum place_state state;
    } cases[] = {
        {"s3://bucket/wh/p", PLACE_RESERVED},        {"s3://bucket/wh/p/x", PLACE_RESERVED},
        {"s3://bucket/wh", PLACE_RESERVED},          {"s3://bucket/wh/beside", PLACE_RESERVED},
        {"s3://bucket/wh/beside/1", PLACE_RESERVED}, {"s3://bucket/wh/p1", PLACE_FREE},
        {"s3://bucket/wh/besides", PLACE_FREE},
    };
    struct str beside = STR("s3://bucket/wh/beside");
    struct change first = reserve(f, "u1", "h1", "s3://bucket/wh/p");
    first.places = &beside;
    first.place_count = 1;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, make_table(f, "n", "t", "s3://bucket/t"));
    must_apply(f, first);
    for (int opened = 0; opened < 2; opened++) {
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            const char *location = cases[i].location;
            bool refused = cases[i].state != PLACE_FREE;
            struct object_row t = get_object(f, "n", "t");
            struct change move = move_pointer(&t, "m");
            move.location = str_cstr(location);
            if (state_of(f, location) != cases[i].state)
                fail_msg("looked at: %s", location);
            if (!refused)
                continue;
            refuses(f, make_table(f, "n", "x", location), CHANGE_LOCATION_TAKEN);
            refuses(f, move, CHANGE_LOCATION_TAKEN);
            refuses(f, reserve(f, "u2", "h2", location), CHANGE_LOCATION_TAKEN);
            move = move_pointer(&t, "m");
            move.places = &(struct str){location, strlen(location)};
            move.place_count = 1;
            refuses(f, move, CHANGE_LOCATION_TAKEN);
        }
        fixture_reopen(f);
    }
    /* What is another object's is not given to reservations. */
    refuses(f, reserve(f, "u2", "h2", "s3://bucket/t/x"), CHANGE_LOCATION_TAKEN);
    first = reserve(f, "u2", "h2", "s3://bucket/wh/free");
    first.places = &(struct str){"s3://bucket/t", 13};
    first.place_count = 1;
    refuses(f, first, CHANGE_LOCATION_TAKEN);
    assert_int_equal(state_of(f, "s3://bucket/wh/free"), PLACE_FREE);
}

static void its_uuid_takes_it_over(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, reserve(f, "u1", "h1", "s3://bucket/wh/p"));
    assert_int_equal(state_for(f, "s3://bucket/wh/p", "u1", ""), PLACE_FREE);
    must_apply(f, with_uuid(make_table(f, "n", "t", "s3://bucket/wh/p"), "u1"));
    struct object_row t = get_object(f, "n", "t");
    must_apply(f, drop_of(&t, 0)); /* the reservation went with the create */
    assert_int_equal(state_of(f, "s3://bucket/wh/p"), PLACE_FREE);
}

/* A client whose create came to nothing may try again: the same asker, the same name. */
static void its_holder_may_try_again(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, reserve(f, "u1", "h1", "s3://bucket/wh/p"));
    refuses(f, reserve(f, "u2", "h2", "s3://bucket/wh/p"), CHANGE_LOCATION_TAKEN);
    refuses(f, reserve(f, "u2", "", "s3://bucket/wh/p"), CHANGE_LOCATION_TAKEN);
    must_apply(f, reserve(f, "u2", "h1", "s3://bucket/wh/p"));
    assert_int_equal(state_for(f, "s3://bucket/wh/p", "u1", ""), PLACE_RESERVED);
    assert_int_equal(state_for(f, "s3://bucket/wh/p", "u2", ""), PLACE_FREE);
    struct change create = make_table(f, "n", "t", "s3://bucket/wh/p");
    refuses(f, create, CHANGE_LOCATION_TAKEN);
    create.holder = STR("h1");
    must_apply(f, create);
    refuses(f, with_uuid(make_table(f, "n", "s", "s3://bucket/wh/p"), "u2"), CHANGE_LOCATION_TAKEN);
}

/* Those without a uuid or a holder do not match those without. */
static void nothing_matches_nothing(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, with_uuid(make_table(f, "n", "t", "s3://bucket/wh/p"), ""));
    struct object_row t = get_object(f, "n", "t");
    must_apply(f, drop_of(&t, UNTIL_MS));
    refuses(f, with_uuid(make_table(f, "n", "t", "s3://bucket/wh/p"), ""), CHANGE_LOCATION_TAKEN);
}

static void one_of_two_gets_the_reservation(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    struct change both[] = {reserve(f, "u1", "h1", "s3://bucket/wh/p"),
                            reserve(f, "u2", "h2", "s3://bucket/wh/p/x")};
    struct change_set set = {.changes = both, .change_count = 2};
    assert_int_equal(metastore_apply(f->store, &set), CHANGE_LOCATION_TAKEN);
    assert_int_equal(set.failed_change, 1);
    assert_int_equal(state_of(f, "s3://bucket/wh/p"), PLACE_FREE);
    must_apply(f, both[1]);
    refuses(f, both[0], CHANGE_LOCATION_TAKEN);
}

static void reservations_expire(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, reserve(f, "u1", "h1", "s3://bucket/wh/p"));
    struct change later = reserve(f, "u2", "h2", "s3://bucket/wh/q");
    later.reserve_until_ms = UNTIL_MS + 1;
    must_apply(f, later);
    expire_at(f, UNTIL_MS - 1);
    refuses(f, make_table(f, "n", "t", "s3://bucket/wh/p"), CHANGE_LOCATION_TAKEN);
    expire_at(f, UNTIL_MS);
    must_apply(f, make_table(f, "n", "t", "s3://bucket/wh/p"));
    refuses(f, make_table(f, "n", "u", "s3://bucket/wh/q"), CHANGE_LOCATION_TAKEN);
}

/* ---- left ------------------------------------------------------------------------------------ */

static struct object_row make_with_place(struct metastore_fixture *f, struct str *place)
{
    struct change create = make_table(f, "n", "t", "s3://bucket/wh/p");
    create.places = place;
    create.place_count = 1;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, create);
    return get_object(f, "n", "t");
}

static void dropped_places_stay_reserved(void **state)
{
    struct metastore_fixture *f = *state;
    struct str place = STR("s3://bucket/wh/place");
    struct object_row t = make_with_place(f, &place);
    must_apply(f, drop_of(&t, UNTIL_MS));
    static const char *const left[] = {"s3://bucket/wh/p", "s3://bucket/wh/place/x"};
    for (size_t i = 0; i < COUNT_OF(left); i++) {
        assert_int_equal(state_of(f, left[i]), PLACE_RESERVED);
        struct change other = with_uuid(make_table(f, "n", "t", left[i]), "other");
        other.holder = STR("h");
        refuses(f, other, CHANGE_LOCATION_TAKEN);
    }
}

static void dropped_places_come_back_with_the_uuid(void **state)
{
    struct metastore_fixture *f = *state;
    struct str place = STR("s3://bucket/wh/place");
    struct object_row t = make_with_place(f, &place);
    must_apply(f, drop_of(&t, UNTIL_MS));
    struct change again = with_uuid(make_table(f, "n", "t2", "s3://bucket/wh/p"), "uuid of n.t");
    again.places = &place;
    again.place_count = 1;
    must_apply(f, again);
    t = get_object(f, "n", "t2");
    expire_at(f, UNTIL_MS); /* what lives there needs no reservation */
    refuses(f, make_table(f, "n", "x", "s3://bucket/wh/place"), CHANGE_LOCATION_TAKEN);
    must_apply(f, drop_of(&t, 0));
    assert_int_equal(state_of(f, "s3://bucket/wh/p"), PLACE_FREE);
    assert_int_equal(state_of(f, "s3://bucket/wh/place"), PLACE_FREE);
}

static void moved_from_places_stay_reserved(void **state)
{
    struct metastore_fixture *f = *state;
    struct str place = STR("s3://bucket/wh/place");
    struct object_row t = make_with_place(f, &place);
    struct change move = move_pointer(&t, "m1"); /* gives up its place and its location */
    move.location = STR("s3://bucket/wh/p2");
    move.reserve_until_ms = UNTIL_MS;
    must_apply(f, move);
    refuses(f, make_table(f, "n", "x", "s3://bucket/wh/p"), CHANGE_LOCATION_TAKEN);
    refuses(f, make_table(f, "n", "x", "s3://bucket/wh/place"), CHANGE_LOCATION_TAKEN);

    t = get_object(f, "n", "t"); /* a commit that stays changes nothing of it */
    move = move_pointer(&t, "m2");
    move.reserve_until_ms = 2 * UNTIL_MS;
    must_apply(f, move);
    t = get_object(f, "n", "t"); /* it may come back */
    move = move_pointer(&t, "m3");
    move.location = STR("s3://bucket/wh/p/deeper");
    move.places = &place;
    move.place_count = 1;
    must_apply(f, move);
    expire_at(f, UNTIL_MS);
    assert_int_equal(state_of(f, "s3://bucket/wh/p2"), PLACE_FREE);
    assert_int_equal(state_of(f, "s3://bucket/wh/p/beside"), PLACE_FREE);
    assert_int_equal(state_of(f, "s3://bucket/wh/p/deeper"), PLACE_TAKEN);
    assert_int_equal(state_of(f, "s3://bucket/wh/place"), PLACE_TAKEN);
}

/* ---- uuids ----------------------------------------------------------------------------------- */

static void uuids_are_known(void **state)
{
    struct metastore_fixture *f = *state;
    struct error err;
    struct object_row row;
    bool found;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, with_uuid(make_table(f, "n", "t", "s3://bucket/wh/t"), "u1"));
    refuses(f, with_uuid(make_table(f, "n", "x", "s3://bucket/wh/x"), "u1"), CHANGE_UUID_KNOWN);
    struct change view = with_uuid(make_table(f, "n", "x", "s3://bucket/wh/x"), "u1");
    view.object_kind = OBJECT_VIEW;
    refuses(f, view, CHANGE_UUID_KNOWN);
    refuses(f, with_uuid(make_table(f, "n", "t", "s3://bucket/wh/x"), "u1"), CHANGE_EXISTS);
    must_apply(f, with_uuid(make_table(f, "n", "u", "s3://bucket/wh/u"), "u2"));
    row = get_object(f, "n", "u");
    refuses(f, with_uuid(move_pointer(&row, "m"), "u1"), CHANGE_UUID_KNOWN);
    must_apply(f, with_uuid(move_pointer(&row, "m"), "u3"));
    row = get_object(f, "n", "t");
    must_apply(f, move_pointer(&row, "m")); /* its own */
    assert_int_equal(metastore_object_find_uuid(f->store, STR("u1"), f->arena, &row, &found, &err),
                     0);
    assert_true(found);
    assert_str(row.name, "t");
    must_apply(f, drop_of(&row, 0));
    assert_int_equal(metastore_object_find_uuid(f->store, STR("u1"), f->arena, &row, &found, &err),
                     0);
    assert_false(found);
    must_apply(f, with_uuid(make_table(f, "n", "x", "s3://bucket/wh/x"), "u1"));
}

/* Functions share uuids with whom they like, and objects without one share nothing. */
static void some_uuids_are_not(void **state)
{
    struct metastore_fixture *f = *state;
    must_apply(f, make_namespace(f, "n"));
    must_apply(f, with_uuid(make_table(f, "n", "t", "s3://bucket/wh/t"), "u1"));
    struct change function = with_uuid(make_table(f, "n", "f", ""), "u1");
    function.object_kind = OBJECT_FUNCTION;
    function.location = STR_NONE;
    must_apply(f, function);
    function.name = STR("g");
    function.uuid = STR("u2");
    must_apply(f, function);
    must_apply(f, with_uuid(make_table(f, "n", "u", "s3://bucket/wh/u"), "u2"));
    must_apply(f, with_uuid(make_table(f, "n", "v", "s3://bucket/wh/v"), ""));
    must_apply(f, with_uuid(make_table(f, "n", "w", "s3://bucket/wh/w"), ""));
}

const struct CMUnitTest metastore_reservation_cases[] = {
    METASTORE_CASE(reservations_keep_others_away),
    METASTORE_CASE(its_uuid_takes_it_over),
    METASTORE_CASE(its_holder_may_try_again),
    METASTORE_CASE(nothing_matches_nothing),
    METASTORE_CASE(one_of_two_gets_the_reservation),
    METASTORE_CASE(reservations_expire),
    METASTORE_CASE(dropped_places_stay_reserved),
    METASTORE_CASE(dropped_places_come_back_with_the_uuid),
    METASTORE_CASE(moved_from_places_stay_reserved),
    METASTORE_CASE(uuids_are_known),
    METASTORE_CASE(some_uuids_are_not),
};
const size_t metastore_reservation_case_count = COUNT_OF(metastore_reservation_cases);
