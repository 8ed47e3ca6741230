/* Tests of storage/session_policy: the policy is parsed and judged by a small IAM of our own, which
 * knows wildcards, resources and the condition on s3:prefix, against 1,000 keys beside the scope.
 */
#include "tests/unit/unit.h"

#include <jansson.h>

#include "storage/session_policy.h"

static struct arena *arena;

static const char *const readers[] = {"s3:GetObject"};
static const char *const writers[] = {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
                                      "s3:ListMultipartUploadParts"};
static const char *const nobody[] = {"s3:PutObjectAcl",
                                     "s3:GetObjectAcl",
                                     "s3:GetObjectVersion",
                                     "s3:DeleteObjectVersion",
                                     "s3:PutBucketAcl",
                                     "s3:ListBucketVersions",
                                     "s3:DeleteBucket",
                                     "s3:ListBucketMultipartUploads",
                                     "s3:*",
                                     "sts:AssumeRole",
                                     "s3:BypassGovernanceRetention",
                                     "s3:ListAllMyBuckets",
                                     "s3:PutObjectTagging"};

/* ---- IAM ------------------------------------------------------------------------------------- */

static bool like(const char *pattern, const char *text)
{
    if (*pattern == '*')
        return like(pattern + 1, text) || (*text != '\0' && like(pattern, text + 1));
    if (*pattern == '\0' || *text == '\0')
        return *pattern == *text;
    return (*pattern == '?' || *pattern == *text) && like(pattern + 1, text + 1);
}

static bool any_like(const json_t *patterns, const char *text)
{
    assert_true(json_is_array(patterns) && json_array_size(patterns) > 0);
    for (size_t i = 0; i < json_array_size(patterns); i++)
        if (like(json_string_value(json_array_get(patterns, i)), text))
            return true;
    return false;
}

/* `prefix`: of a listing, or NULL. Anything that is not understood fails the test. */
static bool allows(const json_t *policy, const char *action, const char *resource,
                   const char *prefix)
{
    const json_t *statements = json_object_get(policy, "Statement");
    bool allowed = false;
    assert_string_equal(json_string_value(json_object_get(policy, "Version")), "2012-10-17");
    assert_int_equal(json_object_size(policy), 2);
    for (size_t i = 0; i < json_array_size(statements); i++) {
        const json_t *statement = json_array_get(statements, i);
        const json_t *condition = json_object_get(statement, "Condition");
        assert_string_equal(json_string_value(json_object_get(statement, "Effect")), "Allow");
        assert_int_equal(json_object_size(statement), condition == NULL ? 3 : 4);
        if (!any_like(json_object_get(statement, "Action"), action) ||
            !any_like(json_object_get(statement, "Resource"), resource))
            continue;
        if (condition != NULL) {
            const json_t *test = json_object_get(condition, "StringLike");
            assert_int_equal(json_object_size(condition), 1);
            assert_int_equal(json_object_size(test), 1);
            if (prefix == NULL || !any_like(json_object_get(test, "s3:prefix"), prefix))
                continue;
        }
        allowed = true;
    }
    return allowed;
}

static bool allows_key(const json_t *policy, const char *action, const char *key)
{
    return allows(policy, action, arena_printf(arena, "arn:aws:s3:::bucket/%s", key).ptr, NULL);
}

static bool allows_list(const json_t *policy, const char *prefix)
{
    return allows(policy, "s3:ListBucket", "arn:aws:s3:::bucket", prefix);
}

/* ---- the policy ------------------------------------------------------------------------------ */

static struct location located(const char *text)
{
    struct location out;
    struct error err = {0};
    if (location_parse(str_cstr(text), arena, &out, &err) != 0)
        fail_msg("%s", err.message);
    return out;
}

static struct str encoded(const struct location *locations, size_t count, bool write)
{
    struct session_policy policy = {locations, count, write, STR("aws")};
    struct error err = {0};
    struct str out;
    if (session_policy_encode(&policy, arena, &out, &err) != 0)
        fail_msg("%s", err.message);
    assert_in_range(out.len, 1, SESSION_POLICY_BYTES_MAX);
    for (size_t i = 0; i < out.len; i++)
        assert_in_range(out.ptr[i], ' ', '~');
    return out;
}

static json_t *policy_of(const char *key, bool write)
{
    struct location location = located(arena_printf(arena, "s3://bucket/%s", key).ptr);
    struct str text = encoded(&location, 1, write);
    json_error_t error;
    json_t *json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        fail_msg("%.*s: %s", STR_ARG(text), error.text);
    return json;
}

static void the_text(void **state)
{
    (void)state;
    struct location location = located("s3://bucket/wh/t");
    assert_str(encoded(&location, 1, false),
               "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":["
               "\"s3:GetObject\"],\"Resource\":[\"arn:aws:s3:::bucket/wh/t/*\"]},{\"Effect\":"
               "\"Allow\",\"Action\":[\"s3:ListBucket\"],\"Resource\":[\"arn:aws:s3:::bucket\"],"
               "\"Condition\":{\"StringLike\":{\"s3:prefix\":[\"wh/t/*\"]}}}]}");
    struct location both[] = {location, located("s3a://bucket/data/\xC3\xBC\xF0\x9F\x98\x80")};
    struct str text = encoded(both, 2, true);
    assert_true(str_contains(text, STR("\"arn:aws:s3:::bucket/wh/t/*\",\"arn:aws:s3:::bucket/data/"
                                       "\\u00fc\\ud83d\\ude00/*\"")));
    assert_true(str_contains(text, STR("[\"wh/t/*\",\"data/\\u00fc\\ud83d\\ude00/*\"]")));
}

/* What names of tables become (L09), and other keys that a location may have. */
static const char *const places[] = {"wh/t",
                                     "t",
                                     "wh/ns/t-0f6c",
                                     "a b/c",
                                     "wh/~2A",
                                     "wh/f~2A",
                                     "wh/foo.~2A",
                                     "wh/a~27b",
                                     "wh/~24~7Baws~3Ausername~7D",
                                     "wh/a~7C~7Ctrue",
                                     "wh/a'b",
                                     "a||true/t",
                                     "wh/\xC3\xBC/t",
                                     "wh/(t)[0]",
                                     "wh/a+b=c,d;e:f@g",
                                     "wh/100%",
                                     "wh/<t>&!^`",
                                     "wh/.hidden",
                                     "wh/...",
                                     "wh/\xF0\x9F\x98\x80"};

static char changed(char c)
{
    return c == 'z' ? 'y' : 'z';
}

/* The number-th of 1,000 keys that are near, and not inside. */
static const char *beside(const char *place, size_t number)
{
    size_t len = strlen(place), cut = number % len;
    switch (number % 10) {
    case 0: /* goes on behind the name */
        return arena_printf(arena, "%s%c/x", place, (char)('!' + number / 10 % 14)).ptr;
    case 1: /* one byte is another */
        return arena_printf(arena, "%.*s%c%s/x", (int)cut, place, changed(place[cut]),
                            place + cut + 1)
            .ptr;
    case 2: /* shorter */
        return arena_printf(arena, "%.*s/x%zu", (int)(len - 1 - cut / 2), place, number).ptr;
    case 3: /* itself, as a file or a version of one */
        return number < 500 ? place : arena_printf(arena, "%s.%zu", place, number).ptr;
    case 4: /* below something else */
        return arena_printf(arena, "x%zu/%s/x", number, place).ptr;
    case 5: /* elsewhere */
        return arena_printf(arena, "other/%zu/%s", number, place).ptr;
    case 6:
        return arena_printf(arena, "%s%zu/x", place, number).ptr;
    case 7: /* the stars of the policy are none of the key */
        return arena_printf(arena, "*/%zu", number).ptr;
    case 8:
        return arena_printf(arena, "%s*%zu/x", place, number).ptr;
    default:
        return arena_printf(arena, "/%s/x%zu", place, number).ptr;
    }
}

static void check_beside(const json_t *policy, const char *place)
{
    for (size_t i = 0; i < 1000; i++) {
        const char *key = beside(place, i);
        for (size_t a = 0; a < COUNT_OF(readers); a++)
            if (allows_key(policy, readers[a], key))
                fail_msg("keys for %s may %s %s", place, readers[a], key);
        for (size_t a = 0; a < COUNT_OF(writers); a++)
            if (allows_key(policy, writers[a], key))
                fail_msg("keys for %s may %s %s", place, writers[a], key);
        if (allows_list(policy, key))
            fail_msg("keys for %s may list %s", place, key);
    }
}

static void check_inside(const json_t *policy, const char *place, bool write)
{
    static const char *const below[] = {
        "x",  "data/a=1/f.parquet", "metadata/00000.metadata.json", "", "\xC3\xBC", "a b", "*",
        "x/", "data/a%2Fb"};
    for (size_t i = 0; i < COUNT_OF(below); i++) {
        const char *key = arena_printf(arena, "%s/%s", place, below[i]).ptr;
        for (size_t a = 0; a < COUNT_OF(readers); a++)
            assert_true(allows_key(policy, readers[a], key));
        for (size_t a = 0; a < COUNT_OF(writers); a++)
            assert_int_equal(allows_key(policy, writers[a], key), write);
        for (size_t a = 0; a < COUNT_OF(nobody); a++)
            assert_false(allows_key(policy, nobody[a], key));
        assert_true(allows_list(policy, key));
    }
}

static void only_the_scope(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(places) * 2; i++) {
        const char *place = places[i / 2];
        json_t *policy = policy_of(place, i % 2 == 1);
        check_inside(policy, place, i % 2 == 1);
        check_beside(policy, place);
        static const char *const buckets[] = {"bucket", "bucket2", "bucke", "other", "*", ""};
        for (size_t b = 0; b < COUNT_OF(buckets); b++) {
            const char *arn = arena_printf(arena, "arn:aws:s3:::%s", buckets[b]).ptr;
            for (size_t a = 0; a < COUNT_OF(nobody); a++)
                assert_false(allows(policy, nobody[a], arn, NULL));
            assert_false(allows(policy, "s3:ListBucket", arn, NULL));
            assert_false(allows(policy, "s3:ListBucket", arn, ""));
            arn = arena_printf(arena, "%s/%s/x", arn, place).ptr;
            assert_int_equal(allows(policy, "s3:GetObject", arn, NULL), b == 0);
        }
        json_decref(policy);
    }
}

/* A table's name becomes a segment that a policy can name, whatever it is. */
static void names_of_tables(void **state)
{
    (void)state;
    char long_name[1001];
    memset(long_name, '*', 1000);
    long_name[1000] = '\0';
    const char *const names[] = {"*",       "f*",      "foo.*",    "a'b",    "${aws:username}",
                                 "a||true", long_name, "?",        "{a}",    "\"",
                                 "\\",      "..",      ".",        "$",      "a/b",
                                 "\n",      "\x7F",    "\xC3\xBC", "%2e%2e", ""};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct str segment = location_segment(arena, str_cstr(names[i]));
        const char *place = arena_printf(arena, "wh/%.*s", STR_ARG(segment)).ptr;
        json_t *policy = policy_of(place, true);
        check_inside(policy, place, true);
        check_beside(policy, place);
        json_decref(policy);
    }
}

static void check_refused(const char *const *texts, size_t count, const char *why)
{
    struct location locations[64];
    struct error err = {0};
    struct str out;
    for (size_t i = 0; i < count; i++)
        locations[i] = located(texts[i]);
    struct session_policy policy = {locations, count, true, STR("aws")};
    assert_int_equal(session_policy_encode(&policy, arena, &out, &err), -1);
    assert_int_equal(err.kind, ERR_ILLEGAL_ARGUMENT);
    if (strstr(err.message, why) == NULL)
        fail_msg("%s", err.message);
}

static void refused(void **state)
{
    (void)state;
    static const char *const meaning[] = {
        "s3://bucket/*",    "s3://bucket/a*b/c", "s3://bucket/${aws:username}/t",
        "s3://bucket/a$b",  "s3://bucket/t/{a}", "s3://bucket/}",
        "s3://bucket/a\"b", "s3://bu:cket/wh/t", "s3://bucket/t/${*}"};
    for (size_t i = 0; i < COUNT_OF(meaning); i++)
        check_refused(&meaning[i], 1, "means something in a policy");
    const char *one[] = {"s3://bucket"};
    check_refused(one, 1, "whole bucket");
    const char *two[] = {"s3://bucket/t", "s3://bucket2/t"};
    check_refused(two, 2, "another bucket");
    const char *bad_second[] = {"s3://bucket/t", "s3://bucket/*"};
    check_refused(bad_second, 2, "means something in a policy");
    char text[1020] = "s3://bucket/";
    memset(text + 12, 'k', 1000);
    const char *too_long[] = {text};
    check_refused(too_long, 1, "too long");
}

static void session_names(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "firn-"},
        {"alice", "firn-alice"},
        {"a b/c:d\n\"'*${x}", "firn-a-b-c-d------x-"},
        {"a@b.c_d-e,f=g", "firn-a@b.c_d-e,f=g"},
        {"\xC3\xBC", "firn---"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_str(session_name_of(str_cstr(rows[i][0]), arena), rows[i][1]);
    char long_name[100];
    memset(long_name, 'x', sizeof(long_name));
    assert_int_equal(session_name_of(str_from(long_name, 100), arena).len, SESSION_NAME_BYTES_MAX);
    assert_str(session_name_of(str_from("a\0b", 3), arena), "firn-a-b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text),        cmocka_unit_test(only_the_scope),
        cmocka_unit_test(names_of_tables), cmocka_unit_test(refused),
        cmocka_unit_test(session_names),
    };
    arena = arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
