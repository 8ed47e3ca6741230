/* The table of metrics. Names follow Prometheus: base unit, _total for counters. */
#ifndef BASE_METRIC_ROWS_H
#define BASE_METRIC_ROWS_H

/* clang-format off */
#define METRIC_ROWS(X)                                                                            \
    X(METRIC_REQUESTS,         SERIES_COUNTER,   "firn_http_requests_total",           "Requests answered, by operation and status") \
    X(METRIC_REQUEST_SECONDS,  SERIES_HISTOGRAM, "firn_http_request_duration_seconds", "Time from head to reply, by operation") \
    X(METRIC_ERRORS,           SERIES_COUNTER,   "firn_errors_total",                  "Error replies by kind") \
    X(METRIC_CONNECTIONS,      GAUGE,     "firn_http_connections",               "Open connections") \
    X(METRIC_REQUESTS_ACTIVE,  GAUGE,     "firn_http_requests_active",           "Requests being worked on") \
    X(METRIC_REJECTED,         COUNTER,   "firn_http_rejected_total",            "Requests refused by the pre-check of raw HTTP") \
    X(METRIC_COMMITS,          COUNTER,   "firn_commits_total",                  "Table commits that became durable") \
    X(METRIC_COMMIT_CONFLICTS, COUNTER,   "firn_commit_conflicts_total",         "Table commits answered with a conflict") \
    X(METRIC_COMMIT_RETRIES,   COUNTER,   "firn_commit_retries_total",           "Commit rounds repeated after a lost compare-and-swap") \
    X(METRIC_COMMIT_UNKNOWN,   COUNTER,   "firn_commit_state_unknown_total",     "Commits whose outcome could not be learned") \
    X(METRIC_COMMIT_ROUNDS,    COUNTER,   "firn_commit_rounds_total",            "Metadata files written for commits (commits / rounds = folding)") \
    X(METRIC_COMMIT_SECONDS,   HISTOGRAM, "firn_commit_duration_seconds",        "Time from a commit's arrival in its lane to its answer") \
    X(METRIC_GROUPS,           COUNTER,   "firn_metastore_groups_total",         "Metastore transactions") \
    X(METRIC_GROUP_CHANGES,    COUNTER,   "firn_metastore_change_sets_total",    "Change sets applied by those transactions") \
    X(METRIC_GROUP_SECONDS,    HISTOGRAM, "firn_metastore_group_seconds",        "Time of one metastore transaction") \
    X(METRIC_CACHE_HITS,       COUNTER,   "firn_table_cache_hits_total",         "Table loads answered from memory") \
    X(METRIC_CACHE_MISSES,     COUNTER,   "firn_table_cache_misses_total",       "Table loads that read a metadata file") \
    X(METRIC_CACHE_BYTES,      GAUGE,     "firn_table_cache_bytes",              "Bytes held by the table cache") \
    X(METRIC_STORAGE_READS,    COUNTER,   "firn_storage_reads_total",            "Files read") \
    X(METRIC_STORAGE_WRITES,   COUNTER,   "firn_storage_writes_total",           "Files written") \
    X(METRIC_STORAGE_REMOVES,  COUNTER,   "firn_storage_removes_total",          "Files removed") \
    X(METRIC_STORAGE_ERRORS,   COUNTER,   "firn_storage_errors_total",           "Storage calls that failed") \
    X(METRIC_STORAGE_WRITE_SECONDS, HISTOGRAM, "firn_storage_write_duration_seconds", "Time of one durable file write") \
    X(METRIC_READ_CACHE_HITS,  COUNTER,   "firn_read_cache_hits_total",          "Blocks of files served from the read cache") \
    X(METRIC_READ_CACHE_MISSES, COUNTER,  "firn_read_cache_misses_total",        "Blocks of files fetched from their store for the read cache") \
    X(METRIC_READ_CACHE_BYTES, GAUGE,     "firn_read_cache_bytes",               "Bytes held by the read cache") \
    X(METRIC_GATEWAY_REQUESTS, SERIES_COUNTER,   "firn_gateway_requests_total",     "S3 requests answered, by operation and status") \
    X(METRIC_GATEWAY_SECONDS,  SERIES_HISTOGRAM, "firn_gateway_request_duration_seconds", "Time from head to the end of the reply, by operation") \
    X(METRIC_GATEWAY_BYTES_IN, COUNTER,  "firn_gateway_received_bytes_total",   "Bytes of objects that came from clients") \
    X(METRIC_GATEWAY_BYTES_OUT, COUNTER, "firn_gateway_sent_bytes_total",       "Bytes of objects that went to clients") \
    X(METRIC_IDEMPOTENT_REPLAYS, COUNTER, "firn_idempotent_replays_total",       "Requests answered from the idempotency record or history") \
    X(METRIC_TOKENS_ISSUED,    COUNTER,   "firn_tokens_issued_total",            "Access tokens issued") \
    X(METRIC_TOKENS_REFUSED,   COUNTER,   "firn_tokens_refused_total",           "Requests refused for want of a valid token") \
    X(METRIC_SECRETS_REFUSED,  COUNTER,   "firn_secrets_refused_total",          "Token requests refused for a wrong secret, or too many of them") \
    X(METRIC_SWEPT,            COUNTER,   "firn_swept_files_total",              "Files removed by the sweeper")
/* clang-format on */

#endif
