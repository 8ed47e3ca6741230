/* firn principal: a line of the list is name, client id and "admin" or "-"; what was created or
 * rotated is name, client id and the secret, which is shown this once. */
#include "server/cli_private.h"

#include "catalog/principals.h"
#include <stdio.h>

#define PATH "/management/v1/principals"

static bool is(const struct cli_command *command, const char *verb)
{
    return strcmp(command->verb, verb) == 0;
}

static void print_credential(const char *name, struct str client_id, struct str secret)
{
    printf("%s\t%.*s\t%.*s\n", name, STR_ARG(client_id), STR_ARG(secret));
    fputs("Keep the secret now: it is not stored and cannot be shown again.\n", stderr);
}

static int on_catalog(struct catalog *catalog, const struct caller *caller,
                      const struct cli_command *command, struct arena *arena, struct error *err)
{
    struct credential made;
    struct str name = str_cstr(command->name);
    const struct principal **all;
    size_t count = 0;
    int rc = 0;
    if (is(command, "drop"))
        return catalog_principal_drop(catalog, caller, name, err);
    if (is(command, "create"))
        rc = catalog_principal_create(catalog, caller, name, command->is_admin, arena, &made, err);
    else if (is(command, "rotate"))
        rc = catalog_principal_rotate(catalog, caller, name, arena, &made, err);
    else
        catalog_principal_list(catalog, arena, &all, &count);
    if (rc == 0 && !is(command, "list"))
        print_credential(command->name, made.client_id, made.secret);
    for (size_t i = 0; i < count; i++)
        printf("%.*s\t%.*s\t%s\n", STR_ARG(all[i]->name), STR_ARG(all[i]->client_id),
               all[i]->is_admin ? "admin" : "-");
    return rc;
}

static void print_list(const json_t *answer)
{
    size_t i;
    json_t *principal;
    json_array_foreach(json_object_get(answer, "principals"), i, principal) printf(
        "%s\t%s\t%s\n", cli_http_text(principal, "name"), cli_http_text(principal, "client-id"),
        json_is_true(json_object_get(principal, "admin")) ? "admin" : "-");
}

static int over_http(const struct cli_http *http, const struct cli_command *command,
                     struct error *err)
{
    struct cli_request request = {.method = "GET", .path = PATH};
    json_t *answer = NULL, *content = NULL;
    if (is(command, "drop")) {
        request.method = "DELETE";
        request.name = command->name;
    } else if (is(command, "rotate")) {
        request.method = "POST";
        request.name = command->name;
        request.tail = "/rotate";
    } else if (is(command, "create")) {
        content = json_pack("{s:s,s:b}", "name", command->name, "admin", command->is_admin);
        if (content == NULL)
            return error_set(err, ERR_ILLEGAL_ARGUMENT, "The name must be UTF-8");
        request.method = "POST";
        request.content = content;
    }
    int rc = cli_http_request(http, &request, &answer, err);
    if (rc == 0 && is(command, "list"))
        print_list(answer);
    else if (rc == 0 && !is(command, "drop"))
        print_credential(command->name, str_cstr(cli_http_text(answer, "client-id")),
                         str_cstr(cli_http_text(answer, "client-secret")));
    json_decref(content);
    json_decref(answer);
    return rc;
}

const struct cli_noun cli_principal = {
    .name = "principal",
    .verbs = "list create drop rotate",
    .on_catalog = on_catalog,
    .over_http = over_http,
};
