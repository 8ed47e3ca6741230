/* Requests that clients want signed. Input: method and address, a line each, headers as "name:
 * value" lines, and behind a line "---" the body.
 *
 * 1. What is signed lies inside of the scope, by a look at the reply that knows nothing of how it
 *    was judged; the source of a copy, too.
 * 2. A guarded file is only read.
 * 3. No reply holds the secret, a line end in a header, or a header twice. */
#include "tests/fuzz/fuzz.h"

#include "storage/access.h"
#include "storage/file_io_s3.h"
#include "storage/s3_signature.h"

#define STORE "http://store.test:9000"
#define SECRET "secret-canary"
#define GUARDED "wh/t/metadata/1.metadata.json"
#define HEADERS_MAX 100

static struct file_io *opened(void)
{
    static const struct storage_context context = {&clock_system, &random_system};
    static const struct storage_options options = {
        .endpoint = {STORE, sizeof(STORE) - 1},
        .access_key_id = {"OWN", 3},
        .secret_access_key = {SECRET, sizeof(SECRET) - 1},
        .session_token = {"token", 5}};
    static struct file_io *io;
    struct error err = {0};
    if (io == NULL)
        CHECK(file_io_s3_open(STR("s3://bucket/wh"), &options, &context, &io, &err) == 0);
    return io;
}

/* By bytes; dots and empty segments never. */
static bool is_inside(struct str key)
{
    if (!str_starts_with(key, STR("wh/t/")))
        return false;
    for (struct str rest = key; rest.len > 0;) {
        struct str segment = str_cut(&rest, '/');
        if (segment.len == 0 || str_equal(segment, STR(".")) || str_equal(segment, STR("..")))
            return false;
    }
    return true;
}

static struct str decoded(struct str text, struct arena *arena)
{
    struct str out;
    CHECK(s3_uri_decode(text, arena, &out));
    return out;
}

static void check_place(const struct sign_request *request, const struct sign_reply *reply,
                        struct arena *arena)
{
    struct str query = reply->uri, path = str_cut(&query, '?'), prefix = STR_NONE;
    bool reads = str_equal(request->method, STR("GET")) || str_equal(request->method, STR("HEAD"));
    if (str_starts_with(path, STR(STORE "/")))
        path = str_skip(path, strlen(STORE));
    else
        path = arena_printf(arena, "/bucket%.*s",
                            STR_ARG(str_skip(path, strlen("http://bucket.store.test:9000"))));
    CHECK(str_equal(path, STR("/bucket")) || str_starts_with(path, STR("/bucket/")));
    struct str key = decoded(str_skip(path, strlen("/bucket/")), arena);
    for (struct str rest = query; rest.len > 0;) {
        struct str value = str_cut(&rest, '&');
        if (str_equal(str_cut(&value, '='), STR("prefix")))
            prefix = decoded(value, arena);
    }
    if (key.len > 0)
        CHECK(is_inside(key));
    else if (reads)
        CHECK(is_inside(arena_printf(arena, "%.*sx", STR_ARG(prefix))) || is_inside(prefix));
    else
        CHECK(request->body.len > 0);
    CHECK(reads || !str_equal(key, STR(GUARDED)));
}

static void check_reply(const struct sign_request *request, const struct sign_reply *reply,
                        struct arena *arena)
{
    check_place(request, reply, arena);
    for (size_t i = 0; i < reply->header_count; i++) {
        struct str name = reply->headers[i].name, value = reply->headers[i].value;
        CHECK(name.len > 0 && !str_contains(name, STR("\n")));
        CHECK(!str_contains(value, STR("\n")) && !str_contains(value, STR("\r")));
        CHECK(!str_equal_ignore_case(name, STR("authorization")) ||
              !str_contains(value, STR(SECRET)));
        for (size_t j = 0; j < i; j++)
            CHECK(!str_equal_ignore_case(name, reply->headers[j].name));
        if (!str_equal_ignore_case(name, STR("x-amz-copy-source")))
            continue;
        struct str source = str_starts_with(value, STR("/")) ? str_skip(value, 1) : value;
        source = decoded(source, arena);
        CHECK(str_starts_with(source, STR("bucket/")) && is_inside(str_skip(source, 7)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str locations[] = {{"s3://bucket/wh/t", 16}};
    static const struct str guarded[] = {
        {"s3://bucket/" GUARDED, sizeof("s3://bucket/" GUARDED) - 1}};
    struct str input = fuzz_copy(data, size), body = input, head = fuzz_cut_document(&body);
    struct arena *arena = arena_new();
    struct sign_header headers[HEADERS_MAX];
    struct sign_request request = {
        .method = str_cut(&head, '\n'), .uri = str_cut(&head, '\n'), .headers = headers};
    struct file_scope scope = {locations, 1, true, guarded, 1, STR("fuzz"), false};
    struct sign_reply reply = {.header_count = 0};
    struct error err = {0};
    request.body = body;
    while (head.len > 0 && request.header_count < HEADERS_MAX) {
        struct str value = str_cut(&head, '\n'), name = str_cut(&value, ':');
        headers[request.header_count++] = (struct sign_header){name, str_trim(value)};
    }
    if (file_io_sign(opened(), &scope, &request, arena, &reply, &err) == 0)
        check_reply(&request, &reply, arena);
    else
        fuzz_check_error(&err);
    arena_free(arena);
    free((char *)input.ptr);
    return 0;
}
