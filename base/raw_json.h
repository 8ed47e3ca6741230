/* JSON as text: check it once, then walk it without building a tree. What is kept keeps its
 * original bytes, so unknown fields survive and history is never printed again.
 *
 * A value is a struct str that holds exactly one JSON value without surrounding space.
 * Only raw_json_check takes foreign bytes; all other functions require text that passed it (they
 * assert what they can see cheaply, and stay inside the view whatever it holds).
 * Threads: no state. */
#ifndef BASE_RAW_JSON_H
#define BASE_RAW_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

enum raw_json_kind {
    RAW_JSON_NULL,
    RAW_JSON_BOOL,
    RAW_JSON_NUMBER,
    RAW_JSON_STRING,
    RAW_JSON_ARRAY,
    RAW_JSON_OBJECT,
};

#define RAW_JSON_DEPTH_MAX 64

/* One whole JSON text (RFC 8259): well-formed UTF-8, no BOM, no lone surrogates, no \u0000, no
 * trailing bytes, depth <= RAW_JSON_DEPTH_MAX, no duplicate key in any object (compared after
 * unescaping), integers within int64. On success *value is the text without outer space.
 * Errors: ERR_BAD_REQUEST with the byte offset ("Malformed JSON at byte N: …"). O(n). */
MUST_USE int raw_json_check(struct str text, struct str *value, struct error *err);

enum raw_json_kind raw_json_kind(struct str value);

struct raw_json_cursor {
    const char *at, *end;
};

/* Walks an object or an array:
 *   struct raw_json_cursor c = raw_json_enter(value);
 *   while (raw_json_next_member(&c, &key, &member)) …
 * The key is the text between the quotes, still escaped; compare keys with raw_json_key_is, which
 * handles escapes. A value that is neither, and STR_NONE, is walked as empty. */
struct raw_json_cursor raw_json_enter(struct str object_or_array);
bool raw_json_next_member(struct raw_json_cursor *cursor, struct str *key, struct str *value);
bool raw_json_next_element(struct raw_json_cursor *cursor, struct str *value);
size_t raw_json_element_count(struct str array); /* by walking it */

bool raw_json_key_is(struct str key, const char *name);

/* The member of that name; STR_NONE when absent or `object` is no object. Linear. */
struct str raw_json_member(struct str object, const char *name);

bool raw_json_int64(struct str value, int64_t *out); /* an integral number in range, else false */
bool raw_json_bool(struct str value, bool *out);

/* The decoded text of a string value (a view when it holds no escape, else a copy in the arena). */
struct str raw_json_string(struct str value, struct arena *arena);
struct str raw_json_key(struct str key, struct arena *arena); /* same for a member's key */

/* Quoted and escaped. The output is well-formed whatever the text holds: a byte that is not UTF-8
 * is written as U+FFFD. */
void raw_json_write_string(struct buf *out, struct str text);

#endif
