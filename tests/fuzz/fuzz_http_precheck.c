/* The strict check of request heads against a plain reading of the same rules. Input: a head as it
 * comes from the network; it is taken apart as leniently as an HTTP library would.
 *
 * What passes has: a known verb, a target of printable ASCII from '/', one Host (none is needed in
 * HTTP/1.0), at most one Content-Length of digits, no Content-Length beside Transfer-Encoding, no
 * Transfer-Encoding but chunked, names that are tokens, and no control character in a value. */
#include "tests/fuzz/fuzz.h"

#include <ctype.h>

#include "server/http_precheck.h"

#define TARGET_BYTES_MAX 64
#define HEAD_BYTES_MAX 1024

static struct str without_return(struct str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

static void take_apart(struct str text, struct http_field *fields, struct http_head *head)
{
    struct str rest = text, line = without_return(str_cut(&rest, '\n'));
    *head = (struct http_head){.fields = fields};
    head->method = str_cut(&line, ' ');
    head->target = str_cut(&line, ' ');
    head->version = line;
    while (rest.len > 0) {
        line = without_return(str_cut(&rest, '\n'));
        if (line.len == 0)
            break;
        struct str name = str_cut(&line, ':'), value = line;
        while (value.len > 0 && (value.ptr[0] == ' ' || value.ptr[0] == '\t'))
            value = str_skip(value, 1);
        if (head->field_count < HTTP_FIELDS_MAX)
            fields[head->field_count] =
                (struct http_field){name, value.ptr == NULL ? STR("") : value};
        head->field_count++;
    }
    head->bytes = rest.ptr == NULL ? text.len : (size_t)(rest.ptr - text.ptr);
}

/* Every line ends in CRLF, and nothing but a line end ends one. */
static bool has_bare_line_feed(struct str head)
{
    for (size_t i = 0; i < head.len; i++)
        if (head.ptr[i] == '\n' && (i == 0 || head.ptr[i - 1] != '\r'))
            return true;
    return false;
}

static size_t count_of(const struct http_head *head, const char *name, struct str *last)
{
    size_t count = 0;
    *last = STR_NONE;
    for (size_t i = 0; i < head->field_count; i++)
        if (str_equal_ignore_case(head->fields[i].name, str_cstr(name))) {
            *last = head->fields[i].value;
            count++;
        }
    return count;
}

static void check_line(const struct http_head *head)
{
    CHECK(str_contains(STR("|GET|HEAD|POST|PUT|DELETE|OPTIONS|"), head->method));
    CHECK(head->target.len > 0 && head->target.len <= TARGET_BYTES_MAX);
    CHECK(head->target.ptr[0] == '/' && head->bytes <= HEAD_BYTES_MAX);
    for (size_t i = 0; i < head->target.len; i++)
        CHECK(isgraph((unsigned char)head->target.ptr[i]) && head->target.ptr[i] != '#');
}

static void check_fields(const struct http_head *head)
{
    CHECK(head->field_count <= HTTP_FIELDS_MAX);
    for (size_t i = 0; i < head->field_count; i++) {
        struct str name = head->fields[i].name, value = head->fields[i].value;
        CHECK(name.len > 0);
        for (size_t b = 0; b < name.len; b++)
            CHECK(isgraph((unsigned char)name.ptr[b]) &&
                  strchr("\"(),/:;<=>?@[\\]{}", name.ptr[b]) == NULL);
        for (size_t b = 0; b < value.len; b++)
            CHECK(value.ptr[b] == '\t' || !iscntrl((unsigned char)value.ptr[b]));
    }
}

static void check_framing(const struct http_head *head, const struct http_body_plan *plan)
{
    struct str host, length, encoding;
    bool is_1_1 = str_equal(head->version, STR("HTTP/1.1"));
    size_t hosts = count_of(head, "Host", &host),
           lengths = count_of(head, "Content-Length", &length);
    size_t encodings = count_of(head, "Transfer-Encoding", &encoding);
    CHECK(is_1_1 || str_equal(head->version, STR("HTTP/1.0")));
    CHECK(hosts == 1 || (hosts == 0 && !is_1_1));
    CHECK(lengths + encodings <= 1);
    CHECK(plan->chunked == (encodings == 1));
    if (encodings == 1)
        CHECK(is_1_1 && str_equal_ignore_case(encoding, STR("chunked")));
    long long bytes = 0;
    if (lengths == 1)
        CHECK(str_to_int64(length, &bytes) && length.ptr[0] != '-');
    CHECK(plan->bytes == (uint64_t)bytes);
    CHECK(!plan->expects_continue || plan->chunked || plan->bytes > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_limits limits = {TARGET_BYTES_MAX, HEAD_BYTES_MAX};
    struct http_field fields[HTTP_FIELDS_MAX];
    struct http_head head;
    struct http_body_plan plan;
    struct error err = {0};
    struct str input = fuzz_copy(data, size);
    take_apart(input, fields, &head);
    if (http_precheck(&head, &limits, &plan, &err) == 0) {
        check_line(&head);
        check_fields(&head);
        check_framing(&head, &plan);
        /* no line of a strict head is folded or ends in a line feed alone */
        if (http_head_is_exact(&head))
            CHECK(!has_bare_line_feed(str_from(input.ptr, head.bytes)));
    } else {
        fuzz_check_error(&err);
    }
    free((char *)input.ptr);
    return 0;
}
