/* firn warehouse: a line is name and location. */
#include "server/cli_private.h"

#include "catalog/warehouse.h"
#include <stdio.h>

#define PATH "/management/v1/warehouses"

static void print(const struct warehouse *warehouse)
{
    printf("%.*s\t%.*s\n", STR_ARG(warehouse->name), STR_ARG(warehouse->root.text));
}

static int on_catalog(struct catalog *catalog, const struct caller *caller,
                      const struct cli_command *command, struct arena *arena, struct error *err)
{
    struct warehouse *made, **all;
    size_t count = 0;
    if (strcmp(command->verb, "drop") == 0)
        return catalog_warehouse_drop(catalog, caller, str_cstr(command->name), err);
    if (strcmp(command->verb, "create") == 0) {
        if (catalog_warehouse_create(catalog, caller, str_cstr(command->name),
                                     str_cstr(command->location), &made, err) != 0)
            return -1;
        print(made);
        return 0;
    }
    if (catalog_warehouse_list(catalog, arena, &all, &count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        print(all[i]);
    return 0;
}

static void print_json(const json_t *warehouse)
{
    printf("%s\t%s\n", cli_http_text(warehouse, "name"), cli_http_text(warehouse, "location"));
}

static int create_over_http(const struct cli_http *http, const struct cli_command *command,
                            json_t **answer, struct error *err)
{
    json_t *content = json_pack("{s:s,s:s*}", "name", command->name, "location", command->location);
    if (content == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Name and location must be UTF-8");
    const struct cli_request request = {.method = "POST", .path = PATH, .content = content};
    int rc = cli_http_request(http, &request, answer, err);
    json_decref(content);
    if (rc == 0)
        print_json(*answer);
    return rc;
}

static int list_over_http(const struct cli_http *http, json_t **answer, struct error *err)
{
    const struct cli_request request = {.method = "GET", .path = PATH};
    size_t i;
    json_t *warehouse;
    if (cli_http_request(http, &request, answer, err) != 0)
        return -1;
    json_array_foreach(json_object_get(*answer, "warehouses"), i, warehouse) print_json(warehouse);
    return 0;
}

static int over_http(const struct cli_http *http, const struct cli_command *command,
                     struct error *err)
{
    const struct cli_request drop = {.method = "DELETE", .path = PATH, .name = command->name};
    json_t *answer = NULL;
    int rc = strcmp(command->verb, "drop") == 0     ? cli_http_request(http, &drop, &answer, err)
             : strcmp(command->verb, "create") == 0 ? create_over_http(http, command, &answer, err)
                                                    : list_over_http(http, &answer, err);
    json_decref(answer);
    return rc;
}

const struct cli_noun cli_warehouse = {
    .name = "warehouse",
    .verbs = "list create drop",
    .on_catalog = on_catalog,
    .over_http = over_http,
};
