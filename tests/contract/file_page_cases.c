/* The contract of listing by pages: byte order of whole keys, prefixes, roll-up, continuing. */
#include "tests/contract/file_stream_cases.h"

/* In byte order of whole keys: '-' and '.' are smaller than '/', which is smaller than '0'. */
static const char *const keys[] = {
    "B",     "a!x/1",   "a-",   "a.b", "a/.x",    "a/x",     "a/x-1",     "a/x.d/1", "a/y/1",
    "a/y/2", "a/y/z/3", "a/yy", "a0",  "a0b/c/d", "b c/d+e", "b%41c/%42", "c/d/e/f", "\xC3\xA9/f",
};

static void make_files(struct stream_fixture *f)
{
    for (size_t i = COUNT_OF(keys); i > 0; i--)
        stream_must_put(f, keys[i - 1], i % 2 == 0 ? "12" : "1");
}

/* All pages of so many entries, joined by spaces; directories end in '/'. */
static struct str pages(struct stream_fixture *f, const char *prefix, bool by_directory,
                        const char *after, size_t limit)
{
    struct error err;
    struct buf all = BUF_INIT(1 << 20);
    struct file_page page = {.more = true};
    struct file_page_request request = {.prefix = str_cstr(prefix),
                                        .by_directory = by_directory,
                                        .after = str_cstr(after),
                                        .limit = limit};
    while (page.more) {
        assert_works(file_io_page(f->io, &request, f->arena, &page, &err));
        assert_true(page.count <= limit);
        assert_true(page.count > 0 || !page.more);
        for (size_t i = 0; i < page.count; i++) {
            const struct file_page_entry *entry = &page.entries[i];
            buf_add(&all, entry->key);
            buf_add_char(&all, '|');
            assert_true(str_compare(entry->key, request.after) > 0);
            assert_int_equal(entry->is_directory, str_ends_with(entry->key, STR("/")));
            request.after = entry->key;
        }
    }
    struct str text = arena_str(f->arena, buf_str(&all));
    buf_free(&all);
    return text;
}

static struct str joined(struct stream_fixture *f, const char *prefix, const char *after)
{
    struct buf all = BUF_INIT(1 << 20);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct str key = str_cstr(keys[i]);
        if (str_starts_with(key, str_cstr(prefix)) && str_compare(key, str_cstr(after)) > 0)
            buf_add_format(&all, "%s|", keys[i]);
    }
    struct str text = arena_str(f->arena, buf_str(&all));
    buf_free(&all);
    return text;
}

static void keys_come_in_byte_order(void **state)
{
    struct stream_fixture *f = *state;
    static const size_t limits[] = {1, 2, 3, 7, 18, 1000};
    assert_str(pages(f, "", false, "", 10), "");
    make_files(f);
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        assert_str(pages(f, "", false, "", limits[i]), joined(f, "", "").ptr);
}

static void prefixes_may_end_anywhere(void **state)
{
    struct stream_fixture *f = *state;
    static const char *const prefixes[] = {
        "a",   "a/",   "a/x",    "a/x.",   "a/y", "a/y/", "a/y/z/3", "a/y/z/30", "a/y/z/3/",
        "a.",  "b c/", "b%41c/", "c/d/",   "c/d", "d",    "/",       "//",       "a//",
        "../", "./",   "a/./",   "a/../B", "B/",  "B",    "a0",      "%2e%2e/",  "a/y/z/../"};
    make_files(f);
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        assert_str(pages(f, prefixes[i], false, "", 1000), joined(f, prefixes[i], "").ptr);
        assert_str(pages(f, prefixes[i], false, "", 2), joined(f, prefixes[i], "").ptr);
    }
}

static void pages_begin_after_any_text(void **state)
{
    struct stream_fixture *f = *state;
    static const char *const after[] = {
        "A",   "B",     "B/",    "a",        "a!x",   "a!x/",     "a!x/1",  "a-",    "a.",   "a/",
        "a/x", "a/x/q", "a/x.d", "a/y/",     "a/y/1", "a/y/1/zz", "a/y/3",  "a/y/z", "a/y0", "a1",
        "b",   "c/d/e", "c/d/f", "\xC3\xA9", "/",     "..",       "a/../x", "a//"};
    make_files(f);
    for (size_t i = 0; i < COUNT_OF(after); i++) {
        assert_str(pages(f, "", false, after[i], 1000), joined(f, "", after[i]).ptr);
        assert_str(pages(f, "", false, after[i], 1), joined(f, "", after[i]).ptr);
        assert_str(pages(f, "a/", false, after[i], 2), joined(f, "a/", after[i]).ptr);
    }
}

static void directories_are_rolled_up(void **state)
{
    struct stream_fixture *f = *state;
    static const struct {
        const char *prefix, *after, *expected;
    } rows[] = {
        {"", "", "B|a!x/|a-|a.b|a/|a0|a0b/|b c/|b%41c/|c/|\xC3\xA9/|"},
        {"a", "", "a!x/|a-|a.b|a/|a0|a0b/|"},
        {"a/", "", "a/.x|a/x|a/x-1|a/x.d/|a/y/|a/yy|"},
        {"a/x", "", "a/x|a/x-1|a/x.d/|"},
        {"a/y", "", "a/y/|a/yy|"},
        {"a/y/", "", "a/y/1|a/y/2|a/y/z/|"},
        {"a0b", "", "a0b/|"},
        {"a0b/", "", "a0b/c/|"},
        {"c/d/e/f", "", "c/d/e/f|"},
        {"c/d/e/f/", "", ""},
        {"", "a.b", "a/|a0|a0b/|b c/|b%41c/|c/|\xC3\xA9/|"},
        {"", "a/", "a0|a0b/|b c/|b%41c/|c/|\xC3\xA9/|"}, /* was the last of a page */
        {"", "a/x", "a0|a0b/|b c/|b%41c/|c/|\xC3\xA9/|"},
        {"a/", "a/x.d/", "a/y/|a/yy|"},
        {"nothing/", "", ""},
    };
    make_files(f);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_str(pages(f, rows[i].prefix, true, rows[i].after, 1000), rows[i].expected);
        assert_str(pages(f, rows[i].prefix, true, rows[i].after, 1), rows[i].expected);
        assert_str(pages(f, rows[i].prefix, true, rows[i].after, 2), rows[i].expected);
    }
}

static void empty_directories_are_no_keys(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    stream_must_put(f, "a/b/c/f", "x");
    stream_must_put(f, "z/f", "x");
    assert_works(file_io_make_directory(f->io, stream_at(f, "e/e/e"), &err));
    assert_works(file_io_make_directory(f->io, stream_at(f, "a/a"), &err));
    assert_works(file_io_remove(f->io, stream_at(f, "z/f"), &err));
    assert_str(pages(f, "", false, "", 10), "a/b/c/f|");
    assert_str(pages(f, "", false, "", 1), "a/b/c/f|");
    assert_str(pages(f, "", true, "", 10), "a/|");
    assert_str(pages(f, "a/", true, "", 1), "a/b/|");
    assert_str(pages(f, "e/", true, "", 1), "");
    bool found, removed;
    struct file_stat stat;
    const struct str place = stream_at(f, "e/e/e");
    assert_works(file_io_stat(f->io, place, &found, &stat, &err));
    bool has_directories = found;
    assert_works(file_io_remove_directory(f->io, stream_at(f, "e/e"), &removed, &err));
    assert_false(removed); /* not empty */
    assert_works(file_io_stat(f->io, place, &found, &stat, &err));
    assert_int_equal(found, has_directories);
    assert_works(file_io_remove_directory(f->io, place, &removed, &err));
    assert_int_equal(removed, has_directories);
    assert_works(file_io_remove_directory(f->io, place, &removed, &err));
    assert_false(removed); /* missing */
    assert_works(file_io_stat(f->io, place, &found, &stat, &err));
    assert_false(found);
}

static void entries_tell_what_a_look_tells(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_page page;
    const struct file_page_request request = {.limit = 1000};
    make_files(f);
    assert_works(file_io_page(f->io, &request, f->arena, &page, &err));
    assert_int_equal(page.count, COUNT_OF(keys));
    for (size_t i = 0; i < page.count; i++) {
        struct file_stat stat;
        assert_true(stream_stat(f, arena_cstr(f->arena, page.entries[i].key), &stat));
        assert_int_equal(page.entries[i].stat.bytes, (i + 1) % 2 == 0 ? 2 : 1);
        assert_string_equal(page.entries[i].stat.etag, stat.etag);
        assert_true(page.entries[i].stat.modified_ms > 1500000000000);
    }
}

static void what_is_not_finished_is_not_shown(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_writer *top, *below;
    struct str id;
    const struct file_write write = {.mode = FILE_CREATE, .bytes = FILE_BYTES_UNKNOWN};
    stream_must_put(f, "a/f", "x");
    assert_works(file_io_create(f->io, stream_at(f, "g"), &write, &top, &err));
    assert_works(file_io_create(f->io, stream_at(f, "b/g"), &write, &below, &err));
    assert_works(file_writer_write(top, STR("x"), &err));
    assert_works(file_writer_write(below, STR("x"), &err));
    assert_works(file_io_upload_begin(f->io, stream_at(f, "c/h"), f->arena, &id, &err));
    assert_str(pages(f, "", false, "", 10), "a/f|");
    assert_str(pages(f, "", true, "", 1), "a/|");
    assert_str(pages(f, ".", false, "", 10), "");
    file_writer_abort(top);
    file_writer_abort(below);
    assert_works(file_io_upload_abort(f->io, stream_at(f, "c/h"), id, &err));
}

static void directories_of_many_files_are_paged(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_page page = {.more = true};
    struct file_page_request request = {.prefix = STR("d/f"), .limit = 50};
    size_t seen = 0;
    for (int i = 0; i < 120; i++)
        stream_must_put(f, arena_printf(f->arena, "d/f%03d", i * 7 % 120).ptr, "x");
    while (page.more) {
        assert_works(file_io_page(f->io, &request, f->arena, &page, &err));
        for (size_t i = 0; i < page.count; i++, seen++)
            assert_str(page.entries[i].key, arena_printf(f->arena, "d/f%03zu", seen).ptr);
        assert_true(page.count > 0);
        request.after = page.entries[page.count - 1].key;
    }
    assert_int_equal(seen, 120);
}

const struct CMUnitTest file_page_cases[] = {
    STREAM_CASE(keys_come_in_byte_order),
    STREAM_CASE(prefixes_may_end_anywhere),
    STREAM_CASE(pages_begin_after_any_text),
    STREAM_CASE(directories_are_rolled_up),
    STREAM_CASE(empty_directories_are_no_keys),
    STREAM_CASE(entries_tell_what_a_look_tells),
    STREAM_CASE(what_is_not_finished_is_not_shown),
    STREAM_CASE(directories_of_many_files_are_paged),
};
const size_t file_page_case_count = COUNT_OF(file_page_cases);
