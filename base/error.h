/* Errors travel in one struct that the caller provides; the layer that knows the object's name sets
 * it, every layer above passes it on untouched. One layer may translate: catalog/ turns outcomes of
 * the metastore into kinds that clients know.
 *
 * Threads: a struct error belongs to one thread at a time. Setting one never allocates. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/error_kinds.h"

enum error_kind {
    ERR_NONE = 0,
#define X(kind, status, type, level) kind,
    ERROR_KINDS(X)
#undef X
        ERROR_KIND_COUNT
};

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first) __attribute__((format(printf, format_index, first)))

#define ERROR_MESSAGE_BYTES_MAX 1024
#define ERROR_DETAIL_BYTES_MAX 512

struct error {
    enum error_kind kind;
    char message[ERROR_MESSAGE_BYTES_MAX]; /* for the client: names the object, never a secret */
    char detail[ERROR_DETAIL_BYTES_MAX];   /* for the log only: errno text, SQLite text */
};

/* Both return -1 always, so that a failure is one line: `return error_set(err, ERR_X, "…", …);`.
 * A message that does not fit is cut at a whole UTF-8 character. `detail` is cleared by error_set.
 */
int error_set(struct error *err, enum error_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);
int error_detail(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

void error_clear(struct error *err);

int error_status(enum error_kind kind);       /* HTTP status of the row; 200 for ERR_NONE */
const char *error_type(enum error_kind kind); /* type on the wire */
const char *error_name(enum error_kind kind); /* "commit_failed": metric label, log */
int error_log_level(enum error_kind kind);    /* enum log_level of base/log.h */

#endif
