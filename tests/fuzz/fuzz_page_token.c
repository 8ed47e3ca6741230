/* Page tokens. Input: a token, and, as different bytes, a name.
 *
 * 1. A token that is read is the one that is made of what was read.
 * 2. A token that was made reads as what it was made of, for its own kind of list only. */
#include "tests/fuzz/fuzz.h"

#include "server/page_token.h"

static void read_token(struct str token, enum page_kind kind, struct arena *arena)
{
    struct str name, again;
    struct error err = {0};
    if (page_token_read(token, kind, arena, &name, &err) != 0) {
        fuzz_check_error(&err);
        return;
    }
    CHECK(name.len > 0 && str_is_utf8(name));
    if (memchr(name.ptr, '\0', name.len) != NULL)
        return; /* no name has one, and none is found */
    struct str made = page_token_make(kind, name, arena);
    CHECK(page_token_read(made, kind, arena, &again, &err) == 0 && str_equal(again, name));
}

static void make_token(struct str name, struct arena *arena)
{
    struct str read;
    struct error err = {0};
    if (name.len == 0 || !str_is_utf8(name) || memchr(name.ptr, '\0', name.len) != NULL)
        return;
    struct str token = page_token_make(PAGE_OF_TABLES, name, arena);
    CHECK(token.len > 0);
    CHECK(page_token_read(token, PAGE_OF_TABLES, arena, &read, &err) == 0);
    CHECK(str_equal(read, name));
    CHECK(page_token_read(token, PAGE_OF_NAMESPACES, arena, &read, &err) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = fuzz_copy(data, size);
    struct arena *arena = arena_new();
    read_token(input, PAGE_OF_TABLES, arena);
    read_token(input, PAGE_OF_NAMESPACES, arena);
    make_token(input, arena);
    arena_free(arena);
    free((char *)input.ptr);
    return 0;
}
