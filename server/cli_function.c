/* firn function: a line is namespace, name and, of what was registered, the metadata location.
 * Levels are written with dots between them; what has dots in it is reached by the API only. */
#include "server/cli_private.h"

#include "base/buf.h"
#include "base/raw_json.h"
#include "catalog/functions.h"
#include <stdio.h>

#define FILE_BYTES_MAX ((size_t)64 << 20)
#define TARGET_BYTES_MAX ((size_t)1 << 16)

static bool is(const struct cli_command *command, const char *verb)
{
    return strcmp(command->verb, verb) == 0;
}

/* "a.b.f"; of a list all of it is the namespace. */
static int read_name(const struct cli_command *command, struct arena *arena, struct identifier *out,
                     struct error *err)
{
    struct str rest = arena_str(arena, str_cstr(command->name));
    *out = (struct identifier){.ns.levels = ARENA_ARRAY(arena, struct str, rest.len + 1)};
    while (rest.ptr != NULL)
        out->ns.levels[out->ns.level_count++] = str_cut(&rest, '.');
    if (!is(command, "list")) {
        out->name = out->ns.levels[--out->ns.level_count];
        if (name_check(out->name, "name of the function", err) != 0)
            return -1;
    }
    return namespace_check(&out->ns, err);
}

/* The whole file, checked to be JSON. */
static int read_file(const char *path, struct arena *arena, struct str *out, struct error *err)
{
    FILE *file = fopen(path, "re");
    struct buf text = BUF_INIT(FILE_BYTES_MAX);
    char block[65536];
    if (file == NULL) {
        error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot read %s", path);
        return error_detail(err, "%m");
    }
    for (size_t n; (n = fread(block, 1, sizeof(block), file)) > 0;)
        buf_add(&text, str_from(block, n));
    bool failed = ferror(file) != 0 || text.overflowed;
    (void)fclose(file);
    struct str copy = arena_str(arena, buf_str(&text));
    buf_free(&text);
    if (failed)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot read %s, or it is too large", path);
    return raw_json_check(copy, out, err);
}

static void print_name(const struct namespace_ident *ns, struct str name, const char *location,
                       struct arena *arena)
{
    printf("%.*s\t%.*s", STR_ARG(namespace_display(ns, arena)), STR_ARG(name));
    if (location != NULL)
        printf("\t%s", location);
    putchar('\n');
}

/* ---- in the directory ------------------------------------------------------------------------ */

static int register_in(struct catalog *catalog, struct warehouse *warehouse,
                       const struct caller *caller, const struct identifier *ident,
                       const struct cli_command *command, struct arena *arena, struct error *err)
{
    struct object_version *version;
    struct function_source source = {.metadata_location = str_cstr(command->metadata_location)};
    if (command->metadata_file != NULL &&
        read_file(command->metadata_file, arena, &source.metadata, err) != 0)
        return -1;
    if (catalog_function_register(catalog, warehouse, caller, ident, &source, command->overwrite,
                                  &version, err) != 0)
        return -1;
    print_name(&ident->ns, ident->name, arena_cstr(arena, version->row.metadata_location), arena);
    object_version_unref(version);
    return 0;
}

static int on_catalog(struct catalog *catalog, const struct caller *caller,
                      const struct cli_command *command, struct arena *arena, struct error *err)
{
    struct identifier ident;
    struct warehouse *warehouse;
    const struct page_request all = {0};
    struct name_list list;
    if (read_name(command, arena, &ident, err) != 0 ||
        catalog_warehouse_find(catalog, str_cstr(command->warehouse), &warehouse, err) != 0)
        return -1;
    if (is(command, "drop"))
        return catalog_function_drop(catalog, warehouse, caller, &ident, err);
    if (is(command, "register"))
        return register_in(catalog, warehouse, caller, &ident, command, arena, err);
    if (catalog_function_list(catalog, warehouse, &ident.ns, &all, arena, &list, err) != 0)
        return -1;
    for (size_t i = 0; i < list.count; i++)
        print_name(&ident.ns, list.names[i], NULL, arena);
    return 0;
}

/* ---- over HTTP ------------------------------------------------------------------------------- */

/* Percent-encoded, as a segment of a path or a value of a query. */
static void add_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain)
            buf_add_char(out, (char)c);
        else
            buf_add_format(out, "%%%02X", c);
    }
}

/* "<before><namespace><after><name>", NUL-terminated in the arena. */
static const char *tail_of(const char *before, const struct identifier *ident, const char *after,
                           struct arena *arena)
{
    struct buf out = BUF_INIT(TARGET_BYTES_MAX);
    buf_add_cstr(&out, before);
    for (size_t i = 0; i < ident->ns.level_count; i++) {
        if (i > 0)
            buf_add_cstr(&out, "%1F");
        add_escaped(&out, ident->ns.levels[i]);
    }
    buf_add_cstr(&out, after);
    add_escaped(&out, ident->name);
    const char *text = arena_cstr(arena, buf_str(&out));
    buf_free(&out);
    return text;
}

/* The name of the default warehouse is the prefix that who asks for none is given. */
static int find_warehouse(const struct cli_http *http, const struct cli_command *command,
                          struct arena *arena, const char **name, struct error *err)
{
    const struct cli_request request = {.method = "GET", .path = "/v1/config"};
    json_t *answer;
    *name = command->warehouse;
    if (*name != NULL)
        return 0;
    int rc = cli_http_request(http, &request, &answer, err);
    if (rc == 0)
        *name = arena_cstr(arena,
                           str_cstr(cli_http_text(json_object_get(answer, "overrides"), "prefix")));
    json_decref(answer);
    return rc;
}

static int content_of(const struct cli_command *command, const struct identifier *ident,
                      struct arena *arena, json_t **out, struct error *err)
{
    struct str text = STR_NONE;
    if (command->metadata_file != NULL && read_file(command->metadata_file, arena, &text, err) != 0)
        return -1;
    json_t *levels = json_array();
    for (size_t i = 0; i < ident->ns.level_count; i++)
        json_array_append_new(levels,
                              json_stringn(ident->ns.levels[i].ptr, ident->ns.levels[i].len));
    json_t *metadata = text.ptr == NULL ? NULL : json_loadb(text.ptr, text.len, 0, NULL);
    *out = json_pack("{s:o,s:s%,s:s*,s:o*,s:b}", "namespace", levels, "name", ident->name.ptr,
                     ident->name.len, "metadata-location", command->metadata_location, "metadata",
                     metadata, "overwrite", command->overwrite);
    return *out != NULL ? 0 : error_set(err, ERR_ILLEGAL_ARGUMENT, "The location must be UTF-8");
}

static int register_over(const struct cli_http *http, const struct cli_command *command,
                         const struct identifier *ident, const char *warehouse, struct arena *arena,
                         struct error *err)
{
    json_t *content, *answer;
    if (content_of(command, ident, arena, &content, err) != 0)
        return -1;
    const struct cli_request request = {.method = "POST",
                                        .path = "/management/v1/warehouses",
                                        .name = warehouse,
                                        .tail = "/functions",
                                        .content = content};
    int rc = cli_http_request(http, &request, &answer, err);
    if (rc == 0)
        print_name(&ident->ns, ident->name, cli_http_text(answer, "metadata-location"), arena);
    json_decref(content);
    json_decref(answer);
    return rc;
}

static int list_over(const struct cli_http *http, const struct identifier *ident,
                     const char *warehouse, struct arena *arena, struct error *err)
{
    size_t i;
    json_t *answer, *identifier;
    const struct cli_request request = {.method = "GET",
                                        .path = "/v1",
                                        .name = warehouse,
                                        .tail =
                                            tail_of("/namespaces/", ident, "/functions", arena)};
    int rc = cli_http_request(http, &request, &answer, err);
    if (rc == 0)
        json_array_foreach(json_object_get(answer, "identifiers"), i, identifier)
        {
            const json_t *name = json_array_get(identifier, json_array_size(identifier) - 1);
            print_name(&ident->ns, str_cstr(json_string_value(name)), NULL, arena);
        }
    json_decref(answer);
    return rc;
}

static int run_over(const struct cli_http *http, const struct cli_command *command,
                    struct arena *arena, struct error *err)
{
    struct identifier ident;
    const char *warehouse;
    json_t *answer;
    if (read_name(command, arena, &ident, err) != 0 ||
        find_warehouse(http, command, arena, &warehouse, err) != 0)
        return -1;
    if (is(command, "register"))
        return register_over(http, command, &ident, warehouse, arena, err);
    if (is(command, "list"))
        return list_over(http, &ident, warehouse, arena, err);
    const struct cli_request request = {
        .method = "DELETE",
        .path = "/management/v1/warehouses",
        .name = warehouse,
        .tail = tail_of("/functions?namespace=", &ident, "&name=", arena)};
    int rc = cli_http_request(http, &request, &answer, err);
    json_decref(answer);
    return rc;
}

static int over_http(const struct cli_http *http, const struct cli_command *command,
                     struct error *err)
{
    struct arena *arena = arena_new();
    int rc = run_over(http, command, arena, err);
    arena_free(arena);
    return rc;
}

const struct cli_noun cli_function = {
    .name = "function",
    .verbs = "list register drop",
    .lists_by_name = true,
    .on_catalog = on_catalog,
    .over_http = over_http,
};
