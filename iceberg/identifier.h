/* Namespaces and table identifiers: levels kept apart, compared by bytes, free of separators
 * inside. (REST: contract/rest.md 1.3.) The key form joins levels with U+001F, which no level may
 * contain; the display form joins with '.' and is for messages only. Threads: immutable values;
 * views into the arena they were made in. */
#ifndef ICEBERG_IDENTIFIER_H
#define ICEBERG_IDENTIFIER_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include <jansson.h>

#define NAMESPACE_SEPARATOR '\x1f'

struct namespace_ident {
    size_t level_count; /* 0 = the root, where it is allowed */
    struct str *levels;
};

struct identifier {
    struct namespace_ident ns;
    struct str name;
};

struct str namespace_key(const struct namespace_ident *ns, struct arena *arena); /* "a\x1fb" */
struct namespace_ident namespace_from_key(struct str key, struct arena *arena);
struct str namespace_display(const struct namespace_ident *ns, struct arena *arena); /* "a.b" */
struct str identifier_display(const struct identifier *ident, struct arena *arena);  /* "a.b.t" */

/* For names that are about to be created: non-empty, UTF-8, no NUL, no U+001F, at most
 * NAME_BYTES_MAX bytes and NAMESPACE_LEVELS_MAX levels. Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int namespace_check(const struct namespace_ident *ns, struct error *err);
MUST_USE int name_check(struct str name, const char *what, struct error *err);

/* From the JSON forms ["a","b"] and {"namespace":[…],"name":"t"}; these check as above.
 * Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int namespace_parse(const json_t *array, struct arena *arena, struct namespace_ident *out,
                             struct error *err);
MUST_USE int identifier_parse(const json_t *object, struct arena *arena, struct identifier *out,
                              struct error *err);

#endif
