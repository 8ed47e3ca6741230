/* Setting and looking up errors. Never allocates; the table of kinds is base/error_kinds.h. */
#include "base/error.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/str.h"

struct kind_row {
    const char *constant; /* "ERR_COMMIT_FAILED" */
    const char *type;
    int status;
    int level;
};

static const struct kind_row kind_rows[ERROR_KIND_COUNT] = {
    [ERR_NONE] = {"ERR_NONE", "", 200, LOG_LEVEL_INFO},
#define X(kind, status, type, level) [kind] = {#kind, type, status, LOG_LEVEL_##level},
    ERROR_KINDS(X)
#undef X
};

#define KIND_NAME_BYTES_MAX 40
static char kind_names[ERROR_KIND_COUNT][KIND_NAME_BYTES_MAX];
static pthread_once_t kind_names_once = PTHREAD_ONCE_INIT;

/* Formats through a copy, so that the arguments may be parts of the error itself. */
PRINTF_LIKE(3, 0)
static void format_into(char *out, size_t out_bytes, const char *format, va_list args)
{
    char text[ERROR_MESSAGE_BYTES_MAX + 4]; /* 4 more: the cut must see the next character */
    assert(out_bytes <= ERROR_MESSAGE_BYTES_MAX);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    struct str cut = str_utf8_cut(str_cstr(text), out_bytes - 1);
    memcpy(out, cut.ptr, cut.len);
    out[cut.len] = '\0';
}

int error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
    assert(err != NULL && kind > ERR_NONE && kind < ERROR_KIND_COUNT);
    va_list args;
    va_start(args, format);
    format_into(err->message, sizeof(err->message), format, args);
    va_end(args);
    err->kind = kind;
    err->detail[0] = '\0';
    return -1;
}

int error_detail(struct error *err, const char *format, ...)
{
    assert(err != NULL && err->kind != ERR_NONE);
    va_list args;
    va_start(args, format);
    format_into(err->detail, sizeof(err->detail), format, args);
    va_end(args);
    return -1;
}

void error_clear(struct error *err)
{
    err->kind = ERR_NONE;
    err->message[0] = '\0';
    err->detail[0] = '\0';
}

int error_status(enum error_kind kind)
{
    assert(kind < ERROR_KIND_COUNT);
    return kind_rows[kind].status;
}

const char *error_type(enum error_kind kind)
{
    assert(kind < ERROR_KIND_COUNT);
    return kind_rows[kind].type;
}

static void fill_kind_names(void)
{
    for (int kind = 0; kind < ERROR_KIND_COUNT; kind++) {
        struct str name = str_skip(str_cstr(kind_rows[kind].constant), strlen("ERR_"));
        assert(name.len < KIND_NAME_BYTES_MAX);
        for (size_t i = 0; i < name.len; i++) {
            char c = name.ptr[i];
            kind_names[kind][i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
    }
}

const char *error_name(enum error_kind kind)
{
    assert(kind < ERROR_KIND_COUNT);
    pthread_once(&kind_names_once, fill_kind_names);
    return kind_names[kind];
}

int error_log_level(enum error_kind kind)
{
    assert(kind < ERROR_KIND_COUNT);
    return kind_rows[kind].level;
}
