/* Typed members of a raw JSON object, found in one walk and checked for their kind.
 * `null` counts as absent. Messages name the object and the member.
 * Threads: no state. */
#ifndef ICEBERG_MEMBERS_H
#define ICEBERG_MEMBERS_H

#include "base/raw_json.h"
#include "iceberg/table_metadata.h"

enum member_kind {
    MEMBER_INT, /* an integral number in the range of int64 */
    MEMBER_STRING,
    MEMBER_BOOL,
    MEMBER_OBJECT,
    MEMBER_ARRAY,
    MEMBER_STRING_MAP, /* an object whose values are all strings */
    MEMBER_INT_ARRAY,
    MEMBER_STRING_ARRAY,
};

enum member_need { MEMBER_OPTIONAL, MEMBER_REQUIRED };

struct member_spec {
    struct str name;
    enum member_kind kind;
    enum member_need need;
};

#define MEMBER(name, kind, need)                                  \
    {                                                             \
        {"" name, sizeof(name) - 1}, MEMBER_##kind, MEMBER_##need \
    }

struct unknown_members {
    struct metadata_member *members;
    size_t count;
    size_t capacity;
};

/* Fills values[i] with the value of the member specs[i], STR_NONE when it is absent or null.
 * `object` passed raw_json_check. Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int members_read(struct str object, const char *what, const struct member_spec *specs,
                          size_t spec_count, struct str *values, struct error *err);

/* The same, and collects the members that no spec names into `unknown`, in document order. */
MUST_USE int members_read_all(struct str object, const char *what, const struct member_spec *specs,
                              size_t spec_count, struct str *values, struct arena *arena,
                              struct unknown_members *unknown, struct error *err);

/* How many elements a member of kind MEMBER_ARRAY has. Errors: ERR_BAD_REQUEST "A commit has at
 * most 10 updates". */
MUST_USE int members_count(struct str array, size_t max, const char *what, size_t *out,
                           struct error *err);

/* Numbers that members_read has checked; `otherwise` when the member is absent. */
int64_t member_int64(struct str value);
int64_t member_int64_or(struct str value, int64_t otherwise);

/* `object` itself when none of the named members is null, else a copy without those that are. */
struct str members_without_nulls(struct str object, const struct member_spec *specs,
                                 size_t spec_count, struct arena *arena);

#endif
