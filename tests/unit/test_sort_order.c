/* Sort orders: parsing, the meaning of order 0, checks against a schema, comparison, printing. */
#include "tests/unit/iceberg_fixture.h"

#include "iceberg/sort_order.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define S(transform, source, direction, nulls)                                     \
    "{'transform':'" transform "','source-id':" #source ",'direction':'" direction \
    "','null-order':'" nulls "'}"
#define ORDER(id, fields) "{'order-id':" #id ",'fields':[" fields "]}"

static struct sort_order parse_order(struct arena *arena, const char *json)
{
    struct error err = {0};
    struct sort_order order;

    expect_success(json, sort_order_parse(parse_json(arena, json), arena, &order, &err), &err);
    return order;
}

static void test_parse_and_print(void **state)
{
    struct arena *arena = *state;
    struct buf buf = BUF_INIT(SIZE_MAX);
    struct sort_order order = parse_order(
        arena,
        ORDER(3, S("Identity", 1, "ASC", "Nulls-First") "," S(
                     "BUCKET[4]", 2, "desc",
                     "nulls-last") "," S("a\\'b", 3, "asc", "nulls-last") "," S("void", 4, "Desc",
                                                                                "NULLS-FIRST")));

    assert_int_equal(order.field_count, 4);
    assert_false(order.fields[0].descending);
    assert_false(order.fields[0].nulls_last);
    assert_true(order.fields[1].descending);
    assert_true(order.fields[1].nulls_last);
    sort_order_write(&order, &buf);
    expect_text(
        buf_str(&buf),
        "{'order-id':3,'fields':["
        "{'transform':'identity','source-id':1,'direction':'asc','null-order':'nulls-first'},"
        "{'transform':'bucket[4]','source-id':2,'direction':'desc','null-order':'nulls-last'},"
        "{'transform':'a\\'b','source-id':3,'direction':'asc','null-order':'nulls-last'},"
        "{'transform':'void','source-id':4,'direction':'desc','null-order':'nulls-first'}]}");
    struct sort_order again = parse_order(arena, arena_str(arena, buf_str(&buf)).ptr);
    assert_true(sort_order_same(&order, &again));
    assert_int_equal(again.order_id, 3);

    order = parse_order(arena, ORDER(0, ""));
    buf_clear(&buf);
    sort_order_write(&order, &buf);
    expect_text(buf_str(&buf), "{'order-id':0,'fields':[]}");
    buf_free(&buf);
}

static void test_order_id(void **state)
{
    static const struct {
        const char *json;
        const char *numbered, *unnumbered; /* message; NULL: accepted */
    } cases[] = {
        {ORDER(0, ""), NULL, NULL},
        {ORDER(1, S("day", 1, "asc", "nulls-last")), NULL, NULL},
        {ORDER(-1, S("day", 1, "asc", "nulls-last")), NULL, NULL},
        {ORDER(1, ""), "Unsorted order ID must be 0, not 1", NULL},
        {ORDER(0, S("day", 1, "asc", "nulls-last")),
         "Sort order ID 0 is reserved for unsorted order", NULL},
        {"{'fields':[]}", "Cannot parse missing int: order-id", NULL},
        {"{'order-id':null,'fields':[]}", "Cannot parse missing int: order-id", NULL},
        {"{'order-id':'0','fields':[]}", "order-id", "order-id"},
        {"{'order-id':0.0,'fields':[]}", "order-id", "order-id"},
        {"{'order-id':2147483648,'fields':[]}", "order-id", "order-id"},
        {"{'order-id':{},'fields':[]}", "order-id: an object", "order-id: an object"},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int numbered = 0; numbered <= 1; numbered++) {
            struct error err = {0};
            struct sort_order order;
            json_t *json = parse_json(arena, cases[i].json);
            const char *message = numbered ? cases[i].numbered : cases[i].unnumbered;
            int result = numbered ? sort_order_parse(json, arena, &order, &err)
                                  : sort_order_parse_unnumbered(json, arena, &order, &err);
            if (message == NULL)
                expect_success(cases[i].json, result, &err);
            else
                expect_error(cases[i].json, result, &err, ERR_ILLEGAL_ARGUMENT, message);
        }
    }
}

static void test_malformed(void **state)
{
    static const char *const cases[] = {
        "null",
        "[]",
        "'order'",
        "0",
        "{}",
        "{'order-id':0}",
        "{'order-id':0,'fields':null}",
        "{'order-id':0,'fields':{}}",
        "{'order-id':0,'fields':''}",
        ORDER(1, "null"),
        ORDER(1, "[]"),
        ORDER(1, "'day'"),
        ORDER(1, "{}"),
        ORDER(1, "{'source-id':1,'direction':'asc','null-order':'nulls-last'}"),
        ORDER(1, "{'transform':1,'source-id':1,'direction':'asc','null-order':'nulls-last'}"),
        ORDER(1, "{'transform':null,'source-id':1,'direction':'asc','null-order':'nulls-last'}"),
        ORDER(1, S("bucket[0]", 1, "asc", "nulls-last")),
        ORDER(1, "{'transform':'day','direction':'asc','null-order':'nulls-last'}"),
        ORDER(1, S("day", "1", "asc", "nulls-last")),
        ORDER(1, S("day", 1.5, "asc", "nulls-last")),
        ORDER(1, S("day", null, "asc", "nulls-last")),
        ORDER(1, S("day", 9223372036854775807, "asc", "nulls-last")),
        ORDER(1, "{'transform':'day','source-id':1,'null-order':'nulls-last'}"),
        ORDER(1, "{'transform':'day','source-id':1,'direction':1,'null-order':'nulls-last'}"),
        ORDER(1, "{'transform':'day','source-id':1,'direction':null,'null-order':'nulls-last'}"),
        ORDER(1, S("day", 1, "", "nulls-last")),
        ORDER(1, S("day", 1, "ascending", "nulls-last")),
        ORDER(1, "{'transform':'day','source-id':1,'direction':'asc'}"),
        ORDER(1, "{'transform':'day','source-id':1,'direction':'asc','null-order':false}"),
        ORDER(1, S("day", 1, "asc", "first")),
        ORDER(1, S("day", 1, "asc", "")),
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct sort_order order;
        json_t *json = parse_json(arena, cases[i]);
        expect_error(cases[i], sort_order_parse(json, arena, &order, &err), &err,
                     ERR_ILLEGAL_ARGUMENT, "");
        expect_error(cases[i], sort_order_parse_unnumbered(json, arena, &order, &err), &err,
                     ERR_ILLEGAL_ARGUMENT, "");
    }
    struct error err = {0};
    struct sort_order order;
    expect_error("absent", sort_order_parse(NULL, arena, &order, &err), &err, ERR_ILLEGAL_ARGUMENT,
                 "nothing");
    expect_error("direction",
                 sort_order_parse(parse_json(arena, ORDER(1, S("day", 1, "up", "nulls-last"))),
                                  arena, &order, &err),
                 &err, ERR_ILLEGAL_ARGUMENT, "Invalid direction: up");
}

static void test_check(void **state)
{
    static const char schema_json[] =
        "{'type':'struct','fields':["
        "{'id':1,'name':'id','required':true,'type':'long'},"
        "{'id':2,'name':'ts','required':false,'type':'timestamp_ns'},"
        "{'id':3,'name':'l','required':false,'type':{'type':'list','element-id':4,"
        "'element-required':false,'element':{'type':'struct','fields':["
        "{'id':5,'name':'b','required':false,'type':'int'}]}}},"
        "{'id':6,'name':'v','required':false,'type':'variant'},"
        "{'id':7,'name':'g','required':false,'type':'geometry'}]}";
    static const struct {
        const char *fields, *message; /* NULL: accepted */
    } cases[] = {
        {S("identity", 1, "asc", "nulls-last"), NULL},
        {S("hour", 2, "asc", "nulls-last") "," S("hour", 2, "asc", "nulls-last"), NULL},
        {S("identity", 5, "asc", "nulls-last"), NULL}, /* inside a list: no matter here */
        {S("custom", 7, "asc", "nulls-last"), NULL},
        {S("void", 7, "asc", "nulls-last"), NULL},
        {S("identity", 1, "asc", "nulls-last") "," S("identity", 9, "asc", "nulls-last"),
         "Cannot find source column for sort field: identity(9)"},
        {S("void", 9, "asc", "nulls-last"), "Cannot find source column for sort field: void(9)"},
        {S("custom", -9, "asc", "nulls-last"), "Cannot find source column"},
        {S("identity", 3, "asc", "nulls-last"),
         "Cannot sort by non-primitive source field: l of type list"},
        {S("custom", 4, "asc", "nulls-last"),
         "Cannot sort by non-primitive source field: element of type struct"},
        {S("identity", 6, "asc", "nulls-last"),
         "Cannot sort by non-primitive source field: v of type variant"},
        {S("identity", 7, "asc", "nulls-last"),
         "Invalid source type geometry(OGC:CRS84) for transform: identity"},
        {S("hour", 1, "asc", "nulls-last"), "Invalid source type long for transform: hour"},
        {S("truncate[3]", 2, "asc", "nulls-last"),
         "Invalid source type timestamp_ns for transform: truncate[3]"},
    };
    struct arena *arena = *state;
    struct error err = {0};
    struct schema schema;

    expect_success("schema", schema_parse(parse_json(arena, schema_json), arena, &schema, &err),
                   &err);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *json = arena_printf(arena, "{'order-id':1,'fields':[%s]}", cases[i].fields).ptr;
        struct sort_order order = parse_order(arena, json);
        int result = sort_order_check(&order, &schema, arena, &err);
        if (cases[i].message == NULL)
            expect_success(json, result, &err);
        else
            expect_error(json, result, &err, ERR_VALIDATION, cases[i].message);
    }
    struct sort_order unsorted = parse_order(arena, ORDER(0, ""));
    expect_success("unsorted", sort_order_check(&unsorted, &schema, arena, &err), &err);
}

static void test_same(void **state)
{
    static const char *const orders[] = {
        ORDER(0, ""),
        ORDER(1, S("day", 1, "asc", "nulls-last")),
        ORDER(1, S("hour", 1, "asc", "nulls-last")),
        ORDER(1, S("day", 2, "asc", "nulls-last")),
        ORDER(1, S("day", 1, "desc", "nulls-last")),
        ORDER(1, S("day", 1, "asc", "nulls-first")),
        ORDER(1, S("day", 1, "asc", "nulls-last") "," S("day", 2, "asc", "nulls-last")),
        ORDER(1, S("day", 2, "asc", "nulls-last") "," S("day", 1, "asc", "nulls-last")),
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(orders); i++) {
        for (size_t k = 0; k < COUNT(orders); k++) {
            struct sort_order a = parse_order(arena, orders[i]);
            struct sort_order b = parse_order(arena, orders[k]);
            b.order_id = 77;
            assert_int_equal(sort_order_same(&a, &b), i == k);
        }
    }
    struct sort_order a = parse_order(arena, ORDER(1, S("Bucket[3]", 1, "ASC", "NULLS-LAST")));
    struct sort_order b = parse_order(arena, ORDER(2, S("bucket[03]", 1, "asc", "nulls-last")));
    assert_true(sort_order_same(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_parse_and_print), ARENA_TEST(test_order_id), ARENA_TEST(test_malformed),
        ARENA_TEST(test_check),           ARENA_TEST(test_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
