/* Requests to S3. Input: method, target and copy source, a line each; the last may be missing.
 *
 * 1. What is decoded is UTF-8 without NUL, within its limits; a bucket has no slash.
 * 2. Written again from what was understood, a request is understood as the same.
 * 3. A known operation has no parameter twice, and a copy source if, and only if, it copies. */
#include "tests/fuzz/fuzz.h"

#include "storage/s3_request.h"

static void check_text(struct str text)
{
    CHECK(str_is_utf8(text) && (text.len == 0 || memchr(text.ptr, 0, text.len) == NULL));
}

static void add_item(struct buf *out, const struct s3_query_item *item, bool first,
                     struct arena *arena)
{
    buf_add_char(out, first ? '?' : '&');
    buf_add(out, s3_uri_encode(item->name, false, arena));
    if (item->has_value)
        buf_add_char(out, '=');
    buf_add(out, s3_uri_encode(item->value, false, arena));
}

static struct str target_of(const struct s3_request *request, struct arena *arena)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    buf_add_char(&out, '/');
    buf_add(&out, s3_uri_encode(request->bucket, false, arena));
    if (request->key.len > 0)
        buf_add_char(&out, '/');
    buf_add(&out, s3_uri_encode(request->key, true, arena));
    for (size_t i = 0; i < request->query_count; i++)
        add_item(&out, &request->query[i], i == 0, arena);
    for (size_t i = 0; i < request->signature_query_count; i++)
        add_item(&out, &request->signature_query[i], request->query_count + i == 0, arena);
    struct str target = arena_str(arena, buf_str(&out));
    buf_free(&out);
    return target;
}

static void check_items(const struct s3_query_item *items, size_t count, bool known)
{
    for (size_t i = 0; i < count; i++) {
        check_text(items[i].name);
        check_text(items[i].value);
        for (size_t j = 0; known && j < i; j++)
            CHECK(!str_equal(items[i].name, items[j].name));
    }
}

static void check_same_items(const struct s3_query_item *a, const struct s3_query_item *b,
                             size_t count)
{
    for (size_t i = 0; i < count; i++)
        CHECK(str_equal(a[i].name, b[i].name) && str_equal(a[i].value, b[i].value));
}

static void check_request(const struct s3_request *request, struct str method, struct str source,
                          struct arena *arena)
{
    enum s3_operation operation = request->operation;
    check_text(request->bucket);
    check_text(request->key);
    check_text(request->copy_key);
    CHECK(!str_contains(request->bucket, STR("/")) && request->key.len <= S3_KEY_BYTES_MAX);
    CHECK(request->query_count + request->signature_query_count <= S3_QUERY_ITEMS_MAX);
    check_items(request->query, request->query_count, operation != S3_UNKNOWN);
    check_items(request->signature_query, request->signature_query_count, operation != S3_UNKNOWN);
    bool copies = operation == S3_COPY_OBJECT || operation == S3_UPLOAD_PART_COPY;
    CHECK(operation == S3_UNKNOWN || copies == (source.ptr != NULL));
    CHECK(!copies || (request->copy_bucket.len > 0 && request->copy_key.len > 0));
    struct s3_request again;
    struct error err = {0};
    struct str target = target_of(request, arena);
    if (target.len > S3_TARGET_BYTES_MAX)
        return;
    CHECK(s3_request_parse(method, target, source, arena, &again, &err) == 0);
    CHECK(again.operation == operation && again.effect == request->effect);
    CHECK(str_equal(again.bucket, request->bucket) && str_equal(again.key, request->key));
    CHECK(again.query_count == request->query_count);
    CHECK(again.signature_query_count == request->signature_query_count);
    check_same_items(again.query, request->query, request->query_count);
    check_same_items(again.signature_query, request->signature_query,
                     request->signature_query_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = fuzz_copy(data, size), source = input, method = str_cut(&source, '\n');
    struct str target = str_cut(&source, '\n');
    struct arena *arena = arena_new();
    struct s3_request request;
    struct error err = {0};
    if (s3_request_parse(method, target, source, arena, &request, &err) == 0)
        check_request(&request, method, source, arena);
    else
        fuzz_check_error(&err);
    arena_free(arena);
    free((char *)input.ptr);
    return 0;
}
