/* Locations. Input: a location, a line end, and another one or a name.
 *
 * 1. The canonical form of a canonical form is itself.
 * 2. What contains contains byte by byte, itself too, and never what escapes it.
 * 3. Whatever the name, the segment made of it leads to a place directly below. */
#include "tests/fuzz/fuzz.h"

#include "base/location.h"

static bool has_dots(struct str path)
{
    struct str rest = path;
    while (rest.len > 0) {
        struct str segment = str_cut(&rest, '/');
        if (str_equal(segment, STR(".")) || str_equal(segment, STR("..")))
            return true;
    }
    return false;
}

static void check_canonical(const struct location *location, struct arena *arena)
{
    struct location again;
    struct error err = {0};
    CHECK(location_parse(location->text, arena, &again, &err) == 0);
    CHECK(str_equal(again.text, location->text) && str_equal(again.path, location->path));
    CHECK(str_equal(again.scheme, location->scheme));
    CHECK(location->text.len <= LOCATION_BYTES_MAX && !has_dots(location->path));
    CHECK(str_ends_with(location->text, location->path));
    CHECK(location_contains(location, location));
}

static void check_containment(const struct location *parent, const struct location *child)
{
    if (!location_contains(parent, child))
        return;
    CHECK(str_starts_with(child->text, parent->text));
    CHECK(!location_contains(child, parent) || str_equal(child->text, parent->text) ||
          parent->path.len <= 1);
}

static void check_below(const struct location *parent, struct str name, struct arena *arena)
{
    struct location child;
    struct error err = {0};
    struct str segment = location_segment(arena, name);
    CHECK(segment.len > 0 && segment.len <= 200);
    struct str text = location_join(arena, parent->text, segment);
    if (location_parse(text, arena, &child, &err) != 0) {
        CHECK(text.len > LOCATION_BYTES_MAX);
        return;
    }
    CHECK(str_equal(child.text, text) && location_contains(parent, &child));
    CHECK(!location_contains(&child, parent));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = fuzz_copy(data, size), second = input, first = str_cut(&second, '\n');
    struct arena *arena = arena_new();
    struct location a, b;
    struct error err = {0};
    bool a_good = location_parse(first, arena, &a, &err) == 0;
    if (!a_good)
        fuzz_check_error(&err);
    bool b_good = location_parse(second, arena, &b, &err) == 0;
    if (a_good) {
        check_canonical(&a, arena);
        check_below(&a, second, arena);
    }
    if (a_good && b_good) {
        check_containment(&a, &b);
        check_containment(&b, &a);
    }
    arena_free(arena);
    free((char *)input.ptr);
    return 0;
}
