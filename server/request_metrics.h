/* Metrics of requests: by operation and status, durations by operation, errors by kind. The series
 * appear with the first request they count. Threads: from anywhere. */
#ifndef SERVER_REQUEST_METRICS_H
#define SERVER_REQUEST_METRICS_H

#include "base/error.h"
#include "server/routes.h"
#include <stdint.h>

/* route NULL: no row of the table fitted, or the head was refused. */
void request_metrics_count(const struct route *route, int status, int64_t duration_us);
void request_metrics_error(enum error_kind kind);

#endif
