/* Keys and signatures for clients that go to an S3 store themselves.
 *
 * 1. A request is taken apart, judged, and put together again: what is signed is made of what was
 *    understood, never of the text that came.
 * 2. Its address is one of the store's, letter by letter; the region is the store's.
 * 3. Every header is known for the operation, or nothing is signed. A header that is signed comes
 *    once, and with the value that the client has: clients (iceberg-java) prefer their own values
 *    to ours.
 * 4. Headers that are not signed are not in the reply: iceberg-java uses a reply again for the same
 *    address, and would send the Range of another request.
 * 5. A signature binds the body where the body decides what is done: the keys of DeleteObjects. */
#include "storage/file_io_s3_private.h"

#include <assert.h>

#include "storage/s3_address.h"
#include "storage/s3_request.h"
#include "storage/s3_scope.h"

#define STREAMING_UNSIGNED "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
#define HEADERS_MAX 64
#define PAYLOADS_MAX 2

int s3_vend(struct file_io *base, const struct file_scope *scope, int64_t lifetime_ms,
            struct arena *arena, struct file_keys *out, struct error *err)
{
    return s3_sts_vend(s3_of(base)->sts, scope, lifetime_ms, arena, out, err);
}

/* One request on its way to be signed. */
struct signing {
    struct file_io_s3 *io;
    const struct sign_request *asked;
    struct arena *arena;
    struct str origin, host; /* of the store, as the client addresses it */
    bool path_style;
    struct s3_request request;
    struct s3_header headers[HEADERS_MAX + 8]; /* that are signed */
    size_t header_count;
    struct str payload_hash; /* that the client has, or STR_NONE */
    bool trailer, conditional;
};

/* ---- the address ----------------------------------------------------------------------------- */

static struct str lower_case(struct str text, struct arena *arena)
{
    char *out = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        out[i] = (char)(text.ptr[i] + (text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? 32 : 0));
    return str_from(out, text.len);
}

/* Is the origin (lower case) this endpoint, alone or with the bucket before it? */
static bool is_at(struct signing *signing, struct str origin, struct str endpoint)
{
    struct arena *arena = signing->arena;
    struct str bucket = s3_client_address(signing->io->client)->bucket;
    struct http_endpoint own, given;
    struct error ignored = {0};
    if (http_endpoint_parse(endpoint, arena, &own, &ignored) != 0 ||
        http_endpoint_parse(origin, arena, &given, &ignored) != 0 || own.tls != given.tls)
        return false;
    struct str with_bucket = arena_printf(arena, "%.*s.%.*s", STR_ARG(bucket), STR_ARG(own.host));
    signing->path_style = str_equal(given.host, own.host);
    if (!signing->path_style && !str_equal(given.host, with_bucket))
        return false;
    signing->origin = given.text;
    signing->host = given.host;
    return true;
}

/* Invariant 2. AWS's first region answers under a name without it, too. */
static bool find_address(struct signing *signing, struct str origin)
{
    const struct s3_address *address = s3_client_address(signing->io->client);
    const struct storage_options *options = &signing->io->options;
    if (is_at(signing, origin, address->endpoint))
        return true;
    if (options->client_endpoint.len > 0 && is_at(signing, origin, options->client_endpoint))
        return true;
    return options->endpoint.len == 0 && str_equal(address->region, STR("us-east-1")) &&
           is_at(signing, origin, STR("https://s3.amazonaws.com"));
}

/* From the address to the request, in path style. */
static int parse_uri(struct signing *signing, struct str copy_source, struct error *err)
{
    struct str uri = signing->asked->uri, bucket = s3_client_address(signing->io->client)->bucket;
    const char *mark = uri.len == 0 ? NULL : memmem(uri.ptr, uri.len, "://", 3);
    if (mark == NULL)
        return error_set(err, ERR_BAD_REQUEST, "The address to be signed is not one of HTTP");
    size_t len = (size_t)(mark - uri.ptr) + 3;
    while (len < uri.len && strchr("/?#", uri.ptr[len]) == NULL)
        len++;
    struct str origin = str_from(uri.ptr, len), target = str_skip(uri, len);
    if (!find_address(signing, lower_case(origin, signing->arena)))
        return error_set(err, ERR_FORBIDDEN, "Not an address of the table's store: %.*s",
                         STR_ARG(str_utf8_cut(origin, 200)));
    if (!str_starts_with(target, STR("/")))
        target = arena_printf(signing->arena, "/%.*s", STR_ARG(target));
    if (!signing->path_style)
        target =
            arena_printf(signing->arena, "/%.*s%.*s",
                         STR_ARG(s3_uri_encode(bucket, false, signing->arena)), STR_ARG(target));
    return s3_request_parse(signing->asked->method, target, copy_source, signing->arena,
                            &signing->request, err);
}

/* The path that is sent and signed (invariant 1). */
static struct str path_of(const struct signing *signing)
{
    struct arena *arena = signing->arena;
    struct str key = s3_uri_encode(signing->request.key, true, arena);
    if (!signing->path_style)
        return arena_printf(arena, "/%.*s", STR_ARG(key));
    struct str bucket = s3_uri_encode(signing->request.bucket, false, arena);
    return arena_printf(arena, "/%.*s%s%.*s", STR_ARG(bucket), key.len > 0 ? "/" : "",
                        STR_ARG(key));
}

static struct str uri_of(const struct signing *signing, struct str path)
{
    struct buf uri = BUF_INIT(SIZE_MAX);
    buf_add(&uri, signing->origin);
    buf_add(&uri, path);
    for (size_t i = 0; i < signing->request.query_count; i++) {
        const struct s3_query_item *item = &signing->request.query[i];
        buf_add_char(&uri, i == 0 ? '?' : '&');
        buf_add(&uri, s3_uri_encode(item->name, false, signing->arena));
        if (item->has_value)
            buf_add_char(&uri, '=');
        buf_add(&uri, s3_uri_encode(item->value, false, signing->arena));
    }
    struct str out = arena_str(signing->arena, buf_str(&uri));
    buf_free(&uri);
    return out;
}

/* ---- headers --------------------------------------------------------------------------------- */

/* Without effect on what is done: not signed, not answered. Ours take the place of the first two.
 */
static bool is_passed_over(struct str name)
{
    static const char *const names[] = {"authorization", "x-amz-date",      "host",
                                        "date",          "accept",          "accept-encoding",
                                        "connection",    "content-length",  "user-agent",
                                        "expect",        "x-amzn-trace-id", "transfer-encoding",
                                        "range",         "x-amz-user-agent"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_equal_ignore_case(name, str_cstr(names[i])))
            return true;
    return name.len > 8 && str_equal_ignore_case(str_from(name.ptr, 8), STR("amz-sdk-"));
}

static bool is_token(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i], letter = (char)(c | 0x20);
        bool good = (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') ||
                    (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        if (!good)
            return false;
    }
    return name.len > 0;
}

static bool is_printable(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < ' ' || value.ptr[i] > '~')
            return false;
    return true;
}

static int check_bytes(const struct sign_request *asked, struct error *err)
{
    if (!str_is_utf8(asked->uri) || !str_is_utf8(asked->region))
        return error_set(err, ERR_BAD_REQUEST, "The request to be signed is not in UTF-8");
    if (asked->header_count > HEADERS_MAX)
        return error_set(err, ERR_BAD_REQUEST, "The request to be signed has too many headers");
    for (size_t i = 0; i < asked->header_count; i++)
        if (!is_token(asked->headers[i].name) || !is_printable(asked->headers[i].value))
            return error_set(err, ERR_BAD_REQUEST,
                             "The request to be signed has a header that is none");
    return 0;
}

static bool has_header(const struct signing *signing, struct str name)
{
    for (size_t i = 0; i < signing->header_count; i++)
        if (str_equal_ignore_case(signing->headers[i].name, name))
            return true;
    return false;
}

/* The header that says what is copied; it comes once, or the request is refused later. */
static struct str copy_source_of(const struct sign_request *asked)
{
    for (size_t i = 0; i < asked->header_count; i++)
        if (str_equal_ignore_case(asked->headers[i].name, STR("x-amz-copy-source")))
            return asked->headers[i].value.ptr != NULL ? asked->headers[i].value : STR("");
    return STR_NONE;
}

static int refuse_header(const struct signing *signing, struct str name, const char *why,
                         struct error *err)
{
    return error_set(err, ERR_FORBIDDEN, "%s %s the header %.*s",
                     s3_operation_name(signing->request.operation), why,
                     STR_ARG(str_utf8_cut(name, 100)));
}

static void add_header(struct signing *signing, struct str name, struct str value)
{
    assert(signing->header_count < sizeof(signing->headers) / sizeof(signing->headers[0]));
    signing->headers[signing->header_count++] = (struct s3_header){name, value};
}

/* Invariant 3. */
static int take_header(struct signing *signing, const struct sign_header *header, struct error *err)
{
    struct str name = header->name, value = header->value;
    bool ours = str_equal_ignore_case(name, STR("authorization")) ||
                str_equal_ignore_case(name, STR("transfer-encoding"));
    if (!ours && !s3_header_allowed(signing->request.operation, name))
        return refuse_header(signing, name, "is not signed with", err);
    if (is_passed_over(name))
        return 0;
    if (has_header(signing, name))
        return refuse_header(signing, name, "is not signed with two of", err);
    if (str_equal_ignore_case(name, STR("x-amz-content-sha256")))
        signing->payload_hash = value.ptr != NULL ? value : STR("");
    /* A plus that some stores take for a space: two files. */
    if (str_equal_ignore_case(name, STR("x-amz-copy-source")) && str_contains(value, STR("+")))
        return refuse_header(signing, name, "is not signed with a plus in", err);
    signing->trailer = signing->trailer || str_equal_ignore_case(name, STR("x-amz-trailer"));
    signing->conditional =
        signing->conditional ||
        (name.len > 3 && str_equal_ignore_case(str_from(name.ptr, 3), STR("if-")));
    add_header(signing, name, value);
    return 0;
}

static int check_host(const struct signing *signing, struct error *err)
{
    for (size_t i = 0; i < signing->asked->header_count; i++) {
        const struct sign_header *header = &signing->asked->headers[i];
        if (str_equal_ignore_case(header->name, STR("host")) &&
            !str_equal_ignore_case(str_trim(header->value), signing->host))
            return error_set(err, ERR_FORBIDDEN, "The Host header is not that of the address");
    }
    return 0;
}

/* ---- the body -------------------------------------------------------------------------------- */

static bool is_digest(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr("0123456789abcdef", text.ptr[i]) == NULL)
            return false;
    return text.len == 2 * SHA256_BYTES;
}

/* What the operation's body may be said to be: the first is taken when the client says nothing. */
static void payloads_of(const struct signing *signing, struct str out[PAYLOADS_MAX],
                        bool *any_digest)
{
    *any_digest = false;
    for (size_t i = 0; i < PAYLOADS_MAX; i++)
        out[i] = STR_NONE;
    switch (signing->request.operation) {
    case S3_DELETE_OBJECTS: { /* invariant 5 */
        struct sha256 digest = sha256_of(signing->asked->body);
        out[0] = hex_encode(signing->arena, digest.bytes, SHA256_BYTES);
        break;
    }
    case S3_DELETE_OBJECT:
    case S3_ABORT_UPLOAD:
    case S3_CREATE_UPLOAD:
        out[0] = STR(S3_EMPTY_SHA256);
        break;
    case S3_PUT_OBJECT:
    case S3_UPLOAD_PART:
        out[0] = signing->trailer ? STR(STREAMING_UNSIGNED) : STR(S3_UNSIGNED_PAYLOAD);
        *any_digest = !signing->trailer;
        break;
    case S3_COMPLETE_UPLOAD:
        out[0] = STR(S3_UNSIGNED_PAYLOAD);
        *any_digest = true;
        break;
    default: /* no body: GET, HEAD, copies */
        out[0] = STR(S3_UNSIGNED_PAYLOAD);
        out[1] = STR(S3_EMPTY_SHA256);
        break;
    }
}

static int settle_payload(struct signing *signing, struct str *out, struct error *err)
{
    struct str allowed[PAYLOADS_MAX], told = signing->payload_hash;
    bool any_digest;
    payloads_of(signing, allowed, &any_digest);
    *out = allowed[0];
    if (told.ptr == NULL) {
        add_header(signing, STR("x-amz-content-sha256"), *out);
        return 0;
    }
    *out = told;
    if (any_digest && is_digest(told))
        return 0;
    for (size_t i = 0; i < PAYLOADS_MAX; i++)
        if (allowed[i].ptr != NULL && str_equal(told, allowed[i]))
            return 0;
    return refuse_header(signing, STR("x-amz-content-sha256"), "is not signed with this value of",
                         err);
}

/* ---- signing --------------------------------------------------------------------------------- */

static int check_region(const struct signing *signing, struct error *err)
{
    struct str region = s3_client_address(signing->io->client)->region;
    if (signing->asked->region.len > 0 && !str_equal(signing->asked->region, region))
        return error_set(err, ERR_FORBIDDEN, "The region of the table's store is %.*s, not %.*s",
                         STR_ARG(region), STR_ARG(str_utf8_cut(signing->asked->region, 60)));
    return 0;
}

static int judge(struct signing *signing, const struct file_scope *scope, struct error *err)
{
    struct s3_scope own;
    struct str bucket = s3_client_address(signing->io->client)->bucket;
    if (check_bytes(signing->asked, err) != 0 || check_region(signing, err) != 0 ||
        parse_uri(signing, copy_source_of(signing->asked), err) != 0 ||
        check_host(signing, err) != 0 ||
        s3_scope_make(scope, bucket, signing->arena, &own, err) != 0)
        return -1;
    return s3_scope_check(&own, &signing->request, signing->asked->body, signing->arena, err);
}

/* Headers of the reply: those signed but the host, which follows from the address, and what the
 * signature adds. */
static void write_reply(const struct signing *signing, struct str authorization,
                        struct sign_reply *out)
{
    out->headers = ARENA_ARRAY(signing->arena, struct sign_header, signing->header_count + 1);
    for (size_t i = 0; i < signing->header_count; i++)
        if (!str_equal(signing->headers[i].name, STR("host")))
            out->headers[out->header_count++] =
                (struct sign_header){signing->headers[i].name, signing->headers[i].value};
    out->headers[out->header_count++] = (struct sign_header){STR("Authorization"), authorization};
}

static int sign_it(struct signing *signing, const struct s3_keys *keys, struct sign_reply *out,
                   struct error *err)
{
    struct s3_client *client = signing->io->client;
    struct s3_to_sign what = {.method = signing->asked->method,
                              .path = path_of(signing),
                              .query = signing->request.query,
                              .query_count = signing->request.query_count,
                              .amz_date = s3_amz_date(s3_client_now_ms(client), signing->arena),
                              .region = s3_client_address(client)->region,
                              .service = STR("s3")};
    if (settle_payload(signing, &what.payload_hash, err) != 0)
        return -1;
    add_header(signing, STR("host"), signing->host);
    add_header(signing, STR("X-Amz-Date"), what.amz_date);
    if (keys->session_token.len > 0)
        add_header(signing, STR("X-Amz-Security-Token"), keys->session_token);
    what.headers = signing->headers;
    what.header_count = signing->header_count;
    struct str authorization =
        s3_authorization(&what, keys->access_key_id, keys->secret_access_key, signing->arena);
    bool is_read = str_equal(what.method, STR("GET")) || str_equal(what.method, STR("HEAD"));
    *out = (struct sign_reply){.uri = uri_of(signing, what.path),
                               .cacheable = is_read && !signing->conditional};
    write_reply(signing, authorization, out);
    return 0;
}

int s3_sign(struct file_io *base, const struct file_scope *scope,
            const struct sign_request *request, struct arena *arena, struct sign_reply *out,
            struct error *err)
{
    struct signing *signing = ARENA_NEW(arena, struct signing);
    struct s3_keys keys;
    signing->io = s3_of(base);
    signing->asked = request;
    signing->arena = arena;
    if (judge(signing, scope, err) != 0)
        return -1;
    for (size_t i = 0; i < request->header_count; i++)
        if (take_header(signing, &request->headers[i], err) != 0)
            return -1;
    if (s3_credentials_get(signing->io->credentials, arena, &keys, err) != 0)
        return -1;
    if (keys.anonymous)
        return error_set(err, ERR_UNSUPPORTED, "The store is used without keys: nothing to sign");
    return sign_it(signing, &keys, out, err);
}
