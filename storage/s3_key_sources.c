/* Where keys for S3 come from: options, environment, the shared file, a token file and STS, and the
 * services of containers and instances.
 *
 * Rules that always hold:
 * 1. No message and no detail holds more of an answer than its status.
 * 2. Keys are complete or an error: never an id without its secret. */
#include "storage/s3_key_sources.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/raw_json.h"
#include "storage/s3_address.h"
#include "storage/s3_signature.h"
#include "storage/s3_sts.h"

#define FILE_BYTES_MAX (1 << 20)
#define ANSWER_BYTES_MAX 65536
#define FILE_AGAIN_MS (60 * 1000)
#define METADATA_ENDPOINT "http://169.254.169.254"
#define CONTAINER_ENDPOINT "http://169.254.170.2"

static struct str environment(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? STR_NONE : str_cstr(value);
}

int key_source_open(enum key_source_kind kind, const struct storage_options *options,
                    struct key_source *out, struct error *err)
{
    bool lacks = kind == KEYS_STATIC &&
                 (options->access_key_id.len == 0 || options->secret_access_key.len == 0);
    if (lacks)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "access-key-id and secret-access-key are given together");
    *out = (struct key_source){.kind = kind, .options = options};
    if (kind == KEYS_WEB_IDENTITY || kind == KEYS_INSTANCE) {
        struct http_client_options http = {.in_flight_max = 1,
                                           .total_ms = 5000,
                                           .connect_ms = 2000,
                                           .link_local = kind == KEYS_INSTANCE};
        out->http = http_client_new(&http);
    }
    return 0;
}

void key_source_close(struct key_source *source)
{
    http_client_free(source->http);
}

bool key_source_changes(const struct key_source *source)
{
    return source->kind == KEYS_FILE || source->kind == KEYS_WEB_IDENTITY ||
           source->kind == KEYS_INSTANCE;
}

static int complete(const struct s3_keys *keys, const char *where, struct error *err)
{
    if (keys->access_key_id.len > 0 && keys->secret_access_key.len > 0)
        return 0;
    return error_set(err, ERR_UNAVAILABLE, "%s holds no complete keys", where);
}

/* ---- files ----------------------------------------------------------------------------------- */

static int read_file(const char *path, struct arena *arena, struct str *out, struct error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(err, ERR_UNAVAILABLE, "Cannot read %s", path);
    char *bytes = arena_alloc(arena, FILE_BYTES_MAX + 1);
    size_t len = fread(bytes, 1, FILE_BYTES_MAX + 1, file);
    bool good = ferror(file) == 0 && len <= FILE_BYTES_MAX;
    (void)fclose(file);
    *out = str_from(bytes, len);
    return good ? 0 : error_set(err, ERR_UNAVAILABLE, "Cannot read %s, or it is too large", path);
}

static const char *key_file(struct arena *arena)
{
    struct str path = environment("AWS_SHARED_CREDENTIALS_FILE");
    if (path.len > 0)
        return arena_cstr(arena, path);
    struct str home = environment("HOME");
    return arena_printf(arena, "%.*s/.aws/credentials", STR_ARG(home)).ptr;
}

bool key_file_exists(void)
{
    struct arena *arena = arena_new();
    FILE *file = fopen(key_file(arena), "re");
    if (file != NULL)
        (void)fclose(file);
    arena_free(arena);
    return file != NULL;
}

/* [profile], then name = value lines; '#' and ';' begin a comment line. */
static void find_in_profile(struct str text, struct str profile, struct s3_keys *out)
{
    bool inside = false;
    while (text.len > 0) {
        struct str line = str_trim(str_cut(&text, '\n'));
        while (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line = str_trim(str_from(line.ptr, line.len - 1));
        if (line.len > 1 && line.ptr[0] == '[') {
            struct str rest = str_skip(line, 1);
            inside = str_equal(str_trim(str_cut(&rest, ']')), profile);
            continue;
        }
        if (!inside || line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
            continue;
        struct str value = line, name = str_trim(str_cut(&value, '='));
        value = str_trim(value);
        if (str_equal(name, STR("aws_access_key_id")))
            out->access_key_id = value;
        else if (str_equal(name, STR("aws_secret_access_key")))
            out->secret_access_key = value;
        else if (str_equal(name, STR("aws_session_token")) && value.len > 0)
            out->session_token = value;
    }
}

static int from_file(struct key_source *source, struct arena *arena, struct s3_keys *out,
                     struct error *err)
{
    const char *path = key_file(arena);
    struct str profile = source->options->profile, text;
    if (profile.len == 0)
        profile = environment("AWS_PROFILE");
    if (profile.len == 0)
        profile = STR("default");
    if (read_file(path, arena, &text, err) != 0)
        return -1;
    find_in_profile(text, profile, out);
    out->expires_ms = clock_now_ms(source->clock) + 2 * (int64_t)FILE_AGAIN_MS;
    return complete(out, arena_printf(arena, "%s [%.*s]", path, STR_ARG(profile)).ptr, err);
}

/* ---- services -------------------------------------------------------------------------------- */

/* A 200 and its body, or an error that tells the status. */
static int ask(struct key_source *source, const struct http_request *request, struct arena *arena,
               struct str *out, struct error *err)
{
    struct buf body = BUF_INIT(ANSWER_BYTES_MAX);
    struct http_response response;
    struct str shown = request->url;
    shown = str_cut(&shown, '?');
    int result = http_client_call(source->http, request, arena, &response, &body, err);
    if (result == 0 && response.status != 200)
        result = error_set(err, ERR_UNAVAILABLE, "%.*s answers %d instead of keys", STR_ARG(shown),
                           response.status);
    if (result != 0 && err->kind != ERR_UNAVAILABLE)
        err->kind = ERR_UNAVAILABLE;
    *out = arena_str(arena, buf_str(&body));
    buf_free(&body);
    return result;
}

/* {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"} */
static int parse_json_keys(struct str text, struct arena *arena, struct s3_keys *out,
                           struct error *err)
{
    struct str json;
    if (raw_json_check(text, &json, err) != 0)
        return error_set(err, ERR_UNAVAILABLE, "A key service answers no JSON");
    static const char *const names[] = {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"};
    struct str values[4];
    for (size_t i = 0; i < 4; i++) {
        struct str value = raw_json_member(json, names[i]);
        bool is_text = value.len > 0 && raw_json_kind(value) == RAW_JSON_STRING;
        values[i] = is_text ? raw_json_string(value, arena) : STR_NONE;
    }
    out->access_key_id = values[0];
    out->secret_access_key = values[1];
    out->session_token = values[2];
    if (values[3].len > 0 && !s3_time_parse(values[3], arena, &out->expires_ms))
        return error_set(err, ERR_UNAVAILABLE, "A key service tells no time of expiry");
    return complete(out, "The answer of a key service", err);
}

/* https anywhere; http only on this host or the addresses of container services. */
static bool container_url_is_safe(struct str url)
{
    static const char *const good[] = {"https://",
                                       "http://127.0.0.1",
                                       "http://localhost",
                                       "http://[::1]",
                                       "http://169.254.170.2",
                                       "http://169.254.170.23",
                                       "http://[fd00:ec2::23]"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct str begin = str_cstr(good[i]), rest = str_skip(url, begin.len);
        bool ends_there = i == 0 || rest.len == 0 || rest.ptr[0] == '/' || rest.ptr[0] == ':';
        if (str_starts_with(url, begin) && ends_there)
            return true;
    }
    return false;
}

static int from_container(struct key_source *source, struct arena *arena, struct s3_keys *out,
                          struct error *err)
{
    struct str relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    struct str url = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    struct str token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    struct str token_file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    struct str text;
    if (relative.len > 0)
        url = arena_printf(arena, CONTAINER_ENDPOINT "%.*s", STR_ARG(relative));
    else if (!container_url_is_safe(url))
        return error_set(err, ERR_UNAVAILABLE,
                         "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor on this host");
    if (token_file.len > 0 && read_file(arena_cstr(arena, token_file), arena, &token, err) != 0)
        return -1;
    while (token.len > 0 && (token.ptr[token.len - 1] == '\n' || token.ptr[token.len - 1] == '\r'))
        token.len--;
    struct http_header header = {STR("Authorization"), token};
    struct http_request request = {.method = STR("GET"),
                                   .url = url,
                                   .headers = &header,
                                   .header_count = token.len > 0 ? 1 : 0};
    if (ask(source, &request, arena, &text, err) != 0)
        return -1;
    return parse_json_keys(text, arena, out, err);
}

/* IMDSv2: a session token, the name of the role, its keys. */
static int from_instance(struct key_source *source, struct arena *arena, struct s3_keys *out,
                         struct error *err)
{
    struct str endpoint = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT"), token, role, text;
    if (endpoint.len == 0)
        endpoint = STR(METADATA_ENDPOINT);
    if (endpoint.ptr[endpoint.len - 1] == '/')
        endpoint.len--;
    struct http_header ttl = {STR("X-aws-ec2-metadata-token-ttl-seconds"), STR("300")};
    struct http_request request = {
        .method = STR("PUT"),
        .url = arena_printf(arena, "%.*s/latest/api/token", STR_ARG(endpoint)),
        .headers = &ttl,
        .header_count = 1,
        .body = STR("")};
    if (ask(source, &request, arena, &token, err) != 0)
        return -1;
    struct http_header session = {STR("X-aws-ec2-metadata-token"), token};
    struct str url =
        arena_printf(arena, "%.*s/latest/meta-data/iam/security-credentials/", STR_ARG(endpoint));
    request = (struct http_request){
        .method = STR("GET"), .url = url, .headers = &session, .header_count = 1};
    if (ask(source, &request, arena, &role, err) != 0)
        return -1;
    role = str_trim(str_cut(&role, '\n'));
    request.url =
        arena_printf(arena, "%.*s%.*s", STR_ARG(url), STR_ARG(s3_uri_encode(role, false, arena)));
    if (ask(source, &request, arena, &text, err) != 0)
        return -1;
    return parse_json_keys(text, arena, out, err);
}

/* ---- web identity ---------------------------------------------------------------------------- */

static int from_web_identity(struct key_source *source, struct arena *arena, struct s3_keys *out,
                             struct error *err)
{
    struct str path = environment("AWS_WEB_IDENTITY_TOKEN_FILE"), token, text;
    struct str role = environment("AWS_ROLE_ARN"), session = environment("AWS_ROLE_SESSION_NAME");
    struct http_endpoint endpoint;
    if (role.len == 0)
        role = source->options->role_arn;
    if (session.len == 0)
        session = STR("firn");
    if (path.len == 0 || role.len == 0)
        return error_set(err, ERR_UNAVAILABLE,
                         "Web identity needs AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN");
    if (read_file(arena_cstr(arena, path), arena, &token, err) != 0)
        return -1;
    while (token.len > 0 && (token.ptr[token.len - 1] == '\n' || token.ptr[token.len - 1] == '\r'))
        token.len--;
    if (http_endpoint_parse(s3_sts_endpoint(source->options, arena), arena, &endpoint, err) != 0)
        return -1;
    struct http_header type = {STR("Content-Type"), STR("application/x-www-form-urlencoded")};
    struct http_request request = {
        .method = STR("POST"),
        .url = arena_printf(arena, "%.*s/", STR_ARG(endpoint.text)),
        .headers = &type,
        .header_count = 1,
        .body = arena_printf(arena,
                             "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=%.*s"
                             "&RoleSessionName=%.*s&WebIdentityToken=%.*s",
                             STR_ARG(s3_uri_encode(role, false, arena)),
                             STR_ARG(s3_uri_encode(session, false, arena)),
                             STR_ARG(s3_uri_encode(token, false, arena)))};
    if (ask(source, &request, arena, &text, err) != 0)
        return -1;
    return s3_sts_parse(text, "AssumeRoleWithWebIdentityResult", arena, out, err);
}

/* ---- all ------------------------------------------------------------------------------------- */

int key_source_fetch(struct key_source *source, struct arena *arena, struct s3_keys *out,
                     struct error *err)
{
    *out = (struct s3_keys){.expires_ms = INT64_MAX};
    switch (source->kind) {
    case KEYS_STATIC:
        out->access_key_id = source->options->access_key_id;
        out->secret_access_key = source->options->secret_access_key;
        if (source->options->session_token.len > 0)
            out->session_token = source->options->session_token;
        return 0;
    case KEYS_ENVIRONMENT:
        out->access_key_id = environment("AWS_ACCESS_KEY_ID");
        out->secret_access_key = environment("AWS_SECRET_ACCESS_KEY");
        out->session_token = environment("AWS_SESSION_TOKEN");
        return complete(out, "The environment", err);
    case KEYS_FILE:
        return from_file(source, arena, out, err);
    case KEYS_WEB_IDENTITY:
        return from_web_identity(source, arena, out, err);
    case KEYS_INSTANCE:
        if (environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").len > 0 ||
            environment("AWS_CONTAINER_CREDENTIALS_FULL_URI").len > 0)
            return from_container(source, arena, out, err);
        return from_instance(source, arena, out, err);
    case KEYS_ANONYMOUS:
        out->anonymous = true;
        return 0;
    }
    return error_set(err, ERR_INTERNAL, "Unknown source of keys");
}
