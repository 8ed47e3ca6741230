/* Bodies of S3's protocol. Input: a byte for the mode, one for the announced length, the wire.
 *
 * 1. However the wire is cut into pieces, the outcome and the content are the same.
 * 2. Never more content than was announced; exactly that when the end is accepted. */
#include "tests/fuzz/fuzz.h"

#include "server/s3_body.h"

static int collect(void *arg, struct str data, struct s3_fault *fault)
{
    (void)fault;
    buf_add(arg, data);
    return 0;
}

static enum s3_code decode(const struct s3_body_plan *plan, struct str wire, size_t piece,
                           struct buf *content)
{
    struct arena *arena = arena_new();
    struct s3_fault fault = {0};
    struct s3_body *body;
    int rc = s3_body_open(plan, arena, &body, &fault);
    while (rc == 0 && wire.len > 0) {
        struct str next = str_from(wire.ptr, wire.len < piece ? wire.len : piece);
        rc = s3_body_feed(body, next, collect, content, &fault);
        wire = str_skip(wire, next.len);
    }
    if (rc == 0)
        rc = s3_body_end(body, &fault);
    if (rc != 0)
        fuzz_check_error(&fault.error);
    else if (plan->decoded_bytes >= 0)
        CHECK((int64_t)content->len == plan->decoded_bytes);
    CHECK(plan->decoded_bytes < 0 || (int64_t)content->len <= plan->decoded_bytes);
    arena_free(arena);
    return rc == 0 ? S3_OK : fault.code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct s3_body_plan plan = {
        .payload = (enum s3_payload)(data[0] % (S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER + 1)),
        .sha256 = STR(S3_EMPTY_SHA256),
        .decoded_bytes = (int64_t)data[1] - 1,
        .amz_date = STR("20130524T000000Z"),
        .scope = STR("20130524/us-east-1/s3/aws4_request"),
        .seed_signature = STR(S3_EMPTY_SHA256),
    };
    plan.in_trailer[S3_CRC32] = (data[0] & 0x10) != 0;
    plan.in_trailer[S3_SHA1] = (data[0] & 0x20) != 0;
    struct str wire = fuzz_copy(data + 2, size - 2);
    struct buf whole = BUF_INIT(1 << 20), pieces = BUF_INIT(1 << 20);
    enum s3_code code = decode(&plan, wire, wire.len + 1, &whole);
    CHECK(decode(&plan, wire, 1 + data[0] % 5, &pieces) == code);
    if (code == S3_OK)
        CHECK(str_equal(buf_str(&whole), buf_str(&pieces)));
    buf_free(&whole);
    buf_free(&pieces);
    free((char *)(uintptr_t)wire.ptr);
    return 0;
}
