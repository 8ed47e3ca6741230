/* What every fuzz target shares. A target is one function over bytes that must return, whatever
 * they are, and checks what always holds; libFuzzer drives it (`make fuzz T=name`), or
 * standalone.c, which replays tests/fuzz/corpus/<target>/ with any compiler. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert it is there in every build. */
#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

/* A copy of exactly that many bytes, so that a sanitizer sees a read behind its end. */
static inline struct str fuzz_copy(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size == 0 ? 1 : size);
    CHECK(bytes != NULL);
    if (size > 0)
        memcpy(bytes, data, size);
    return str_from(bytes, size);
}

/* Cuts *rest at the first line that is "---"; without one, all of it, and *rest is STR_NONE. */
static inline struct str fuzz_cut_document(struct str *rest)
{
    static const char mark[] = "\n---\n";
    struct str all = *rest;
    char *at = all.len == 0 ? NULL : memmem(all.ptr, all.len, mark, sizeof(mark) - 1);
    if (at == NULL) {
        *rest = STR_NONE;
        return all;
    }
    size_t before = (size_t)(at - all.ptr);
    *rest = str_skip(all, before + sizeof(mark) - 1);
    return str_from(all.ptr, before);
}

/* An error was set as errors must be: a kind, and a message that can be sent. */
static inline void fuzz_check_error(const struct error *err)
{
    CHECK(err->kind > ERR_NONE && err->kind < ERROR_KIND_COUNT);
    CHECK(error_status(err->kind) < 500);
    CHECK(err->message[0] != '\0' && str_is_utf8(str_cstr(err->message)));
}

#endif
