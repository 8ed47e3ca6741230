/* One event, one line, one write(2), unless the thread holds its lines.
 *
 * A line is built in a fixed buffer on the stack: logging never allocates, so it works when memory
 * has run out. Every value is capped and every control character escaped; a line that would not fit
 * loses fields from its end, never its shape. */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 8192
#define VALUE_BYTES_MAX 2048 /* of one value, before escaping */
#define ESCAPED_BYTES_MAX 8  /* of one escaped character */
#define CLOSING_BYTES_MAX 32 /* what must fit after a value that was cut: quote, brace, newline */
#define TRUNCATED "..."

static enum log_level level_max = LOG_LEVEL_INFO;
static enum log_format line_format = LOG_FORMAT_TEXT;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

struct line {
    char bytes[LINE_BYTES_MAX];
    size_t len;
};

void log_setup(enum log_level level, enum log_format format)
{
    level_max = level;
    line_format = format;
}

bool log_enabled(enum log_level level)
{
    return level <= level_max;
}

static size_t room(const struct line *line)
{
    size_t usable = LINE_BYTES_MAX - CLOSING_BYTES_MAX;
    return line->len < usable ? usable - line->len : 0;
}

static void put_bytes(struct line *line, const char *bytes, size_t len)
{
    assert(len <= LINE_BYTES_MAX - line->len);
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
}

static void put(struct line *line, const char *text)
{
    put_bytes(line, text, strlen(text));
}

/* C0, DEL and C1 controls and the line separators: what could end a line or steer a terminal. */
static bool is_unsafe(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029;
}

static uint32_t code_point(const char *at, size_t bytes)
{
    static const uint8_t lead_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = (uint8_t)at[0] & lead_mask[bytes];
    for (size_t i = 1; i < bytes; i++)
        code = code << 6 | ((uint8_t)at[i] & 0x3F);
    return code;
}

/* Appends the first character of `text`, escaped as needed; returns how many bytes it took. */
static size_t put_char(struct line *line, struct str text)
{
    char escaped[16];
    size_t bytes = str_utf8_char(text);
    if (bytes == 0) {
        snprintf(escaped, sizeof(escaped), line_format == LOG_FORMAT_JSON ? "\\ufffd" : "\\x%02x",
                 (uint8_t)text.ptr[0]);
        put(line, escaped);
        return 1;
    }
    uint32_t code = code_point(text.ptr, bytes);
    if (code == '"' || code == '\\') {
        put(line, code == '"' ? "\\\"" : "\\\\");
    } else if (code == '\n') {
        put(line, "\\n");
    } else if (is_unsafe(code)) {
        snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)code);
        put(line, escaped);
    } else {
        put_bytes(line, text.ptr, bytes);
    }
    return bytes;
}

static void put_quoted(struct line *line, struct str value)
{
    size_t taken = 0;
    put(line, "\"");
    while (taken < value.len) {
        if (taken >= VALUE_BYTES_MAX || room(line) < ESCAPED_BYTES_MAX + sizeof(TRUNCATED)) {
            put(line, TRUNCATED);
            break;
        }
        taken += put_char(line, str_skip(value, taken));
    }
    put(line, "\"");
}

/* Whether a value may stand in a text line without quotes: printable, no space, '"', '\\' or '='.
 */
static bool is_plain(struct str value)
{
    static const bool quoted[256] = {
        [0 ... ' '] = true, ['"'] = true, ['='] = true, ['\\'] = true, [0x7F ... 0xFF] = true,
    };
    bool plain = value.len > 0 && value.len <= VALUE_BYTES_MAX;
    for (size_t i = 0; plain && i < value.len; i++)
        plain = !quoted[(uint8_t)value.ptr[i]];
    return plain;
}

/* The name of the next field and what stands between it and its value; false when the line is full.
 */
static bool put_name(struct line *line, const char *name)
{
    bool json = line_format == LOG_FORMAT_JSON;
    size_t len = strlen(name);
    if (room(line) < len + 64)
        return false;
    if (line->len > 0)
        put_bytes(line, json ? "," : " ", 1);
    else if (json)
        put_bytes(line, "{", 1);
    if (json)
        put_bytes(line, "\"", 1);
    put_bytes(line, name, len);
    put_bytes(line, json ? "\":" : "=", json ? 2 : 1);
    return true;
}

static void put_text_field(struct line *line, const char *name, struct str value)
{
    if (!put_name(line, name))
        return;
    if (line_format == LOG_FORMAT_TEXT && is_plain(value) && value.len < room(line))
        put_bytes(line, value.ptr, value.len);
    else
        put_quoted(line, value);
}

static void put_number_field(struct line *line, const char *name, int64_t number)
{
    char text[24];
    size_t at = sizeof(text);
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    if (!put_name(line, name))
        return;
    do
        text[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (number < 0)
        text[--at] = '-';
    put_bytes(line, text + at, sizeof(text) - at);
}

/* The current time; a thread writes out the date once a second. Returns its length. */
static size_t write_time(char *out, size_t out_bytes)
{
    static _Thread_local char text[64];
    static _Thread_local size_t len;
    static _Thread_local time_t second;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (len == 0 || second != now.tv_sec) {
        struct tm utc;
        gmtime_r(&now.tv_sec, &utc);
        len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.", &utc);
        second = now.tv_sec;
    }
    unsigned ms = (unsigned)(now.tv_nsec / 1000000);
    assert(len + 4 <= out_bytes);
    memcpy(out, text, len);
    out[len] = (char)('0' + ms / 100);
    out[len + 1] = (char)('0' + ms / 10 % 10);
    out[len + 2] = (char)('0' + ms % 10);
    out[len + 3] = 'Z';
    return len + 4;
}

static void line_begin(struct line *line, enum log_level level)
{
    char time_text[80];
    line->len = 0;
    size_t len = write_time(time_text, sizeof(time_text));
    put_text_field(line, "time", str_from(time_text, len));
    put_text_field(line, "level", str_cstr(level_names[level]));
}

/* The lines of this thread that wait for being written, in memory of whoever holds them. */
static _Thread_local struct {
    char *bytes;
    size_t len, capacity;
} held;

static void write_out(const char *bytes, size_t len)
{
    ssize_t written;
    do
        written = write(STDERR_FILENO, bytes, len);
    while (written < 0 && errno == EINTR);
    /* When stderr is gone there is nobody left to tell. */
}

static void write_held(void)
{
    if (held.len > 0)
        write_out(held.bytes, held.len);
    held.len = 0;
}

void log_hold(char *bytes, size_t capacity)
{
    assert(held.bytes == NULL && bytes != NULL);
    held.bytes = bytes;
    held.capacity = capacity;
}

void log_release(void)
{
    write_held();
    held.bytes = NULL;
    held.capacity = 0;
}

static void line_end(struct line *line, enum log_level level)
{
    put(line, line_format == LOG_FORMAT_JSON ? "}\n" : "\n");
    if (line->len > held.capacity - held.len || level <= LOG_LEVEL_WARN)
        write_held(); /* so that lines keep their order */
    if (line->len > held.capacity - held.len || level <= LOG_LEVEL_WARN) {
        write_out(line->bytes, line->len);
        return;
    }
    memcpy(held.bytes + held.len, line->bytes, line->len);
    held.len += line->len;
}

PRINTF_LIKE(2, 0)
static void log_message(enum log_level level, const char *format, va_list args)
{
    char text[VALUE_BYTES_MAX + 8];
    struct line line;
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        return;
    line_begin(&line, level);
    put_text_field(&line, "msg", str_cstr(text));
    line_end(&line, level);
}

#define LOG_MESSAGE(level, format)                \
    do {                                          \
        int saved_errno = errno;                  \
        if (log_enabled(level)) {                 \
            va_list args;                         \
            va_start(args, format);               \
            log_message((level), (format), args); \
            va_end(args);                         \
        }                                         \
        errno = saved_errno;                      \
    } while (0)

void log_error(const char *format, ...)
{
    LOG_MESSAGE(LOG_LEVEL_ERROR, format);
}

void log_warn(const char *format, ...)
{
    LOG_MESSAGE(LOG_LEVEL_WARN, format);
}

void log_info(const char *format, ...)
{
    LOG_MESSAGE(LOG_LEVEL_INFO, format);
}

void log_debug(const char *format, ...)
{
    LOG_MESSAGE(LOG_LEVEL_DEBUG, format);
}

void log_fatal(const char *format, ...)
{
    LOG_MESSAGE(LOG_LEVEL_ERROR, format);
    abort();
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields,
                size_t count)
{
    struct line line;
    if (!log_enabled(level))
        return;
    line_begin(&line, level);
    put_text_field(&line, "event", str_cstr(event));
    for (size_t i = 0; i < count; i++) {
        if (fields[i].text.ptr != NULL)
            put_text_field(&line, fields[i].name, fields[i].text);
        else
            put_number_field(&line, fields[i].name, fields[i].number);
    }
    line_end(&line, level);
}
