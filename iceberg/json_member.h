/* Typed members of the JSON objects of the table format, with one wording for what is wrong.
 * A member that is null counts as absent. Integers are 32-bit as in the reference implementation:
 * a number with a fraction or out of range is refused, never rounded.
 * Errors: ERR_ILLEGAL_ARGUMENT naming the member.
 * Threads: no state. */
#ifndef ICEBERG_JSON_MEMBER_H
#define ICEBERG_JSON_MEMBER_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include <jansson.h>
#include <stdint.h>

/* Required: absent is an error. */
MUST_USE int member_int32(const json_t *object, const char *name, int64_t *out, struct error *err);
MUST_USE int member_bool(const json_t *object, const char *name, bool *out, struct error *err);
MUST_USE int member_string(const json_t *object, const char *name, struct arena *arena,
                           struct str *out, struct error *err); /* a copy in the arena */
MUST_USE int member_array(const json_t *object, const char *name, const json_t **out,
                          struct error *err);

/* Optional: *out is `otherwise`, STR_NONE or NULL when absent. */
MUST_USE int member_int32_or(const json_t *object, const char *name, int64_t otherwise,
                             int64_t *out, struct error *err);
MUST_USE int member_bool_or(const json_t *object, const char *name, bool otherwise, bool *out,
                            struct error *err);
MUST_USE int member_string_optional(const json_t *object, const char *name, struct arena *arena,
                                    struct str *out, struct error *err);
MUST_USE int member_object_optional(const json_t *object, const char *name, const json_t **out,
                                    struct error *err);

/* A value that is not a member: an element of an array of ids. `what` names it in the message. */
MUST_USE int value_int32(const json_t *value, const char *what, int64_t *out, struct error *err);

/* A copy in the arena of a JSON string's text. */
struct str value_string(const json_t *string, struct arena *arena);

/* A value as it may stand in a message: scalars as JSON text cut to fit, else only the kind. */
#define VALUE_BRIEF_BYTES 96
const char *value_brief(const json_t *value, char out[VALUE_BRIEF_BYTES]);

#endif
