/* Default values: of every type what is good, how it is printed, and what is refused. */
#include "tests/unit/iceberg_fixture.h"

#include "iceberg/default_value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct default_case {
    const char *type;
    const char *value;
    const char *canonical; /* NULL: refused */
};

static const struct default_case simple_cases[] = {
    {"boolean", "true", "true"},
    {"boolean", "false", "false"},
    {"boolean", "0", NULL},
    {"boolean", "'true'", NULL},
    {"int", "0", "0"},
    {"int", "-2147483648", "-2147483648"},
    {"int", "2147483647", "2147483647"},
    {"int", "2147483648", NULL},
    {"int", "-2147483649", NULL},
    {"int", "1.0", NULL},
    {"int", "'1'", NULL},
    {"int", "true", NULL},
    {"int", "[1]", NULL},
    {"int", "{}", NULL},
    {"long", "9223372036854775807", "9223372036854775807"},
    {"long", "-9223372036854775808", "-9223372036854775808"},
    {"long", "1e3", NULL},
    {"float", "1", "1.0"},
    {"float", "1.5", "1.5"},
    {"float", "0.1", "0.1"},
    {"float", "-0.0", "-0.0"},
    {"float", "3.4e38", "3.4e38"},
    {"float", "3.5e38", NULL},
    {"float", "-3.5e38", NULL},
    {"float", "'1.5'", NULL},
    {"double", "-7", "-7.0"},
    {"double", "3.5e38", "3.5e38"},
    {"double", "1.50", "1.5"},
    {"double", "0.30000000000000004", "0.30000000000000004"},
    {"double", "0.1", "0.1"},
    {"double", "1E+16", "1e16"},
    {"double", "5e-324", "4.94065645841247e-324"},
    {"double", "true", NULL},
    {"string", "''", "''"},
    {"string", "'a\\nb\xc3\xa9'", "'a\\nb\xc3\xa9'"},
    {"string", "1", NULL},
    {"string", "['a']", NULL},
    {"uuid", "'f79c3e09-677c-4bbd-a479-3f349cb785e7'", "'f79c3e09-677c-4bbd-a479-3f349cb785e7'"},
    {"uuid", "'F79C3E09-677C-4BBD-A479-3F349CB785E7'", "'f79c3e09-677c-4bbd-a479-3f349cb785e7'"},
    {"uuid", "'f79c3e09677c4bbda4793f349cb785e7'", NULL},
    {"uuid", "'f79c3e09-677c-4bbd-a479-3f349cb785e'", NULL},
    {"uuid", "'f79c3e09-677c-4bbd-a479-3f349cb785e77'", NULL},
    {"uuid", "'f79c3e09-677c-4bbd-a479-3f349cb785eg'", NULL},
    {"uuid", "'f79c3e09-677c-4bbda-479-3f349cb785e7'", NULL},
    {"uuid", "5", NULL},
    {"fixed[2]", "'0aff'", "'0AFF'"},
    {"fixed[2]", "'0AfF'", "'0AFF'"},
    {"fixed[0]", "''", "''"},
    {"fixed[2]", "'0aff00'", NULL},
    {"fixed[2]", "'0a'", NULL},
    {"fixed[2]", "'0afg'", NULL},
    {"fixed[2]", "'0af'", NULL},
    {"fixed[2]", "1234", NULL},
    {"binary", "'111f'", "'111F'"},
    {"binary", "''", "''"},
    {"binary", "'1'", NULL},
    {"binary", "'0x'", NULL},
    {"binary", "' 0'", NULL},
    {"decimal(9,2)", "'14.20'", "'14.20'"},
    {"decimal(9,2)", "'-1234567.89'", "'-1234567.89'"},
    {"decimal(9,2)", "'0001234567.89'", "'0001234567.89'"},
    {"decimal(9,2)", "'12345678.90'", NULL},
    {"decimal(9,2)", "'14.2'", NULL},
    {"decimal(9,2)", "'14.200'", NULL},
    {"decimal(9,2)", "'14'", NULL},
    {"decimal(9,2)", "'.20'", NULL},
    {"decimal(9,2)", "'-.20'", NULL},
    {"decimal(9,2)", "'--1.20'", NULL},
    {"decimal(9,2)", "'1.2x'", NULL},
    {"decimal(9,2)", "'x1.20'", NULL},
    {"decimal(9,2)", "'1.2.0'", NULL},
    {"decimal(9,2)", "''", NULL},
    {"decimal(9,2)", "'-'", NULL},
    {"decimal(9,2)", "14.20", NULL},
    {"decimal(9,0)", "'7'", "'7'"},
    {"decimal(9,0)", "'0'", "'0'"},
    {"decimal(9,0)", "'7.'", NULL},
    {"decimal(9,0)", "'7.0'", NULL},
    {"decimal(9,0)", "'1234567890'", NULL},
    {"decimal(2,2)", "'0.99'", "'0.99'"},
    {"decimal(2,2)", "'1.00'", NULL},
    {"decimal(2,2147483647)", "'1.0'", NULL},
    {"variant", "1", NULL},
    {"unknown", "1", NULL},
    {"geometry", "'POINT (1 1)'", NULL},
    {"geography", "'POINT (1 1)'", NULL},
};

static const struct default_case time_cases[] = {
    {"date", "'2007-12-03'", "'2007-12-03'"},
    {"date", "'2000-02-29'", "'2000-02-29'"},
    {"date", "'2024-02-29'", "'2024-02-29'"},
    {"date", "'0000-01-01'", "'0000-01-01'"},
    {"date", "'-0001-12-31'", "'-0001-12-31'"},
    {"date", "'+12007-12-03'", "'+12007-12-03'"},
    {"date", "'-999999-01-01'", "'-999999-01-01'"},
    {"date", "'1900-02-29'", NULL},
    {"date", "'2023-02-29'", NULL},
    {"date", "'2007-04-31'", NULL},
    {"date", "'2007-13-01'", NULL},
    {"date", "'2007-00-01'", NULL},
    {"date", "'2007-01-00'", NULL},
    {"date", "'2007-1-01'", NULL},
    {"date", "'07-12-03'", NULL},
    {"date", "'+2007-12-03'", NULL},
    {"date", "'12007-12-03'", NULL},
    {"date", "'+1234567-12-03'", NULL},
    {"date", "'2007-12-03 '", NULL},
    {"date", "'2007-12-03T00:00:00'", NULL},
    {"date", "'20071203'", NULL},
    {"date", "''", NULL},
    {"date", "'-'", NULL},
    {"date", "13850", NULL},
    {"time", "'10:15:30.123456'", "'10:15:30.123456'"},
    {"time", "'10:15:30'", "'10:15:30'"},
    {"time", "'10:15'", "'10:15'"},
    {"time", "'23:59:59.9'", "'23:59:59.9'"},
    {"time", "'24:00:00'", NULL},
    {"time", "'10:60:00'", NULL},
    {"time", "'10:15:60'", NULL},
    {"time", "'10:15:30.'", NULL},
    {"time", "'10:15:'", NULL},
    {"time", "'10'", NULL},
    {"time", "'10:15:30.1234567'", NULL},
    {"time", "'10:15:30Z'", NULL},
    {"time", "36930000000", NULL},
    {"timestamp", "'2007-12-03T10:15:30.123456'", "'2007-12-03T10:15:30.123456'"},
    {"timestamp", "'2007-12-03T10:15:30'", "'2007-12-03T10:15:30'"},
    {"timestamp", "'2007-12-03T10:15:30+00:00'", NULL},
    {"timestamp", "'2007-12-03T10:15:30Z'", NULL},
    {"timestamp", "'2007-12-03 10:15:30'", NULL},
    {"timestamp", "'2007-12-03T10:15:30.123456789'", NULL},
    {"timestamp", "'2007-12-03'", NULL},
    {"timestamp", "'2007-02-30T10:15:30'", NULL},
    {"timestamp", "'+294247-01-09T23:59:59'", "'+294247-01-09T23:59:59'"},
    {"timestamp", "'+294247-01-10T00:00:00'", NULL},
    {"timestamp", "'-290308-12-22T00:00:00'", "'-290308-12-22T00:00:00'"},
    {"timestamp", "'-290308-12-21T23:59:59'", NULL},
    {"timestamp", "0", NULL},
    {"timestamptz", "'2007-12-03T10:15:30.123456+00:00'", "'2007-12-03T10:15:30.123456+00:00'"},
    {"timestamptz", "'2007-12-03T10:15+00:00'", "'2007-12-03T10:15+00:00'"},
    {"timestamptz", "'2007-12-03T10:15:30'", NULL},
    {"timestamptz", "'2007-12-03T10:15:30+01:00'", NULL},
    {"timestamptz", "'2007-12-03T10:15:30-00:00'", NULL},
    {"timestamptz", "'2007-12-03T10:15:30Z'", NULL},
    {"timestamptz", "'2007-12-03T10:15:30+00:00Z'", NULL},
    {"timestamptz", "'2007-12-03T10:15:30.1234567+00:00'", NULL},
    {"timestamp_ns", "'2007-12-03T10:15:30.123456789'", "'2007-12-03T10:15:30.123456789'"},
    {"timestamp_ns", "'2007-12-03T10:15:30.1234567890'", NULL},
    {"timestamp_ns", "'1677-09-22T00:00:00'", "'1677-09-22T00:00:00'"},
    {"timestamp_ns", "'2262-04-10T23:59:59'", "'2262-04-10T23:59:59'"},
    {"timestamp_ns", "'1677-09-21T23:59:59'", NULL},
    {"timestamp_ns", "'2262-04-11T00:00:00'", NULL},
    {"timestamptz_ns", "'2007-12-03T10:15:30.123456789+00:00'",
     "'2007-12-03T10:15:30.123456789+00:00'"},
    {"timestamptz_ns", "'2007-12-03T10:15:30.123456789'", NULL},
    {"timestamptz_ns", "'2300-12-03T10:15:30+00:00'", NULL},
};

static void run_case(struct arena *arena, const struct default_case *row)
{
    struct error err = {0};
    struct type type;
    struct str text = STR_NONE;
    const char *what = arena_printf(arena, "%s of %s", row->value, row->type).ptr;

    expect_success(row->type, type_parse_text(str_cstr(row->type), arena, &type, &err), &err);
    int result =
        default_value_parse(parse_json(arena, row->value), &type, STR("col"), arena, &text, &err);
    if (row->canonical == NULL) {
        expect_error(what, result, &err, ERR_ILLEGAL_ARGUMENT, "Invalid default value for col: ");
    } else {
        expect_success(what, result, &err);
        expect_text(text, row->canonical);
    }
}

static void test_values(void **state)
{
    for (size_t i = 0; i < COUNT(simple_cases); i++)
        run_case(*state, &simple_cases[i]);
}

static void test_times(void **state)
{
    for (size_t i = 0; i < COUNT(time_cases); i++)
        run_case(*state, &time_cases[i]);
}

/* The end of every good text cut off must not be read past, whatever lies behind it. */
static void test_cut_texts(void **state)
{
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(time_cases); i++) {
        size_t len = strlen(time_cases[i].value);
        for (size_t cut = 0; cut < len; cut++) {
            struct error err = {0};
            struct type type;
            struct str text;
            json_t *json = json_stringn(time_cases[i].value + 1, cut);
            expect_success("type",
                           type_parse_text(str_cstr(time_cases[i].type), arena, &type, &err), &err);
            int result = default_value_parse(json, &type, STR("c"), arena, &text, &err);
            assert_true(result == 0 || err.kind == ERR_ILLEGAL_ARGUMENT);
            json_decref(json);
        }
    }
}

/* In a schema: each of the two defaults is checked, null is none, nested types have none. */
static void test_in_fields(void **state)
{
    static const struct {
        const char *members, *message; /* NULL: accepted */
    } cases[] = {
        {"'type':'int','initial-default':1,'write-default':2", NULL},
        {"'type':'int','initial-default':null,'write-default':null", NULL},
        {"'type':'int','initial-default':'1'",
         "Invalid default value for c: cannot parse \"1\" as int"},
        {"'type':'int','write-default':1.5",
         "Invalid default value for c: cannot parse 1.5 as int"},
        {"'type':{'type':'struct','fields':[]},'initial-default':null", NULL},
        {"'type':{'type':'struct','fields':[]},'initial-default':{}",
         "Invalid default value for c: a column of type struct has none but null"},
        {"'type':{'type':'list','element-id':2,'element':'int','element-required':false},"
         "'write-default':[]",
         "Invalid default value for c: a column of type list has none but null"},
        {"'type':{'type':'map','key-id':2,'key':'int','value-id':3,'value':'int',"
         "'value-required':false},'initial-default':{'keys':[],'values':[]}",
         "Invalid default value for c: a column of type map has none but null"},
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct type *type;
        const char *json = arena_printf(arena,
                                        "{'type':'struct','fields':[{'id':1,'name':'c',"
                                        "'required':false,%s}]}",
                                        cases[i].members)
                               .ptr;
        int result = type_parse(parse_json(arena, json), arena, &type, &err);
        if (cases[i].message == NULL)
            expect_success(json, result, &err);
        else
            expect_error(json, result, &err, ERR_ILLEGAL_ARGUMENT, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_values),
        ARENA_TEST(test_times),
        ARENA_TEST(test_cut_texts),
        ARENA_TEST(test_in_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
