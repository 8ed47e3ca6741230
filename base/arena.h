/* Memory with one lifetime: allocate many, free all at once. Zeroed, 16-byte aligned, never NULL:
 * running out of memory is fatal (abort), which is safe because every input is bounded and a commit
 * survives a crash at every line.
 *
 * Threads: one arena belongs to one thread at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena);  /* runs the deferred calls, newest first; NULL is allowed */
void arena_reset(struct arena *arena); /* as arena_free, but keeps the first block for reuse */

void *arena_alloc(struct arena *arena, size_t bytes);
void *arena_alloc_array(struct arena *arena, size_t count,
                        size_t bytes_each); /* overflow-checked */
/* The same without the zeroes, for large arrays of which every byte is written at once. */
void *arena_alloc_array_raw(struct arena *arena, size_t count, size_t bytes_each);
#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc_array((arena), (count), sizeof(type)))

struct str arena_str(struct arena *arena, struct str s);   /* copy, NUL after the end */
const char *arena_cstr(struct arena *arena, struct str s); /* copy as C string */
struct str arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Calls fn(arg) when the arena is freed or reset. */
void arena_defer(struct arena *arena, void (*fn)(void *arg), void *arg);

size_t arena_bytes(const struct arena *arena); /* what it holds from malloc: for cache budgets */

#endif
