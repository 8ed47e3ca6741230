/* The one table of options.
 *
 * To add an option: 1. a field in struct options (options.h); 2. a row here; 3. use it in main.c.
 * Flag, environment variable, config key, --help, --print-options and the check of its bounds come
 * from the row; a check across options goes into check_together in options.c. */
#include "server/option_rows.h"
#include "server/options.h"

#define AT(field) offsetof(struct options, field)
#define PATH_BYTES_MAX 1024
#define KIB 1024ll
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define MINUTE_MS 60000ll
#define HOUR_MS (60 * MINUTE_MS)

#define STORAGE_TEXT_BYTES_MAX 4096

/* A row for each option of storage/storage_options.h; a secret is read from a file. */
#define STORAGE_ROW_false(member, name)              \
    {"warehouse-" name,                              \
     OPTION_TEXT,                                    \
     AT(warehouse_storage.member),                   \
     "",                                             \
     0,                                              \
     STORAGE_TEXT_BYTES_MAX,                         \
     "text",                                         \
     "the default warehouse's storage option " name, \
     0},
#define STORAGE_ROW_true(member, name)                         \
    {"warehouse-" name "-file",                                \
     OPTION_TEXT,                                              \
     AT(warehouse_storage.member),                             \
     "",                                                       \
     0,                                                        \
     PATH_BYTES_MAX,                                           \
     "path",                                                   \
     "file whose first line is the default warehouse's " name, \
     0},
#define STORAGE_ROW(member, name, secret) STORAGE_ROW_##secret(member, name)

/* clang-format off */
const struct option_row option_rows[] = {
    {"data", OPTION_TEXT, AT(data), "firn-data", 1, PATH_BYTES_MAX, "path",
     "directory of the catalog's own files; made when missing", 0},
    {"listen", OPTION_TEXT, AT(listen), "127.0.0.1:8181", 1, 64, "address:port",
     "where to serve; [::1]:8181 for IPv6, port 0 for any free one", 0},
    {"also-listen", OPTION_TEXT, AT(also_listen), "", 0, 64, "address:port",
     "a second place that serves the same, such as the port that S3 clients expect", 0},
    {"profile", OPTION_CHOICE, AT(profile), "none", 0, 0, "none|fixture",
     "fixture: the world that clients' test suites expect (docs/operations.md)", 0},
    {"warehouse-name", OPTION_TEXT, AT(warehouse_name), "default", 1, 255, "name",
     "name of the default warehouse", 0},
    {"warehouse-location", OPTION_TEXT, AT(warehouse_location), "", 0, 2048, "location",
     "root of the default warehouse; empty: DATA/warehouse", 0},
    {"warehouse-access", OPTION_CHOICE, AT(warehouse_access), "direct", 0, 0,
     "direct|vend|sign|gateway", "how clients come to the default warehouse's files", 0},
    STORAGE_OPTIONS(STORAGE_ROW)
    {"warehouse-skip-scope-check", OPTION_BOOL, AT(warehouse_skip_scope_check), "false", 0, 0, "",
     "vend keys of a store that was not seen to confine them", 0},
    {"public-uri", OPTION_TEXT, AT(public_uri), "", 0, 1024, "uri",
     "how clients reach this server; empty: http and the Host of their request", 0},
    {"vended-key-lifetime-s", OPTION_NUMBER, AT(vended_key_lifetime_s), "3600", 60, 43200, "s",
     "how long keys that clients get for a table's files are good", 0},
    {"secret-key-file", OPTION_TEXT, AT(secret_key_file), "", 0, PATH_BYTES_MAX, "path",
     "key that seals secrets of warehouses; empty: DATA/secret.key; made when missing", 0},
    {"loops", OPTION_NUMBER, AT(loops), "2", 1, 64, "threads",
     "event loops that serve connections", 0},
    {"workers", OPTION_NUMBER, AT(workers), "16", 1, 1024, "threads",
     "threads that do what may block", 0},
    {"max-connections", OPTION_NUMBER, AT(max_connections), "10000", 1, 1000000, "connections",
     "open connections; more wait in the kernel's queue", 0},
    {"max-body-bytes", OPTION_NUMBER, AT(max_body_bytes), "67108864", 1024, 2 * GIB, "bytes",
     "largest request body", 0},
    {"max-header-bytes", OPTION_NUMBER, AT(max_header_bytes), "24576", 1024, 28 * KIB, "bytes",
     "largest request head, request line included", 0},
    {"max-target-bytes", OPTION_NUMBER, AT(max_target_bytes), "16384", 256, 24 * KIB, "bytes",
     "longest request target", 0},
    {"header-deadline-ms", OPTION_NUMBER, AT(header_deadline_ms), "10000", 100, HOUR_MS, "ms",
     "from the first byte of a request to the end of its head", 0},
    {"body-deadline-ms", OPTION_NUMBER, AT(body_deadline_ms), "30000", 100, HOUR_MS, "ms",
     "for a request body, and for taking a reply; more with each byte", 0},
    {"body-rate-min", OPTION_NUMBER, AT(body_rate_min), "10240", 1, GIB, "bytes per second",
     "slowest rate of bodies beyond the deadline", 0},
    {"idle-timeout-ms", OPTION_NUMBER, AT(idle_timeout_ms), "75000", 100, 24 * HOUR_MS, "ms",
     "how long a connection may wait for its next request", 0},
    {"request-queue", OPTION_NUMBER, AT(request_queue), "2000", 1, 1000000, "requests",
     "requests waiting for a worker; more are answered 429", 0},
    {"table-cache-bytes", OPTION_NUMBER, AT(table_cache_bytes), "268435456", 0, 1024 * GIB, "bytes",
     "memory for loaded tables; 0: none is kept", 0},
    {"read-cache-bytes", OPTION_NUMBER, AT(read_cache_bytes), "0", 0, 65536 * GIB, "bytes",
     "disk for pieces of files of S3 and HDFS that were read; 0: none", 0},
    {"read-cache-dir", OPTION_TEXT, AT(read_cache_dir), "", 0, PATH_BYTES_MAX, "path",
     "where; belongs to one firn; empty: DATA/read-cache", 0},
    {"idempotency-lifetime-s", OPTION_NUMBER, AT(idempotency_lifetime_s), "1800", 0, 604800, "s",
     "how long an Idempotency-Key is remembered; 0: keys are ignored", 0},
    {"implicit-idempotency", OPTION_BOOL, AT(implicit_idempotency), "true", 0, 0, "",
     "a byte-identical repeat of a commit gets the first one's answer", 0},
    {"namespace-separator", OPTION_TEXT, AT(namespace_separator), "", 0, 1, "character",
     "announced to clients that join levels with it, as '.'; names cannot hold it then", 0},
    {"unique-table-locations", OPTION_BOOL, AT(unique_table_locations), "true", 0, 0, "",
     "default table locations end in the table's uuid", 0},
    {"verify-metadata-file", OPTION_BOOL, AT(verify_metadata_file), "false", 0, 0, "",
     "each load looks whether the metadata file is still there", 0},
    {"gateway-transfers", OPTION_NUMBER, AT(gateway_transfers), "256", 1, 4096, "requests",
     "S3 requests that are served at once (docs/gateway.md)", 0},
    {"gateway-queue", OPTION_NUMBER, AT(gateway_queue), "1000", 0, 100000, "requests",
     "more that wait for their turn; others are answered SlowDown", 0},
    {"gateway-key-file", OPTION_TEXT, AT(gateway_key_file), "", 0, PATH_BYTES_MAX, "path",
     "keys of the gateway: lines of id:secret:warehouse:prefix:r|rw", 0},
    {"gateway-unsigned-payload", OPTION_BOOL, AT(gateway_unsigned_payload), "true", 0, 0, "",
     "take bodies that are not under the signature, as clients send them by TLS", 0},
    {"log-level", OPTION_CHOICE, AT(log_level), "info", 0, 0, "error|warn|info|debug",
     "least severe level that is logged", 0},
    {"log-format", OPTION_CHOICE, AT(log_format), "text", 0, 0, "text|json",
     "form of log lines on stderr", 0},
    {"access-log", OPTION_BOOL, AT(access_log), "true", 0, 0, "",
     "log one line per request", 0},
    {"auth", OPTION_CHOICE, AT(auth), "none", 0, 0, "none|required",
     "whether callers need a token (docs/security.md)", 0},
    {"token-lifetime-s", OPTION_NUMBER, AT(token_lifetime_s), "3600", 1, 2592000, "s",
     "how long an access token is good", 0},
    {"anonymous-metrics", OPTION_BOOL, AT(anonymous_metrics), "false", 0, 0, "",
     "/metrics needs no token, also with auth=required", 0},
    {"allow-anonymous-network", OPTION_BOOL, AT(allow_anonymous_network), "false", 0, 0, "",
     "serve beyond loopback without authentication", 0},
    {"drain-delay-ms", OPTION_NUMBER, AT(drain_delay_ms), "0", 0, 10 * MINUTE_MS, "ms",
     "after SIGTERM: not ready, but still accepting, for load balancers", 0},
    {"drain-max-ms", OPTION_NUMBER, AT(drain_max_ms), "25000", 0, HOUR_MS, "ms",
     "after that: how long running requests may take", 0},
};
/* clang-format on */

const size_t option_row_count = sizeof(option_rows) / sizeof(option_rows[0]);

_Static_assert(sizeof(option_rows) / sizeof(option_rows[0]) <= OPTION_ROWS_MAX,
               "struct options has room for a source per row");
