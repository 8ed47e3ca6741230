/* The contract of file access: create, read, look, remove, list; what is refused; many threads. */
#include "tests/contract/file_io_cases.h"

#include <pthread.h>

#include "base/location.h"

static const struct file_io_opener *current_opener;

struct fixture {
    struct file_io *io;
    struct arena *arena;
};

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    current_opener->wipe(current_opener->arg);
    f->io = current_opener->open(current_opener->arg);
    f->arena = arena_new();
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    file_io_close(f->io);
    arena_free(f->arena);
    free(f);
    current_opener->wipe(current_opener->arg);
    return 0;
}

static struct str at(struct fixture *f, const char *relative)
{
    return arena_printf(f->arena, "%s/%s", current_opener->root, relative);
}

static int write_text(struct fixture *f, const char *relative, const char *text, struct error *err)
{
    return file_io_write_new(f->io, at(f, relative), str_cstr(text), err);
}

static int read_text(struct fixture *f, const char *relative, size_t bytes_max, struct str *out,
                     struct error *err)
{
    struct buf buf = BUF_INIT(1 << 24);
    buf_add_cstr(&buf, "before:");
    int result = file_io_read(f->io, at(f, relative), bytes_max, &buf, err);
    if (result == 0)
        *out = arena_str(f->arena, str_skip(buf_str(&buf), strlen("before:")));
    else
        assert_str(buf_str(&buf), "before:"); /* untouched */
    buf_free(&buf);
    return result;
}

static bool exists(struct fixture *f, const char *relative)
{
    struct error err;
    bool found = false;
    assert_int_equal(file_io_exists(f->io, at(f, relative), &found, &err), 0);
    return found;
}

static void files_are_written_once_and_read_whole(void **state)
{
    struct fixture *f = *state;
    struct error err;
    struct str text;
    assert_false(exists(f, "a/b/c.json"));
    assert_int_equal(write_text(f, "a/b/c.json", "hello", &err), 0);
    assert_true(exists(f, "a/b/c.json"));
    assert_false(exists(f, "a/b"));
    assert_int_equal(read_text(f, "a/b/c.json", 5, &text, &err), 0);
    assert_str(text, "hello");
    assert_int_equal(write_text(f, "a/b/c.json", "other", &err), -1);
    assert_int_equal(err.kind, ERR_ALREADY_EXISTS);
    assert_int_equal(read_text(f, "a/b/c.json", 100, &text, &err), 0);
    assert_str(text, "hello");
    assert_int_equal(read_text(f, "a/b/c.json", 4, &text, &err), -1);
    assert_int_equal(err.kind, ERR_BODY_TOO_LARGE);
    assert_int_equal(write_text(f, "empty", "", &err), 0);
    assert_int_equal(read_text(f, "empty", 0, &text, &err), 0);
    assert_int_equal(text.len, 0);
}

static void what_is_missing_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct error err;
    struct str text;
    assert_int_equal(read_text(f, "x/y", 10, &text, &err), -1);
    assert_int_equal(err.kind, ERR_FILE_NOT_FOUND);
    assert_string_equal(
        err.message,
        arena_printf(f->arena, "Failed to open input stream for file: %.*s", STR_ARG(at(f, "x/y")))
            .ptr);
    assert_int_equal(write_text(f, "x", "file", &err), 0);
    assert_int_equal(read_text(f, "x/y", 10, &text, &err), -1); /* below a file */
    assert_int_equal(err.kind, ERR_FILE_NOT_FOUND);
    assert_false(exists(f, "x/y"));
}

static void removing_is_repeatable(void **state)
{
    struct fixture *f = *state;
    struct error err;
    assert_int_equal(write_text(f, "a/b", "1", &err), 0);
    assert_int_equal(file_io_remove(f->io, at(f, "a/b"), &err), 0);
    assert_false(exists(f, "a/b"));
    assert_int_equal(file_io_remove(f->io, at(f, "a/b"), &err), 0);
    assert_int_equal(file_io_remove(f->io, at(f, "never/was"), &err), 0);
    assert_int_equal(write_text(f, "a/b", "2", &err), 0);
}

static void large_files_are_whole(void **state)
{
    struct fixture *f = *state;
    struct error err;
    struct str text;
    size_t len = (9 << 20) + 17;
    char *body = malloc(len + 1);
    assert_non_null(body);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)('a' + i % 23);
    body[len] = '\0';
    assert_int_equal(write_text(f, "large", body, &err), 0);
    assert_int_equal(read_text(f, "large", len, &text, &err), 0);
    assert_int_equal(text.len, len);
    assert_memory_equal(text.ptr, body, len);
    free(body);
}

/* ---- listing --------------------------------------------------------------------------------- */

struct seen {
    size_t count, stop_at;
    int64_t bytes;
    struct str prefix;
    bool wrong;
};

static bool see(void *arg, const struct file_entry *entry)
{
    struct seen *seen = arg;
    seen->wrong = seen->wrong || !str_starts_with(entry->location, seen->prefix) ||
                  entry->modified_ms < 1500000000000;
    seen->bytes += entry->bytes;
    return ++seen->count != seen->stop_at;
}

static void every_file_below_is_listed(void **state)
{
    struct fixture *f = *state;
    struct error err;
    static const char *const names[] = {"t/a", "t/b/c", "t/b/d/e/f", "t1/a", "t/b/g"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(write_text(f, names[i], "12345", &err), 0);
    struct seen seen = {.prefix = at(f, "t/")};
    assert_int_equal(file_io_list(f->io, at(f, "t"), see, &seen, &err), 0);
    assert_int_equal(seen.count, 4);
    assert_int_equal(seen.bytes, 20);
    assert_false(seen.wrong);
    seen = (struct seen){.prefix = str_cstr(current_opener->root)};
    assert_int_equal(file_io_list(f->io, str_cstr(current_opener->root), see, &seen, &err), 0);
    assert_int_equal(seen.count, 5);
    seen = (struct seen){.stop_at = 2};
    assert_int_equal(file_io_list(f->io, at(f, "t"), see, &seen, &err), 0);
    assert_int_equal(seen.count, 2);
    seen = (struct seen){0};
    assert_int_equal(file_io_list(f->io, at(f, "nothing"), see, &seen, &err), 0);
    assert_int_equal(seen.count, 0);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void refuses(struct fixture *f, struct str location, enum error_kind kind)
{
    struct error err;
    struct buf buf = BUF_INIT(100);
    struct seen seen = {0};
    bool found;
    assert_int_equal(file_io_read(f->io, location, 100, &buf, &err), -1);
    assert_int_equal(err.kind, kind);
    assert_int_equal(file_io_write_new(f->io, location, STR("x"), &err), -1);
    assert_int_equal(err.kind, kind);
    assert_int_equal(file_io_exists(f->io, location, &found, &err), -1);
    assert_int_equal(err.kind, kind);
    assert_int_equal(file_io_remove(f->io, location, &err), -1);
    assert_int_equal(err.kind, kind);
    assert_int_equal(file_io_list(f->io, location, see, &seen, &err), -1);
    assert_int_equal(err.kind, kind);
    buf_free(&buf);
}

static void directories_are_made_for_others(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    bool there = true;
    assert_int_equal(file_io_make_directory(f->io, at(f, "a/b/data"), &err), 0);
    assert_int_equal(file_io_make_directory(f->io, at(f, "a/b/data"), &err), 0);
    assert_int_equal(file_io_exists(f->io, at(f, "a/b/data"), &there, &err), 0);
    assert_false(there); /* a directory is no file */
    assert_int_equal(write_text(f, "a/b/data/file", "x", &err), 0);
    assert_int_equal(file_io_make_directory(f->io, STR("file:///elsewhere/x"), &err), -1);
    assert_int_equal(err.kind, ERR_FORBIDDEN);
}

static void places_outside_are_forbidden(void **state)
{
    struct fixture *f = *state;
    refuses(f, str_cstr(current_opener->outside), ERR_FORBIDDEN);
    refuses(f, arena_printf(f->arena, "%s1/x", current_opener->root), ERR_FORBIDDEN);
    refuses(f, arena_printf(f->arena, "%s.json", current_opener->root), ERR_FORBIDDEN);
    refuses(f, STR("gopher://elsewhere/x"), ERR_FORBIDDEN);
}

static void hostile_locations_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const tails[] = {
        "/../x",       "/a/../../x", "/./x",         "/a//x",     "/%2e%2e/x",  "/%2E%2e/x",
        "/a%2f..%2fx", "/..%2Fx",    "/a%5c..",      "/a%00x",    "/a\\x",      "/a?x",
        "/a#x",        "/a\nx",      "/a\x7Fx",      "/..",       "/\xC0\xAEx", "/\xFFx",
        "/a\x01",      "/.",         "//etc/passwd", "/a\xC2\x80"};
    for (size_t i = 0; i < COUNT_OF(tails); i++)
        refuses(f, arena_printf(f->arena, "%s%s", current_opener->root, tails[i]),
                ERR_ILLEGAL_ARGUMENT);
    refuses(f, str_from("file:///a\0b", 11), ERR_ILLEGAL_ARGUMENT);
    refuses(f, STR(""), ERR_ILLEGAL_ARGUMENT);
    refuses(f, STR("relative"), ERR_ILLEGAL_ARGUMENT);
}

/* Writers encode the values that they partition by. */
static void names_may_hold_encoded_slashes(void **state)
{
    struct fixture *f = *state;
    static const char *const tails[] = {"/t/s=a%2Fb/f", "/t/s=%2F/f", "/t/s=a%5Cb/f", "/t/s=a%2Eb",
                                        "/t/s=%25%2f"};
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        struct str location = arena_printf(f->arena, "%s%s", current_opener->root, tails[i]);
        struct error err;
        bool found = false;
        assert_int_equal(file_io_write_new(f->io, location, STR("x"), &err), 0);
        assert_int_equal(file_io_exists(f->io, location, &found, &err), 0);
        assert_true(found);
    }
}

static void the_root_is_no_file(void **state)
{
    struct fixture *f = *state;
    struct error err;
    struct str root = str_cstr(current_opener->root);
    struct buf buf = BUF_INIT(100);
    bool found = true;
    assert_int_equal(file_io_exists(f->io, root, &found, &err), 0);
    assert_false(found);
    assert_int_equal(file_io_read(f->io, root, 100, &buf, &err), -1);
    assert_int_equal(err.kind, ERR_FILE_NOT_FOUND);
    assert_int_equal(file_io_write_new(f->io, root, STR("x"), &err), -1);
    assert_int_equal(file_io_remove(f->io, root, &err), -1);
    buf_free(&buf);
}

/* ---- threads --------------------------------------------------------------------------------- */

#define THREADS 16
#define FILES 20

struct writer {
    struct fixture *fixture;
    int number, written, existed, wrong;
    pthread_t thread;
};

/* All write the same names, in new directories too: each name has one winner. */
static void *write_same_names(void *arg)
{
    struct writer *writer = arg;
    struct arena *arena = arena_new();
    for (int i = 0; i < FILES; i++) {
        struct error err;
        struct str location = arena_printf(arena, "%s/d%d/e/f%d", current_opener->root, i % 7, i);
        struct str body = arena_printf(arena, "%d", writer->number);
        if (file_io_write_new(writer->fixture->io, location, body, &err) == 0)
            writer->written++;
        else if (err.kind == ERR_ALREADY_EXISTS)
            writer->existed++;
        else
            writer->wrong++;
        struct buf buf = BUF_INIT(100);
        if (file_io_read(writer->fixture->io, location, 100, &buf, &err) != 0 || buf.len == 0)
            writer->wrong++; /* it is there, and complete, for everybody */
        buf_free(&buf);
    }
    arena_free(arena);
    return NULL;
}

static void each_name_has_one_writer(void **state)
{
    struct fixture *f = *state;
    struct writer writers[THREADS];
    int written = 0, existed = 0;
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.fixture = f, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_same_names, &writers[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        assert_int_equal(writers[i].wrong, 0);
        written += writers[i].written;
        existed += writers[i].existed;
    }
    assert_int_equal(written, FILES);
    assert_int_equal(existed, FILES * (THREADS - 1));
    struct seen seen = {.prefix = str_cstr(current_opener->root)};
    struct error err;
    assert_int_equal(file_io_list(f->io, str_cstr(current_opener->root), see, &seen, &err), 0);
    assert_int_equal(seen.count, FILES); /* and nothing temporary is left */
}

int file_io_cases_run(const char *backend, const struct file_io_opener *opener)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test_setup_teardown(files_are_written_once_and_read_whole, begin, end),
        cmocka_unit_test_setup_teardown(what_is_missing_is_not_found, begin, end),
        cmocka_unit_test_setup_teardown(removing_is_repeatable, begin, end),
        cmocka_unit_test_setup_teardown(large_files_are_whole, begin, end),
        cmocka_unit_test_setup_teardown(every_file_below_is_listed, begin, end),
        cmocka_unit_test_setup_teardown(directories_are_made_for_others, begin, end),
        cmocka_unit_test_setup_teardown(places_outside_are_forbidden, begin, end),
        cmocka_unit_test_setup_teardown(hostile_locations_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(names_may_hold_encoded_slashes, begin, end),
        cmocka_unit_test_setup_teardown(the_root_is_no_file, begin, end),
        cmocka_unit_test_setup_teardown(each_name_has_one_writer, begin, end),
    };
    current_opener = opener;
    char name[100];
    (void)snprintf(name, sizeof(name), "file_io %s", backend);
    return _cmocka_run_group_tests(name, cases, COUNT_OF(cases), NULL, NULL);
}
