/* firn key create: keys of the gateway, as the lines that AWS's tools, boto3 and others read from
 * the environment. They are shown this once. */
#include "server/cli_private.h"

#include "base/clock.h"
#include "catalog/gateway_key.h"
#include "catalog/warehouse.h"
#include <stdio.h>

#define LIFETIME_MS (12 * 3600 * 1000ll)

/* "90s", "30m", "12h", "7d". */
static int read_lifetime(const char *text, int64_t *ms, struct error *err)
{
    static const struct {
        char letter;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    struct str digits = str_cstr(text);
    long long number = 0;
    *ms = LIFETIME_MS;
    if (text == NULL)
        return 0;
    digits.len -= digits.len > 0 ? 1 : 0;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (str_to_int64(digits, &number) && digits.ptr[digits.len] == units[i].letter &&
            number > 0 && number <= GATEWAY_KEY_LIFETIME_MS_MAX / units[i].ms) {
            *ms = number * units[i].ms;
            return 0;
        }
    return error_set(err, ERR_ILLEGAL_ARGUMENT,
                     "--expires: expected a time such as 30m, 12h or 7d, at most 30d: %s", text);
}

static void print(const char *id, const char *secret, const char *token)
{
    printf("AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\nAWS_SESSION_TOKEN=%s\n", id, secret,
           token);
}

static int on_catalog(struct catalog *catalog, const struct caller *caller,
                      const struct cli_command *command, struct arena *arena, struct error *err)
{
    struct warehouse *warehouse;
    struct gateway_grant grant;
    struct gateway_keys *signing;
    struct file_keys keys;
    int64_t lifetime_ms;
    if (read_lifetime(command->expires, &lifetime_ms, err) != 0 ||
        catalog_warehouse_find(catalog, str_cstr(command->warehouse), &warehouse, err) != 0 ||
        gateway_grant_make(warehouse, str_cstr(command->prefix), command->write, caller->principal,
                           clock_now_ms(&clock_system) + lifetime_ms, arena, &grant, err) != 0 ||
        gateway_keys_open(catalog, &signing, err) != 0)
        return -1;
    gateway_key_issue(signing, &grant, arena, &keys);
    gateway_keys_close(signing);
    print(arena_cstr(arena, keys.access_key_id), arena_cstr(arena, keys.secret_access_key),
          arena_cstr(arena, keys.session_token));
    return 0;
}

static int over_http(const struct cli_http *http, const struct cli_command *command,
                     struct error *err)
{
    json_t *answer = NULL;
    int64_t lifetime_ms;
    if (read_lifetime(command->expires, &lifetime_ms, err) != 0)
        return -1;
    json_t *content = json_pack("{s:s*,s:b,s:I}", "prefix", command->prefix, "write",
                                command->write, "expires-s", (json_int_t)(lifetime_ms / 1000));
    if (content == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "The prefix must be UTF-8");
    const struct cli_request request = {.method = "POST",
                                        .path = "/management/v1/warehouses",
                                        .name = command->warehouse,
                                        .tail = "/keys",
                                        .content = content};
    int rc = cli_http_request(http, &request, &answer, err);
    if (rc == 0)
        print(cli_http_text(answer, "access-key-id"), cli_http_text(answer, "secret-access-key"),
              cli_http_text(answer, "session-token"));
    json_decref(content);
    json_decref(answer);
    return rc;
}

const struct cli_noun cli_key = {
    .name = "key",
    .verbs = "create",
    .is_nameless = true,
    .on_catalog = on_catalog,
    .over_http = over_http,
};
