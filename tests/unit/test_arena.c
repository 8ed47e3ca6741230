/* Tests of base/arena. */
#include "tests/unit/unit.h"

#include "base/arena.h"

static void is_zeroed_and_aligned_at_every_size(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    for (int round = 0; round < 3; round++) {
        for (size_t bytes = 0; bytes < 20000; bytes = bytes * 5 / 4 + 1) {
            unsigned char *ptr = arena_alloc(arena, bytes);
            assert_non_null(ptr);
            assert_int_equal((uintptr_t)ptr % 16, 0);
            for (size_t i = 0; i < bytes; i++)
                assert_int_equal(ptr[i], 0);
            memset(ptr, 0xEE, bytes); /* the next round must not see it */
        }
        arena_reset(arena);
    }
    arena_free(arena);
    arena_free(NULL);
}

static void allocations_do_not_overlap(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    unsigned char *parts[2000];
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        parts[i] = arena_alloc(arena, 1 + i % 97);
        memset(parts[i], (int)(i % 251), 1 + i % 97);
    }
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        for (size_t j = 0; j < 1 + i % 97; j++)
            assert_int_equal(parts[i][j], i % 251);
    arena_free(arena);
}

static void counts_what_it_holds(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    size_t fresh = arena_bytes(arena);
    assert_in_range(fresh, 1, 4096);
    arena_alloc(arena, 10);
    assert_int_equal(arena_bytes(arena), fresh);
    arena_alloc(arena, 1 << 20);
    assert_in_range(arena_bytes(arena), fresh + (1 << 20), fresh + (1 << 20) + 1000);
    for (int i = 0; i < 10000; i++)
        arena_alloc(arena, 100);
    assert_true(arena_bytes(arena) >= fresh + (1 << 20) + 1000000);
    arena_reset(arena);
    assert_int_equal(arena_bytes(arena), fresh);
    arena_free(arena);
}

static void copies_text(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct str copy = arena_str(arena, STR("a\0b"));
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.ptr, "a\0b\0", 4);
    assert_null(arena_str(arena, STR_NONE).ptr);
    assert_non_null(arena_str(arena, STR("")).ptr);
    assert_string_equal(arena_cstr(arena, STR_NONE), "");
    assert_str(arena_printf(arena, "%d-%s", 7, "x"), "7-x");
    for (int len = 500; len < 530; len++) { /* about the size of its buffer on the stack */
        struct str text = arena_printf(arena, "%*s", len, "z");
        assert_int_equal(text.len, len);
        assert_int_equal(text.ptr[len - 1], 'z');
        assert_int_equal(text.ptr[len], '\0');
    }
    arena_free(arena);
}

struct journal {
    int entries[8];
    int count;
};

struct note {
    struct journal *journal;
    int number;
};

static void write_note(void *arg)
{
    struct note *note = arg;
    note->journal->entries[note->journal->count++] = note->number;
}

static void deferred_calls_run_newest_first(void **state)
{
    (void)state;
    struct journal journal = {{0}, 0};
    struct arena *arena = arena_new();
    for (int i = 1; i <= 3; i++) {
        struct note *note = ARENA_NEW(arena, struct note); /* lives until the call has run */
        *note = (struct note){&journal, i};
        arena_defer(arena, write_note, note);
    }
    arena_reset(arena);
    assert_int_equal(journal.count, 3);
    assert_int_equal(journal.entries[0], 3);
    assert_int_equal(journal.entries[2], 1);
    arena_reset(arena); /* not again */
    assert_int_equal(journal.count, 3);
    struct note last = {&journal, 4};
    arena_defer(arena, write_note, &last);
    arena_free(arena);
    assert_int_equal(journal.count, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_zeroed_and_aligned_at_every_size),
        cmocka_unit_test(allocations_do_not_overlap),
        cmocka_unit_test(counts_what_it_holds),
        cmocka_unit_test(copies_text),
        cmocka_unit_test(deferred_calls_run_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
