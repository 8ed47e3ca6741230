/* Commands of the command line. Results go to stdout as lines of tab-separated fields, trouble to
 * stderr; exit code 0, 1 for what failed, 2 for what was not understood. */
#include "server/cli.h"

#include "base/buf.h"
#include "catalog/warehouse.h"
#include "server/cli_http.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "firn: an Apache Iceberg REST catalog\n"
    "\n"
    "  firn serve [options]              run the catalog (firn serve --help)\n"
    "  firn warehouse list               the warehouses and their locations\n"
    "  firn warehouse create NAME        make one; with --location L at that place\n"
    "  firn warehouse drop NAME          remove an empty one; no file is touched\n"
    "  firn version                      print the version\n"
    "\n"
    "Commands on warehouses take --data DIR, the directory of the catalog (a running server that\n"
    "owns it is asked to do the work), or --uri URI, the address of a running server.\n";

struct warehouse_command {
    const char *verb, *name, *location, *data_dir, *uri;
};

static int PRINTF_LIKE(1, 2) usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("firn: ", stderr);
    vfprintf(stderr, format, args);
    fputs(" (firn --help)\n", stderr);
    va_end(args);
    return EXIT_USAGE;
}

static int failure(const struct error *err)
{
    fprintf(stderr, "firn: %s", err->message);
    if (err->detail[0] != '\0')
        fprintf(stderr, " (%s)", err->detail);
    fputc('\n', stderr);
    return EXIT_FAILURE;
}

static void print_warehouse(const struct warehouse *warehouse)
{
    printf("%.*s\t%.*s\n", STR_ARG(warehouse->name), STR_ARG(warehouse->root.text));
}

static int run_on_catalog(struct catalog *catalog, const struct warehouse_command *command,
                          struct arena *arena, struct error *err)
{
    const struct caller caller = {
        .principal = STR("operator"), .client = STR("command line"), .operation = command->verb};
    struct warehouse *made, **all;
    size_t count = 0;
    if (strcmp(command->verb, "drop") == 0)
        return catalog_warehouse_drop(catalog, &caller, str_cstr(command->name), err);
    if (strcmp(command->verb, "create") == 0) {
        if (catalog_warehouse_create(catalog, &caller, str_cstr(command->name),
                                     str_cstr(command->location), &made, err) != 0)
            return -1;
        print_warehouse(made);
        return 0;
    }
    if (catalog_warehouse_list(catalog, arena, &all, &count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        print_warehouse(all[i]);
    return 0;
}

static int run_over_http(const char *uri, const struct warehouse_command *command,
                         struct error *err)
{
    if (strcmp(command->verb, "drop") == 0)
        return cli_http_warehouse_drop(uri, command->name, err);
    if (strcmp(command->verb, "create") == 0)
        return cli_http_warehouse_create(uri, command->name, command->location, err);
    return cli_http_warehouse_list(uri, err);
}

static int run_in_directory(const struct warehouse_command *command,
                            const struct cli_backend *backend, struct arena *arena,
                            struct error *err)
{
    struct str owner;
    if (backend->owner(command->data_dir, arena, &owner, err) != 0)
        return -1;
    if (owner.ptr != NULL && !str_starts_with(owner, STR("http://")))
        return error_set(err, ERR_UNAVAILABLE, "Another process is busy with the catalog: %.*s",
                         STR_ARG(owner));
    if (owner.ptr != NULL)
        return run_over_http(arena_cstr(arena, owner), command, err);
    struct catalog *catalog;
    if (backend->open(command->data_dir, &catalog, err) != 0)
        return -1;
    int rc = run_on_catalog(catalog, command, arena, err);
    backend->close();
    return rc;
}

/* Returns 0 or EXIT_USAGE. */
static int check_warehouse(const struct warehouse_command *command)
{
    if (command->verb == NULL)
        return usage("warehouse needs one of create, list, drop");
    bool is_list = strcmp(command->verb, "list") == 0;
    bool is_create = strcmp(command->verb, "create") == 0;
    if (!is_list && !is_create && strcmp(command->verb, "drop") != 0)
        return usage("warehouse cannot %s", command->verb);
    if (is_list && command->name != NULL)
        return usage("warehouse list takes no name");
    if (!is_list && command->name == NULL)
        return usage("the warehouse needs a name");
    if (command->location != NULL && !is_create)
        return usage("--location is for warehouse create");
    return 0;
}

/* Returns 0 or EXIT_USAGE. */
static int parse_warehouse(int argc, char **argv, struct warehouse_command *out)
{
    const struct {
        const char *name;
        const char **value;
    } options[] = {
        {"--location", &out->location}, {"--data", &out->data_dir}, {"--uri", &out->uri}};
    for (int i = 2; i < argc; i++) {
        size_t o = 0;
        while (o < 3 && strcmp(argv[i], options[o].name) != 0)
            o++;
        if (o < 3 && i + 1 == argc)
            return usage("%s needs a value", argv[i]);
        if (o < 3)
            *options[o].value = argv[++i];
        else if (argv[i][0] == '-')
            return usage("unknown option: %s", argv[i]);
        else if (out->verb == NULL)
            out->verb = argv[i];
        else if (out->name == NULL)
            out->name = argv[i];
        else
            return usage("too many arguments: %s", argv[i]);
    }
    return check_warehouse(out);
}

static int run_warehouse(int argc, char **argv, const struct cli_backend *backend)
{
    struct warehouse_command command = {0};
    if (parse_warehouse(argc, argv, &command) != 0)
        return EXIT_USAGE;
    struct error err = {0};
    struct arena *arena = arena_new();
    int rc = command.uri != NULL ? run_over_http(command.uri, &command, &err)
                                 : run_in_directory(&command, backend, arena, &err);
    arena_free(arena);
    return rc == 0 ? EXIT_SUCCESS : failure(&err);
}

int cli_run(int argc, char **argv, const struct cli_backend *backend)
{
    const char *command = argc < 2 ? "--help" : argv[1];
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
        strcmp(command, "help") == 0) {
        fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_SUCCESS;
    }
    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0) {
        puts("firn " FIRN_VERSION);
        return EXIT_SUCCESS;
    }
    if (strcmp(command, "warehouse") == 0)
        return run_warehouse(argc, argv, backend);
    return usage("unknown command: %s", command);
}
