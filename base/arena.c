/* Memory with one lifetime, as a chain of blocks.
 *
 * The arena itself lies at the start of its first block, so a small arena is one malloc. Only the
 * newest block is filled; an allocation that is large for a block gets one of its own behind it.
 * With the address sanitizer, bytes that were not handed out are poisoned. */
#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#endif

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#define POISON(ptr, bytes) __asan_poison_memory_region((ptr), (bytes))
#define UNPOISON(ptr, bytes) __asan_unpoison_memory_region((ptr), (bytes))
#define GAP_BYTES 16 /* between allocations, so that running over the end is seen */
#else
#define POISON(ptr, bytes) ((void)0)
#define UNPOISON(ptr, bytes) ((void)0)
#define GAP_BYTES 0
#endif

#define ALIGNMENT 16
#define BLOCK_BYTES_MIN 4000 /* with malloc's own header just below a page */
#define BLOCK_BYTES_MAX 65500
#define ALLOC_BYTES_MAX (SIZE_MAX / 4)

struct block {
    struct block *next; /* older */
    size_t bytes;       /* of the whole block, this header too */
};

struct deferred {
    struct deferred *next; /* older */
    void (*fn)(void *arg);
    void *arg;
};

struct arena {
    struct block *newest;
    struct block *first; /* the one that holds this struct */
    char *at, *end;      /* free bytes of the block being filled */
    struct deferred *deferred;
    size_t bytes;
    size_t next_block_bytes;
};

static size_t round_up(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static char *block_data(struct block *block)
{
    return (char *)block + round_up(sizeof(struct block));
}

static struct block *block_new(size_t bytes)
{
    struct block *block = malloc(bytes);
    if (block == NULL)
        log_fatal("out of memory: %zu bytes", bytes);
    assert((uintptr_t)block % ALIGNMENT == 0);
    block->next = NULL;
    block->bytes = bytes;
    return block;
}

static void fill_from(struct arena *arena, struct block *block, char *at)
{
    arena->at = at;
    arena->end = (char *)block + block->bytes;
    POISON(arena->at, (size_t)(arena->end - arena->at));
}

static void block_free(struct block *block)
{
    UNPOISON(block, block->bytes);
    free(block);
}

static char *first_free_byte(struct arena *arena)
{
    return block_data(arena->first) + round_up(sizeof(struct arena));
}

struct arena *arena_new(void)
{
    struct block *block = block_new(BLOCK_BYTES_MIN);
    struct arena *arena = (struct arena *)block_data(block);
    *arena = (struct arena){.newest = block,
                            .first = block,
                            .bytes = block->bytes,
                            .next_block_bytes = 2 * BLOCK_BYTES_MIN};
    fill_from(arena, block, first_free_byte(arena));
    return arena;
}

static void run_deferred(struct arena *arena)
{
    while (arena->deferred != NULL) {
        struct deferred *call = arena->deferred;
        arena->deferred = call->next;
        call->fn(call->arg);
    }
}

void arena_reset(struct arena *arena)
{
    run_deferred(arena);
    struct block *first = arena->first;
    for (struct block *block = arena->newest, *older; block != NULL; block = older) {
        older = block->next;
        if (block != first)
            block_free(block);
    }
    first->next = NULL;
    arena->newest = first;
    arena->bytes = first->bytes;
    arena->next_block_bytes = 2 * BLOCK_BYTES_MIN;
    fill_from(arena, first, first_free_byte(arena));
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    arena_reset(arena);
    block_free(arena->first);
}

/* A block for one large allocation; the block being filled stays the one being filled. */
static void *alloc_large(struct arena *arena, size_t bytes)
{
    struct block *block = block_new(round_up(sizeof(struct block)) + bytes);
    block->next = arena->newest->next;
    arena->newest->next = block;
    arena->bytes += block->bytes;
    return block_data(block);
}

/* As arena_alloc, but the bytes are not zeroed. */
static void *alloc_raw(struct arena *arena, size_t bytes)
{
    assert(arena != NULL);
    if (bytes > ALLOC_BYTES_MAX)
        log_fatal("out of memory: %zu bytes", bytes);
    size_t step = round_up(bytes == 0 ? 1 : bytes) + GAP_BYTES;
    if (step > (size_t)(arena->end - arena->at)) {
        if (step > arena->next_block_bytes / 4)
            return alloc_large(arena, bytes == 0 ? 1 : bytes);
        struct block *block = block_new(arena->next_block_bytes);
        block->next = arena->newest;
        arena->newest = block;
        arena->bytes += block->bytes;
        if (arena->next_block_bytes < BLOCK_BYTES_MAX / 2)
            arena->next_block_bytes *= 2;
        fill_from(arena, block, block_data(block));
    }
    void *ptr = arena->at;
    arena->at += step;
    UNPOISON(ptr, bytes);
    return ptr;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    return memset(alloc_raw(arena, bytes), 0, bytes);
}

static size_t array_bytes(size_t count, size_t bytes_each)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, bytes_each, &bytes))
        log_fatal("out of memory: %zu times %zu bytes", count, bytes_each);
    return bytes;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t bytes_each)
{
    return arena_alloc(arena, array_bytes(count, bytes_each));
}

void *arena_alloc_array_raw(struct arena *arena, size_t count, size_t bytes_each)
{
    return alloc_raw(arena, array_bytes(count, bytes_each));
}

struct str arena_str(struct arena *arena, struct str s)
{
    if (s.ptr == NULL)
        return STR_NONE;
    return str_from(arena_cstr(arena, s), s.len);
}

const char *arena_cstr(struct arena *arena, struct str s)
{
    char *copy = alloc_raw(arena, s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
    char text[512];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(text, sizeof(text), format, args);
    assert(len >= 0);
    char *copy = alloc_raw(arena, (size_t)len + 1);
    if ((size_t)len < sizeof(text))
        memcpy(copy, text, (size_t)len + 1);
    else
        vsnprintf(copy, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return str_from(copy, (size_t)len);
}

void arena_defer(struct arena *arena, void (*fn)(void *arg), void *arg)
{
    struct deferred *call = ARENA_NEW(arena, struct deferred);
    *call = (struct deferred){arena->deferred, fn, arg};
    arena->deferred = call;
}

size_t arena_bytes(const struct arena *arena)
{
    return arena->bytes;
}
