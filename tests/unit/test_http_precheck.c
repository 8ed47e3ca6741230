/* The strict check of request heads, as a table of heads. */
#include "tests/unit/unit.h"

#include "server/http_precheck.h"

static const struct http_limits limits = {64, 1024};
static struct http_body_plan plan;
static struct error err;

/* Splits "METHOD target VERSION\nName:value\n…" as the library would, without judging. */
static int check(const char *text)
{
    static struct http_field fields[HTTP_FIELDS_MAX];
    struct str rest = str_cstr(text), line = str_cut(&rest, '\n');
    struct http_head head = {.fields = fields, .bytes = strlen(text)};
    head.method = str_cut(&line, ' ');
    head.target = str_cut(&line, ' ');
    head.version = line;
    while (rest.len > 0) {
        line = str_cut(&rest, '\n');
        struct str name = str_cut(&line, ':');
        if (head.field_count < HTTP_FIELDS_MAX)
            fields[head.field_count] = (struct http_field){name, line.ptr == NULL ? STR("") : line};
        head.field_count++;
    }
    memset(&plan, 0xff, sizeof(plan));
    error_clear(&err);
    return http_precheck(&head, &limits, &plan, &err);
}

static void good_heads_and_their_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        bool chunked, expects_continue;
        uint64_t bytes;
    } rows[] = {
        {"GET / HTTP/1.1\nHost:a", false, false, 0},
        {"HEAD /v1/%2F%00?x=%1F HTTP/1.1\nhOST:[::1]:80", false, false, 0},
        {"GET / HTTP/1.0", false, false, 0},
        {"OPTIONS /x HTTP/1.1\nHost:", false, false, 0},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:0", false, false, 0},
        {"PUT / HTTP/1.1\nHost:a\ncontent-length:007", false, false, 7},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:999999999999999999", false, false,
         999999999999999999ull},
        {"DELETE / HTTP/1.1\nHost:a\nTransfer-Encoding:Chunked", true, false, 0},
        {"POST / HTTP/1.1\nHost:a\nTransfer-Encoding:chunked\nExpect:100-Continue", true, true, 0},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:1\nExpect:100-continue", false, true, 1},
        {"POST / HTTP/1.1\nHost:a\nExpect:100-continue", false, false, 0},
        {"POST / HTTP/1.1\nHost:a\nX:t\tab \xc3\xa9\nX:twice\nX:", false, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (check(rows[i].head) != 0)
            fail_msg("%s: %s", rows[i].head, err.message);
        assert_int_equal(plan.chunked, rows[i].chunked);
        assert_int_equal(plan.expects_continue, rows[i].expects_continue);
        assert_int_equal(plan.bytes, rows[i].bytes);
    }
}

static void bad_heads(void **state)
{
    (void)state;
    static const struct {
        const char *head, *words;
        enum error_kind kind;
    } rows[] = {
        {"get / HTTP/1.1\nHost:a", "unknown method", ERR_METHOD_NOT_ALLOWED},
        {"PATCH / HTTP/1.1\nHost:a", "unknown method", ERR_METHOD_NOT_ALLOWED},
        {"TRACE / HTTP/1.1\nHost:a", "unknown method", ERR_METHOD_NOT_ALLOWED},
        {"GET / HTTP/1.9\nHost:a", "HTTP/1.1", ERR_BAD_REQUEST},
        {"GET / HTTP/2.0\nHost:a", "HTTP/1.1", ERR_BAD_REQUEST},
        {"GET  HTTP/1.1\nHost:a", "start with '/'", ERR_BAD_REQUEST},
        {"GET http://a/ HTTP/1.1\nHost:a", "start with '/'", ERR_BAD_REQUEST},
        {"OPTIONS * HTTP/1.1\nHost:a", "start with '/'", ERR_BAD_REQUEST},
        {"GET /a#b HTTP/1.1\nHost:a", "byte 2", ERR_BAD_REQUEST},
        {"GET /a\tb HTTP/1.1\nHost:a", "byte 2", ERR_BAD_REQUEST},
        {"GET /\x7f HTTP/1.1\nHost:a", "byte 1", ERR_BAD_REQUEST},
        {"GET /\xc3\xa9 HTTP/1.1\nHost:a", "byte 1", ERR_BAD_REQUEST},
        {"GET / HTTP/1.1", "exactly one Host", ERR_BAD_REQUEST},
        {"GET / HTTP/1.1\nHost:a\nhost:a", "exactly one Host", ERR_BAD_REQUEST},
        {"GET / HTTP/1.0\nHost:a\nhost:b", "exactly one Host", ERR_BAD_REQUEST},
        {"GET / HTTP/1.1\nHost:a,b", "invalid Host", ERR_BAD_REQUEST},
        {"GET / HTTP/1.1\nHost:a b", "invalid Host", ERR_BAD_REQUEST},
        {"GET / HTTP/1.1\nHost:u@a", "invalid Host", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:5\nContent-Length:6", "more than one",
         ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:5\nContent-Length:5", "more than one",
         ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:5, 5", "invalid Content-Length", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:+5", "invalid Content-Length", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:-5", "invalid Content-Length", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:0x5", "invalid Content-Length", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:", "invalid Content-Length", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:5 ", "invalid Content-Length", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:9999999999999999999", "invalid Content-Length",
         ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nContent-Length:5\nTransfer-Encoding:chunked", "both",
         ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nTransfer-Encoding:xchunked", "chunked", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nTransfer-Encoding:gzip, chunked", "chunked", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nTransfer-Encoding:identity", "chunked", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nTransfer-Encoding:", "chunked", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\nHost:a\nTransfer-Encoding:chunked\nTransfer-Encoding:chunked", "chunked",
         ERR_BAD_REQUEST},
        {"POST / HTTP/1.0\nHost:a\nTransfer-Encoding:chunked", "HTTP/1.1", ERR_BAD_REQUEST},
        {"GET / HTTP/1.1\nHost:a\nTransfer-Encoding :chunked", "header name", ERR_BAD_REQUEST},
        {"GET / HTTP/1.1\nHost:a\n:x", "header name", ERR_BAD_REQUEST},
        {"GET / HTTP/1.1\nHost:a\nA(b):x", "header name", ERR_BAD_REQUEST},
        {"GET / HTTP/1.1\nHost:a\nX:a\rb", "control character in header X", ERR_BAD_REQUEST},
        {"GET / HTTP/1.1\nHost:a\nX:a\x01", "control character in header X", ERR_BAD_REQUEST},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (check(rows[i].head) != -1)
            fail_msg("accepted: %s", rows[i].head);
        if (strstr(err.message, rows[i].words) == NULL)
            fail_msg("\"%s\" is not in \"%s\" for: %s", rows[i].words, err.message, rows[i].head);
        assert_int_equal(err.kind, rows[i].kind);
    }
}

static void limits_hold_to_the_byte(void **state)
{
    (void)state;
    char head[8192];
    for (int over = 0; over < 2; over++) {
        snprintf(head, sizeof(head), "GET /%0*d HTTP/1.1\nHost:a", 63 + over, 0);
        assert_int_equal(check(head), -over);
        if (over)
            assert_int_equal(err.kind, ERR_URI_TOO_LONG);
        int len = snprintf(head, sizeof(head), "GET / HTTP/1.1\nHost:a\nX:");
        snprintf(head + len, sizeof(head) - (size_t)len, "%0*d", 1024 + over - len, 0);
        assert_int_equal(check(head), -over);
        if (over)
            assert_int_equal(err.kind, ERR_HEADERS_TOO_LARGE);
        len = snprintf(head, sizeof(head), "GET / HTTP/1.1\nHost:a");
        for (int i = 0; i < HTTP_FIELDS_MAX - 1 + over; i++)
            len += snprintf(head + len, sizeof(head) - (size_t)len, "\nX:");
        assert_int_equal(check(head), -over);
        if (over)
            assert_int_equal(err.kind, ERR_HEADERS_TOO_LARGE);
    }
}

/* What lies in the buffer, and what the library makes of it: lengths of name and value. */
static bool is_exact(const char *text, size_t name_len, size_t value_at, size_t value_len,
                     size_t bytes)
{
    const char *line = text + 16; /* after "GET / HTTP/1.1" and CRLF */
    struct http_field field = {str_from(line, name_len), str_from(line + value_at, value_len)};
    struct http_head head = {
        .method = str_from(text, 3),
        .target = str_from(text + 4, 1),
        .version = str_from(text + 6, 8),
        .fields = &field,
        .field_count = 1,
        .bytes = bytes,
    };
    return http_head_is_exact(&head);
}

static void exact_heads(void **state)
{
    (void)state;
    assert_true(is_exact("GET / HTTP/1.1\r\nA: b\r\n\r\n", 1, 3, 1, 24));
    assert_true(is_exact("GET / HTTP/1.1\r\nA:   b\r\n\r\n", 1, 5, 1, 26));
    assert_true(is_exact("GET / HTTP/1.1\r\nA:b\r\n\r\n", 1, 2, 1, 23));
    /* bare LF after the field; NUL in the value; a line the library swallowed */
    assert_false(is_exact("GET / HTTP/1.1\r\nA: b\n\r\n", 1, 3, 1, 23));
    assert_false(is_exact("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 1, 3, 1, 26));
    assert_false(is_exact("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 1, 3, 1, 28));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_heads_and_their_bodies),
        cmocka_unit_test(bad_heads),
        cmocka_unit_test(limits_hold_to_the_byte),
        cmocka_unit_test(exact_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
