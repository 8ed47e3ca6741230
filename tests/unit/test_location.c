/* Tests of base/location: a table of spellings, good and hostile, and properties over all of them.
 */
#include "tests/unit/unit.h"

#include "base/location.h"

static struct arena *arena;

/* What is given, and its canonical form. */
static const char *const accepted[][2] = {
    {"/", "file:///"},
    {"/a", "file:///a"},
    {"/a/", "file:///a"},
    {"/a/b c/d", "file:///a/b c/d"},
    {"file:/", "file:///"},
    {"file:///", "file:///"},
    {"file:/a/b", "file:///a/b"},
    {"file:///a/b", "file:///a/b"},
    {"file:///a/b/", "file:///a/b"},
    {"FILE:/A", "file:///A"},
    {"File:///A", "file:///A"},
    {"s3://b", "s3://b"},
    {"s3://b/", "s3://b"},
    {"s3://b/a", "s3://b/a"},
    {"s3://b/a/", "s3://b/a"},
    {"s3a://b/a", "s3://b/a"},
    {"s3n://b/a", "s3://b/a"},
    {"S3A://b/a", "s3://b/a"},
    {"S3://Bucket/Key", "s3://Bucket/Key"},
    {"s3b://b/a", "s3b://b/a"},
    {"oss://b/a", "oss://b/a"},
    {"gs://b/a", "gs://b/a"},
    {"hdfs://namenode:8020/user/hive", "hdfs://namenode:8020/user/hive"},
    {"hdfs://n1.example.org/x", "hdfs://n1.example.org/x"},
    {"a+b-c.d://h/x", "a+b-c.d://h/x"},
    {"s3://my_bucket.x-y/a", "s3://my_bucket.x-y/a"},
    {"/a/...", "file:///a/..."},
    {"/a/..b", "file:///a/..b"},
    {"/a/b..", "file:///a/b.."},
    {"/a/.b", "file:///a/.b"},
    {"/a/b.", "file:///a/b."},
    {"/a/%20b", "file:///a/%20b"},
    {"/a/%252e", "file:///a/%252e"}, /* nothing is decoded, so nothing is decoded twice */
    {"/a/100%", "file:///a/100%"},
    {"/a/%2", "file:///a/%2"},
    {"/a/p=1%3A2", "file:///a/p=1%3A2"},
    {"/a/:b", "file:///a/:b"},
    {"/a@b", "file:///a@b"},
    {"s3://b/a@b:c", "s3://b/a@b:c"},
    {"/\xC3\xA4/\xF0\x9F\x98\x80", "file:///\xC3\xA4/\xF0\x9F\x98\x80"},
    {"/a*b", "file:///a*b"},
    {"/a;b,c&d=e+f$g!'()~", "file:///a;b,c&d=e+f$g!'()~"},
    {"/ ", "file:/// "},
};

static const char *const refused[] = {
    /* no location at all */
    "",
    " ",
    "a",
    "a/b",
    "./a",
    "../a",
    "~",
    "~/a",
    "C:\\a",
    ":",
    "://",
    ":///a",
    "//",
    "file",
    "file:",
    "file:a",
    "file:a/b",
    "file://",
    "s3",
    "s3:",
    "s3:/",
    "s3:/b/a",
    "s3:b",
    "s3://",
    "s3:///",
    "s3:///a",
    "hdfs:///a",
    "hdfs:/a",
    "1s3://b/a",
    "-s://b/a",
    "s_3://b/a",
    " s3://b/a",
    "s3 ://b/a",
    "\xC3\xA4://b/a",
    /* another host's files */
    "file://host/a",
    "file://localhost/a",
    "file://a",
    "file://127.0.0.1/a",
    "file://./a",
    "file://../a",
    /* dot segments */
    "/.",
    "/..",
    "/./a",
    "/../a",
    "/a/.",
    "/a/..",
    "/a/./b",
    "/a/../b",
    "/a/../",
    "/a/./",
    "file:/..",
    "file:///a/..",
    "s3://b/..",
    "s3://b/.",
    "s3://b/a/../../c/x",
    "s3://./a",
    "s3://../a",
    "/a/../../../../etc/passwd",
    /* empty segments */
    "//a",
    "///",
    "///a",
    "/a//",
    "/a//b",
    "/a///",
    "file:////",
    "file:////a",
    "file://///a",
    "file:///a//b",
    "file:///a//",
    "s3://b//",
    "s3://b//a",
    "s3://b/a//",
    "s3://b/a//b",
    /* encoded dots, slashes, backslashes and NUL */
    "/%2e",
    "/%2E%2E/a",
    "/a/%2e%2e/b",
    "/a/.%2e/b",
    "/a/%2e./b",
    "/a%2fb",
    "/a%2Fb",
    "/a%5cb",
    "/a%5Cb",
    "/a%00",
    "/a%00b",
    "s3://b/%2e%2e/x",
    "s3://b%2fa/x",
    "s3://b/x%2F",
    "/%252F%2F",
    "/a%%2f",
    /* backslash, query, fragment */
    "\\a",
    "/a\\b",
    "/a\\..\\b",
    "s3://b\\a",
    "/a?b",
    "/a?",
    "s3://b/a?versionId=1",
    "/a#b",
    "/a#",
    "s3://b/a#frag",
    "s3://b?x/a",
    "s3://b#x/a",
    /* control characters */
    "/a\x01",
    "/a\tb",
    "/a\nb",
    "/a\rb",
    "/\x1F",
    "/a\x7F",
    "s3://b\n/a",
    "/a\xC2\x80",
    "/a\xC2\x9F"
    "b",
    "/a\xC2\x85",
    "\n/a",
    "/a\n",
    /* user information and other odd authorities */
    "s3://u@b/a",
    "s3://u:p@b/a",
    "s3://@b/a",
    "s3://b@/a",
    "hdfs://root@nn:8020/a",
    "s3://b c/a",
    "s3://b%20/a",
    "s3://b\xC3\xA4/a",
    "s3://b*/a",
    "s3://[::1]/a",
    "s3://b,c/a",
    "s3://b;x/a",
    "s3://\xD0\xB0/a", /* a Cyrillic a */
    "s3://b\xEF\xBC\x8F"
    "a", /* a full-width slash in the authority */
    "http:a",
    "javascript:alert(1)",
    "data:,x",
    "jar:file:/a!/b",
    /* not UTF-8 */
    "/a\x80",
    "/\xC0\xAE\xC0\xAE/a",
    "/a\xC3",
    "/\xED\xA0\x80",
    "s3://b/\xFF",
    "/a\xF4\x90\x80\x80",
    "/a\xC2",
};

static bool parses(struct str text, struct location *out)
{
    struct error err = {0};
    char *copy = malloc(text.len == 0 ? 1 : text.len); /* exact: sanitizers see reads beyond */
    memcpy(copy, text.ptr, text.len);
    int rc = location_parse(str_from(copy, text.len), arena, out, &err);
    free(copy);
    assert_int_equal(err.kind, rc == 0 ? ERR_NONE : ERR_ILLEGAL_ARGUMENT);
    assert_true(rc == 0 || str_starts_with(str_cstr(err.message), STR("Location ")));
    assert_true(str_is_utf8(str_cstr(err.message)));
    return rc == 0;
}

static struct location must_parse(const char *text)
{
    struct location out;
    if (!parses(str_cstr(text), &out))
        fail_msg("refused %s", text);
    return out;
}

/* Of files below a place: what was partitioned by may be encoded, but never hide a way out. */
static void files_may_hold_encoded_separators(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_file;
    } rows[] = {
        {"s3://b/t/s=a%2Fb/f", true},
        {"s3://b/t/s=%2f/f", true},
        {"/t/a%5Cb", true},
        {"/t/a%2Eb", true},
        {"/t/%2e%2e.x", true},
        {"/t/%252e%252e/f", true},
        {"/t/..%2ex", true},
        {"/t/s=a%2F..b/f", true},
        {"/t/plain", true},
        {"/t/%2e%2e/f", false},
        {"/t/%2E", false},
        {"/t/.%2e/f", false},
        {"/t/s=a%2F..%2Fb/f", false},
        {"/t/s=a%2F../f", false},
        {"/t/..%5cf", false},
        {"/t/a%5c..%5cf", false},
        {"/t/a%00b", false},
        {"/t/../f", false},
        {"/t//f", false},
        {"s3://b%2Fc/f", false},
        {"/t/a?b", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct location out;
        struct error err = {0};
        int rc = location_parse_file(str_cstr(rows[i].text), arena, &out, &err);
        if ((rc == 0) != rows[i].is_file)
            fail_msg("%s: %s", rows[i].text, err.message);
        if (rc == 0 && rows[i].text[0] != '/')
            assert_str(out.text, rows[i].text); /* nothing is decoded */
    }
}

static void canonical_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(accepted); i++) {
        struct location location = must_parse(accepted[i][0]);
        assert_str(location.text, accepted[i][1]);
        struct location again = must_parse(accepted[i][1]);
        assert_str(again.text, accepted[i][1]);
        struct str whole = arena_printf(arena, "%.*s://%.*s%.*s", STR_ARG(location.scheme),
                                        STR_ARG(location.authority), STR_ARG(location.path));
        assert_true(str_equal(whole, location.text));
        assert_true(location.scheme.ptr == location.text.ptr);
        assert_true(location.path.len == 0 || location.path.ptr[0] == '/');
    }
}

static void hostile_forms_are_refused(void **state)
{
    (void)state;
    struct location location;
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (parses(str_cstr(refused[i]), &location))
            fail_msg("accepted %s as %.*s", refused[i], STR_ARG(location.text));
    assert_false(parses(STR("/a\0b"), &location));
    assert_false(parses(STR("s3://b\0c/a"), &location));
    assert_false(parses(STR("/a\0"), &location));
    assert_false(parses(STR("\0"), &location));
}

static void every_control_byte_is_refused_everywhere(void **state)
{
    (void)state;
    static const char sample[] = "s3://bucket/a/b";
    struct location location;
    for (size_t at = 0; at <= sizeof(sample) - 1; at++) {
        for (int c = 0; c < 0x21; c++) {
            char text[sizeof(sample) + 1];
            unsigned char byte = c == 0x20 ? 0x7F : (unsigned char)c;
            memcpy(text, sample, at);
            text[at] = (char)byte;
            memcpy(text + at + 1, sample + at, sizeof(sample) - 1 - at);
            assert_false(parses(str_from(text, sizeof(sample)), &location));
        }
    }
}

static void length_is_bounded(void **state)
{
    (void)state;
    char text[LOCATION_BYTES_MAX + 10];
    struct location location;
    memset(text, 'x', sizeof(text));
    memcpy(text, "s3://b/", 7);
    assert_true(parses(str_from(text, LOCATION_BYTES_MAX), &location));
    assert_false(parses(str_from(text, LOCATION_BYTES_MAX + 1), &location));
    /* A bare path grows by "file://", and the canonical form must itself be accepted. */
    memset(text, 'x', sizeof(text));
    text[0] = '/';
    assert_true(parses(str_from(text, LOCATION_BYTES_MAX - 7), &location));
    assert_int_equal(location.text.len, LOCATION_BYTES_MAX);
    assert_false(parses(str_from(text, LOCATION_BYTES_MAX - 6), &location));
}

static bool contains(const char *parent, const char *child)
{
    struct location a = must_parse(parent), b = must_parse(child);
    return location_contains(&a, &b);
}

static void containment_is_by_components(void **state)
{
    (void)state;
    assert_true(contains("/a/t1", "/a/t1"));
    assert_true(contains("/a/t1", "/a/t1/"));
    assert_true(contains("/a/t1/", "/a/t1/data/x.parquet"));
    assert_true(contains("file:/a", "file:///a/b"));
    assert_true(contains("/", "/a"));
    assert_true(contains("/", "/"));
    assert_true(contains("s3://b", "s3a://b/x"));
    assert_true(contains("s3n://b/", "s3://b"));
    assert_true(contains("s3://b/x", "s3a://b/x/y"));
    assert_false(contains("/a/t1", "/a/t10"));
    assert_false(contains("/a/t1", "/a/t1.bak"));
    assert_false(contains("/a/t1", "/a/t"));
    assert_false(contains("/a/t1", "/a"));
    assert_false(contains("/a", "/"));
    assert_false(contains("s3://b", "s3://b2/x"));
    assert_false(contains("s3://b/x", "s3://b"));
    assert_false(contains("s3://b/x", "s3://c/x"));
    assert_false(contains("s3://b/x", "s3://B/x"));
    assert_false(contains("s3://b/x", "s3://b/X"));
    assert_false(contains("s3://b/x", "oss://b/x/y"));
    assert_false(contains("/", "s3://b/x"));
    assert_false(contains("hdfs://a:8020/x", "hdfs://a/x/y"));
    assert_false(contains("s3://b/\xC3\xA4", "s3://b/a\xCC\x88/x")); /* composed, decomposed */
}

/* Over all pairs of accepted spellings: containment is what a prefix of the bytes with '/' says. */
static void containment_agrees_with_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(accepted); i++) {
        for (size_t j = 0; j < COUNT_OF(accepted); j++) {
            struct location a = must_parse(accepted[i][0]), b = must_parse(accepted[j][0]);
            bool root = str_ends_with(a.text, STR("/"));
            struct str prefix = root ? a.text : arena_printf(arena, "%.*s/", STR_ARG(a.text));
            bool expected = str_equal(a.text, b.text) || str_starts_with(b.text, prefix);
            assert_int_equal(location_contains(&a, &b), expected);
        }
    }
}

static void joins(void **state)
{
    (void)state;
    assert_str(location_join(arena, STR("s3://b/t"), STR("metadata/v1.json")),
               "s3://b/t/metadata/v1.json");
    assert_str(location_join(arena, STR("s3://b"), STR("x")), "s3://b/x");
    assert_str(location_join(arena, STR("file:///"), STR("x")), "file:///x");
    assert_str(location_join(arena, STR("/a/"), STR("x/y")), "/a/x/y");
}

static void segments_are_harmless(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"orders_2024-01", "orders_2024-01"},
        {"a.b", "a.b"},
        {".", "~2E"},
        {"..", "~2E."},
        {".hidden", "~2Ehidden"},
        {"a b", "a~20b"},
        {"a~b", "a~7Eb"},
        {"%2e", "~252e"},
        {"a/b", "a~2Fb"},
        {"*", "~2A"},
        {"${aws:username}", "~24~7Baws~3Ausername~7D"},
        {"\xC3\xA4", "~C3~A4"},
        {"a\nb", "a~0Ab"},
        {"", "~"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str segment = location_segment(arena, str_cstr(cases[i][0]));
        struct location location;
        assert_str(segment, cases[i][1]);
        assert_true(parses(location_join(arena, STR("s3://b/w"), segment), &location));
    }
    assert_str(location_segment(arena, STR("\0")), "~00");
}

static void segments_are_bounded(void **state)
{
    (void)state;
    char name[1024];
    memset(name, 'x', sizeof(name));
    assert_int_equal(location_segment(arena, str_from(name, sizeof(name))).len, 200);
    assert_int_equal(location_segment(arena, str_from(name, 200)).len, 200);
    memset(name, '*', sizeof(name)); /* three bytes each: cut between them */
    struct str cut = location_segment(arena, str_from(name, sizeof(name)));
    assert_int_equal(cut.len, 198);
    assert_true(str_ends_with(cut, STR("~2A")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_forms),
        cmocka_unit_test(files_may_hold_encoded_separators),
        cmocka_unit_test(hostile_forms_are_refused),
        cmocka_unit_test(every_control_byte_is_refused_everywhere),
        cmocka_unit_test(length_is_bounded),
        cmocka_unit_test(containment_is_by_components),
        cmocka_unit_test(containment_agrees_with_bytes),
        cmocka_unit_test(joins),
        cmocka_unit_test(segments_are_harmless),
        cmocka_unit_test(segments_are_bounded),
    };
    arena = arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
