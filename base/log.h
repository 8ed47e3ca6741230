/* One line per event on stderr, text (key=value) or JSON. Control bytes are escaped, fields capped,
 * so that one event is one line whatever names contain. Levels: error = an operator must act; warn
 * = degraded; info = lifecycle and one line per request; debug = for developers. Threads: safe; a
 * line is one write(2), or one of several lines of its thread in one (log_hold). */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

void log_setup(enum log_level level, enum log_format format); /* once, before threads */
bool log_enabled(enum log_level level);

void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
void log_warn(const char *format, ...) PRINTF_LIKE(1, 2);
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *format, ...) PRINTF_LIKE(1, 2);

/* A line made of named fields: the access log. Values are escaped by the logger. */
struct log_field {
    const char *name;
    struct str text; /* used when text.ptr is set, else number */
    int64_t number;
};
void log_fields(enum log_level level, const char *event, const struct log_field *fields,
                size_t count);

/* From here on this thread's lines are gathered in the bytes and written together: by log_release,
 * when there is no room for the next one, and with any line of level error or warn. For loops that
 * log a line per request; what is held is lost if the process is killed. */
void log_hold(char *bytes, size_t capacity);
void log_release(void);

_Noreturn void log_fatal(const char *format, ...) PRINTF_LIKE(1, 2); /* logs, then abort() */

#endif
