/* Tests of base/raw_json: what the checker accepts and refuses, walking, decoding, writing. */
#include "tests/unit/unit.h"

#include "base/raw_json.h"

static struct arena *arena;

/* Checks a copy of exactly that many bytes, so that a sanitizer sees any read beyond them. */
static int check_copy(struct str text, struct error *err)
{
    char *copy = malloc(text.len == 0 ? 1 : text.len);
    struct str value;
    memcpy(copy, text.ptr, text.len);
    int rc = raw_json_check(str_from(copy, text.len), &value, err);
    free(copy);
    return rc;
}

static bool accepts(struct str text)
{
    struct error err = {0};
    int rc = check_copy(text, &err);
    assert_int_equal(err.kind, rc == 0 ? ERR_NONE : ERR_BAD_REQUEST);
    return rc == 0;
}

static void accepts_json(void **state)
{
    (void)state;
    static const char *const good[] = {
        "null",
        " true ",
        "\t\r\n false\n",
        "0",
        "-0",
        "-0.0",
        "1e9999",
        "0.5E+3",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808.0",
        "\"\"",
        "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\uD83D\\uDE00\"",
        "\"\x7F\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1 , [2,[ ]],{\"a\" : {\"a\":[{}]}}]",
        "{\"\":1,\" \":2}",
        "{\"a\":{\"a\":1},\"b\":{\"a\":1}}",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!accepts(str_cstr(good[i])))
            fail_msg("refused %s", good[i]);
}

static void refuses_what_is_no_json(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "nul",
        "nullx",
        "True",
        "NaN",
        "Infinity",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "1 2",
        "'a'",
        "\"",
        "\"a",
        "\"\\",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1]",
        "{,}",
        "{\"a\"::1}",
        "[]]",
        "{}{}",
        "// c\n1",
        "/**/1",
        "[1]x",
        "\xEF\xBB\xBF{}",
        "\"\t\"",
        "\"\n\"",
        "\"\x1F\"",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999",
        "[1,\v2]",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\\ude00\\ud83d\"",
        "\"\\u0000\"",
        "{\"\\u0000\":1}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (accepts(str_cstr(bad[i])))
            fail_msg("accepted %s", bad[i]);
    assert_false(accepts(STR("\"a\0b\"")));
    assert_false(accepts(STR("1\0")));
    assert_false(accepts(STR("\0")));
}

static void refuses_what_is_no_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",         "\xC0\x80",     "\xC1\xBF",         "\xE0\x9F\xBF",
        "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xFF",         "\xC3",         "\xE2\x82",         "\xF0\x9F\x98",
        "\xC3(",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        for (int shift = 0; shift < 9; shift++) { /* at every place of a word of 8 bytes */
            struct str text = arena_printf(arena, "\"%.*s%s\"", shift, "12345678", bad[i]);
            if (accepts(text))
                fail_msg("accepted bad[%zu] at %d", i, shift);
        }
    }
}

static void finds_special_bytes_at_every_place(void **state)
{
    (void)state;
    for (int before = 0; before < 20; before++) {
        for (int after = 0; after < 20; after++) {
            char text[64];
            int len = snprintf(text, sizeof(text), "\"%.*s?%.*s\"", before, "abcdefghijklmnopqrstu",
                               after, "abcdefghijklmnopqrstu");
            for (int c = 1; c < 256; c++) {
                text[1 + before] = (char)c;
                bool expected = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
                if (c == '\\')
                    continue; /* depends on what follows */
                assert_int_equal(accepts(str_from(text, (size_t)len)), expected);
            }
        }
    }
}

static void bounds_the_depth(void **state)
{
    (void)state;
    static const char *const kinds[][3] = {{"[", "1", "]"}, {"{\"a\":", "1", "}"}};
    for (size_t kind = 0; kind < COUNT_OF(kinds); kind++) {
        for (int depth = 63; depth <= 65; depth++) {
            struct buf text = BUF_INIT(10000);
            for (int i = 0; i < depth; i++)
                buf_add_cstr(&text, kinds[kind][0]);
            buf_add_cstr(&text, kinds[kind][1]);
            for (int i = 0; i < depth; i++)
                buf_add_cstr(&text, kinds[kind][2]);
            assert_int_equal(accepts(buf_str(&text)), depth <= RAW_JSON_DEPTH_MAX);
            buf_free(&text);
        }
    }
    char many[100000];
    memset(many, '[', sizeof(many));
    assert_false(accepts(str_from(many, sizeof(many))));
}

static void long_numbers(void **state)
{
    (void)state;
    size_t len = 1000000;
    char *digits = malloc(len);
    memset(digits, '7', len);
    assert_false(accepts(str_from(digits, len)));
    digits[1] = '.';
    assert_true(accepts(str_from(digits, len)));
    digits[0] = '-';
    digits[1] = '1';
    digits[2] = 'e';
    assert_true(accepts(str_from(digits, len)));
    free(digits);
}

static void refuses_duplicate_keys(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"b\":2,\"a\":3}",
        "{\"\":1,\"\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"\\u0061\":1,\"a\":2}",
        "{\"\\u0061\":1,\"\\u0061\":2}",
        "{\"\\/\":1,\"/\":2}",
        "{\"\\n\":1,\"\\u000a\":2}",
        "{\"\xF0\x9F\x98\x80\":1,\"\\ud83d\\ude00\":2}",
        "{\"\xC3\xA4\":1,\"\\u00E4\":2}",
        "{\"seventeen-letters\":1,\"seventeen\\u002dletters\":2}",
        "{\"eightlet\":1,\"eightle\\u0074\":2}",
        "[{\"x\":{\"a\":1,\"b\":{\"a\":1},\"a\":2}}]",
    };
    static const char *const good[] = {
        "{\"a\":1,\"A\":2}",         "{\"a\":1,\"aa\":2,\"aaa\":3}",
        "{\"a\":1,\"\\\\u0061\":2}", "{\"\xC3\xA4\":1,\"a\xCC\x88\":2}", /* not normalised */
        "[{\"a\":1},{\"a\":2}]",     "{\"a\":{\"b\":1},\"b\":{\"a\":1}}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (accepts(str_cstr(bad[i])))
            fail_msg("accepted %s", bad[i]);
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!accepts(str_cstr(good[i])))
            fail_msg("refused %s", good[i]);
}

/* {"k0":0,…}; with `twin` < count the key after the last one is that of number `twin`, escaped. */
static struct buf many_keys(int count, int twin)
{
    struct buf text = BUF_INIT(100u << 20);
    buf_add_char(&text, '{');
    for (int i = 0; i < count; i++)
        buf_add_format(&text, "%s\"k%d\":{\"k%d\":0}", i > 0 ? "," : "", i, i);
    if (twin < count)
        buf_add_format(&text, ",\"\\u006b%d\":0", twin);
    buf_add_char(&text, '}');
    return text;
}

static void duplicates_among_many_keys(void **state)
{
    (void)state;
    static const int counts[] = {1, 2, 31, 32, 33, 127, 128, 129, 1000, 100000};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        int count = counts[i];
        const int twins[] = {0, count / 2, count - 1, count};
        for (size_t j = 0; j < COUNT_OF(twins); j++) {
            struct buf text = many_keys(count, twins[j]);
            assert_int_equal(accepts(buf_str(&text)), twins[j] == count);
            buf_free(&text);
        }
    }
}

static void names_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"a\":tru}", "Malformed JSON at byte 5: a value is expected"},
        {"[1,2", "Malformed JSON at byte 4: ',' or ']' is expected"},
        {"{\"a\":1} x", "Malformed JSON at byte 8: nothing may follow the value"},
        {"{\"a\":1,\"a\":2}", "Malformed JSON at byte 7: duplicate key \"a\""},
        {"", "Malformed JSON at byte 0: a value is expected"},
        {"  \"x", "Malformed JSON at byte 2: a string that does not end"},
        {"[\"\\u0000\"]", "Malformed JSON at byte 2: \\u0000 is not accepted"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err = {0};
        assert_int_equal(check_copy(str_cstr(cases[i].text), &err), -1);
        assert_string_equal(err.message, cases[i].message);
    }
}

static const char sample[] =
    "{\"s\":\"a\\u00e4\\ud83d\\ude00\\n\",\"n\":-12.5e3,\"b\":[true,false,null],"
    "\"o\":{\"k\\\"ey\":{},\"e\":[]},\"\xC3\xA4\":\"\xE2\x82\xAC\"}";

static void refuses_every_beginning(void **state)
{
    (void)state;
    assert_true(accepts(str_cstr(sample)));
    for (size_t len = 0; len < sizeof(sample) - 1; len++)
        assert_false(accepts(str_from(sample, len)));
}

/* Walks everything below `value` with every function there is; returns the number of values. */
static size_t walk_all(struct str value, int depth)
{
    struct raw_json_cursor cursor = raw_json_enter(value);
    struct str key, below;
    size_t count = 1;
    int64_t number;
    bool truth;
    if (depth > RAW_JSON_DEPTH_MAX || value.len == 0)
        return count;
    raw_json_int64(value, &number);
    raw_json_bool(value, &truth);
    if (raw_json_kind(value) == RAW_JSON_STRING && value.len >= 2 &&
        value.ptr[value.len - 1] == '"')
        raw_json_string(value, arena);
    if (raw_json_kind(value) == RAW_JSON_OBJECT)
        while (raw_json_next_member(&cursor, &key, &below)) {
            raw_json_key_is(key, "key");
            raw_json_key(key, arena);
            count += walk_all(below, depth + 1);
        }
    else
        while (raw_json_next_element(&cursor, &below))
            count += walk_all(below, depth + 1);
    return count;
}

static void walkers_stay_inside_whatever_the_view_holds(void **state)
{
    (void)state;
    assert_int_equal(walk_all(str_cstr(sample), 0), 11);
    unsigned seed = 1;
    for (size_t len = 0; len < sizeof(sample); len++) {
        for (int round = 0; round < 40; round++) {
            char *copy = malloc(len == 0 ? 1 : len);
            memcpy(copy, sample, len);
            for (int change = 0; change < round && len > 0; change++) {
                static const char bytes[] = "\"\\{}[],:u0 d\x80\xF0";
                seed = seed * 1103515245 + 12345;
                copy[(seed >> 8) % len] = bytes[(seed >> 20) % (sizeof(bytes) - 1)];
            }
            walk_all(str_from(copy, len), 0);
            struct str value;
            struct error err;
            if (raw_json_check(str_from(copy, len), &value, &err) == 0)
                walk_all(value, 0);
            free(copy);
        }
    }
}

static void walks_members_and_elements(void **state)
{
    (void)state;
    struct str value, key, member;
    struct error err = {0};
    assert_int_equal(
        raw_json_check(STR(" {\"a\" : [ 1 , \"]\\\"\" ,{ } ] ,\n\"b\":{\"c\":2}} "), &value, &err),
        0);
    assert_int_equal(value.ptr[0], '{');
    assert_int_equal(value.ptr[value.len - 1], '}');
    struct raw_json_cursor c = raw_json_enter(value);
    assert_true(raw_json_next_member(&c, &key, &member));
    assert_str(key, "a");
    struct raw_json_cursor elements = raw_json_enter(member);
    struct str element;
    assert_true(raw_json_next_element(&elements, &element));
    assert_str(element, "1");
    assert_true(raw_json_next_element(&elements, &element));
    assert_str(element, "\"]\\\"\"");
    assert_true(raw_json_next_element(&elements, &element));
    assert_str(element, "{ }");
    assert_false(raw_json_next_element(&elements, &element));
    assert_true(raw_json_next_member(&c, &key, &member));
    assert_str(key, "b");
    assert_str(member, "{\"c\":2}");
    assert_false(raw_json_next_member(&c, &key, &member));
    assert_false(raw_json_next_member(&c, &key, &member));

    assert_str(raw_json_member(raw_json_member(value, "b"), "c"), "2");
    assert_null(raw_json_member(value, "c").ptr);
    assert_null(raw_json_member(STR("[1]"), "c").ptr);
    assert_null(raw_json_member(STR("12"), "c").ptr);
    assert_null(raw_json_member(STR_NONE, "c").ptr);
    assert_null(raw_json_member(STR("{}"), "c").ptr);
}

static void compares_keys(void **state)
{
    (void)state;
    assert_true(raw_json_key_is(STR("a-b"), "a-b"));
    assert_false(raw_json_key_is(STR("a-b"), "a-bc"));
    assert_false(raw_json_key_is(STR("a-bc"), "a-b"));
    assert_true(raw_json_key_is(STR("\\u0061-b"), "a-b"));
    assert_true(raw_json_key_is(STR("a-\\u0062"), "a-b"));
    assert_false(raw_json_key_is(STR("a-\\u0062"), "a-bc"));
    assert_false(raw_json_key_is(STR("a-\\u0062c"), "a-b"));
    assert_false(raw_json_key_is(STR("\\n"), "\\n"));
    assert_true(raw_json_key_is(STR("\\\\n"), "\\n"));
    assert_true(raw_json_key_is(STR("\\ud83d\\ude00"), "\xF0\x9F\x98\x80"));
    assert_true(raw_json_key_is(STR(""), ""));
}

static void knows_kinds(void **state)
{
    (void)state;
    assert_int_equal(raw_json_kind(STR("null")), RAW_JSON_NULL);
    assert_int_equal(raw_json_kind(STR("false")), RAW_JSON_BOOL);
    assert_int_equal(raw_json_kind(STR("true")), RAW_JSON_BOOL);
    assert_int_equal(raw_json_kind(STR("-1")), RAW_JSON_NUMBER);
    assert_int_equal(raw_json_kind(STR("\"\"")), RAW_JSON_STRING);
    assert_int_equal(raw_json_kind(STR("[]")), RAW_JSON_ARRAY);
    assert_int_equal(raw_json_kind(STR("{}")), RAW_JSON_OBJECT);
}

static void reads_scalars(void **state)
{
    (void)state;
    static const char *const no_integers[] = {
        "1.0", "1e2", "\"1\"", "true", "null", "9223372036854775808", "[]", "1.0e-1", ""};
    int64_t number = 0;
    bool truth = false;
    for (size_t i = 0; i < COUNT_OF(no_integers); i++)
        assert_false(raw_json_int64(str_cstr(no_integers[i]), &number));
    assert_false(raw_json_int64(STR_NONE, &number));
    assert_true(raw_json_int64(STR("-9223372036854775808"), &number) && number == INT64_MIN);
    assert_true(raw_json_int64(STR("0"), &number) && number == 0);
    assert_true(raw_json_bool(STR("true"), &truth) && truth);
    assert_true(raw_json_bool(STR("false"), &truth) && !truth);
    assert_false(raw_json_bool(STR("null"), &truth));
    assert_false(raw_json_bool(STR("\"true\""), &truth));
}

static void decodes_strings(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e4\\u20AC\\ud83d\\ude00\"", "A\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"},
        {"\"\\uDBFF\\uDFFF\\uD800\\uDC00\"", "\xF4\x8F\xBF\xBF\xF0\x90\x80\x80"},
        {"\"x\\u007fy\\u0080\\u07ff\\u0800\\uffff\"",
         "x\x7Fy\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF"},
        {"\"\\\\u0041\"", "\\u0041"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_str(raw_json_string(str_cstr(cases[i][0]), arena), cases[i][1]);
    struct str whole = STR("\"view\"");
    assert_ptr_equal(raw_json_string(whole, arena).ptr, whole.ptr + 1);
    assert_str(raw_json_key(STR("a\\tb"), arena), "a\tb");
}

static void writes_strings(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"\"\\/", "\"\\\"\\\\/\""},
        {"\n\r\t\b\x01\x1F\x7F", "\"\\n\\r\\t\\u0008\\u0001\\u001f\x7F\""},
        {"\xC3\xA4\xF0\x9F\x98\x80!", "\"\xC3\xA4\xF0\x9F\x98\x80!\""},
        {"a\xFFz\xC3", "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\""},
        {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    struct buf out = BUF_INIT(1000);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_clear(&out);
        raw_json_write_string(&out, str_cstr(cases[i][0]));
        assert_str(buf_str(&out), cases[i][1]);
    }
    buf_clear(&out);
    raw_json_write_string(&out, STR("a\0b"));
    assert_str(buf_str(&out), "\"a\\u0000b\"");
    buf_clear(&out);
    raw_json_write_string(&out, STR_NONE);
    assert_str(buf_str(&out), "\"\"");
    buf_free(&out);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    unsigned seed = 7;
    struct buf out = BUF_INIT(10000);
    for (int round = 0; round < 2000; round++) {
        char text[64];
        size_t len = 0;
        while (len < (size_t)round % 50) {
            static const char *const parts[] = {"a",    "\"",       "\\",       "\n",
                                                "\x01", "\xC3\xA4", "12345678", "\xF0\x9F\x98\x80"};
            seed = seed * 1103515245 + 12345;
            const char *part = parts[(seed >> 16) % COUNT_OF(parts)];
            memcpy(text + len, part, strlen(part));
            len += strlen(part);
        }
        struct str value;
        struct error err;
        buf_clear(&out);
        raw_json_write_string(&out, str_from(text, len));
        assert_int_equal(raw_json_check(buf_str(&out), &value, &err), 0);
        assert_true(str_equal(raw_json_string(value, arena), str_from(text, len)));
    }
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_json),
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(refuses_what_is_no_utf8),
        cmocka_unit_test(finds_special_bytes_at_every_place),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(long_numbers),
        cmocka_unit_test(refuses_duplicate_keys),
        cmocka_unit_test(duplicates_among_many_keys),
        cmocka_unit_test(names_the_place),
        cmocka_unit_test(refuses_every_beginning),
        cmocka_unit_test(walkers_stay_inside_whatever_the_view_holds),
        cmocka_unit_test(walks_members_and_elements),
        cmocka_unit_test(compares_keys),
        cmocka_unit_test(knows_kinds),
        cmocka_unit_test(reads_scalars),
        cmocka_unit_test(decodes_strings),
        cmocka_unit_test(writes_strings),
        cmocka_unit_test(what_is_written_reads_back),
    };
    arena = arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
