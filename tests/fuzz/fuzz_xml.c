/* XML. Input: a document; also a text to be written.
 *
 * 1. A tree keeps within its bounds and holds nothing but UTF-8 without NUL.
 * 2. A tree that is written is read as the same tree.
 * 3. Any text that is written can be read. */
#include "tests/fuzz/fuzz.h"

#include "base/xml.h"

#define ELEMENTS_MAX 500

static size_t check_tree(const struct xml_element *element, size_t depth)
{
    size_t count = 1;
    CHECK(depth <= XML_DEPTH_MAX);
    CHECK(element->name.len > 0 || element->name.ptr != NULL);
    CHECK(str_is_utf8(element->name) && !str_contains(element->name, STR(":")));
    CHECK(element->text.ptr != NULL && element->text.len <= XML_TEXT_BYTES_MAX);
    CHECK(str_is_utf8(element->text));
    CHECK(element->text.len == 0 || memchr(element->text.ptr, 0, element->text.len) == NULL);
    CHECK(element->children == NULL || element->text.len == 0);
    for (const struct xml_element *child = element->children; child != NULL; child = child->next)
        count += check_tree(child, depth + 1);
    return count;
}

static void write_tree(const struct xml_element *element, struct arena *arena, struct buf *out)
{
    const char *name = arena_cstr(arena, element->name);
    if (element->children == NULL)
        return xml_write(out, name, element->text);
    buf_add_format(out, "<%s>\n", name);
    for (const struct xml_element *child = element->children; child != NULL; child = child->next)
        write_tree(child, arena, out);
    buf_add_format(out, "</%s>\n", name);
}

static void check_same(const struct xml_element *a, const struct xml_element *b)
{
    CHECK(str_equal(a->name, b->name) && str_equal(a->text, b->text));
    const struct xml_element *x = a->children, *y = b->children;
    for (; x != NULL && y != NULL; x = x->next, y = y->next)
        check_same(x, y);
    CHECK(x == NULL && y == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = fuzz_copy(data, size);
    struct arena *arena = arena_new();
    struct buf out = BUF_INIT(SIZE_MAX);
    struct xml_element *root, *again;
    struct error err = {0};
    if (xml_parse(input, ELEMENTS_MAX, arena, &root, &err) == 0) {
        CHECK(check_tree(root, 1) <= ELEMENTS_MAX);
        write_tree(root, arena, &out);
        CHECK(xml_parse(buf_str(&out), ELEMENTS_MAX, arena, &again, &err) == 0);
        check_same(root, again);
        buf_clear(&out);
    } else {
        fuzz_check_error(&err);
    }
    if (size <= XML_TEXT_BYTES_MAX / 3) { /* a byte that is none becomes a character of three */
        xml_write(&out, "a", input);
        CHECK(xml_parse(buf_str(&out), 1, arena, &again, &err) == 0);
        CHECK((again->text.len == 0) == (size == 0));
    }
    buf_free(&out);
    arena_free(arena);
    free((char *)input.ptr);
    return 0;
}
