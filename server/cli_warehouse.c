/* firn warehouse: a line is name, location and access. Secrets come from files, and are not shown.
 */
#include "server/cli_private.h"

#include "catalog/warehouse.h"
#include "server/secret_file.h"
#include <stdio.h>

#define PATH "/management/v1/warehouses"

static bool is(const struct cli_command *command, const char *verb)
{
    return strcmp(command->verb, verb) == 0;
}

static void print(const struct warehouse *warehouse)
{
    printf("%.*s\t%.*s\t%s\n", STR_ARG(warehouse->name), STR_ARG(warehouse->place.text),
           warehouse_access_name(warehouse->access));
}

/* The storage options of the command, secrets read from their files. */
static int read_storage(const struct cli_command *command, struct arena *arena,
                        struct storage_options *out, struct error *err)
{
    const char *const *given = (const char *const *)&command->storage;
    for (size_t i = 0; i < storage_option_count; i++) {
        const struct storage_option *option = &storage_option_rows[i];
        struct str value = str_cstr(given[i]);
        if (given[i] == NULL)
            continue;
        if (option->is_secret && secret_file_read(given[i], arena, &value, err) != 0)
            return -1;
        storage_option_set(out, option, value);
    }
    return 0;
}

/* ---- in the directory of a catalog ----------------------------------------------------------- */

static int create(struct catalog *catalog, const struct caller *caller,
                  const struct cli_command *command, struct arena *arena, struct error *err)
{
    struct warehouse *made;
    struct warehouse_create create = {.name = str_cstr(command->name),
                                      .location = str_cstr(command->location),
                                      .skip_scope_check = command->skip_scope_check};
    if (command->access != NULL &&
        !warehouse_access_parse(str_cstr(command->access), &create.access))
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid access: must be direct, vend, sign or gateway");
    if (read_storage(command, arena, &create.storage, err) != 0 ||
        catalog_warehouse_create(catalog, caller, &create, &made, err) != 0)
        return -1;
    print(made);
    return 0;
}

static void show_option(const char *name, const char *value)
{
    printf("%s\t%s\n", name, value);
}

static int show(struct catalog *catalog, const struct cli_command *command, struct arena *arena,
                struct error *err)
{
    struct warehouse *warehouse;
    if (catalog_warehouse_find(catalog, str_cstr(command->name), &warehouse, err) != 0)
        return -1;
    show_option("name", warehouse->name.ptr);
    show_option("location", warehouse->place.text.ptr);
    show_option("root", warehouse->root.text.ptr);
    show_option("access", warehouse_access_name(warehouse->access));
    for (size_t i = 0; i < storage_option_count; i++) {
        struct str value = storage_option_get(&warehouse->storage, &storage_option_rows[i]);
        if (value.ptr != NULL)
            show_option(storage_option_rows[i].name,
                        storage_option_rows[i].is_secret ? "***" : arena_cstr(arena, value));
    }
    return 0;
}

static int on_catalog(struct catalog *catalog, const struct caller *caller,
                      const struct cli_command *command, struct arena *arena, struct error *err)
{
    struct warehouse **all;
    size_t count = 0;
    if (is(command, "drop"))
        return catalog_warehouse_drop(catalog, caller, str_cstr(command->name), err);
    if (is(command, "create"))
        return create(catalog, caller, command, arena, err);
    if (is(command, "show"))
        return show(catalog, command, arena, err);
    if (catalog_warehouse_list(catalog, arena, &all, &count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        print(all[i]);
    return 0;
}

/* ---- through a server ------------------------------------------------------------------------ */

static void print_json(const json_t *warehouse)
{
    printf("%s\t%s\t%s\n", cli_http_text(warehouse, "name"), cli_http_text(warehouse, "location"),
           cli_http_text(warehouse, "access"));
}

static json_t *storage_json(const struct storage_options *storage)
{
    json_t *out = json_object();
    for (size_t i = 0; out != NULL && i < storage_option_count; i++) {
        struct str value = storage_option_get(storage, &storage_option_rows[i]);
        if (value.ptr == NULL)
            continue;
        if (json_object_set_new(out, storage_option_rows[i].name,
                                json_stringn(value.ptr, value.len)) != 0) {
            json_decref(out);
            return NULL; /* not UTF-8 */
        }
    }
    return out;
}

static int create_over_http(const struct cli_http *http, const struct cli_command *command,
                            json_t **answer, struct error *err)
{
    struct storage_options storage = {0};
    struct arena *arena = arena_new();
    int rc = read_storage(command, arena, &storage, err);
    json_t *content =
        rc != 0 ? NULL
                : json_pack("{s:s,s:s*,s:s*,s:b,s:o*}", "name", command->name, "location",
                            command->location, "access", command->access, "skip-scope-check",
                            command->skip_scope_check, "storage", storage_json(&storage));
    arena_free(arena);
    if (rc == 0 && (content == NULL || json_object_get(content, "storage") == NULL))
        rc = error_set(err, ERR_ILLEGAL_ARGUMENT, "Name, location and options must be UTF-8");
    const struct cli_request request = {.method = "POST", .path = PATH, .content = content};
    if (rc == 0)
        rc = cli_http_request(http, &request, answer, err);
    json_decref(content);
    if (rc == 0)
        print_json(*answer);
    return rc;
}

static int show_over_http(const struct cli_http *http, const struct cli_command *command,
                          json_t **answer, struct error *err)
{
    static const char *const members[] = {"name", "location", "root", "access"};
    const struct cli_request request = {.method = "GET", .path = PATH, .name = command->name};
    const char *name;
    json_t *value;
    size_t i;
    if (cli_http_request(http, &request, answer, err) != 0)
        return -1;
    for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        show_option(members[i], cli_http_text(*answer, members[i]));
    json_object_foreach(json_object_get(*answer, "storage"), name, value)
        show_option(name, json_string_value(value));
    json_array_foreach(json_object_get(*answer, "secrets"), i, value)
        show_option(json_string_value(value), "***");
    return 0;
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
    int rc = is(command, "drop")     ? cli_http_request(http, &drop, &answer, err)
             : is(command, "create") ? create_over_http(http, command, &answer, err)
             : is(command, "show")   ? show_over_http(http, command, &answer, err)
                                     : list_over_http(http, &answer, err);
    json_decref(answer);
    return rc;
}

const struct cli_noun cli_warehouse = {
    .name = "warehouse",
    .verbs = "list show create drop",
    .on_catalog = on_catalog,
    .over_http = over_http,
};
