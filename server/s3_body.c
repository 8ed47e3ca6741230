/* Decoding of request bodies.
 *
 * 1. Content never exceeds plan.decoded_bytes: the byte too many is refused before the sink sees
 * it.
 * 2. The signature of a signed chunk is that of the chunk before chained on; the first is chained
 * to the request's. A chunk is judged at its end, before the head of the next one is read.
 * 3. Only after the chunk of size 0 may a trailer come, only names that x-amz-trailer announced,
 * each once; with signed trailers nothing counts before its signature was right.
 * 4. After DONE or a fault no byte is accepted. */
#include "server/s3_body.h"

#include "base/log.h"
#include <assert.h>
#include <openssl/evp.h>

#define SIGNATURE_CHARS 64
#define CHUNK_SIZE_DIGITS_MAX 15

enum state { PLAIN, CHUNK_HEAD, CHUNK_DATA, CHUNK_END, TRAILER, DONE, BROKEN };

struct s3_body {
    struct s3_body_plan plan;
    struct arena *arena, *scratch;
    enum state state;
    int64_t bytes;
    uint64_t chunk_left;
    bool chunk_is_last;

    EVP_MD_CTX *chunk_hash, *trailer_hash;
    char previous[SIGNATURE_CHARS]; /* signature that the next one is chained to */
    char claimed[SIGNATURE_CHARS];  /* of the current chunk */

    struct s3_checksum sums[S3_CHECKSUM_KIND_COUNT];
    bool summed[S3_CHECKSUM_KIND_COUNT];
    struct str sum_texts[S3_CHECKSUM_KIND_COUNT]; /* after the end */
    bool sums_sha256;                             /* for plan.sha256 */
    size_t trailer_count;
    bool trailer_signed;

    size_t line_len;
    char line[S3_BODY_LINE_BYTES_MAX];
};

bool s3_payload_is_chunked(enum s3_payload payload)
{
    return payload >= S3_PAYLOAD_CHUNKS_SIGNED;
}

static bool is_signed_chunks(const struct s3_body *body)
{
    return body->plan.payload == S3_PAYLOAD_CHUNKS_SIGNED ||
           body->plan.payload == S3_PAYLOAD_CHUNKS_SIGNED_TRAILER;
}

static bool is_lower_hex(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!((text.ptr[i] >= '0' && text.ptr[i] <= '9') ||
              (text.ptr[i] >= 'a' && text.ptr[i] <= 'f')))
            return false;
    return true;
}

bool s3_payload_parse(struct str text, enum s3_payload *out)
{
    static const struct {
        const char *text;
        enum s3_payload payload;
    } modes[] = {
        {S3_UNSIGNED_PAYLOAD, S3_PAYLOAD_UNSIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", S3_PAYLOAD_CHUNKS_SIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", S3_PAYLOAD_CHUNKS_SIGNED_TRAILER},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER},
    };
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (str_equal_cstr(text, modes[i].text)) {
            *out = modes[i].payload;
            return true;
        }
    *out = S3_PAYLOAD_SHA256;
    return text.len == 64 && is_lower_hex(text);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int check_plan(const struct s3_body_plan *plan, struct s3_fault *fault)
{
    for (int kind = 0; kind < S3_CHECKSUM_KIND_COUNT; kind++) {
        struct str text = plan->expected[kind];
        if (text.ptr == NULL)
            continue;
        if (s3_checksum_is_well_formed((enum s3_checksum_kind)kind, text))
            continue;
        if (kind == S3_MD5)
            return s3_fault_set(fault, S3_INVALID_DIGEST,
                                "The Content-MD5 you specified is not valid.");
        return s3_fault_set(fault, S3_INVALID_REQUEST, "Value for %s header is invalid.",
                            s3_checksum_header((enum s3_checksum_kind)kind));
    }
    if (s3_payload_is_chunked(plan->payload) && plan->decoded_bytes < 0)
        return s3_fault_set(fault, S3_MISSING_LENGTH,
                            "You must provide the x-amz-decoded-content-length HTTP header.");
    return 0;
}

static void free_hash(void *hash)
{
    EVP_MD_CTX_free(hash);
}

static void free_scratch(void *scratch)
{
    arena_free(scratch);
}

static void hash_begin(EVP_MD_CTX *hash)
{
    if (EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
        log_fatal("no digest");
}

static void hash_add(EVP_MD_CTX *hash, struct str data)
{
    if (data.len > 0 && EVP_DigestUpdate(hash, data.ptr, data.len) != 1)
        log_fatal("digest failed");
}

static struct sha256 hash_end(EVP_MD_CTX *hash)
{
    struct sha256 out;
    if (EVP_DigestFinal_ex(hash, out.bytes, NULL) != 1)
        log_fatal("digest failed");
    return out;
}

static EVP_MD_CTX *hash_new(struct s3_body *body)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (hash == NULL)
        log_fatal("out of memory");
    arena_defer(body->arena, free_hash, hash);
    hash_begin(hash);
    return hash;
}

int s3_body_open(const struct s3_body_plan *plan, struct arena *arena, struct s3_body **out,
                 struct s3_fault *fault)
{
    if (check_plan(plan, fault) != 0)
        return -1;
    struct s3_body *body = ARENA_NEW(arena, struct s3_body);
    body->plan = *plan;
    body->arena = arena;
    body->state = s3_payload_is_chunked(plan->payload) ? CHUNK_HEAD : PLAIN;
    for (int kind = 0; kind < S3_CHECKSUM_KIND_COUNT; kind++) {
        body->summed[kind] = plan->expected[kind].ptr != NULL || plan->in_trailer[kind];
        if (body->summed[kind])
            s3_checksum_begin(&body->sums[kind], (enum s3_checksum_kind)kind, arena);
    }
    if (plan->payload == S3_PAYLOAD_SHA256) {
        body->sums_sha256 = true;
        body->chunk_hash = hash_new(body);
    }
    if (is_signed_chunks(body)) {
        if (plan->seed_signature.len != SIGNATURE_CHARS)
            return s3_fault_set(fault, S3_SIGNATURE_MISMATCH, "The request is not signed.");
        memcpy(body->previous, plan->seed_signature.ptr, SIGNATURE_CHARS);
        body->chunk_hash = hash_new(body);
        body->trailer_hash = hash_new(body);
        body->scratch = arena_new();
        arena_defer(arena, free_scratch, body->scratch);
    }
    *out = body;
    return 0;
}

/* ---- content --------------------------------------------------------------------------------- */

static int length_fault(struct s3_fault *fault)
{
    return s3_fault_set(fault, S3_INCOMPLETE_BODY,
                        "You did not provide the number of bytes specified by the "
                        "Content-Length HTTP header.");
}

static int content(struct s3_body *body, struct str data, s3_body_sink *sink, void *arg,
                   struct s3_fault *fault)
{
    int64_t whole = body->plan.decoded_bytes;
    if (whole >= 0 && (int64_t)data.len > whole - body->bytes)
        return length_fault(fault);
    body->bytes += (int64_t)data.len;
    if (body->chunk_hash != NULL)
        hash_add(body->chunk_hash, data);
    for (int kind = 0; kind < S3_CHECKSUM_KIND_COUNT; kind++)
        if (body->summed[kind])
            s3_checksum_add(&body->sums[kind], data);
    return sink(arg, data, fault);
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static bool parse_hex(struct str text, uint64_t *out)
{
    *out = 0;
    if (text.len == 0 || text.len > CHUNK_SIZE_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = str_hex_digit(text.ptr[i]);
        if (digit < 0)
            return false;
        *out = *out << 4 | (unsigned)digit;
    }
    return true;
}

static int chunk_head(struct s3_body *body, struct s3_fault *fault)
{
    static const struct str name = STR("chunk-signature=");
    struct str rest = str_from(body->line, body->line_len);
    struct str size = str_cut(&rest, ';');
    if (!parse_hex(size, &body->chunk_left))
        return s3_fault_set(fault, S3_INVALID_REQUEST, "The size of a chunk is malformed.");
    if (is_signed_chunks(body)) {
        struct str signature = str_skip(rest, name.len);
        if (!str_starts_with(rest, name) || signature.len != SIGNATURE_CHARS)
            return s3_fault_set(fault, S3_SIGNATURE_MISMATCH, "A chunk is not signed.");
        memcpy(body->claimed, signature.ptr, SIGNATURE_CHARS);
    } else if (rest.ptr != NULL) {
        return s3_fault_set(fault, S3_INVALID_REQUEST, "A chunk has extensions.");
    }
    int64_t left = body->plan.decoded_bytes - body->bytes;
    if (body->chunk_left > (uint64_t)left)
        return length_fault(fault);
    body->chunk_is_last = body->chunk_left == 0;
    body->state = CHUNK_DATA;
    return 0;
}

static int judge_chunk(struct s3_body *body, struct s3_fault *fault)
{
    if (!is_signed_chunks(body))
        return 0;
    struct sha256 hash = hash_end(body->chunk_hash);
    hash_begin(body->chunk_hash);
    struct str right =
        s3_chunk_signature(&body->plan.key, body->plan.amz_date, body->plan.scope,
                           str_from(body->previous, SIGNATURE_CHARS), &hash, body->scratch);
    bool equal = secret_equal(right, str_from(body->claimed, SIGNATURE_CHARS));
    memcpy(body->previous, body->claimed, SIGNATURE_CHARS);
    arena_reset(body->scratch);
    if (!equal)
        return s3_fault_set(fault, S3_SIGNATURE_MISMATCH,
                            "The signature of a chunk does not match what was calculated.");
    return 0;
}

/* ---- the trailer ----------------------------------------------------------------------------- */

static int trailer_fault(struct s3_fault *fault)
{
    return s3_fault_set(fault, S3_MALFORMED_TRAILER,
                        "The request contained trailing data that was not well-formed or did not "
                        "conform to our published schema.");
}

static int judge_trailer(struct s3_body *body, struct str claimed, struct s3_fault *fault)
{
    struct sha256 hash = hash_end(body->trailer_hash);
    struct str right =
        s3_trailer_signature(&body->plan.key, body->plan.amz_date, body->plan.scope,
                             str_from(body->previous, SIGNATURE_CHARS), &hash, body->scratch);
    if (claimed.len != SIGNATURE_CHARS || !secret_equal(right, claimed))
        return s3_fault_set(fault, S3_SIGNATURE_MISMATCH,
                            "The signature of the trailer does not match what was calculated.");
    body->trailer_signed = true;
    return 0;
}

static int trailer_line(struct s3_body *body, struct s3_fault *fault)
{
    struct str value = str_from(body->line, body->line_len);
    struct str name = str_cut(&value, ':');
    value = str_trim(value);
    if (value.ptr == NULL || body->trailer_signed)
        return trailer_fault(fault); /* no colon, or behind the signature */
    if (str_equal_ignore_case(name, STR("x-amz-trailer-signature")) && is_signed_chunks(body))
        return judge_trailer(body, value, fault);
    enum s3_checksum_kind kind;
    if (++body->trailer_count > S3_BODY_TRAILERS_MAX || !s3_checksum_kind_of(name, &kind) ||
        !body->plan.in_trailer[kind] || body->plan.expected[kind].ptr != NULL ||
        !s3_checksum_is_well_formed(kind, value))
        return trailer_fault(fault);
    body->plan.expected[kind] = arena_str(body->arena, value);
    if (is_signed_chunks(body)) {
        hash_add(body->trailer_hash, str_cstr(s3_checksum_header(kind)));
        hash_add(body->trailer_hash, STR(":"));
        hash_add(body->trailer_hash, value);
        hash_add(body->trailer_hash, STR("\n"));
    }
    return 0;
}

/* ---- feeding --------------------------------------------------------------------------------- */

static int line_done(struct s3_body *body, struct s3_fault *fault)
{
    switch (body->state) {
    case CHUNK_HEAD:
        return chunk_head(body, fault);
    case CHUNK_END:
        if (body->line_len != 0)
            return s3_fault_set(fault, S3_INVALID_REQUEST, "A chunk does not end where it should.");
        body->state = body->chunk_is_last ? DONE : CHUNK_HEAD;
        return 0;
    case TRAILER:
        if (body->line_len > 0)
            return trailer_line(body, fault);
        body->state = DONE;
        return 0;
    default:
        assert(false);
        return -1;
    }
}

/* Gathers a line up to its CRLF; *piece is what remains. */
static int take_line(struct s3_body *body, struct str *piece, struct s3_fault *fault)
{
    while (piece->len > 0) {
        char c = piece->ptr[0];
        *piece = str_skip(*piece, 1);
        bool ends = c == '\n' && body->line_len > 0 && body->line[body->line_len - 1] == '\r';
        if (ends) {
            body->line_len--;
            int rc = line_done(body, fault);
            body->line_len = 0;
            return rc;
        }
        if (body->line_len == sizeof(body->line) || c == '\0' ||
            (body->state == CHUNK_END && body->line_len > 1))
            return s3_fault_set(fault, S3_INVALID_REQUEST, "The chunks are malformed.");
        body->line[body->line_len++] = c;
    }
    return 0;
}

static int take_data(struct s3_body *body, struct str *piece, s3_body_sink *sink, void *arg,
                     struct s3_fault *fault)
{
    size_t take = piece->len < body->chunk_left ? piece->len : (size_t)body->chunk_left;
    struct str data = str_from(piece->ptr, take);
    *piece = str_skip(*piece, take);
    body->chunk_left -= take;
    if (take > 0 && content(body, data, sink, arg, fault) != 0)
        return -1;
    if (body->chunk_left > 0)
        return 0;
    if (judge_chunk(body, fault) != 0)
        return -1;
    bool has_trailer = body->plan.payload != S3_PAYLOAD_CHUNKS_SIGNED;
    body->state = body->chunk_is_last && has_trailer ? TRAILER : CHUNK_END;
    return 0;
}

static int step(struct s3_body *body, struct str *piece, s3_body_sink *sink, void *arg,
                struct s3_fault *fault)
{
    struct str all = *piece;
    switch (body->state) {
    case PLAIN:
        *piece = STR_NONE;
        return content(body, all, sink, arg, fault);
    case CHUNK_DATA:
        return take_data(body, piece, sink, arg, fault);
    case CHUNK_HEAD:
    case CHUNK_END:
    case TRAILER:
        return take_line(body, piece, fault);
    case DONE:
    case BROKEN:
        break;
    }
    return s3_fault_set(fault, S3_INVALID_REQUEST, "There are bytes behind the end of the body.");
}

int s3_body_feed(struct s3_body *body, struct str piece, s3_body_sink *sink, void *arg,
                 struct s3_fault *fault)
{
    assert(body->state != BROKEN);
    while (piece.len > 0 || (body->state == CHUNK_DATA && body->chunk_left == 0)) {
        if (step(body, &piece, sink, arg, fault) != 0) {
            body->state = BROKEN;
            return -1;
        }
    }
    return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

static int judge_sums(struct s3_body *body, struct s3_fault *fault)
{
    for (int i = 0; i < S3_CHECKSUM_KIND_COUNT; i++) {
        enum s3_checksum_kind kind = (enum s3_checksum_kind)i;
        if (!body->summed[kind])
            continue;
        struct str told = body->plan.expected[kind];
        if (told.ptr == NULL) /* announced, and did not come */
            return trailer_fault(fault);
        body->sum_texts[kind] = s3_checksum_end(&body->sums[kind], body->arena);
        if (!str_equal(told, body->sum_texts[kind]))
            return s3_fault_set(fault, S3_BAD_DIGEST,
                                "The %s you specified did not match the calculated checksum.",
                                s3_checksum_header(kind));
    }
    return 0;
}

static int judge_payload(struct s3_body *body, struct s3_fault *fault)
{
    if (!body->sums_sha256)
        return 0;
    struct sha256 hash = hash_end(body->chunk_hash);
    struct str hex = hex_encode(body->arena, hash.bytes, sizeof(hash.bytes));
    if (str_equal(hex, body->plan.sha256))
        return 0;
    return s3_fault_set(fault, S3_SHA256_MISMATCH,
                        "The provided 'x-amz-content-sha256' header does not match what was "
                        "computed.");
}

static int end(struct s3_body *body, struct s3_fault *fault)
{
    assert(body->state != BROKEN);
    /* Some clients leave out the empty line behind a trailer, or behind the last chunk. */
    bool at_end = body->state == PLAIN || body->state == DONE ||
                  (body->state == TRAILER && body->line_len == 0) ||
                  (body->state == CHUNK_END && body->chunk_is_last && body->line_len == 0);
    if (!at_end || (body->plan.decoded_bytes >= 0 && body->bytes != body->plan.decoded_bytes))
        return length_fault(fault);
    if (body->plan.payload == S3_PAYLOAD_CHUNKS_SIGNED_TRAILER && !body->trailer_signed)
        return trailer_fault(fault);
    if (judge_payload(body, fault) != 0)
        return -1;
    return judge_sums(body, fault);
}

int s3_body_end(struct s3_body *body, struct s3_fault *fault)
{
    int rc = end(body, fault);
    body->state = rc == 0 ? DONE : BROKEN;
    return rc;
}

struct str s3_body_checksum(const struct s3_body *body, enum s3_checksum_kind kind)
{
    return body->sum_texts[kind];
}

int64_t s3_body_bytes(const struct s3_body *body)
{
    return body->bytes;
}
