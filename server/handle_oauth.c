/* POST /v1/oauth/tokens (contract/rest.md 12): client_credentials and token exchange.
 *
 * 1. Refusals have OAuth's form and never Iceberg's; `error` is one of the words that clients know.
 * 2. An Authorization header other than Basic is not looked at: clients keep sending the token that
 *    they want to replace.
 * 3. An exchange never gives more than it got: the same principal, the same words of the scope or
 *    fewer. A token whose time is over counts only together with the client's own secret.
 * 4. What a client sent as a secret or a token is in no log and in no answer. */
#include "server/handlers.h"
#include "server/request.h"

#include "base/log.h"
#include "base/metric.h"
#include "base/raw_json.h"
#include "server/auth.h"
#include <assert.h>

#define EXPIRED_GRACE_MS (24 * 3600 * 1000ll)
#define URN "urn:ietf:params:oauth:"
#define ACCESS_TOKEN_TYPE URN "token-type:access_token"
#define ANSWER_BYTES_MAX 4096
#define BASIC_BYTES_MAX 4096

enum form_field {
    FIELD_GRANT_TYPE,
    FIELD_CLIENT_ID,
    FIELD_CLIENT_SECRET,
    FIELD_SCOPE,
    FIELD_SUBJECT_TOKEN,
    FIELD_SUBJECT_TOKEN_TYPE,
    FIELD_ACTOR_TOKEN,
    FIELD_ACTOR_TOKEN_TYPE,
    FIELD_REQUESTED_TOKEN_TYPE,
    FIELD_COUNT, /* others are ignored: audience, resource, what a user adds */
};

static const char *const field_names[FIELD_COUNT] = {
    [FIELD_GRANT_TYPE] = "grant_type",
    [FIELD_CLIENT_ID] = "client_id",
    [FIELD_CLIENT_SECRET] = "client_secret",
    [FIELD_SCOPE] = "scope",
    [FIELD_SUBJECT_TOKEN] = "subject_token",
    [FIELD_SUBJECT_TOKEN_TYPE] = "subject_token_type",
    [FIELD_ACTOR_TOKEN] = "actor_token",
    [FIELD_ACTOR_TOKEN_TYPE] = "actor_token_type",
    [FIELD_REQUESTED_TOKEN_TYPE] = "requested_token_type",
};

struct token_request {
    struct request *req;
    struct auth *auth;
    struct str fields[FIELD_COUNT]; /* STR_NONE: not sent, or sent empty */
    struct str client_id, secret;   /* from the form or the header; STR_NONE: none */
    bool by_header;
    /* what comes out */
    const struct principal *principal;
    struct str scope;
    /* or, why nothing */
    const char *code, *why;
    int wait_s;
};

static int refuse(struct token_request *token, const char *code, const char *why)
{
    token->code = code;
    token->why = why;
    return -1;
}

/* ---- what was sent --------------------------------------------------------------------------- */

static int read_pair(struct token_request *token, struct str pair)
{
    struct str name, value;
    struct error ignored;
    struct str raw_name = str_cut(&pair, '=');
    if (url_decode(raw_name, token->req->arena, &name, &ignored) != 0 ||
        url_decode(pair.ptr == NULL ? STR("") : pair, token->req->arena, &value, &ignored) != 0)
        return refuse(token, "invalid_request", "The form is malformed");
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (!str_equal_cstr(name, field_names[i]) || value.len == 0)
            continue;
        if (token->fields[i].ptr != NULL)
            return refuse(token, "invalid_request", "A parameter was sent twice");
        token->fields[i] = value;
    }
    return 0;
}

static bool is_form(struct str content_type)
{
    struct str type = str_trim(str_cut(&content_type, ';'));
    return type.len == 0 || str_equal_ignore_case(type, STR("application/x-www-form-urlencoded"));
}

static int read_form(struct token_request *token)
{
    struct http_exchange *x = token->req->exchange;
    struct str rest = x->body;
    if (token->req->match.query.len > 0)
        return refuse(token, "invalid_request", "Parameters belong into the body, not the URL");
    if (!is_form(http_exchange_header(x, "Content-Type")))
        return refuse(token, "invalid_request",
                      "The body must be application/x-www-form-urlencoded");
    while (rest.len > 0) {
        struct str pair = str_cut(&rest, '&');
        if (pair.len > 0 && read_pair(token, pair) != 0)
            return -1;
    }
    return 0;
}

/* Standard base64, padded or not. */
static bool base64_decode(struct arena *arena, struct str text, struct str *out)
{
    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    char *copy = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        copy[i] = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    return base64url_decode(arena, str_from(copy, text.len), out);
}

/* RFC 6749 2.3.1 has both parts form-encoded, but clients send them raw. Ours hold no character
 * that encoding would change: where there is one, it was encoded. */
static struct str as_sent_or_decoded(struct str text, struct arena *arena)
{
    struct str decoded;
    struct error ignored;
    if (!str_contains(text, STR("%")) || url_decode(text, arena, &decoded, &ignored) != 0)
        return text;
    return decoded;
}

/* Takes the client of "Authorization: Basic …". */
static int read_basic(struct token_request *token)
{
    struct arena *arena = token->req->arena;
    struct str rest = http_exchange_header(token->req->exchange, "Authorization"), pair;
    struct str scheme = str_cut(&rest, ' ');
    if (!str_equal_ignore_case(scheme, STR("Basic")))
        return 0;
    rest = str_trim(rest);
    if (rest.len > BASIC_BYTES_MAX || !base64_decode(arena, rest, &pair) ||
        !str_contains(pair, STR(":")))
        return refuse(token, "invalid_request", "The Authorization header is malformed");
    token->by_header = true;
    token->client_id = as_sent_or_decoded(str_cut(&pair, ':'), arena);
    token->secret = as_sent_or_decoded(pair, arena);
    return 0;
}

static int read_client(struct token_request *token)
{
    struct str id = token->fields[FIELD_CLIENT_ID], secret = token->fields[FIELD_CLIENT_SECRET];
    if (read_basic(token) != 0)
        return -1;
    if (!token->by_header) {
        token->client_id = id;
        token->secret = secret;
        return 0;
    }
    if ((id.ptr != NULL && !str_equal(id, token->client_id)) ||
        (secret.ptr != NULL && !secret_equal(secret, token->secret)))
        return refuse(token, "invalid_request",
                      "The form and the Authorization header name different clients");
    return 0;
}

/* Words between single spaces (RFC 6749 3.3). */
static bool is_scope(struct str scope)
{
    char before = ' ';
    for (size_t i = 0; i < scope.len; i++) {
        char c = scope.ptr[i];
        bool fine = c == ' ' ? before != ' ' : c > ' ' && c < 0x7F && c != '"' && c != '\\';
        if (!fine)
            return false;
        before = c;
    }
    return scope.len == 0 || before != ' ';
}

static int read_scope(struct token_request *token)
{
    struct str scope = token->fields[FIELD_SCOPE];
    if (scope.len > TOKEN_SCOPE_BYTES_MAX || !is_scope(scope))
        return refuse(token, "invalid_scope", "The scope is malformed or too long");
    token->scope = scope;
    return 0;
}

/* ---- grants ---------------------------------------------------------------------------------- */

/* The one client of the profile for test suites; its tokens open nothing that is not open. */
static bool is_fixture_client(struct token_request *token)
{
    static const struct principal ADMIN = {.name = {"admin", 5}, .client_id = {"admin", 5}};
    if (!token->req->service->is_fixture || !str_equal(token->client_id, STR("admin")) ||
        !str_equal(token->secret, STR("password")))
        return false;
    assert(!auth_options_of(token->auth)->required);
    token->principal = &ADMIN;
    return true;
}

/* Checks the client's secret; one that was not sent is refused too. */
static int check_client(struct token_request *token)
{
    if (token->client_id.len == 0 || token->secret.len == 0)
        return refuse(token, "invalid_client", "The client id or the client secret is missing");
    if (is_fixture_client(token))
        return 0;
    token->principal = auth_client(token->auth, token->client_id, token->secret,
                                   token->req->caller.client, &token->wait_s);
    if (token->principal != NULL)
        return 0;
    metric_add(METRIC_SECRETS_REFUSED, 1);
    if (token->wait_s > 0)
        return refuse(token, "temporarily_unavailable", "Too many wrong secrets: wait");
    return refuse(token, "invalid_client", "The client or its secret is not known");
}

static int grant_client_credentials(struct token_request *token)
{
    return check_client(token);
}

static bool is_access_token_type(struct str type)
{
    return str_equal(type, STR(ACCESS_TOKEN_TYPE));
}

static bool has_word(struct str scope, struct str wanted)
{
    while (scope.len > 0)
        if (str_equal(str_cut(&scope, ' '), wanted))
            return true;
    return false;
}

/* Keeps the scope of the subject token when none is asked for. A token without one may everything.
 */
static int narrow_scope(struct token_request *token, struct str had)
{
    struct str asked = token->scope;
    if (asked.len == 0)
        token->scope = had;
    if (had.len == 0)
        return 0;
    while (asked.len > 0)
        if (!has_word(had, str_cut(&asked, ' ')))
            return refuse(token, "invalid_scope", "The scope is wider than that of the token");
    return 0;
}

static int check_actor(struct token_request *token)
{
    struct token_bearer actor;
    struct str text = token->fields[FIELD_ACTOR_TOKEN];
    if (text.ptr == NULL)
        return 0;
    if (!is_access_token_type(token->fields[FIELD_ACTOR_TOKEN_TYPE]))
        return refuse(token, "invalid_request", "Only access tokens can be exchanged");
    if (auth_recognise(token->auth, text, token->req->arena, &actor) != TOKEN_VALID)
        return refuse(token, "invalid_grant", "The actor token is not valid");
    return 0;
}

static bool is_in_grace(const struct token_request *token, const struct token_bearer *subject)
{
    int64_t now_ms = clock_now_ms(auth_options_of(token->auth)->clock);
    return now_ms - subject->claims.expires_ms <= EXPIRED_GRACE_MS;
}

static int grant_exchange(struct token_request *token)
{
    struct token_bearer subject;
    struct str text = token->fields[FIELD_SUBJECT_TOKEN];
    struct str requested = token->fields[FIELD_REQUESTED_TOKEN_TYPE];
    if (text.ptr == NULL)
        return refuse(token, "invalid_request", "The subject token is missing");
    if (!is_access_token_type(token->fields[FIELD_SUBJECT_TOKEN_TYPE]) ||
        (requested.ptr != NULL && !is_access_token_type(requested)))
        return refuse(token, "invalid_request", "Only access tokens can be exchanged");
    bool has_client = token->by_header || token->secret.ptr != NULL;
    if (has_client && check_client(token) != 0)
        return -1;
    enum token_state state = auth_recognise(token->auth, text, token->req->arena, &subject);
    if (state == TOKEN_EXPIRED && has_client && is_in_grace(token, &subject))
        state = TOKEN_VALID;
    if (state != TOKEN_VALID)
        return refuse(token, "invalid_grant", "The subject token is expired or not valid");
    if (has_client && subject.principal->id != token->principal->id)
        return refuse(token, "invalid_grant", "The subject token is another client's");
    token->principal = subject.principal;
    if (check_actor(token) != 0)
        return -1;
    return narrow_scope(token, subject.claims.scope);
}

static int grant(struct token_request *token)
{
    static const struct {
        const char *name;
        int (*run)(struct token_request *token);
    } grants[] = {
        {"client_credentials", grant_client_credentials},
        {URN "grant-type:token-exchange", grant_exchange},
    };
    if (read_form(token) != 0 || read_client(token) != 0 || read_scope(token) != 0)
        return -1;
    if (token->fields[FIELD_GRANT_TYPE].ptr == NULL)
        return refuse(token, "invalid_request", "The grant type is missing");
    for (size_t i = 0; i < sizeof(grants) / sizeof(grants[0]); i++)
        if (str_equal_cstr(token->fields[FIELD_GRANT_TYPE], grants[i].name))
            return grants[i].run(token);
    return refuse(token, "unsupported_grant_type",
                  "Offered are client_credentials and token exchange");
}

/* ---- answers --------------------------------------------------------------------------------- */

static void log_outcome(const struct token_request *token)
{
    const struct request *req = token->req;
    const struct log_field fields[] = {
        {.name = "request_id", .text = req->caller.request_id},
        {.name = "principal",
         .text = token->principal == NULL ? STR("unknown") : token->principal->name},
        {.name = "client", .text = req->caller.client},
        {.name = "reason", .text = token->why == NULL ? STR("") : str_cstr(token->why)},
    };
    bool refused = token->code != NULL;
    log_fields(token->wait_s > 0 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
               refused ? "token refused" : "token issued", fields,
               sizeof(fields) / sizeof(fields[0]));
}

static void answer_refusal(struct token_request *token, struct response *res)
{
    bool is_client = strcmp(token->code, "invalid_client") == 0;
    if (token->wait_s > 0)
        res->retry_after_s = token->wait_s;
    response_oauth_error(res,
                         token->wait_s > 0 ? 429
                         : is_client       ? 401
                                           : 400,
                         token->code, token->why, token->req->arena);
}

static void answer_token(struct token_request *token, struct response *res)
{
    struct buf out = BUF_INIT(ANSWER_BYTES_MAX);
    int64_t lifetime_s = auth_options_of(token->auth)->token_lifetime_ms / 1000;
    struct str text = auth_issue(token->auth, token->principal, token->scope, token->req->arena);
    buf_add_format(&out, "{\"access_token\":\"%.*s\",\"token_type\":\"bearer\",\"expires_in\":%lld",
                   STR_ARG(text), (long long)lifetime_s);
    buf_add(&out, STR(",\"issued_token_type\":\"" ACCESS_TOKEN_TYPE "\""));
    if (token->scope.len > 0) {
        buf_add(&out, STR(",\"scope\":"));
        raw_json_write_string(&out, token->scope);
    }
    buf_add_char(&out, '}');
    response_json_buf(res, &out, token->req->arena);
    response_header(res, "Cache-Control", "no-store");
}

int handle_token(struct request *req, struct response *res, struct error *err)
{
    struct token_request token = {.req = req, .auth = req->service->auth};
    (void)err;
    if (grant(&token) == 0)
        answer_token(&token, res);
    else
        answer_refusal(&token, res);
    log_outcome(&token);
    return HANDLER_DONE;
}
