/* The access log: the fields of an exchange as one line. Headers that may hold secrets are not
 * among them; the logger escapes and caps what the client wrote. */
#include "server/access_log.h"

#include "base/clock.h"
#include "base/log.h"

/* A field without a text would be printed as a number. */
static struct str present(struct str text)
{
    return text.ptr == NULL ? STR("") : text;
}

void access_log_write(struct http_exchange *x, struct str target, struct str request_id,
                      const char *operation, bool sent)
{
    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    const struct log_field fields[] = {
        {.name = "request_id", .text = present(request_id)},
        {.name = "method", .text = present(x->method)},
        {.name = "operation", .text = present(str_cstr(operation))},
        {.name = "target", .text = present(target)},
        {.name = "status", .number = x->status},
        {.name = "sent", .number = sent},
        {.name = "bytes_in", .number = (int64_t)x->body_bytes},
        {.name = "bytes", .number = (int64_t)x->reply_bytes},
        {.name = "duration_us", .number = clock_monotonic_us(&clock_system) - x->started_us},
        {.name = "client", .text = x->client},
        {.name = "user_agent", .text = present(http_exchange_header(x, "User-Agent"))},
    };
    log_fields(LOG_LEVEL_INFO, "request", fields, sizeof(fields) / sizeof(fields[0]));
}
