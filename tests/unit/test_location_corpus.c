/* The corpus of locations (tests/data/locations/README.md) against the parser and containment. */
#include "tests/unit/metadata_fixture.h"

#include "base/location.h"

#define CORPUS "tests/data/locations"
#define LINES_MIN 500
#define LINES_MAX 4096

static const struct {
    const char *name, *text;
} placeholders[] = {
    {"{data}", "file:///srv/d"},
    {"{root}", "file:///srv/d/wh"},
    {"{path}", "/srv/d/wh"},
    {"{rel}", "srv/d/wh"},
    {"{upper}", "file:///SRV/D/WH"},
    {"{cut}", "file:///srv/d/w"},
    {"{ns}", "ns"},
    {"{other}", "file:///srv/d/wh/ns/other-1"},
    {"{other_path}", "/srv/d/wh/ns/other-1"},
};

struct line {
    struct str verdict, text;
    bool parsed;
    struct location location;
};

static struct arena *arena;
static struct line lines[LINES_MAX];
static size_t line_count;
static struct location root, other;

static struct str filled(struct str text)
{
    struct buf out = BUF_INIT(LOCATION_BYTES_MAX * 4);
    while (text.len > 0) {
        size_t i = 0;
        while (i < COUNT_OF(placeholders) && !str_starts_with(text, str_cstr(placeholders[i].name)))
            i++;
        if (i < COUNT_OF(placeholders)) {
            buf_add(&out, str_cstr(placeholders[i].text));
            text = str_skip(text, strlen(placeholders[i].name));
        } else {
            buf_add_char(&out, text.ptr[0]);
            text = str_skip(text, 1);
        }
    }
    struct str copy = arena_str(arena, buf_str(&out));
    buf_free(&out);
    return copy;
}

static void read_line(struct str text)
{
    struct str rest = text, value;
    struct error err;
    struct line *line = &lines[line_count++];
    assert_true(line_count < LINES_MAX);
    line->verdict = str_cut(&rest, '\t');
    /* NUL cannot be written in our JSON, so its line stands for itself */
    bool has_nul = str_contains(rest, STR("\\u0000"));
    if (!has_nul && raw_json_check(rest, &value, &err) != 0)
        fail_msg("%s: %.*s", err.message, STR_ARG(text));
    line->text = has_nul ? STR("file:///a\0b") : filled(raw_json_string(value, arena));
    line->parsed = location_parse(line->text, arena, &line->location, &err) == 0;
}

static void read_corpus(void)
{
    struct str rest = read_text(arena, CORPUS, "corpus.txt");
    struct error err;
    while (rest.len > 0) {
        struct str line = str_cut(&rest, '\n');
        if (line.len > 0 && line.ptr[0] != '#')
            read_line(line);
    }
    assert_true(line_count >= LINES_MIN);
    assert_int_equal(location_parse(filled(STR("{root}")), arena, &root, &err), 0);
    assert_int_equal(location_parse(filled(STR("{other}")), arena, &other, &err), 0);
}

static bool lies_as_said(const struct line *line)
{
    const struct location *location = &line->location;
    bool inside = line->parsed && location_contains(&root, location);
    bool in_other = line->parsed && location_contains(&other, location);
    bool around = line->parsed && location_contains(location, &other);
    if (str_equal(line->verdict, STR("malformed")))
        return !line->parsed;
    if (str_equal(line->verdict, STR("outside")))
        return line->parsed && !inside;
    if (str_equal(line->verdict, STR("parent")))
        return inside && around;
    if (str_equal(line->verdict, STR("taken")))
        return in_other;
    return str_equal(line->verdict, STR("free")) && inside && !in_other && !around;
}

static void verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < line_count; i++)
        if (!lies_as_said(&lines[i]))
            fail_msg("%.*s: %.*s", STR_ARG(lines[i].verdict), STR_ARG(lines[i].text));
}

static void canonical_forms_stay(void **state)
{
    (void)state;
    struct location again;
    struct error err;
    for (size_t i = 0; i < line_count; i++) {
        if (!lines[i].parsed)
            continue;
        assert_int_equal(location_parse(lines[i].location.text, arena, &again, &err), 0);
        assert_true(str_equal(again.text, lines[i].location.text));
    }
}

static struct str key_of(struct str text)
{
    return str_ends_with(text, STR("/")) ? text : arena_printf(arena, "%.*s/", STR_ARG(text));
}

/* Over all pairs: one contains the other exactly when its key begins the other's. */
static void containment_is_a_prefix_of_keys(void **state)
{
    (void)state;
    struct str *keys = ARENA_ARRAY(arena, struct str, line_count);
    for (size_t i = 0; i < line_count; i++)
        keys[i] = lines[i].parsed ? key_of(lines[i].location.text) : STR_NONE;
    for (size_t i = 0; i < line_count; i++)
        for (size_t j = 0; j < line_count; j++)
            if (lines[i].parsed && lines[j].parsed &&
                location_contains(&lines[i].location, &lines[j].location) !=
                    str_starts_with(keys[j], keys[i]))
                fail_msg("%.*s and %.*s", STR_ARG(keys[i]), STR_ARG(keys[j]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(canonical_forms_stay),
        cmocka_unit_test(containment_is_a_prefix_of_keys),
    };
    arena = arena_new();
    read_corpus();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
