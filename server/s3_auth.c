/* Judging signatures of requests.
 *
 * 1. There is one way through: parse what is claimed, find the secret, judge the signature. Nothing
 * of the identity is told before the last step.
 * 2. Every x-amz-* header that arrived and the host are under the signature: nothing that the
 * gateway believes can be added by somebody else.
 * 3. What is parsed is parsed from one place: the header, or the query; both at once is refused. */
#include "server/s3_auth.h"

#include "base/digest.h"
#include <assert.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SIGNATURE_CHARS 64
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* What a request says of its signature. */
struct claim {
    struct str access_key_id, date, region, service; /* of the credential */
    struct str signed_headers, signature;
    struct str amz_date, token; /* token STR_NONE: none */
    int64_t time_ms;
    bool presigned;
};

static enum s3_code malformed_code(const struct claim *claim)
{
    return claim->presigned ? S3_AUTH_QUERY_ERROR : S3_AUTH_HEADER_MALFORMED;
}

/* ---- headers --------------------------------------------------------------------------------- */

/* The value; STR_NONE when absent. *many: it came more than once. */
static struct str header(const struct s3_auth_request *what, const char *name, bool *many)
{
    struct str found = STR_NONE;
    for (size_t i = 0; i < what->header_count; i++) {
        if (!str_equal_ignore_case(what->headers[i].name, str_cstr(name)))
            continue;
        if (found.ptr != NULL)
            *many = true;
        found = what->headers[i].value;
    }
    return found;
}

static bool is_amz(struct str name)
{
    static const struct str prefix = STR("x-amz-");
    return name.len >= prefix.len && str_equal_ignore_case(str_from(name.ptr, prefix.len), prefix);
}

static bool is_listed(struct str list, struct str name)
{
    while (list.len > 0)
        if (str_equal_ignore_case(str_cut(&list, ';'), name))
            return true;
    return false;
}

/* ---- the claim ------------------------------------------------------------------------------- */

static int parse_credential(struct claim *claim, struct str credential, struct s3_fault *fault)
{
    claim->access_key_id = str_cut(&credential, '/');
    claim->date = str_cut(&credential, '/');
    claim->region = str_cut(&credential, '/');
    claim->service = str_cut(&credential, '/');
    if (claim->access_key_id.len == 0 || claim->date.len != 8 || claim->region.len == 0 ||
        !str_equal_cstr(claim->service, "s3") || !str_equal_cstr(credential, "aws4_request"))
        return s3_fault_set(fault, malformed_code(claim),
                            "The Credential is malformed; expecting "
                            "\"<YOUR-AKID>/YYYYMMDD/REGION/s3/aws4_request\".");
    return 0;
}

/* "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…" */
static int other_mechanism(struct s3_fault *fault)
{
    return s3_fault_set(fault, S3_INVALID_REQUEST,
                        "The authorization mechanism you have provided is not supported. "
                        "Please use " ALGORITHM ".");
}

static int parse_authorization(struct claim *claim, struct str text, struct s3_fault *fault)
{
    struct str rest = text, credential = STR_NONE;
    struct str algorithm = str_cut(&rest, ' ');
    if (!str_equal_cstr(algorithm, ALGORITHM))
        return other_mechanism(fault);
    bool doubled = false;
    while (rest.len > 0) {
        struct str value = str_trim(str_cut(&rest, ','));
        struct str name = str_cut(&value, '=');
        struct str *to = str_equal_cstr(name, "Credential")      ? &credential
                         : str_equal_cstr(name, "SignedHeaders") ? &claim->signed_headers
                         : str_equal_cstr(name, "Signature")     ? &claim->signature
                                                                 : NULL;
        if (to == NULL || to->ptr != NULL)
            doubled = true;
        else
            *to = value;
    }
    if (doubled || claim->signed_headers.len == 0 || claim->signature.len != SIGNATURE_CHARS)
        return s3_fault_set(fault, S3_AUTH_HEADER_MALFORMED,
                            "The authorization header is malformed.");
    return parse_credential(claim, credential, fault);
}

static int judge_time(struct claim *claim, int64_t now_ms, struct s3_fault *fault)
{
    if (!s3_amz_date_parse(claim->amz_date, &claim->time_ms) ||
        !str_starts_with(claim->amz_date, claim->date))
        return s3_fault_set(fault, claim->presigned ? S3_AUTH_QUERY_ERROR : S3_ACCESS_DENIED,
                            "AWS authentication requires a valid x-amz-date, of the day that the "
                            "Credential names.");
    if (claim->presigned)
        return 0;
    int64_t skew = claim->time_ms - now_ms;
    if (skew > S3_SKEW_MS || skew < -S3_SKEW_MS)
        return s3_fault_set(fault, S3_TIME_SKEWED,
                            "The difference between the request time and the current time is too "
                            "large.");
    return 0;
}

static int claim_of_header(const struct s3_auth_request *what, int64_t now_ms, struct claim *claim,
                           struct s3_fault *fault)
{
    bool many = false;
    struct str text = header(what, "Authorization", &many);
    claim->amz_date = header(what, "x-amz-date", &many);
    claim->token = header(what, "x-amz-security-token", &many);
    header(what, "Host", &many);
    if (many)
        return s3_fault_set(fault, S3_INVALID_REQUEST,
                            "A header that authenticates the request came more than once.");
    if (parse_authorization(claim, text, fault) != 0)
        return -1;
    return judge_time(claim, now_ms, fault);
}

/* A parameter that must be there exactly once. */
static struct str parameter(const struct s3_request *request, const char *name, bool *bad)
{
    struct str found = STR_NONE;
    for (size_t i = 0; i < request->signature_query_count; i++) {
        if (!str_equal_cstr(request->signature_query[i].name, name))
            continue;
        *bad = *bad || found.ptr != NULL;
        found = request->signature_query[i].value;
        if (found.ptr == NULL)
            found = STR("");
    }
    return found;
}

static int judge_expiry(const struct claim *claim, struct str expires, int64_t now_ms,
                        struct s3_fault *fault)
{
    long long seconds;
    if (!str_to_int64(expires, &seconds) || seconds < 1 || seconds > S3_PRESIGN_SECONDS_MAX)
        return s3_fault_set(fault, S3_AUTH_QUERY_ERROR,
                            "X-Amz-Expires must be a number of seconds between 1 and 604800.");
    if (claim->time_ms - now_ms > S3_SKEW_MS)
        return s3_fault_set(fault, S3_ACCESS_DENIED, "Request is not yet valid.");
    if (now_ms - claim->time_ms >= seconds * 1000)
        return s3_fault_set(fault, S3_ACCESS_DENIED, "Request has expired.");
    return 0;
}

static int claim_of_query(const struct s3_auth_request *what, int64_t now_ms, struct claim *claim,
                          struct s3_fault *fault)
{
    bool bad = false, many = false;
    const struct s3_request *request = what->request;
    claim->presigned = true;
    struct str algorithm = parameter(request, "X-Amz-Algorithm", &bad);
    struct str credential = parameter(request, "X-Amz-Credential", &bad);
    struct str expires = parameter(request, "X-Amz-Expires", &bad);
    claim->amz_date = parameter(request, "X-Amz-Date", &bad);
    claim->signed_headers = parameter(request, "X-Amz-SignedHeaders", &bad);
    claim->signature = parameter(request, "X-Amz-Signature", &bad);
    claim->token = parameter(request, "X-Amz-Security-Token", &bad);
    header(what, "Host", &many);
    if (header(what, "x-amz-security-token", &many).ptr != NULL || many)
        return s3_fault_set(fault, S3_INVALID_ARGUMENT, "Only one auth mechanism allowed.");
    if (bad || !str_equal_cstr(algorithm, ALGORITHM) || expires.ptr == NULL ||
        claim->signed_headers.len == 0 || claim->signature.len != SIGNATURE_CHARS)
        return s3_fault_set(fault, S3_AUTH_QUERY_ERROR,
                            "Query-string authentication version 4 requires the X-Amz-Algorithm, "
                            "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, "
                            "and X-Amz-Expires parameters, each once.");
    if (parse_credential(claim, credential, fault) != 0 || judge_time(claim, now_ms, fault) != 0)
        return -1;
    return judge_expiry(claim, expires, now_ms, fault);
}

/* ---- the secret ------------------------------------------------------------------------------ */

static int secret_of_file(const struct s3_keys *keys, const struct claim *claim,
                          struct s3_identity *out, struct str *secret, struct s3_fault *fault)
{
    const struct s3_file_key *key =
        keys->file == NULL ? NULL : s3_key_file_find(keys->file, claim->access_key_id);
    if (key == NULL)
        return s3_fault_set(fault, S3_INVALID_ACCESS_KEY,
                            "The AWS Access Key Id you provided does not exist in our records.");
    out->warehouse = key->warehouse;
    out->grant = (struct gateway_grant){
        .prefixes = {key->prefix},
        .prefix_count = 1,
        .write = key->write,
        .principal = key->access_key_id,
    };
    *secret = key->secret;
    return 0;
}

static int find_secret(const struct s3_keys *keys, const struct claim *claim, int64_t now_ms,
                       struct arena *arena, struct s3_identity *out, struct str *secret,
                       struct s3_fault *fault)
{
    if (claim->token.ptr == NULL)
        return secret_of_file(keys, claim, out, secret, fault);
    struct error why = {0};
    if (keys->issued != NULL && gateway_key_open(keys->issued, claim->access_key_id, claim->token,
                                                 now_ms, arena, &out->grant, secret, &why) == 0)
        return 0;
    if (why.kind == ERR_FORBIDDEN)
        return s3_fault_set(fault, S3_EXPIRED_TOKEN, "The provided token has expired.");
    return s3_fault_set(fault, S3_INVALID_TOKEN,
                        "The provided token is malformed or otherwise not valid.");
}

/* ---- the signature --------------------------------------------------------------------------- */

static int judge_payload(const struct s3_auth_request *what, const struct claim *claim,
                         struct s3_identity *out, struct s3_fault *fault)
{
    bool many = false;
    struct str text = header(what, "x-amz-content-sha256", &many);
    if (text.ptr == NULL && claim->presigned) {
        text = parameter(what->request, "X-Amz-Content-Sha256", &many);
        if (text.ptr == NULL)
            text = STR(S3_UNSIGNED_PAYLOAD);
    }
    if (text.ptr == NULL)
        return s3_fault_set(fault, S3_INVALID_REQUEST,
                            "Missing required header for this request: x-amz-content-sha256");
    if (many || !s3_payload_parse(text, &out->payload))
        return s3_fault_set(fault, S3_INVALID_ARGUMENT,
                            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a streaming mode, or a "
                            "valid sha256 value.");
    out->payload_text = text;
    return 0;
}

/* Invariant 2. The headers under the signature go to `to`. */
static int signed_headers(const struct s3_auth_request *what, const struct claim *claim,
                          struct s3_header *to, size_t *count, struct s3_fault *fault)
{
    *count = 0;
    for (size_t i = 0; i < what->header_count; i++) {
        struct str name = what->headers[i].name;
        bool listed = is_listed(claim->signed_headers, name);
        if (listed)
            to[(*count)++] = (struct s3_header){name, what->headers[i].value};
        else if (is_amz(name))
            return s3_fault_set(fault, S3_ACCESS_DENIED,
                                "There were headers present in the request which were not signed: "
                                "%.*s",
                                STR_ARG(name));
    }
    if (!is_listed(claim->signed_headers, STR("host")))
        return s3_fault_set(fault, S3_ACCESS_DENIED,
                            "There were headers present in the request which were not signed: "
                            "host");
    return 0;
}

static struct s3_query_item *signed_query(const struct s3_request *request, struct arena *arena,
                                          size_t *count)
{
    struct s3_query_item *all = ARENA_ARRAY(
        arena, struct s3_query_item, request->query_count + request->signature_query_count + 1);
    *count = 0;
    for (size_t i = 0; i < request->query_count; i++)
        all[(*count)++] = request->query[i];
    for (size_t i = 0; i < request->signature_query_count; i++)
        if (!str_equal_cstr(request->signature_query[i].name, "X-Amz-Signature"))
            all[(*count)++] = request->signature_query[i];
    return all;
}

static int judge_signature(const struct s3_auth_request *what, const struct claim *claim,
                           struct str secret, struct arena *arena, struct s3_identity *out,
                           struct s3_fault *fault)
{
    struct s3_header *headers = ARENA_ARRAY(arena, struct s3_header, what->header_count + 1);
    struct s3_to_sign to_sign = {
        .method = what->method,
        .path = what->path,
        .headers = headers,
        .payload_hash = out->payload_text,
        .amz_date = claim->amz_date,
        .region = claim->region,
        .service = claim->service,
    };
    if (signed_headers(what, claim, headers, &to_sign.header_count, fault) != 0)
        return -1;
    to_sign.query = signed_query(what->request, arena, &to_sign.query_count);
    out->key = s3_signing_key_derive(secret, claim->date, claim->region, claim->service);
    /* A list that names what did not come, or not in order, is none that was signed. */
    bool right = str_equal(s3_signed_headers(&to_sign, arena), claim->signed_headers) &&
                 secret_equal(s3_signature(&to_sign, &out->key, arena), claim->signature);
    if (!right)
        return s3_fault_set(fault, S3_SIGNATURE_MISMATCH,
                            "The request signature we calculated does not match the signature you "
                            "provided. Check your key and signing method.");
    return 0;
}

/* As version 2 signs a URL. */
static bool is_of_version_2(const struct s3_request *request)
{
    for (size_t i = 0; i < request->query_count; i++)
        if (str_equal_cstr(request->query[i].name, "AWSAccessKeyId"))
            return true;
    return false;
}

int s3_auth_check(const struct s3_keys *keys, const struct s3_auth_request *what, int64_t now_ms,
                  struct arena *arena, struct s3_identity *out, struct s3_fault *fault)
{
    struct claim claim = {0};
    struct str secret;
    bool many = false;
    *out = (struct s3_identity){0};
    bool in_header = header(what, "Authorization", &many).ptr != NULL;
    bool in_query = what->request->signature_query_count > 0;
    if (in_header && in_query)
        return s3_fault_set(fault, S3_INVALID_ARGUMENT, "Only one auth mechanism allowed.");
    if (!in_header && !in_query && is_of_version_2(what->request))
        return other_mechanism(fault);
    if (!in_header && !in_query)
        return s3_fault_set(fault, S3_ACCESS_DENIED, "Access denied: the request is not signed.");
    if ((in_header ? claim_of_header(what, now_ms, &claim, fault)
                   : claim_of_query(what, now_ms, &claim, fault)) != 0)
        return -1;
    if (judge_payload(what, &claim, out, fault) != 0 ||
        find_secret(keys, &claim, now_ms, arena, out, &secret, fault) != 0 ||
        judge_signature(what, &claim, secret, arena, out, fault) != 0)
        return -1;
    out->presigned = claim.presigned;
    out->access_key_id = claim.access_key_id;
    out->amz_date = claim.amz_date;
    out->signature = claim.signature;
    out->scope = arena_printf(arena, "%.*s/%.*s/%.*s/aws4_request", STR_ARG(claim.date),
                              STR_ARG(claim.region), STR_ARG(claim.service));
    return 0;
}

bool s3_auth_is_present(struct str authorization, struct str target)
{
    if (str_starts_with(authorization, STR(ALGORITHM " ")))
        return str_contains(authorization, STR("/s3/aws4_request"));
    struct str query = target;
    str_cut(&query, '?');
    return str_contains(query, STR("X-Amz-Signature=")) &&
           (str_contains(query, STR("%2Fs3%2Faws4_request")) ||
            str_contains(query, STR("/s3/aws4_request")));
}
