/* The program: builds its parts in order, serves, and takes them down in reverse. The only file
 * that names backends.
 *
 * 1. Signals are taken by the main thread alone; every other thread is started with them blocked.
 * 2. Shutting down never cuts a commit: what was begun is finished, its answer sent, and only then
 *    the parts are closed, the metastore last.
 * 3. After a fail-stop of the metastore nothing is taken down: the answers owed get a moment, and
 * the process ends with EXIT_FAIL_STOP. Whatever was promised is on disk. */
#include "base/log.h"
#include "catalog/gateway_key.h"
#include "catalog/warehouse.h"
#include "metastore/metastore_sqlite.h"
#include "server/auth.h"
#include "server/cli.h"
#include "server/dispatch.h"
#include "server/idempotent.h"
#include "server/janitor.h"
#include "server/options.h"
#include "server/s3_gateway.h"
#include "server/s3_key_file.h"
#include "server/secret_file.h"
#include "storage/file_io_cached.h"
#include "storage/file_io_local.h"
#include "storage/file_io_mapped.h"
#include "storage/file_io_s3.h"
#include "storage/file_io_webhdfs.h"
#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_FAIL_STOP 70
#define SIGNAL_FAIL_STOP SIGUSR2
#define SIGNAL_WAIT_MS 3600000
#define FAIL_STOP_GRACE_MS 1000 /* for answers on their way */
#define URL_BYTES_MAX 128
#define FIXTURE_KEYS "admin:password:*::rw\n" /* what test suites have written into them */

extern char **environ;

/* ---- storage --------------------------------------------------------------------------------- */

/* In front of stores that are far away. There while the catalog is open; NULL: off. */
static struct read_cache *read_cache;

static int backend_open(struct str place, const struct storage_options *options,
                        const struct storage_context *context, struct file_io **out,
                        struct error *err)
{
    if (str_starts_with(place, STR("file:")) && storage_options_any(options))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Local files take no storage options");
    if (str_starts_with(place, STR("file:")))
        return file_io_local_open(place, out, err);
    if (str_starts_with(place, STR("s3:")) || str_starts_with(place, STR("oss:")))
        return file_io_s3_open(place, options, context, out, err);
    if (str_starts_with(place, STR("hdfs:")))
        return file_io_webhdfs_open(place, options, context, out, err);
    return error_set(err, ERR_ILLEGAL_ARGUMENT, "No storage for the scheme of %.*s",
                     STR_ARG(place));
}

static void put_cache_before(struct file_io **io, struct str place,
                             const struct storage_options *options,
                             const struct storage_context *context)
{
    struct arena *arena = arena_new();
    struct str name = arena_printf(arena, "%.*s %.*s", STR_ARG(options->endpoint), STR_ARG(place));
    *io = file_io_cached_open(*io, read_cache, name, context->clock);
    arena_free(arena);
}

static int storage_open(struct str place, struct str root, const struct storage_options *options,
                        const struct storage_context *context, struct file_io **out,
                        struct error *err)
{
    struct file_io *io;
    if (backend_open(place, options, context, &io, err) != 0)
        return -1;
    if (read_cache != NULL && !str_starts_with(place, STR("file:")))
        put_cache_before(&io, place, options, context);
    *out = io;
    if (str_equal(place, root) || file_io_mapped_open(root, place, io, out, err) == 0)
        return 0;
    file_io_close(io);
    return -1;
}

static int read_cache_begin(const struct options *options, struct error *err)
{
    if (options->read_cache_bytes == 0)
        return 0;
    return read_cache_open(options->read_cache_dir, options->read_cache_bytes, &read_cache, err);
}

static void read_cache_end(void)
{
    if (read_cache != NULL)
        read_cache_close(read_cache);
    read_cache = NULL;
}

/* ---- the parts that the server and the command line share ------------------------------------ */

struct parts {
    struct metastore *metastore;
    struct work_queue *workers;
    struct catalog *catalog;
};

static const char *database_path(const char *data_dir, struct arena *arena)
{
    return arena_printf(arena, "%s/metastore.db", data_dir).ptr;
}

static int make_data_dir(const char *path, struct error *err)
{
    if (mkdir(path, 0750) == 0 || errno == EEXIST)
        return 0;
    error_set(err, ERR_UNAVAILABLE, "Cannot make the directory %s", path);
    return error_detail(err, "mkdir: %m");
}

static void parts_close(struct parts *parts)
{
    if (parts->workers != NULL)
        work_queue_close(parts->workers); /* its items use the catalog */
    if (parts->catalog != NULL)
        catalog_close(parts->catalog);
    read_cache_end();
    if (parts->metastore != NULL)
        metastore_close(parts->metastore);
    *parts = (struct parts){0};
}

/* What the default warehouse's storage was given, with the secrets read from their files. */
static int read_warehouse_storage(const struct options *options, struct storage_options *out,
                                  struct error *err)
{
    const char *const *given = (const char *const *)&options->warehouse_storage;
    _Static_assert(sizeof(options->warehouse_storage) ==
                       sizeof(*out) / sizeof(struct str) * sizeof(char *),
                   "one text for each storage option");
    *out = (struct storage_options){0};
    for (size_t i = 0; i < storage_option_count; i++) {
        const struct storage_option *option = &storage_option_rows[i];
        struct str value = str_cstr(given[i]);
        if (value.len == 0)
            continue;
        if (option->is_secret && secret_file_read(given[i], options->arena, &value, err) != 0)
            return -1;
        storage_option_set(out, option, value);
    }
    return 0;
}

static int open_catalog(struct parts *parts, const struct options *options, struct error *err)
{
    struct storage_options storage;
    if (read_warehouse_storage(options, &storage, err) != 0)
        return -1;
    const struct catalog_options catalog_options = {
        .metastore = parts->metastore,
        .storage_open = storage_open,
        .workers = parts->workers,
        .clock = &clock_system,
        .random = &random_system,
        .default_warehouse = str_cstr(options->warehouse_name),
        .default_warehouse_location = str_cstr(options->warehouse_location),
        .default_warehouse_storage_given = options->warehouse_storage_given,
        .default_warehouse_access = (enum warehouse_access)options->warehouse_access,
        .default_warehouse_storage = storage,
        .default_warehouse_skip_scope_check = options->warehouse_skip_scope_check,
        .secret_key_file = options->secret_key_file,
        .table_cache_bytes = (size_t)options->table_cache_bytes,
        .idempotency_lifetime_ms = options->idempotency_lifetime_s * 1000,
        .reserve_ms = options->vended_key_lifetime_s * 1000 + RESERVE_GRACE_MS,
        .unique_table_locations = options->unique_table_locations,
        .verify_metadata_file = options->verify_metadata_file,
        .implicit_idempotency = options->implicit_idempotency,
    };
    return catalog_open(&catalog_options, &parts->catalog, err);
}

static int parts_open(struct parts *parts, const struct options *options,
                      void (*fatal)(void *arg, const char *reason), void *fatal_arg,
                      struct error *err)
{
    *parts = (struct parts){0};
    struct arena *arena = arena_new();
    const struct metastore_sqlite_options metastore_options = {
        .path = database_path(options->data, arena),
        .owner = "starting",
        .fatal = fatal,
        .fatal_arg = fatal_arg,
    };
    int rc = make_data_dir(options->data, err);
    if (rc == 0)
        rc = metastore_sqlite_open(&metastore_options, &parts->metastore, err);
    arena_free(arena);
    if (rc != 0)
        return -1;
    parts->workers =
        work_queue_open("worker", (size_t)options->workers, (size_t)options->request_queue);
    /* The command line reads no files of tables. */
    if ((fatal == NULL || read_cache_begin(options, err) == 0) &&
        open_catalog(parts, options, err) == 0)
        return 0;
    parts_close(parts);
    return -1;
}

/* ---- serving --------------------------------------------------------------------------------- */

struct server {
    const struct options *options;
    struct parts parts;
    struct service service;
    struct gateway_keys *gateway_keys;
    struct http_server *http;
    struct http_server *also; /* NULL: there is no second place */
    struct janitor *janitor;
    struct s3_key_file *gateway_key_file;
};

static void on_fail_stop(void *arg, const char *reason)
{
    (void)arg;
    log_error("the metastore failed and takes no more writes: %s", reason);
    kill(getpid(), SIGNAL_FAIL_STOP);
}

static sigset_t our_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGNAL_FAIL_STOP);
    return set;
}

static size_t active(const struct server *server)
{
    return (server->http == NULL ? 0 : http_server_active(server->http)) +
           (server->also == NULL ? 0 : http_server_active(server->also));
}

static _Noreturn void fail_stop(const struct server *server)
{
    for (int waited_ms = 0; waited_ms < FAIL_STOP_GRACE_MS; waited_ms += 10) {
        if (active(server) == 0)
            break;
        usleep(10000);
    }
    _exit(EXIT_FAIL_STOP);
}

/* The signal that came, or 0 when the time is over. */
static int wait_signal(const struct server *server, int64_t timeout_ms)
{
    const sigset_t set = our_signals();
    const struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                                     .tv_nsec = timeout_ms % 1000 * 1000000};
    siginfo_t info;
    int number = sigtimedwait(&set, &info, &timeout);
    if (number == SIGNAL_FAIL_STOP)
        fail_stop(server);
    if (number > 0)
        log_info("%s from process %d", number == SIGINT ? "SIGINT" : "SIGTERM", (int)info.si_pid);
    return number > 0 ? number : 0;
}

static void service_open(struct service *service, const struct parts *parts,
                         const struct options *options)
{
    uint64_t seed;
    random_system.fill(random_system.arg, &seed, sizeof(seed));
    snprintf(service->request_id_seed, sizeof(service->request_id_seed), "%016llx",
             (unsigned long long)seed);
    service->catalog = parts->catalog;
    service->workers = parts->workers;
    service->clock = &clock_system;
    service->random = &random_system;
    service->idempotency_lifetime_ms = options->idempotency_lifetime_s * 1000;
    service->namespace_separator = options->namespace_separator[0];
    service->access_log = options->access_log;
    service->is_fixture = options->profile == PROFILE_FIXTURE;
    service->waiting = idempotent_waiting_new();
}

static int start_auth(struct server *server, struct error *err)
{
    const struct options *options = server->options;
    const struct auth_options auth_options = {
        .catalog = server->parts.catalog,
        .clock = &clock_system,
        .random = &random_system,
        .required = options->auth == AUTH_REQUIRED,
        .manages_principals = options->listens_on_loopback,
        .anonymous_metrics = options->anonymous_metrics,
        .token_lifetime_ms = options->token_lifetime_s * 1000,
    };
    return auth_open(&auth_options, &server->service.auth, err);
}

static int start_delegation(struct server *server, struct error *err)
{
    struct gateway_keys *keys;
    if (gateway_keys_open(server->parts.catalog, &keys, err) != 0)
        return -1;
    server->gateway_keys = keys;
    server->service.public_uri = server->options->public_uri;
    server->service.delegation = (struct delegation_settings){
        .gateway_keys = keys,
        .clock = &clock_system,
        .key_lifetime_ms = server->options->vended_key_lifetime_s * 1000,
    };
    return 0;
}

/* A core dump would hold secrets and keys. The builds for tests stay open to their tools. */
static void forbid_dumps(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
#ifndef FIRN_FAILPOINTS
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* What was made by service_open and what followed it; nothing uses it any more. */
static void service_close(struct server *server)
{
    auth_close(server->service.auth);
    gateway_keys_close(server->gateway_keys);
    idempotent_waiting_free(server->service.waiting);
}

/* Waits for its transfers, which use the catalog. */
static void gateway_close(struct server *server)
{
    s3_gateway_close(server->service.gateway);
    server->service.gateway = NULL;
    s3_key_file_close(server->gateway_key_file);
}

static int start_gateway(struct server *server, struct error *err)
{
    const struct options *options = server->options;
    if (options->profile == PROFILE_FIXTURE && options->gateway_key_file[0] == '\0' &&
        s3_key_file_parse(STR(FIXTURE_KEYS), &server->gateway_key_file, err) != 0)
        return -1;
    if (options->gateway_key_file[0] != '\0' &&
        s3_key_file_open(options->gateway_key_file, &server->gateway_key_file, err) != 0)
        return -1;
    const struct s3_gateway_options gateway_options = {
        .catalog = server->parts.catalog,
        .clock = &clock_system,
        .keys = server->gateway_keys,
        .key_file = server->gateway_key_file,
        .threads = (size_t)options->gateway_transfers,
        .queue = (size_t)options->gateway_queue,
        .unsigned_payload = options->gateway_unsigned_payload,
    };
    server->service.gateway = s3_gateway_open(&gateway_options);
    return 0;
}

static int start_http_at(struct server *server, const char *address, uint16_t port,
                         struct http_server **out, struct error *err)
{
    const struct options *options = server->options;
    const struct http_server_options http_options = {
        .address = address,
        .port = port,
        .loops = (size_t)options->loops,
        .connections_max = (size_t)options->max_connections,
        .target_bytes_max = (size_t)options->max_target_bytes,
        .header_bytes_max = (size_t)options->max_header_bytes,
        .body_bytes_max = (size_t)options->max_body_bytes,
        .header_deadline_ms = options->header_deadline_ms,
        .body_deadline_ms = options->body_deadline_ms,
        .body_rate_min = options->body_rate_min,
        .idle_ms = options->idle_timeout_ms,
        .handlers = dispatch_handlers(&server->service),
    };
    return http_server_start(&http_options, out, err);
}

static void stop_http(struct server *server)
{
    if (server->http != NULL)
        http_server_stop(server->http);
    if (server->also != NULL)
        http_server_stop(server->also);
    server->http = server->also = NULL;
}

static int start_http(struct server *server, struct error *err)
{
    const struct options *options = server->options;
    int rc =
        start_http_at(server, options->listen_address, options->listen_port, &server->http, err);
    if (rc == 0 && options->also_listen[0] != '\0')
        rc = start_http_at(server, options->also_address, options->also_port, &server->also, err);
    if (rc != 0)
        stop_http(server);
    return rc;
}

static void write_url(char out[URL_BYTES_MAX], const char *address, uint16_t port)
{
    bool is_ipv6 = strchr(address, ':') != NULL;
    snprintf(out, URL_BYTES_MAX, "http://%s%s%s:%u", is_ipv6 ? "[" : "", address,
             is_ipv6 ? "]" : "", (unsigned)port);
}

/* Tells the world where we are: the lock file for the command line, stdout for people. */
static void announce(const struct server *server)
{
    const char *address = server->options->listen_address;
    uint16_t port = http_server_port(server->http);
    char url[URL_BYTES_MAX];
    bool is_any = strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
    write_url(url, is_any ? (address[0] == ':' ? "::1" : "127.0.0.1") : address, port);
    metastore_sqlite_set_owner(server->parts.metastore, url);
    write_url(url, address, port);
    printf("firn is ready: %s\n", url);
    fflush(stdout);
}

static void drain(struct server *server)
{
    const struct options *options = server->options;
    atomic_store(&server->service.draining, true); /* not ready any more */
    if (options->drain_delay_ms > 0)
        wait_signal(server, options->drain_delay_ms); /* a second signal ends the delay */
    http_server_drain(server->http);
    http_server_stop_listening(server->http);
    if (server->also != NULL) {
        http_server_drain(server->also);
        http_server_stop_listening(server->also);
    }
    catalog_drain(server->parts.catalog);
    atomic_store(&server->service.stopping, true);
    int64_t until_us = clock_monotonic_us(&clock_system) + options->drain_max_ms * 1000;
    while (active(server) > 0 && clock_monotonic_us(&clock_system) < until_us)
        wait_signal(server, 10);
    size_t open = active(server);
    if (open > 0)
        log_warn("%zu requests were still open after %lld ms", open,
                 (long long)options->drain_max_ms);
}

static int start_services(struct server *server, struct error *err)
{
    if (start_auth(server, err) != 0 || start_delegation(server, err) != 0 ||
        start_gateway(server, err) != 0)
        return -1;
    return start_http(server, err);
}

static int start_failed(const struct options *options, const struct error *err)
{
    fprintf(stderr, "firn: cannot serve %s at %s: %s", options->data, options->listen,
            err->message);
    if (err->detail[0] != '\0')
        fprintf(stderr, " (%s)", err->detail);
    fputc('\n', stderr);
    return EXIT_FAILURE;
}

static int run(const struct options *options)
{
    struct server server = {.options = options};
    struct error err = {0};
    const sigset_t set = our_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGXFSZ,
           SIG_IGN); /* a file at its size limit is an error of that write, as a full disk */
    log_setup((enum log_level)options->log_level, (enum log_format)options->log_format);
    if (options->auth == AUTH_REQUIRED)
        forbid_dumps();

    if (parts_open(&server.parts, options, on_fail_stop, NULL, &err) != 0)
        return start_failed(options, &err);
    service_open(&server.service, &server.parts, options);
    if (start_services(&server, &err) != 0) {
        gateway_close(&server);
        service_close(&server);
        parts_close(&server.parts);
        return start_failed(options, &err);
    }
    server.janitor = janitor_start(&server.service);
    catalog_on_jobs(server.parts.catalog, janitor_sweep_soon, server.janitor);
    announce(&server);

    while (wait_signal(&server, SIGNAL_WAIT_MS) == 0)
        continue;
    drain(&server);
    stop_http(&server);
    catalog_on_jobs(server.parts.catalog, NULL, NULL);
    janitor_stop(server.janitor);
    gateway_close(&server);
    parts_close(&server.parts);
    service_close(&server);
    log_info("stopped");
    return EXIT_SUCCESS;
}

static int serve(int argc, char **argv)
{
    struct options options;
    enum options_action action;
    struct error err = {0};
    if (options_load(argc, argv, environ, &options, &action, &err) != 0) {
        fprintf(stderr, "firn: %s\n", err.message);
        return EXIT_USAGE;
    }
    int rc = EXIT_SUCCESS;
    struct buf text = BUF_INIT(1 << 20);
    switch (action) {
    case OPTIONS_RUN:
        rc = run(&options);
        break;
    case OPTIONS_HELP:
        options_write_help(&text);
        break;
    case OPTIONS_VERSION:
        buf_add_cstr(&text, "firn " FIRN_VERSION "\n");
        break;
    case OPTIONS_PRINT:
        options_write(&options, &text);
        break;
    }
    if (text.len > 0)
        fwrite(text.ptr, 1, text.len, stdout);
    buf_free(&text);
    options_free(&options);
    return rc;
}

/* ---- the command line ------------------------------------------------------------------------ */

static struct options cli_options;
static struct parts cli_parts;

static int cli_load_options(const char *data_dir, struct error *err)
{
    char name[] = "firn", flag[] = "--data";
    char *argv[] = {name, flag, (char *)(uintptr_t)data_dir, NULL};
    enum options_action action;
    if (data_dir == NULL)
        argv[1] = NULL;
    return options_load(data_dir == NULL ? 1 : 3, argv, environ, &cli_options, &action, err);
}

static int cli_owner(const char *data_dir, struct arena *arena, struct str *owner,
                     struct error *err)
{
    if (cli_load_options(data_dir, err) != 0)
        return -1;
    *owner = metastore_sqlite_owner(database_path(cli_options.data, arena), arena);
    options_free(&cli_options);
    return 0;
}

static int cli_open(const char *data_dir, struct catalog **out, struct error *err)
{
    if (cli_load_options(data_dir, err) != 0)
        return -1;
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    if (parts_open(&cli_parts, &cli_options, NULL, NULL, err) != 0) {
        options_free(&cli_options);
        return -1;
    }
    *out = cli_parts.catalog;
    return 0;
}

static void cli_close(void)
{
    parts_close(&cli_parts);
    options_free(&cli_options);
}

int main(int argc, char **argv)
{
    static const struct cli_backend backend = {cli_owner, cli_open, cli_close};
    json_object_seed(0); /* before there are threads */
    if (argc >= 2 && strcmp(argv[1], "serve") == 0)
        return serve(argc - 1, argv + 1);
    return cli_run(argc, argv, &backend);
}
