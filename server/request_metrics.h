/* Metrics of requests: by operation and status, durations by operation, errors by kind. The series
 * appear with the first request they count. Threads: from anywhere. */
#ifndef SERVER_REQUEST_METRICS_H
#define SERVER_REQUEST_METRICS_H

#include "base/error.h"
#include "server/routes.h"
#include <stdint.h>

/* route NULL: no row of the table fitted, or the head was refused. */
void request_metrics_count(const struct route *route, int status, int64_t duration_us);
/* The same of the gateway: `operation` is less than GATEWAY_OPERATIONS_MAX, one name for each. */
#define GATEWAY_OPERATIONS_MAX 32
void request_metrics_gateway(const char *name, unsigned operation, int status, int64_t duration_us,
                             int64_t bytes_in, int64_t bytes_out);
void request_metrics_error(enum error_kind kind);

#endif
