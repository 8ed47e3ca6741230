/* The options of the program: one table of rows (server/option_rows.c), read from four places. A
 * later place wins: default < config file (--config FILE) < environment (FIRN_NAME) < flags
 * (--name value or --name=value; a switch also as --name alone).
 *
 * Config file: one `name = value` per line; blank lines; '#' at the start of a line or after white
 * space begins a comment. Sizes in bytes may end in K, M, G, KiB, MiB or GiB.
 * Threads: read-only once loaded. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "storage/storage_options.h"
#include <stdint.h>

#define OPTION_ROWS_MAX 96
#define LISTEN_ADDRESS_BYTES_MAX 64

enum profile { PROFILE_NONE, PROFILE_FIXTURE };

enum auth_kind { AUTH_NONE, AUTH_REQUIRED };

struct options {
    const char *data; /* absolute */
    const char *listen;
    const char *also_listen; /* "": nowhere else */
    int profile;             /* enum profile */
    const char *warehouse_name;
    const char *warehouse_location; /* absolute: file:///… when it was not given */
    int warehouse_access;           /* enum warehouse_access */
    bool warehouse_skip_scope_check;
    struct { /* of the default warehouse; of a secret the file that it stands in; "" is none */
#define X(member, name, secret) const char *member;
        STORAGE_OPTIONS(X)
#undef X
    } warehouse_storage;
    const char *secret_key_file; /* absolute */
    const char *public_uri;      /* without slashes at its end; "": as the Host of requests says */
    int64_t vended_key_lifetime_s;
    int64_t loops, workers;
    int64_t max_connections, max_body_bytes, max_header_bytes, max_target_bytes;
    int64_t header_deadline_ms, body_deadline_ms, body_rate_min, idle_timeout_ms;
    int64_t request_queue;
    int64_t table_cache_bytes;
    const char *read_cache_dir; /* absolute */
    int64_t read_cache_bytes;
    int64_t idempotency_lifetime_s;
    bool implicit_idempotency;
    const char *namespace_separator; /* one character, or empty */
    bool unique_table_locations;
    bool verify_metadata_file;
    int64_t gateway_transfers, gateway_queue;
    const char *gateway_key_file; /* empty: none */
    bool gateway_unsigned_payload;
    int log_level;  /* enum log_level */
    int log_format; /* enum log_format */
    bool access_log;
    int auth; /* enum auth_kind */
    int64_t token_lifetime_s;
    bool anonymous_metrics;
    bool allow_anonymous_network;
    int64_t drain_delay_ms, drain_max_ms;

    /* derived from `listen` */
    char listen_address[LISTEN_ADDRESS_BYTES_MAX]; /* "127.0.0.1", "::1" */
    uint16_t listen_port;
    bool listens_on_loopback; /* both, when there are two */
    char also_address[LISTEN_ADDRESS_BYTES_MAX];
    uint16_t also_port;
    /* derived: the access or a storage option of the default warehouse was given */
    bool warehouse_storage_given;

    struct arena *arena;                    /* holds the texts */
    unsigned char sources[OPTION_ROWS_MAX]; /* enum option_source, by row */
};

enum option_source { OPTION_DEFAULT, OPTION_FILE, OPTION_ENVIRONMENT, OPTION_FLAG };

enum options_action { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_PRINT };

/* Reads all places and checks the whole. --help and --version win over errors elsewhere.
 * Errors: ERR_ILLEGAL_ARGUMENT, a message for a terminal that names the place (flag, variable, or
 * file and line). On failure nothing is held. */
MUST_USE int options_load(int argc, char *const *argv, char *const *environment,
                          struct options *options, enum options_action *action, struct error *err);
void options_free(struct options *options);

void options_write_help(struct buf *out);

/* Every value and where it came from, as a config file; secrets are masked. */
void options_write(const struct options *options, struct buf *out);

#endif
