/* AssumeRole.
 *
 * 1. Keys leave only for a scope whose policy could be made; the policy is part of every call.
 * 2. What decides the keys is the digest they are kept under: rights, locations, session.
 * 3. No message holds more of an answer than its status and the code of its error. */
#include "storage/s3_sts.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/xml.h"
#include "storage/key_cache.h"
#include "storage/s3_address.h"
#include "storage/s3_signature.h"
#include "storage/session_policy.h"

#define ATTEMPTS_MAX 3
#define WAIT_FIRST_MS 100
#define CALL_MS 10000
#define CALLS_MAX 8
#define ANSWER_BYTES_MAX 65536
#define ELEMENTS_MAX 100

struct s3_sts {
    struct arena *arena;
    const struct storage_options *options;
    const struct storage_context *context;
    struct s3_credentials *credentials;
    const struct s3_client *client;
    struct http_client *http;
    struct key_cache *cache;
    struct http_endpoint endpoint;
    struct str partition;
    const char *unsupported; /* why there are no keys, or NULL */
};

static bool is_aws(struct str host)
{
    return str_ends_with(host, STR(".amazonaws.com")) ||
           str_ends_with(host, STR(".amazonaws.com.cn"));
}

struct str s3_sts_endpoint(const struct storage_options *options, struct arena *arena)
{
    struct http_endpoint own;
    struct error ignored = {0};
    if (options->sts_endpoint.len > 0)
        return options->sts_endpoint;
    if (options->endpoint.len > 0 &&
        (http_endpoint_parse(options->endpoint, arena, &own, &ignored) != 0 || !is_aws(own.host)))
        return options->endpoint;
    if (options->region.len == 0)
        return STR("https://sts.amazonaws.com");
    return arena_printf(arena, "https://sts.%.*s.amazonaws.com%s", STR_ARG(options->region),
                        str_starts_with(options->region, STR("cn-")) ? ".cn" : "");
}

bool s3_time_parse(struct str text, struct arena *arena, int64_t *out_ms)
{
    struct tm tm = {0};
    const char *rest =
        text.len > 40 ? NULL : strptime(arena_cstr(arena, text), "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL || (rest[0] != 'Z' && rest[0] != '.'))
        return false;
    *out_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

int s3_sts_parse(struct str answer, const char *result, struct arena *arena, struct s3_keys *out,
                 struct error *err)
{
    struct xml_element *root;
    const struct xml_element *keys = NULL;
    if (xml_parse(answer, ELEMENTS_MAX, arena, &root, err) == 0)
        keys = xml_child(root, result);
    if (keys != NULL)
        keys = xml_child(keys, "Credentials");
    if (keys == NULL)
        return error_set(err, ERR_UNAVAILABLE, "STS answers no keys");
    out->access_key_id = xml_text(keys, "AccessKeyId");
    out->secret_access_key = xml_text(keys, "SecretAccessKey");
    out->session_token = xml_text(keys, "SessionToken");
    if (out->access_key_id.len == 0 || out->secret_access_key.len == 0 ||
        out->session_token.len == 0)
        return error_set(err, ERR_UNAVAILABLE, "STS answers no complete keys");
    if (!s3_time_parse(xml_text(keys, "Expiration"), arena, &out->expires_ms))
        return error_set(err, ERR_UNAVAILABLE, "STS tells no time of expiry");
    return 0;
}

static struct str partition_of(const struct storage_options *options)
{
    struct str rest = options->role_arn, arn = str_cut(&rest, ':'), partition = str_cut(&rest, ':');
    if (str_equal(arn, STR("arn")) && str_starts_with(partition, STR("aws")))
        return partition;
    if (str_starts_with(options->region, STR("cn-")))
        return STR("aws-cn");
    return str_starts_with(options->region, STR("us-gov-")) ? STR("aws-us-gov") : STR("aws");
}

static const char *why_unsupported(const struct s3_sts *sts)
{
    if (str_equal(sts->options->dialect, STR("oss")) && sts->options->sts_endpoint.len == 0)
        return "The store needs an sts-endpoint to give keys of limited scope";
    if (is_aws(sts->endpoint.host) && sts->options->role_arn.len == 0)
        return "The store needs a role-arn to give keys of limited scope";
    return NULL;
}

int s3_sts_new(const struct storage_options *options, const struct storage_context *context,
               struct s3_credentials *credentials, const struct s3_client *client,
               struct s3_sts **out, struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_sts *sts = ARENA_NEW(arena, struct s3_sts);
    *sts = (struct s3_sts){.arena = arena,
                           .options = options,
                           .context = context,
                           .credentials = credentials,
                           .client = client,
                           .partition = partition_of(options)};
    if (http_endpoint_parse(s3_sts_endpoint(options, arena), arena, &sts->endpoint, err) != 0) {
        arena_free(arena);
        return -1;
    }
    sts->unsupported = why_unsupported(sts);
    struct http_client_options http = {.in_flight_max = CALLS_MAX, .total_ms = CALL_MS};
    sts->http = http_client_new(&http);
    sts->cache = key_cache_new();
    *out = sts;
    return 0;
}

void s3_sts_free(struct s3_sts *sts)
{
    if (sts == NULL)
        return;
    key_cache_free(sts->cache);
    http_client_free(sts->http);
    arena_free(sts->arena);
}

/* ---- one call -------------------------------------------------------------------------------- */

struct wish { /* for keys */
    struct s3_sts *sts;
    struct str policy, session;
    int64_t seconds;
};

static void add_parameter(struct buf *form, const char *name, struct str value, struct arena *arena)
{
    if (value.len == 0)
        return;
    buf_add_format(form, "&%s=", name);
    buf_add(form, s3_uri_encode(value, false, arena)); /* %20: not every STS knows '+' */
}

static struct str form_of(const struct wish *wish, struct arena *arena)
{
    struct buf form = BUF_INIT(SIZE_MAX);
    buf_add_cstr(&form, "Action=AssumeRole&Version=2011-06-15&DurationSeconds=");
    buf_add_int64(&form, wish->seconds);
    add_parameter(&form, "RoleArn", wish->sts->options->role_arn, arena);
    add_parameter(&form, "RoleSessionName", wish->session, arena);
    add_parameter(&form, "ExternalId", wish->sts->options->external_id, arena);
    add_parameter(&form, "Policy", wish->policy, arena);
    struct str out = arena_str(arena, buf_str(&form));
    buf_free(&form);
    return out;
}

#define HEADERS_MAX 6

static void sign(const struct s3_sts *sts, const struct s3_keys *keys, struct http_request *request,
                 struct http_header *headers, struct arena *arena)
{
    struct sha256 digest = sha256_of(request->body);
    struct s3_header lines[HEADERS_MAX];
    size_t count = 0;
    struct str region = sts->options->region.len > 0 ? sts->options->region : STR("us-east-1");
    struct s3_to_sign what = {.method = request->method,
                              .path = STR("/"),
                              .payload_hash = hex_encode(arena, digest.bytes, SHA256_BYTES),
                              .amz_date = s3_amz_date(s3_client_now_ms(sts->client), arena),
                              .region = region,
                              .service = STR("sts")};
    lines[count++] = (struct s3_header){STR("host"), sts->endpoint.host};
    lines[count++] =
        (struct s3_header){STR("content-type"), STR("application/x-www-form-urlencoded")};
    lines[count++] = (struct s3_header){STR("x-amz-content-sha256"), what.payload_hash};
    lines[count++] = (struct s3_header){STR("x-amz-date"), what.amz_date};
    if (keys->session_token.len > 0)
        lines[count++] = (struct s3_header){STR("x-amz-security-token"), keys->session_token};
    what.headers = lines;
    what.header_count = count;
    for (size_t i = 1; i < count; i++) /* all but the host, which the client of HTTP adds */
        headers[i - 1] = (struct http_header){lines[i].name, lines[i].value};
    headers[count - 1] = (struct http_header){
        STR("authorization"),
        s3_authorization(&what, keys->access_key_id, keys->secret_access_key, arena)};
    request->headers = headers;
    request->header_count = count;
}

/* The code in <ErrorResponse><Error><Code> or <Error><Code>; "" when there is none that can be
 * shown. */
static struct str code_of(struct str answer, struct arena *arena)
{
    struct xml_element *root;
    struct error ignored = {0};
    if (xml_parse(answer, ELEMENTS_MAX, arena, &root, &ignored) != 0)
        return STR("");
    const struct xml_element *error = xml_child(root, "Error");
    struct str code = xml_text(error == NULL ? root : error, "Code");
    for (size_t i = 0; i < code.len; i++) {
        char c = (char)(code.ptr[i] | 0x20);
        if (code.len > 64 || !((c >= 'a' && c <= 'z') || code.ptr[i] == '.'))
            return STR("");
    }
    return code.len == 0 ? STR("") : code;
}

static bool is_overload(int status, struct str code)
{
    return status >= 500 || status == 429 || str_starts_with(code, STR("Throttl"));
}

static bool is_of_own_keys(struct str code)
{
    static const char *const codes[] = {"ExpiredToken", "ExpiredTokenException",
                                        "InvalidClientTokenId", "InvalidAccessKeyId",
                                        "SignatureDoesNotMatch"};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (str_equal_cstr(code, codes[i]))
            return true;
    return false;
}

static int refused(const struct s3_sts *sts, int status, struct str code, struct error *err)
{
    if (str_equal(code, STR("PackedPolicyTooLarge")))
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "No keys can be made for a location that makes the policy too long");
    return error_set(err, ERR_UNAVAILABLE, "STS gives no keys: it answers %d %.*s%s", status,
                     STR_ARG(code), sts->options->role_arn.len == 0 ? " (role-arn is empty)" : "");
}

/* One call. *again: another one may bring more. */
static int call(const struct wish *wish, struct arena *arena, struct s3_keys *out, bool *again,
                struct error *err)
{
    struct s3_sts *sts = wish->sts;
    struct s3_keys own;
    struct http_header headers[HEADERS_MAX];
    struct http_response response = {0};
    struct buf answer = BUF_INIT(ANSWER_BYTES_MAX);
    struct http_request request = {.method = STR("POST"),
                                   .url = arena_printf(arena, "%.*s/", STR_ARG(sts->endpoint.text)),
                                   .body = form_of(wish, arena)};
    *again = false;
    if (s3_credentials_get(sts->credentials, arena, &own, err) != 0)
        return -1;
    if (own.anonymous)
        return error_set(err, ERR_UNSUPPORTED,
                         "The store needs keys of its own to give keys of limited scope");
    sign(sts, &own, &request, headers, arena);
    int result = http_client_call(sts->http, &request, arena, &response, &answer, err);
    if (result != 0) {
        *again = err->kind == ERR_UNAVAILABLE && !response.hopeless;
        err->kind = ERR_UNAVAILABLE;
    } else if (response.status == 200) {
        result = s3_sts_parse(buf_str(&answer), "AssumeRoleResult", arena, out, err);
    } else {
        struct str code = code_of(buf_str(&answer), arena);
        result = refused(sts, response.status, code, err);
        *again = is_overload(response.status, code) ||
                 (is_of_own_keys(code) && s3_credentials_refused(sts->credentials, &own));
    }
    if (answer.ptr != NULL)
        explicit_bzero(answer.ptr, answer.len);
    buf_free(&answer);
    return result;
}

static void wait_a_little(const struct s3_sts *sts, int attempt)
{
    uint32_t random;
    const struct random_source *source = sts->context->random;
    source->fill(source->arg, &random, sizeof(random));
    uint32_t wait_ms = random % ((uint32_t)WAIT_FIRST_MS << attempt);
    struct timespec pause = {0, (long)wait_ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

static int fetch(void *arg, struct arena *arena, struct file_keys *out, struct error *err)
{
    const struct wish *wish = arg;
    struct s3_keys keys = {0};
    bool again = true;
    int result = -1;
    for (int attempt = 0; result != 0 && again && attempt < ATTEMPTS_MAX; attempt++) {
        if (attempt > 0)
            wait_a_little(wish->sts, attempt);
        result = call(wish, arena, &keys, &again, err);
    }
    if (result == 0 && keys.expires_ms <= s3_client_now_ms(wish->sts->client))
        result = error_set(err, ERR_UNAVAILABLE, "STS answers keys that have expired");
    if (result == 0)
        *out = (struct file_keys){keys.access_key_id, keys.secret_access_key, keys.session_token,
                                  keys.expires_ms};
    return result;
}

/* ---- vending --------------------------------------------------------------------------------- */

static int policy_of(const struct s3_sts *sts, const struct file_scope *scope, struct arena *arena,
                     struct str *out, struct error *err)
{
    struct location *locations = ARENA_ARRAY(arena, struct location, scope->location_count);
    struct session_policy policy = {locations, scope->location_count, scope->write, sts->partition};
    for (size_t i = 0; i < scope->location_count; i++) {
        if (location_parse(scope->locations[i], arena, &locations[i], err) != 0)
            return -1;
        if (!str_equal(locations[i].authority, s3_client_address(sts->client)->bucket))
            return error_set(err, ERR_FORBIDDEN, "Location is not in the store's bucket: %.*s",
                             STR_ARG(locations[i].text));
    }
    return session_policy_encode(&policy, arena, out, err);
}

/* Invariant 2: the policy is made of rights and locations. */
static struct sha256 digest_of(const struct file_scope *scope, struct str policy)
{
    const struct str parts[] = {scope->session_name, policy};
    return sha256_of_parts(parts, 2);
}

int s3_sts_vend(struct s3_sts *sts, const struct file_scope *scope, int64_t lifetime_ms,
                struct arena *arena, struct file_keys *out, struct error *err)
{
    struct wish wish = {.sts = sts, .seconds = lifetime_ms / 1000};
    assert(scope->location_count > 0 && lifetime_ms > 0);
    if (sts->unsupported != NULL)
        return error_set(err, ERR_UNSUPPORTED, "%s", sts->unsupported);
    if (policy_of(sts, scope, arena, &wish.policy, err) != 0)
        return -1;
    if (wish.seconds < STS_SECONDS_MIN)
        wish.seconds = STS_SECONDS_MIN;
    if (wish.seconds > STS_SECONDS_MAX)
        wish.seconds = STS_SECONDS_MAX;
    wish.session = session_name_of(scope->session_name, arena);
    struct sha256 digest = digest_of(scope, wish.policy);
    return key_cache_get(sts->cache, &digest, s3_client_now_ms(sts->client), wish.seconds * 1000,
                         fetch, &wish, arena, out, err);
}
