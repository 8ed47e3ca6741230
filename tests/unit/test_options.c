/* Options: the four places, their order, and what is refused with which words. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "server/option_rows.h"
#include "server/options.h"

static struct options options;
static enum options_action action;
static struct error err;

/* Loads from flags and variables, both NULL-terminated lists. */
static int load(char *const *argv, char *const *environment)
{
    static char *const nothing[] = {NULL};
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    return options_load(argc, argv, environment == NULL ? nothing : environment, &options, &action,
                        &err);
}

/* argv and environ are lists of char * for historical reasons only. */
#define LIST(...) ((char *const *)(const char *const[]){__VA_ARGS__, NULL})
#define FLAGS(...) LIST("firn", __VA_ARGS__)
#define VARIABLES(...) LIST(__VA_ARGS__)

static void assert_refused(char *const *argv, char *const *environment, const char *words)
{
    assert_int_equal(load(argv, environment), -1);
    assert_int_equal(err.kind, ERR_ILLEGAL_ARGUMENT);
    if (strstr(err.message, words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, err.message);
}

static const char *write_config(const char *text)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/test_options.%d.conf", (int)getpid());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

static void defaults(void **state)
{
    (void)state;
    char expected[4096], directory[2048];
    assert_non_null(getcwd(directory, sizeof(directory)));
    assert_int_equal(load(LIST("firn"), NULL), 0);
    assert_int_equal(action, OPTIONS_RUN);
    snprintf(expected, sizeof(expected), "%s/firn-data", directory);
    assert_string_equal(options.data, expected);
    snprintf(expected, sizeof(expected), "file://%s/firn-data/warehouse", directory);
    assert_string_equal(options.warehouse_location, expected);
    assert_string_equal(options.warehouse_name, "default");
    assert_string_equal(options.listen_address, "127.0.0.1");
    assert_int_equal(options.listen_port, 8181);
    assert_true(options.listens_on_loopback);
    assert_int_equal(options.loops, 2);
    assert_int_equal(options.workers, 16);
    assert_int_equal(options.max_body_bytes, 64 << 20);
    assert_int_equal(options.table_cache_bytes, 256 << 20);
    assert_int_equal(options.log_level, LOG_LEVEL_INFO);
    assert_int_equal(options.log_format, LOG_FORMAT_TEXT);
    assert_true(options.unique_table_locations);
    assert_false(options.verify_metadata_file);
    assert_true(options.access_log);
    options_free(&options);
}

static void later_places_win(void **state)
{
    (void)state;
    const char *path = write_config("# a comment\n\n loops = 3 \nworkers=4   # here too\r\n"
                                    "max-body-bytes = 2MiB\nwarehouse-name = a#b\n");
    char config[128];
    snprintf(config, sizeof(config), "--config=%s", path);
    assert_int_equal(load(FLAGS(config, "--workers", "6"),
                          VARIABLES("FIRN_LOOPS=5", "FIRN_WORKERS=5", "FIRN_NO_OPTION=x")),
                     0);
    assert_int_equal(options.loops, 5);
    assert_int_equal(options.workers, 6);
    assert_int_equal(options.max_body_bytes, 2 << 20);
    assert_string_equal(options.warehouse_name, "a#b");
    options_free(&options);
    char variable[128];
    snprintf(variable, sizeof(variable), "FIRN_CONFIG=%s", path);
    assert_int_equal(load(LIST("firn"), VARIABLES(variable)), 0);
    assert_int_equal(options.loops, 3);
    options_free(&options);
    unlink(path);
}

static void forms_of_flags(void **state)
{
    (void)state;
    assert_int_equal(
        load(FLAGS("--access-log=false", "--verify-metadata-file", "--implicit-idempotency",
                   "false", "--data", "/x/../y//z/./", "--log-level", "debug", "--log-format=json",
                   "--max-body-bytes=1GiB", "--warehouse-location=s3://b/w"),
             NULL),
        0);
    assert_false(options.access_log);
    assert_true(options.verify_metadata_file);
    assert_false(options.implicit_idempotency);
    assert_string_equal(options.data, "/y/z");
    assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(options.log_format, LOG_FORMAT_JSON);
    assert_int_equal(options.max_body_bytes, 1 << 30);
    assert_string_equal(options.warehouse_location, "s3://b/w");
    options_free(&options);
    assert_int_equal(load(FLAGS("--data=/", "--warehouse-location", "/srv//wh"), NULL), 0);
    assert_string_equal(options.data, "/");
    assert_string_equal(options.warehouse_location, "file:///srv/wh");
    options_free(&options);
}

static void wrong_values_are_refused_with_their_place(void **state)
{
    (void)state;
    assert_refused(FLAGS("--loops", "0"), NULL, "--loops: 0 is out of bounds: 1 to 64 threads");
    assert_refused(FLAGS("--loops=x"), NULL, "--loops: not a number of threads: x");
    assert_refused(FLAGS("--loops="), NULL, "--loops: not a number");
    assert_refused(FLAGS("--loops"), NULL, "--loops: a value is missing");
    assert_refused(FLAGS("--loops=2K"), NULL, "not a number");
    assert_refused(FLAGS("--max-body-bytes=9223372036854775807G"), NULL, "out of bounds");
    assert_refused(FLAGS("--access-log=yes"), NULL, "--access-log: neither true nor false: yes");
    assert_refused(FLAGS("--log-level=loud"), NULL, "error|warn|info|debug");
    assert_refused(FLAGS("--no-such=1"), NULL, "There is no option --no-such");
    assert_refused(FLAGS("serve"), NULL, "Unexpected argument: serve");
    assert_refused(FLAGS("--config"), NULL, "--config: a file name is missing");
    assert_refused(FLAGS("--config=/no/such"), NULL, "/no/such");
    assert_refused(FLAGS("--warehouse-name="), NULL, "1 to 255 bytes");
    assert_refused(FLAGS("--max-target-bytes=16384", "--max-header-bytes=8192"), NULL,
                   "must not exceed");
    assert_refused(LIST("firn"), VARIABLES("FIRN_MAX_BODY_BYTES=1"),
                   "FIRN_MAX_BODY_BYTES: 1 is out of bounds: 1024 to 2147483648 bytes");
}

static void wrong_lines_are_refused_with_their_number(void **state)
{
    (void)state;
    static const char *const files[][2] = {
        {"loops = 2\nno-such = 1\n", ".conf:2: there is no option no-such"},
        {"\n\nloops\n", ".conf:3: expected `name = value`"},
        {"loops = 2\nloops = 3", ".conf:2: loops is set twice"},
        {"loops = 100", ".conf:1: 100 is out of bounds: 1 to 64 threads"},
    };
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        const char *path = write_config(files[i][0]);
        assert_refused(FLAGS("--config", path), NULL, files[i][1]);
        unlink(path);
    }
}

static void listen_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *address;
        int port;
        bool loopback;
    } good[] = {
        {"127.0.0.1:0", "127.0.0.1", 0, true},
        {"127.9.9.9:1", "127.9.9.9", 1, true},
        {"[::1]:0", "::1", 0, true},
        {"localhost:65535", "127.0.0.1", 65535, true},
        {"0.0.0.0:8181", "0.0.0.0", 8181, false},
        {"[::]:8181", "::", 8181, false},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        const char *text = good[i].text;
        assert_int_equal(load(FLAGS("--listen", text, "--allow-anonymous-network"), NULL), 0);
        assert_string_equal(options.listen_address, good[i].address);
        assert_int_equal(options.listen_port, good[i].port);
        assert_int_equal(options.listens_on_loopback, good[i].loopback);
        options_free(&options);
        if (!good[i].loopback)
            assert_refused(FLAGS("--listen", text), NULL, "--allow-anonymous-network");
    }
    static const char *const bad[] = {
        "8181",
        ":8181",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "::1:80",
        "[127.0.0.1]:80",
        "host:80",
        "[::1]",
        "127.0.0.1:8181x",
        "1111111111111111111111111111111111111111111111111111111111:1",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_refused(FLAGS("--listen", bad[i]), NULL, "listen");
}

static void help_and_version_win_over_errors(void **state)
{
    (void)state;
    assert_int_equal(load(FLAGS("--loops=0", "--help"), NULL), 0);
    assert_int_equal(action, OPTIONS_HELP);
    options_free(&options);
    assert_int_equal(load(FLAGS("--version", "junk"), NULL), 0);
    assert_int_equal(action, OPTIONS_VERSION);
    options_free(&options);
    struct buf help = BUF_INIT(1 << 20);
    options_write_help(&help);
    for (size_t i = 0; i < option_row_count; i++)
        assert_true(str_contains(buf_str(&help), str_cstr(option_rows[i].name)));
    buf_free(&help);
}

/* What --print-options shows is a config file that gives the same options again. */
static void printed_options_can_be_read_again(void **state)
{
    (void)state;
    assert_int_equal(load(FLAGS("--print-options", "--loops=7", "--log-level=warn",
                                "--access-log=false", "--data=/d"),
                          VARIABLES("FIRN_WORKERS=9")),
                     0);
    assert_int_equal(action, OPTIONS_PRINT);
    struct buf first = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
    options_write(&options, &first);
    options_free(&options);
    assert_true(str_contains(buf_str(&first), STR("loops = 7 ")));
    assert_true(str_contains(buf_str(&first), STR("# flag\n")));
    assert_true(str_contains(buf_str(&first), STR("# environment\n")));
    buf_add_char(&first, '\0');
    const char *path = write_config(first.ptr);
    assert_int_equal(load(FLAGS("--config", path), NULL), 0);
    options_write(&options, &again);
    assert_true(str_contains(buf_str(&again), STR("loops = 7 ")));
    assert_true(str_contains(buf_str(&again), STR("workers = 9 ")));
    assert_true(str_contains(buf_str(&again), STR("log-level = warn ")));
    assert_false(str_contains(buf_str(&again), STR("# default")));
    assert_string_equal(options.warehouse_location, "file:///d/warehouse");
    options_free(&options);
    buf_free(&first);
    buf_free(&again);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(later_places_win),
        cmocka_unit_test(forms_of_flags),
        cmocka_unit_test(wrong_values_are_refused_with_their_place),
        cmocka_unit_test(wrong_lines_are_refused_with_their_number),
        cmocka_unit_test(listen_addresses),
        cmocka_unit_test(help_and_version_win_over_errors),
        cmocka_unit_test(printed_options_can_be_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
