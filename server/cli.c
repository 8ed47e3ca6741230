/* Commands of the command line. Results go to stdout as lines of tab-separated fields, trouble to
 * stderr; exit code 0, 1 for what failed, 2 for what was not understood. No argument is a secret.
 */
#include "server/cli_private.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define STORAGE_HELP_false(name) "  --" name " TEXT\n"
#define STORAGE_HELP_true(name) "  --" name "-file FILE\n"
#define STORAGE_HELP(member, name, secret) STORAGE_HELP_##secret(name)

static const char help[] =
    "firn: an Apache Iceberg REST catalog\n"
    "\n"
    "  firn serve [options]              run the catalog (firn serve --help)\n"
    "  firn warehouse list               the warehouses and their locations\n"
    "  firn warehouse create NAME        make one; with --location L at that place\n"
    "  firn warehouse show NAME          how its files are reached; no secret is shown\n"
    "  firn warehouse drop NAME          remove an empty one; no file is touched\n"
    "  firn principal list               who may ask for tokens\n"
    "  firn principal create NAME        make one; with --admin one that may manage\n"
    "  firn principal rotate NAME        a new secret; the old one and its tokens end\n"
    "  firn principal drop NAME          end it, its secret and its tokens\n"
    "  firn function list NAMESPACE      its SQL functions\n"
    "  firn function register NAME       give one a name: --metadata-location L, or --metadata "
    "FILE\n"
    "                                    of which a copy is kept; --overwrite replaces one\n"
    "  firn function drop NAME           take it out; no file is touched\n"
    "  firn key create --warehouse W     keys of the gateway for S3 tools; --prefix P below it, "
    "--write,\n"
    "                                    --expires 12h\n"
    "  firn version                      print the version\n"
    "\n"
    "How the files of a new warehouse are reached: --access direct|vend|sign|gateway, and\n"
    "storage options; of a secret, a file whose first line it is (- is stdin):\n" STORAGE_OPTIONS(
        STORAGE_HELP) "--skip-scope-check vends keys of a store that was not seen to confine "
                      "them.\n"
                      "\n"
                      "The name of a function is that of its namespace and its own, with dots "
                      "between: a.b.f. Its\n"
                      "commands take --warehouse NAME.\n"
                      "Commands on these take --data DIR, the directory of the catalog (a "
                      "running server that\n"
                      "owns it is asked to do the work), or --uri URI, the address of a running "
                      "server.\n"
                      "A server that wants tokens also needs --credential-file FILE, whose first "
                      "line is\n"
                      "CLIENT_ID:CLIENT_SECRET of an admin; - is stdin.\n";

static const struct cli_noun *const nouns[] = {&cli_warehouse, &cli_principal, &cli_function,
                                               &cli_key};

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

static int run_over_http(const struct cli_noun *noun, const char *uri,
                         const struct cli_command *command, struct error *err)
{
    const struct cli_http http = {.uri = uri, .credential_file = command->credential_file};
    return noun->over_http(&http, command, err);
}

static int run_in_directory(const struct cli_noun *noun, const struct cli_command *command,
                            const struct cli_backend *backend, struct arena *arena,
                            struct error *err)
{
    struct str operation = arena_printf(arena, "%s%c%s", command->verb,
                                        toupper((unsigned char)noun->name[0]), noun->name + 1);
    const struct caller caller = {
        .principal = STR("operator"),
        .client = STR("command line"),
        .operation = operation.ptr,
    };
    struct str owner;
    if (backend->owner(command->data_dir, arena, &owner, err) != 0)
        return -1;
    if (owner.ptr != NULL && !str_starts_with(owner, STR("http://")))
        return error_set(err, ERR_UNAVAILABLE, "Another process is busy with the catalog: %.*s",
                         STR_ARG(owner));
    if (owner.ptr != NULL)
        return run_over_http(noun, arena_cstr(arena, owner), command, err);
    struct catalog *catalog;
    if (backend->open(command->data_dir, &catalog, err) != 0)
        return -1;
    int rc = noun->on_catalog(catalog, &caller, command, arena, err);
    backend->close();
    return rc;
}

static bool has_verb(const struct cli_noun *noun, const char *verb)
{
    struct str rest = str_cstr(noun->verbs);
    while (rest.len > 0)
        if (str_equal_cstr(str_cut(&rest, ' '), verb))
            return true;
    return false;
}

/* The place of a storage option's value, when the flag is one: "--endpoint",
 * "--secret-access-key-file". */
static const char **storage_flag(const char *flag, struct cli_command *command)
{
    const char **values = (const char **)&command->storage;
    struct str name = str_cstr(flag);
    if (!str_starts_with(name, STR("--")))
        return NULL;
    name = str_skip(name, 2);
    bool is_file = str_ends_with(name, STR("-file"));
    if (is_file)
        name.len -= strlen("-file");
    const struct storage_option *option = storage_option_find(name);
    return option == NULL || option->is_secret != is_file ? NULL
                                                          : &values[option - storage_option_rows];
}

static bool has_storage_options(const struct cli_command *command)
{
    const char *const *values = (const char *const *)&command->storage;
    bool any = command->access != NULL || command->skip_scope_check;
    for (size_t i = 0; i < storage_option_count; i++)
        any = any || values[i] != NULL;
    return any;
}

static int check_key_options(const struct cli_noun *noun, const struct cli_command *command)
{
    if (command->warehouse != NULL && noun != &cli_function && noun != &cli_key)
        return usage("--warehouse is for functions and keys");
    if ((command->prefix != NULL || command->expires != NULL || command->write) && noun != &cli_key)
        return usage("--prefix, --write and --expires are for key create");
    if (noun == &cli_key && command->warehouse == NULL)
        return usage("key create needs --warehouse");
    return 0;
}

static int check_function_options(const struct cli_noun *noun, const struct cli_command *command)
{
    bool is_register = noun == &cli_function && strcmp(command->verb, "register") == 0;
    bool is_file = command->metadata_file != NULL, is_place = command->metadata_location != NULL;
    if ((is_file || is_place || command->overwrite) && !is_register)
        return usage("--metadata, --metadata-location, --overwrite are for function register");
    if (is_register && is_file == is_place)
        return usage("function register needs either --metadata or --metadata-location");
    return 0;
}

static int check_create_options(const struct cli_noun *noun, const struct cli_command *command,
                                bool is_create)
{
    bool makes_warehouse = is_create && noun == &cli_warehouse;
    if ((command->location != NULL || has_storage_options(command)) && !makes_warehouse)
        return usage("--location, --access and storage options are for warehouse create");
    if (command->is_admin && (!is_create || noun != &cli_principal))
        return usage("--admin is for principal create");
    return check_key_options(noun, command) != 0 ? EXIT_USAGE
                                                 : check_function_options(noun, command);
}

/* Returns 0 or EXIT_USAGE. */
static int check(const struct cli_noun *noun, const struct cli_command *command)
{
    if (command->verb == NULL)
        return usage("%s needs one of: %s", noun->name, noun->verbs);
    bool is_list = strcmp(command->verb, "list") == 0;
    bool is_create = strcmp(command->verb, "create") == 0;
    if (!has_verb(noun, command->verb))
        return usage("%s cannot %s", noun->name, command->verb);
    if (is_list && !noun->lists_by_name && command->name != NULL)
        return usage("%s list takes no name", noun->name);
    if (noun->is_nameless && command->name != NULL)
        return usage("%s %s takes no name", noun->name, command->verb);
    if ((!is_list || noun->lists_by_name) && !noun->is_nameless && command->name == NULL)
        return usage("the %s needs a name", noun->name);
    return check_create_options(noun, command, is_create);
}

/* Returns 0 or EXIT_USAGE. */
static int parse(int argc, char **argv, const struct cli_noun *noun, struct cli_command *out)
{
    const struct {
        const char *name;
        const char **value;
    } options[] = {{"--location", &out->location},
                   {"--data", &out->data_dir},
                   {"--uri", &out->uri},
                   {"--credential-file", &out->credential_file},
                   {"--warehouse", &out->warehouse},
                   {"--metadata", &out->metadata_file},
                   {"--metadata-location", &out->metadata_location},
                   {"--access", &out->access},
                   {"--prefix", &out->prefix},
                   {"--expires", &out->expires}};
    const size_t count = sizeof(options) / sizeof(options[0]);
    for (int i = 2; i < argc; i++) {
        size_t o = 0;
        while (o < count && strcmp(argv[i], options[o].name) != 0)
            o++;
        const char **value = o < count ? options[o].value : storage_flag(argv[i], out);
        if (value != NULL && i + 1 == argc)
            return usage("%s needs a value", argv[i]);
        if (value != NULL)
            *value = argv[++i];
        else if (strcmp(argv[i], "--skip-scope-check") == 0)
            out->skip_scope_check = true;
        else if (strcmp(argv[i], "--admin") == 0)
            out->is_admin = true;
        else if (strcmp(argv[i], "--write") == 0)
            out->write = true;
        else if (strcmp(argv[i], "--overwrite") == 0)
            out->overwrite = true;
        else if (argv[i][0] == '-')
            return usage("unknown option: %s", argv[i]);
        else if (out->verb == NULL)
            out->verb = argv[i];
        else if (out->name == NULL)
            out->name = argv[i];
        else
            return usage("too many arguments: %s", argv[i]);
    }
    return check(noun, out);
}

static int run_noun(int argc, char **argv, const struct cli_noun *noun,
                    const struct cli_backend *backend)
{
    struct cli_command command = {.noun = noun->name};
    if (parse(argc, argv, noun, &command) != 0)
        return EXIT_USAGE;
    struct error err = {0};
    struct arena *arena = arena_new();
    int rc = command.uri != NULL ? run_over_http(noun, command.uri, &command, &err)
                                 : run_in_directory(noun, &command, backend, arena, &err);
    arena_free(arena);
    return rc == 0 ? EXIT_SUCCESS : failure(&err);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
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
    for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++)
        if (strcmp(command, nouns[i]->name) == 0 && asks_for_help(argc, argv)) {
            fputs(help, stdout);
            return EXIT_SUCCESS;
        } else if (strcmp(command, nouns[i]->name) == 0) {
            return run_noun(argc, argv, nouns[i], backend);
        }
    return usage("unknown command: %s", command);
}
