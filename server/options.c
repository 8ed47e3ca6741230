/* Reading options from their four places, and checking them.
 *
 * 1. Every value goes through set_value, whatever place it came from: one parser, one check of
 *    bounds, one wording of errors.
 * 2. A typo is an error where we can tell it is one: unknown flags and config keys, not unknown
 *    variables (orchestrators set FIRN_… of their own).
 * 3. options_load touches no file but the config file. */
#include "server/options.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/option_rows.h"

#define CONFIG_BYTES_MAX (1 << 20)
#define PATH_TEXT_BYTES_MAX 4096
#define VARIABLE_BYTES_MAX 64

/* Where a value stands, for messages: "--loops", "FIRN_LOOPS", "firn.conf:12". */
struct place {
    enum option_source source;
    const char *text;
};

static const struct option_row *row_find(struct str name)
{
    for (size_t i = 0; i < option_row_count; i++)
        if (str_equal_cstr(name, option_rows[i].name))
            return &option_rows[i];
    return NULL;
}

static void *row_field(const struct option_row *row, const struct options *options)
{
    return (char *)options + row->offset;
}

/* "FIRN_MAX_BODY_BYTES" */
static void row_variable(const struct option_row *row, char out[VARIABLE_BYTES_MAX])
{
    snprintf(out, VARIABLE_BYTES_MAX, "FIRN_%s", row->name);
    for (char *c = out; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* The factor of a size's suffix, which is cut off *value. */
static int64_t cut_size_suffix(struct str *value)
{
    static const struct {
        struct str text;
        int64_t factor;
    } suffixes[] = {
        {{"KiB", 3}, 1ll << 10}, {{"MiB", 3}, 1ll << 20}, {{"GiB", 3}, 1ll << 30},
        {{"K", 1}, 1ll << 10},   {{"M", 1}, 1ll << 20},   {{"G", 1}, 1ll << 30},
    };
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (!str_ends_with(*value, suffixes[i].text))
            continue;
        *value = str_trim(str_from(value->ptr, value->len - suffixes[i].text.len));
        return suffixes[i].factor;
    }
    return 1;
}

static int parse_number(const struct option_row *row, struct str value, const char *place,
                        int64_t *out, struct error *err)
{
    struct str digits = value;
    int64_t factor = str_equal_cstr(str_cstr(row->unit), "bytes") ? cut_size_suffix(&digits) : 1;
    long long number;
    if (!str_to_int64(digits, &number))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "%s: not a number of %s: %.*s", place,
                         row->unit, STR_ARG(value));
    if (__builtin_mul_overflow((int64_t)number, factor, out) || *out < row->min || *out > row->max)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "%s: %.*s is out of bounds: %lld to %lld %s",
                         place, STR_ARG(value), (long long)row->min, (long long)row->max,
                         row->unit);
    return 0;
}

static int parse_bool(struct str value, const char *place, bool *out, struct error *err)
{
    *out = str_equal(value, STR("true"));
    if (*out || str_equal(value, STR("false")))
        return 0;
    return error_set(err, ERR_ILLEGAL_ARGUMENT, "%s: neither true nor false: %.*s", place,
                     STR_ARG(value));
}

static int parse_choice(const struct option_row *row, struct str value, const char *place, int *out,
                        struct error *err)
{
    struct str rest = str_cstr(row->unit);
    for (int i = 0; rest.ptr != NULL; i++) {
        if (str_equal(str_cut(&rest, '|'), value)) {
            *out = i;
            return 0;
        }
    }
    return error_set(err, ERR_ILLEGAL_ARGUMENT, "%s: not one of %s: %.*s", place, row->unit,
                     STR_ARG(value));
}

static int parse_text(const struct option_row *row, struct str value, const char *place,
                      struct options *options, struct error *err)
{
    if ((int64_t)value.len < row->min || (int64_t)value.len > row->max)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "%s: %lld to %lld bytes are needed", place,
                         (long long)row->min, (long long)row->max);
    *(const char **)row_field(row, options) = arena_cstr(options->arena, value);
    return 0;
}

static int set_value(struct options *options, const struct option_row *row, struct str value,
                     const struct place *place, struct error *err)
{
    void *field = row_field(row, options);
    int result = -1;
    switch (row->type) {
    case OPTION_TEXT:
        result = parse_text(row, value, place->text, options, err);
        break;
    case OPTION_NUMBER:
        result = parse_number(row, value, place->text, field, err);
        break;
    case OPTION_BOOL:
        result = parse_bool(value, place->text, field, err);
        break;
    case OPTION_CHOICE:
        result = parse_choice(row, value, place->text, field, err);
        break;
    }
    if (result == 0)
        options->sources[row - option_rows] = (unsigned char)place->source;
    return result;
}

/* ---- places ---------------------------------------------------------------------------------- */

static void set_defaults(struct options *options)
{
    for (size_t i = 0; i < option_row_count; i++) {
        struct error err;
        struct place place = {OPTION_DEFAULT, option_rows[i].name};
        struct str value = str_cstr(option_rows[i].default_value);
        if (set_value(options, &option_rows[i], value, &place, &err) != 0)
            log_fatal("the default of an option is wrong: %s", err.message);
    }
}

/* The line without its comment and outer white space. */
static struct str config_line(struct str line)
{
    for (size_t i = 0; i < line.len; i++) {
        bool after_space = i == 0 || line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t';
        if (line.ptr[i] == '#' && after_space)
            line.len = i;
    }
    line = str_trim(line);
    if (str_ends_with(line, STR("\r")))
        line = str_trim(str_from(line.ptr, line.len - 1));
    return line;
}

static int read_config_line(struct options *options, struct str line, const char *place_text,
                            bool *seen, struct error *err)
{
    struct place place = {OPTION_FILE, place_text};
    struct str value = config_line(line);
    if (value.len == 0)
        return 0;
    struct str name = str_trim(str_cut(&value, '='));
    if (value.ptr == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "%s: expected `name = value`", place_text);
    const struct option_row *row = row_find(name);
    if (row == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "%s: there is no option %.*s", place_text,
                         STR_ARG(name));
    if (seen[row - option_rows])
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "%s: %s is set twice", place_text, row->name);
    seen[row - option_rows] = true;
    return set_value(options, row, str_trim(value), &place, err);
}

static int read_file_text(const char *path, struct buf *out, struct error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot read the config file %s: %s", path,
                         strerror(errno));
    char piece[4096];
    size_t n;
    while (!out->overflowed && (n = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(out, str_from(piece, n));
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed || out->overflowed)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot read the config file %s: %s", path,
                         failed ? "read error" : "larger than 1 MiB");
    return 0;
}

static int read_config(struct options *options, const char *path, struct error *err)
{
    struct buf text = BUF_INIT(CONFIG_BYTES_MAX);
    bool seen[OPTION_ROWS_MAX] = {false};
    int result = read_file_text(path, &text, err);
    struct str rest = buf_str(&text);
    for (int line = 1; result == 0 && rest.ptr != NULL; line++) {
        char place[PATH_TEXT_BYTES_MAX + 32];
        snprintf(place, sizeof(place), "%s:%d", path, line);
        result = read_config_line(options, str_cut(&rest, '\n'), place, seen, err);
    }
    buf_free(&text);
    return result;
}

static struct str variable_value(char *const *environment, const char *name)
{
    for (; *environment != NULL; environment++) {
        struct str value = str_cstr(*environment);
        if (str_equal_cstr(str_cut(&value, '='), name))
            return value;
    }
    return STR_NONE;
}

static int read_environment(struct options *options, char *const *environment, struct error *err)
{
    for (size_t i = 0; i < option_row_count; i++) {
        char name[VARIABLE_BYTES_MAX];
        row_variable(&option_rows[i], name);
        struct str value = variable_value(environment, name);
        struct place place = {OPTION_ENVIRONMENT, name};
        if (value.ptr != NULL && set_value(options, &option_rows[i], value, &place, err) != 0)
            return -1;
    }
    return 0;
}

/* One flag, with its value from the same or the next argument. */
struct flag {
    struct str name;
    struct str value; /* STR_NONE: none was given */
};

static bool takes_value(struct str name, const char *next)
{
    const struct option_row *row = row_find(name);
    if (next == NULL)
        return false;
    if (row != NULL && row->type == OPTION_BOOL)
        return strcmp(next, "true") == 0 || strcmp(next, "false") == 0;
    return row != NULL || str_equal(name, STR("config"));
}

static int next_flag(char *const *argv, int *index, struct flag *out, struct error *err)
{
    const char *argument = argv[*index];
    struct str rest = str_cstr(argument);
    if (!str_starts_with(rest, STR("--")))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Unexpected argument: %s (see --help)",
                         argument);
    rest = str_skip(rest, 2);
    out->name = str_cut(&rest, '=');
    out->value = rest;
    (*index)++;
    if (rest.ptr == NULL && takes_value(out->name, argv[*index])) {
        out->value = str_cstr(argv[*index]);
        (*index)++;
    }
    return 0;
}

static enum options_action flag_action(struct str name)
{
    return str_equal(name, STR("help"))            ? OPTIONS_HELP
           : str_equal(name, STR("version"))       ? OPTIONS_VERSION
           : str_equal(name, STR("print-options")) ? OPTIONS_PRINT
                                                   : OPTIONS_RUN;
}

static int set_flag(struct options *options, const struct flag *flag, struct error *err)
{
    char text[128];
    snprintf(text, sizeof(text), "--%.*s", STR_ARG(flag->name));
    struct place place = {OPTION_FLAG, text};
    if (flag_action(flag->name) != OPTIONS_RUN || str_equal(flag->name, STR("config")))
        return 0; /* looked at before */
    const struct option_row *row = row_find(flag->name);
    if (row == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "There is no option %s (see --help)", text);
    struct str value = flag->value;
    if (value.ptr == NULL && row->type == OPTION_BOOL)
        value = STR("true");
    if (value.ptr == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "%s: a value is missing", text);
    return set_value(options, row, value, &place, err);
}

static int read_flags(struct options *options, int argc, char *const *argv, struct error *err)
{
    for (int i = 1; i < argc;) {
        struct flag flag;
        if (next_flag(argv, &i, &flag, err) != 0 || set_flag(options, &flag, err) != 0)
            return -1;
    }
    return 0;
}

/* Flags that matter before all values: what to do, and which config file. */
static int scan_flags(int argc, char *const *argv, enum options_action *action, struct str *config,
                      struct error *err)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "--version") == 0) {
            *action = flag_action(str_skip(str_cstr(argv[i]), 2));
            return 0;
        }
    for (int i = 1; i < argc;) {
        struct flag flag;
        if (next_flag(argv, &i, &flag, err) != 0)
            return -1;
        if (flag_action(flag.name) != OPTIONS_RUN)
            *action = flag_action(flag.name);
        if (!str_equal(flag.name, STR("config")))
            continue;
        if (flag.value.len == 0)
            return error_set(err, ERR_ILLEGAL_ARGUMENT, "--config: a file name is missing");
        *config = flag.value;
    }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Made absolute, without '.', '..' and doubled slashes. */
static const char *absolute_path(struct arena *arena, const char *path)
{
    char directory[PATH_TEXT_BYTES_MAX] = "/";
    if (path[0] != '/' && getcwd(directory, sizeof(directory)) == NULL)
        log_fatal("cannot tell the current directory: %s", strerror(errno));
    struct str rest = arena_printf(arena, "%s/%s", directory, path);
    char *out = arena_alloc(arena, rest.len + 2);
    size_t len = 0;
    while (rest.ptr != NULL) {
        struct str segment = str_cut(&rest, '/');
        if (segment.len == 0 || str_equal(segment, STR(".")))
            continue;
        if (str_equal(segment, STR(".."))) {
            while (len > 0 && out[--len] != '/')
                ;
            continue;
        }
        out[len++] = '/';
        memcpy(out + len, segment.ptr, segment.len);
        len += segment.len;
    }
    if (len == 0)
        out[len++] = '/';
    out[len] = '\0';
    return out;
}

struct endpoint {
    char *address; /* of LISTEN_ADDRESS_BYTES_MAX */
    uint16_t *port;
    bool is_loopback;
};

static int parse_listen(const char *name, const char *listen, struct endpoint *out,
                        struct error *err)
{
    struct str text = str_cstr(listen), address = text;
    long long port = -1;
    const char *colon = strrchr(listen, ':');
    if (colon != NULL) {
        address.len = (size_t)(colon - listen);
        if (!str_to_int64(str_skip(text, address.len + 1), &port))
            port = -1;
    }
    bool bracketed = str_starts_with(address, STR("[")) && str_ends_with(address, STR("]"));
    if (bracketed)
        address = str_from(address.ptr + 1, address.len - 2);
    if (str_equal(address, STR("localhost")))
        address = STR("127.0.0.1");
    if (address.len >= LISTEN_ADDRESS_BYTES_MAX)
        port = -1;
    else
        snprintf(out->address, LISTEN_ADDRESS_BYTES_MAX, "%.*s", STR_ARG(address));
    struct in6_addr binary;
    int family = bracketed ? AF_INET6 : AF_INET;
    if (port < 0 || port > 65535 || inet_pton(family, out->address, &binary) != 1)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "%s: expected ADDRESS:PORT, such as 127.0.0.1:8181 or [::1]:8181: %s",
                         name, listen);
    *out->port = (uint16_t)port;
    out->is_loopback =
        bracketed ? IN6_IS_ADDR_LOOPBACK(&binary) : str_starts_with(address, STR("127."));
    return 0;
}

static int parse_listens(struct options *options, struct error *err)
{
    struct endpoint first = {options->listen_address, &options->listen_port, false};
    struct endpoint second = {options->also_address, &options->also_port, true};
    if (parse_listen("listen", options->listen, &first, err) != 0 ||
        (options->also_listen[0] != '\0' &&
         parse_listen("also-listen", options->also_listen, &second, err) != 0))
        return -1;
    options->listens_on_loopback = first.is_loopback && second.is_loopback;
    return 0;
}

/* The profile's values, where none was given. */
static int apply_profile(struct options *options, struct error *err)
{
    static const struct {
        struct str name, value;
    } fixture[] = {{{"also-listen", 11}, {"127.0.0.1:9000", 14}},
                   {{"warehouse-name", 14}, {"warehouse", 9}},
                   {{"warehouse-access", 16}, {"gateway", 7}}};
    const struct place place = {OPTION_DEFAULT, "profile"};
    if (options->profile == PROFILE_NONE)
        return 0;
    if (options->auth != AUTH_NONE)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "profile: fixture knows one password that everybody knows: it goes with "
                         "auth=none alone");
    for (size_t i = 0; i < sizeof(fixture) / sizeof(fixture[0]); i++) {
        const struct option_row *row = row_find(fixture[i].name);
        assert(row != NULL);
        if (options->sources[row - option_rows] == OPTION_DEFAULT &&
            set_value(options, row, fixture[i].value, &place, err) != 0)
            return -1;
    }
    return 0;
}

/* A path becomes a file location; what has a scheme stays as it was given. */
static const char *warehouse_location(const struct options *options)
{
    struct str given = str_cstr(options->warehouse_location);
    if (str_contains(given, STR(":")))
        return given.ptr;
    const char *path = given.len == 0
                           ? arena_printf(options->arena, "%s/warehouse", options->data).ptr
                           : given.ptr;
    return arena_printf(options->arena, "file://%s", absolute_path(options->arena, path)).ptr;
}

static bool warehouse_storage_given(const struct options *options)
{
    for (size_t i = 0; i < option_row_count; i++) {
        size_t offset = option_rows[i].offset;
        bool is_storage = offset >= offsetof(struct options, warehouse_storage) &&
                          offset < offsetof(struct options, warehouse_storage) +
                                       sizeof(options->warehouse_storage);
        if ((is_storage || offset == offsetof(struct options, warehouse_access)) &&
            options->sources[i] != OPTION_DEFAULT)
            return true;
    }
    return false;
}

static const char *secret_key_file(const struct options *options)
{
    return options->secret_key_file[0] == '\0'
               ? arena_printf(options->arena, "%s/secret.key", options->data).ptr
               : absolute_path(options->arena, options->secret_key_file);
}

/* http(s)://host[:port][/path], of characters that no client has to escape. */
static int check_public_uri(struct options *options, struct error *err)
{
    struct str uri = str_cstr(options->public_uri), rest = uri;
    while (str_ends_with(uri, STR("/")))
        uri.len--;
    if (str_starts_with(rest, STR("https://")))
        rest = str_skip(rest, strlen("https://"));
    else if (str_starts_with(rest, STR("http://")))
        rest = str_skip(rest, strlen("http://"));
    else
        rest = STR_NONE;
    bool ok = options->public_uri[0] == '\0' || (rest.len > 0 && rest.ptr[0] != '/');
    for (size_t i = 0; ok && i < rest.len; i++)
        ok = isalnum((unsigned char)rest.ptr[i]) ||
             (rest.ptr[i] != '\0' && strchr(".-_:/[]~", rest.ptr[i]) != NULL);
    if (!ok)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "public-uri: expected http://HOST[:PORT] or https://HOST[:PORT]: %s",
                         options->public_uri);
    options->public_uri = arena_cstr(options->arena, uri);
    return 0;
}

static int check_together(struct options *options, struct error *err)
{
    if (apply_profile(options, err) != 0)
        return -1;
    options->data = absolute_path(options->arena, options->data);
    options->warehouse_location = warehouse_location(options);
    options->warehouse_storage_given = warehouse_storage_given(options);
    options->secret_key_file = secret_key_file(options);
    options->read_cache_dir = options->read_cache_dir[0] == '\0'
                                  ? arena_printf(options->arena, "%s/read-cache", options->data).ptr
                                  : absolute_path(options->arena, options->read_cache_dir);
    if (parse_listens(options, err) != 0 || check_public_uri(options, err) != 0)
        return -1;
    if (options->auth == AUTH_NONE && !options->listens_on_loopback &&
        !options->allow_anonymous_network)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "listen: %s is not a loopback address and there is no authentication: "
                         "whoever reaches it could change every table. Set --auth required, or "
                         "--allow-anonymous-network if that is meant",
                         options->listen);
    if (options->namespace_separator[0] != '\0' &&
        strchr("!$*,.:;=@_|~-", options->namespace_separator[0]) == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "namespace-separator: must be one of ! $ * , . : ; = @ _ | ~ -");
    if (options->max_target_bytes > options->max_header_bytes)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "max-target-bytes (%lld) must not exceed max-header-bytes (%lld)",
                         (long long)options->max_target_bytes,
                         (long long)options->max_header_bytes);
    return 0;
}

static int load(int argc, char *const *argv, char *const *environment, struct options *options,
                enum options_action *action, struct error *err)
{
    struct str config = variable_value(environment, "FIRN_CONFIG");
    if (scan_flags(argc, argv, action, &config, err) != 0)
        return -1;
    if (*action == OPTIONS_HELP || *action == OPTIONS_VERSION)
        return 0;
    if (config.len > 0 && read_config(options, arena_cstr(options->arena, config), err) != 0)
        return -1;
    if (read_environment(options, environment, err) != 0 ||
        read_flags(options, argc, argv, err) != 0)
        return -1;
    return check_together(options, err);
}

int options_load(int argc, char *const *argv, char *const *environment, struct options *options,
                 enum options_action *action, struct error *err)
{
    assert(argc >= 1 && argv[argc] == NULL);
    memset(options, 0, sizeof(*options));
    options->arena = arena_new();
    *action = OPTIONS_RUN;
    set_defaults(options);
    int result = load(argc, argv, environment, options, action, err);
    if (result != 0)
        options_free(options);
    return result;
}

void options_free(struct options *options)
{
    arena_free(options->arena);
    memset(options, 0, sizeof(*options));
}
