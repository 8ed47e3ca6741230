/* The contract of file access by pieces: looking, ranges, creating and replacing, copies. */
#include "tests/contract/file_stream_cases.h"

#include <pthread.h>
#include <unistd.h>

#define PIECE_BYTES 4099

unsigned file_stream_store_lacks;

static const struct file_io_opener *current_opener;

/* ---- the fixture ----------------------------------------------------------------------------- */

int stream_case_begin(void **state)
{
    struct stream_fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->opener = current_opener;
    f->opener->wipe(f->opener->arg);
    f->io = f->opener->open(f->opener->arg);
    f->arena = arena_new();
    *state = f;
    return 0;
}

int stream_case_end(void **state)
{
    struct stream_fixture *f = *state;
    file_io_close(f->io);
    f->opener->wipe(f->opener->arg);
    arena_free(f->arena);
    free(f);
    return 0;
}

void stream_reopen(struct stream_fixture *f)
{
    file_io_close(f->io);
    f->io = f->opener->open(f->opener->arg);
}

struct str stream_at(struct stream_fixture *f, const char *key)
{
    return arena_printf(f->arena, "%s/%s", f->opener->root, key);
}

static int put_as(struct stream_fixture *f, const char *key, const struct file_write *write,
                  struct str body, struct file_stat *out, struct error *err)
{
    struct file_writer *writer;
    if (file_io_create(f->io, stream_at(f, key), write, &writer, err) != 0)
        return -1;
    if (body.len > 0 && file_writer_write(writer, body, err) != 0) {
        file_writer_abort(writer);
        return -1;
    }
    return file_writer_finish(writer, out, err);
}

int stream_put(struct stream_fixture *f, const char *key, enum write_mode mode, struct str body,
               struct file_stat *out, struct error *err)
{
    const struct file_write write = {.mode = mode, .bytes = (int64_t)body.len};
    return put_as(f, key, &write, body, out, err);
}

void stream_must_put(struct stream_fixture *f, const char *key, const char *text)
{
    struct error err;
    struct file_stat stat;
    assert_works(stream_put(f, key, FILE_CREATE, str_cstr(text), &stat, &err));
}

static int read_all(struct file_reader *reader, struct buf *out, struct error *err)
{
    char piece[PIECE_BYTES];
    size_t got = 1;
    while (got > 0) {
        if (file_reader_read(reader, piece, sizeof(piece), &got, err) != 0)
            return -1;
        assert_true(got <= sizeof(piece));
        buf_add(out, str_from(piece, got));
    }
    return 0;
}

int stream_get(struct stream_fixture *f, const char *key, int64_t offset, int64_t length,
               struct str *out, struct error *err)
{
    struct file_reader *reader;
    struct buf content = BUF_INIT(1 << 26);
    if (file_io_open(f->io, stream_at(f, key), offset, length, &reader, err) != 0)
        return -1;
    int result = read_all(reader, &content, err);
    if (result == 0)
        assert_int_equal(content.len, reader->length);
    *out = arena_str(f->arena, buf_str(&content));
    int fd = file_reader_fd(reader);
    if (result == 0 && fd >= 0 && content.len > 0) { /* sendfile would give the same */
        char *again = arena_alloc(f->arena, content.len);
        assert_int_equal(pread(fd, again, content.len, reader->offset), content.len);
        assert_memory_equal(again, content.ptr, content.len);
    }
    buf_free(&content);
    file_reader_close(reader);
    return result;
}

void stream_must_be(struct stream_fixture *f, const char *key, const char *text)
{
    struct error err;
    struct str got;
    assert_works(stream_get(f, key, 0, FILE_TO_END, &got, &err));
    assert_str(got, text);
}

bool stream_stat(struct stream_fixture *f, const char *key, struct file_stat *out)
{
    struct error err;
    bool found;
    assert_works(file_io_stat(f->io, stream_at(f, key), &found, out, &err));
    return found;
}

struct str stream_body(struct stream_fixture *f, size_t bytes, unsigned seed)
{
    char *body = arena_alloc_array_raw(f->arena, bytes + 1, 1);
    for (size_t i = 0; i < bytes; i++)
        body[i] = (char)((i * 31 + i / 251 + seed * 97) & 0xFF);
    return str_from(body, bytes);
}

static bool exists(struct stream_fixture *f, const char *key)
{
    struct file_stat stat;
    return stream_stat(f, key, &stat);
}

/* ---- looking and reading --------------------------------------------------------------------- */

static void what_is_there_is_told(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_stat stat;
    assert_false(stream_stat(f, "a/b", &stat));
    assert_works(file_io_write_new(f->io, stream_at(f, "a/b"), STR("hello"), &err));
    assert_true(stream_stat(f, "a/b", &stat));
    assert_int_equal(stat.bytes, 5);
    assert_true(stat.modified_ms > 1500000000000);
    assert_false(stat.is_directory);
    struct str etag = str_cstr(stat.etag);
    assert_true(etag.len >= 3 && etag.ptr[0] == '"' && etag.ptr[etag.len - 1] == '"');
    assert_false(str_contains(str_from(etag.ptr + 1, etag.len - 2), STR("\"")));
    assert_false(exists(f, "a/b/c"));
    assert_false(exists(f, "a/bb"));
    assert_works(file_io_remove(f->io, stream_at(f, "a/b"), &err));
    assert_false(exists(f, "a/b"));
}

static void ranges_are_cut_at_the_end(void **state)
{
    struct stream_fixture *f = *state;
    static const struct {
        int64_t offset, length;
        const char *expected;
    } rows[] = {
        {0, FILE_TO_END, "0123456789"},
        {0, 10, "0123456789"},
        {3, 4, "3456"},
        {9, 1, "9"},
        {9, 100, "9"},
        {9, FILE_TO_END, "9"},
        {10, 1, ""},
        {10, FILE_TO_END, ""},
        {11, 1, ""},
        {INT64_MAX, FILE_TO_END, ""},
        {4, 0, ""},
        {-3, FILE_TO_END, "789"},
        {-3, 2, "78"},
        {-10, FILE_TO_END, "0123456789"},
        {-100, FILE_TO_END, "0123456789"},
        {INT64_MIN, FILE_TO_END, "0123456789"},
    };
    stream_must_put(f, "a/ten", "0123456789");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err;
        struct str got;
        assert_works(stream_get(f, "a/ten", rows[i].offset, rows[i].length, &got, &err));
        assert_str(got, rows[i].expected);
    }
    static const int64_t offsets[] = {0, 1, -1};
    stream_must_put(f, "a/empty", "");
    for (size_t i = 0; i < COUNT_OF(offsets); i++) {
        struct error err;
        struct str got;
        assert_works(stream_get(f, "a/empty", offsets[i], FILE_TO_END, &got, &err));
        assert_int_equal(got.len, 0);
    }
}

static void readers_know_the_whole_file(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_reader *reader;
    struct file_stat stat;
    struct str got;
    stream_must_put(f, "a/ten", "0123456789");
    assert_true(stream_stat(f, "a/ten", &stat));
    assert_works(file_io_open(f->io, stream_at(f, "a/ten"), 12, 5, &reader, &err));
    assert_int_equal(reader->stat.bytes, 10);
    assert_int_equal(reader->length, 0);
    assert_string_equal(reader->stat.etag, stat.etag);
    file_reader_close(reader);
    assert_works(file_io_open(f->io, stream_at(f, "a/ten"), -4, FILE_TO_END, &reader, &err));
    assert_int_equal(reader->offset, 6);
    assert_int_equal(reader->length, 4);
    assert_string_equal(reader->stat.etag, stat.etag);
    file_reader_close(reader); /* before a byte was read */
    assert_fails(stream_get(f, "a/none", 0, FILE_TO_END, &got, &err), ERR_FILE_NOT_FOUND);
    assert_fails(stream_get(f, "a/ten/x", 0, FILE_TO_END, &got, &err), ERR_FILE_NOT_FOUND);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void a_name_appears_when_its_file_is_whole(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_writer *writer;
    struct file_stat stat, later;
    struct file_write write = {.mode = FILE_CREATE, .bytes = FILE_BYTES_UNKNOWN};
    assert_works(file_io_create(f->io, stream_at(f, "a/f"), &write, &writer, &err));
    assert_false(exists(f, "a/f"));
    assert_works(file_writer_write(writer, STR("hel"), &err));
    assert_works(file_writer_write(writer, STR(""), &err));
    assert_false(exists(f, "a/f"));
    assert_works(file_writer_write(writer, STR("lo"), &err));
    assert_works(file_writer_finish(writer, &stat, &err));
    assert_int_equal(stat.bytes, 5);
    assert_true(stream_stat(f, "a/f", &later));
    assert_string_equal(stat.etag, later.etag);
    assert_int_equal(later.bytes, 5);
    stream_must_be(f, "a/f", "hello");
}

static void names_are_created_once_and_replaced_whole(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_stat first, second, later;
    struct file_reader *reader;
    stream_must_put(f, "a/f", "one");
    assert_fails(stream_put(f, "a/f", FILE_CREATE, STR("two"), &second, &err), ERR_ALREADY_EXISTS);
    stream_must_be(f, "a/f", "one");
    assert_true(stream_stat(f, "a/f", &first));

    assert_works(file_io_open(f->io, stream_at(f, "a/f"), 0, FILE_TO_END, &reader, &err));
    assert_works(stream_put(f, "a/f", FILE_REPLACE, STR("other"), &second, &err));
    struct buf old = BUF_INIT(100);
    if (read_all(reader, &old, &err) == 0) /* the old one whole, or the truth that it is gone */
        assert_str(buf_str(&old), "one");
    else
        assert_int_equal(err.kind, ERR_UNAVAILABLE);
    buf_free(&old);
    file_reader_close(reader);

    stream_must_be(f, "a/f", "other");
    assert_true(stream_stat(f, "a/f", &later));
    assert_string_equal(second.etag, later.etag);
    assert_string_not_equal(first.etag, later.etag);
    assert_works(stream_put(f, "b/new", FILE_REPLACE, STR("x"), &second, &err));
    stream_must_be(f, "b/new", "x"); /* there was nothing to replace */
}

static void two_writers_of_a_name_have_one_winner(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_writer *first, *second;
    struct file_stat stat;
    const struct file_write write = {.mode = FILE_CREATE, .bytes = 3};
    assert_works(file_io_create(f->io, stream_at(f, "f"), &write, &first, &err));
    assert_works(file_io_create(f->io, stream_at(f, "f"), &write, &second, &err));
    assert_works(file_writer_write(first, STR("one"), &err));
    assert_works(file_writer_write(second, STR("two"), &err));
    assert_works(file_writer_finish(second, &stat, &err));
    assert_fails(file_writer_finish(first, &stat, &err), ERR_ALREADY_EXISTS);
    stream_must_be(f, "f", "two");
}

static int put_if(struct stream_fixture *f, const char *key, const char *etag, const char *text)
{
    struct error err = {0};
    struct file_stat stat;
    const struct file_write write = {
        .mode = FILE_REPLACE, .bytes = (int64_t)strlen(text), .if_match = str_cstr(etag)};
    int result = put_as(f, key, &write, str_cstr(text), &stat, &err);
    if (result != 0)
        assert_fails(-1, ERR_PRECONDITION_FAILED);
    return result;
}

static void a_condition_holds_or_nothing_changes(void **state)
{
    struct stream_fixture *f = *state;
    struct file_stat first, second;
    assert_int_equal(put_if(f, "f", "\"0123\"", "x"), -1);
    assert_false(exists(f, "f"));
    stream_must_put(f, "f", "one");
    assert_true(stream_stat(f, "f", &first));
    assert_int_equal(put_if(f, "f", "\"0123\"", "two"), -1);
    stream_must_be(f, "f", "one");
    assert_int_equal(put_if(f, "f", first.etag, "two"), 0);
    stream_must_be(f, "f", "two");
    assert_int_equal(put_if(f, "f", first.etag, "three"), -1);
    stream_must_be(f, "f", "two");
    assert_true(stream_stat(f, "f", &second));
    assert_int_equal(put_if(f, "f", second.etag, "three"), 0);
    stream_must_be(f, "f", "three");
}

static void another_length_than_announced_is_refused(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_writer *writer;
    struct file_stat stat;
    const struct file_write write = {.mode = FILE_CREATE, .bytes = 5};
    static const char *const bodies[] = {"", "1234"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        assert_works(file_io_create(f->io, stream_at(f, "f"), &write, &writer, &err));
        if (bodies[i][0] != '\0')
            assert_works(file_writer_write(writer, str_cstr(bodies[i]), &err));
        assert_fails(file_writer_finish(writer, &stat, &err), ERR_ILLEGAL_ARGUMENT);
        assert_false(exists(f, "f"));
    }
    assert_works(file_io_create(f->io, stream_at(f, "f"), &write, &writer, &err));
    assert_works(file_writer_write(writer, STR("1234"), &err));
    int result = file_writer_write(writer, STR("56"), &err);
    if (result == 0)
        result = file_writer_finish(writer, &stat, &err);
    else
        file_writer_abort(writer);
    assert_fails(result, ERR_ILLEGAL_ARGUMENT);
    assert_false(exists(f, "f"));
    stream_must_put(f, "f", "12345");
}

static bool any_entry(void *arg, const struct file_entry *entry)
{
    (void)entry;
    *(bool *)arg = true;
    return false;
}

static void an_abort_leaves_nothing(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_writer *writer;
    const struct file_write write = {.mode = FILE_REPLACE, .bytes = FILE_BYTES_UNKNOWN};
    assert_works(file_io_create(f->io, stream_at(f, "a/f"), &write, &writer, &err));
    file_writer_abort(writer);
    assert_works(file_io_create(f->io, stream_at(f, "a/f"), &write, &writer, &err));
    assert_works(file_writer_write(writer, STR("hello"), &err));
    file_writer_abort(writer);
    assert_false(exists(f, "a/f"));
    bool any = false;
    assert_works(file_io_list(f->io, str_cstr(f->opener->root), any_entry, &any, &err));
    assert_false(any);

    stream_must_put(f, "a/f", "old");
    assert_works(file_io_create(f->io, stream_at(f, "a/f"), &write, &writer, &err));
    assert_works(file_writer_write(writer, STR("new"), &err));
    file_writer_abort(writer);
    stream_must_be(f, "a/f", "old");
}

static void large_files_come_and_go_in_pieces(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_writer *writer;
    struct file_stat stat;
    struct str got, body = stream_body(f, (11 << 20) + 17, 1);
    const int64_t announced[] = {FILE_BYTES_UNKNOWN, (int64_t)body.len};
    for (size_t i = 0; i < COUNT_OF(announced); i++) {
        const struct file_write write = {.mode = FILE_REPLACE, .bytes = announced[i]};
        assert_works(file_io_create(f->io, stream_at(f, "large"), &write, &writer, &err));
        for (struct str rest = body; rest.len > 0;) {
            size_t bytes = rest.len < 77777 ? rest.len : 77777;
            assert_works(file_writer_write(writer, str_from(rest.ptr, bytes), &err));
            rest = str_skip(rest, bytes);
        }
        assert_works(file_writer_finish(writer, &stat, &err));
        assert_int_equal(stat.bytes, body.len);
        assert_works(stream_get(f, "large", 0, FILE_TO_END, &got, &err));
        assert_true(str_equal(got, body));
    }
    assert_works(stream_get(f, "large", 5000001, 3000000, &got, &err));
    assert_true(str_equal(got, str_from(body.ptr + 5000001, 3000000)));
    assert_works(stream_get(f, "large", -99999, FILE_TO_END, &got, &err));
    assert_true(str_equal(got, str_skip(body, body.len - 99999)));
}

/* ---- copies and removals --------------------------------------------------------------------- */

static int copy(struct stream_fixture *f, const char *from, const char *to, enum write_mode mode,
                struct file_stat *out, struct error *err)
{
    const struct file_write write = {.mode = mode, .bytes = FILE_BYTES_UNKNOWN};
    return file_io_copy(f->io, stream_at(f, from), stream_at(f, to), &write, out, err);
}

static void copies_are_files_of_their_own(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_stat stat, later;
    stream_must_put(f, "a/f", "hello");
    assert_works(copy(f, "a/f", "b/c/g", FILE_CREATE, &stat, &err));
    assert_int_equal(stat.bytes, 5);
    assert_true(stream_stat(f, "b/c/g", &later));
    assert_string_equal(stat.etag, later.etag);
    stream_must_be(f, "b/c/g", "hello");
    assert_works(file_io_remove(f->io, stream_at(f, "a/f"), &err));
    stream_must_be(f, "b/c/g", "hello");
    assert_fails(copy(f, "a/f", "b/h", FILE_CREATE, &stat, &err), ERR_FILE_NOT_FOUND);
    assert_false(exists(f, "b/h"));
    stream_must_put(f, "a/f", "other");
    assert_fails(copy(f, "a/f", "b/c/g", FILE_CREATE, &stat, &err), ERR_ALREADY_EXISTS);
    stream_must_be(f, "b/c/g", "hello");
    assert_works(copy(f, "a/f", "b/c/g", FILE_REPLACE, &stat, &err));
    stream_must_be(f, "b/c/g", "other");
    stream_must_put(f, "empty", "");
    assert_works(copy(f, "empty", "b/empty", FILE_CREATE, &stat, &err));
    stream_must_be(f, "b/empty", "");
}

static void many_are_removed_at_once(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct str locations[1100];
    stream_must_put(f, "a/0", "x");
    stream_must_put(f, "a/b c&d<e>'%41", "x");
    stream_must_put(f, "a/1099", "x");
    stream_must_put(f, "kept", "x");
    for (size_t i = 0; i < COUNT_OF(locations); i++)
        locations[i] = stream_at(f, arena_printf(f->arena, "a/%zu", i).ptr);
    locations[500] = stream_at(f, "a/b c&d<e>'%41");
    assert_works(file_io_remove_all(f->io, locations, COUNT_OF(locations), &err));
    assert_false(exists(f, "a/0"));
    assert_false(exists(f, "a/1099"));
    assert_false(exists(f, "a/b c&d<e>'%41"));
    assert_true(exists(f, "kept"));
    assert_works(file_io_remove_all(f->io, locations, COUNT_OF(locations), &err));
    assert_works(file_io_remove_all(f->io, locations, 0, &err));
    locations[1] = str_cstr(f->opener->outside);
    assert_fails(file_io_remove_all(f->io, locations, 3, &err), ERR_FORBIDDEN);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void refuses(struct stream_fixture *f, struct str location, enum error_kind kind)
{
    struct error err;
    struct file_reader *reader;
    struct file_writer *writer;
    struct file_stat stat;
    struct str id;
    bool found;
    const struct file_write write = {.mode = FILE_REPLACE, .bytes = FILE_BYTES_UNKNOWN};
    struct str good = stream_at(f, "good");
    assert_fails(file_io_stat(f->io, location, &found, &stat, &err), kind);
    assert_fails(file_io_open(f->io, location, 0, FILE_TO_END, &reader, &err), kind);
    assert_fails(file_io_create(f->io, location, &write, &writer, &err), kind);
    assert_fails(file_io_copy(f->io, location, good, &write, &stat, &err), kind);
    assert_fails(file_io_copy(f->io, good, location, &write, &stat, &err), kind);
    assert_fails(file_io_upload_begin(f->io, location, f->arena, &id, &err), kind);
    assert_fails(file_io_remove_all(f->io, &location, 1, &err), kind);
    stream_must_be(f, "good", "good");
}

static void bad_locations_are_refused_everywhere(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_writer *writer;
    const struct file_write write = {.mode = FILE_REPLACE, .bytes = FILE_BYTES_UNKNOWN};
    stream_must_put(f, "good", "good");
    refuses(f, str_cstr(f->opener->outside), ERR_FORBIDDEN);
    refuses(f, arena_printf(f->arena, "%s1/x", f->opener->root), ERR_FORBIDDEN);
    refuses(f, STR("gopher://elsewhere/x"), ERR_FORBIDDEN);
    refuses(f, stream_at(f, "../x"), ERR_ILLEGAL_ARGUMENT);
    refuses(f, stream_at(f, "a/%2e%2e/x"), ERR_ILLEGAL_ARGUMENT);
    refuses(f, stream_at(f, "a//x"), ERR_ILLEGAL_ARGUMENT);
    refuses(f, stream_at(f, "a\nx"), ERR_ILLEGAL_ARGUMENT);
    refuses(f, STR(""), ERR_ILLEGAL_ARGUMENT);
    assert_int_not_equal(file_io_create(f->io, str_cstr(f->opener->root), &write, &writer, &err),
                         0);
}

/* ---- threads --------------------------------------------------------------------------------- */

#define THREADS 8

struct racer {
    struct stream_fixture *fixture;
    int won, lost;
    pthread_t thread;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    struct stream_fixture mine = *racer->fixture;
    struct error err;
    struct file_stat stat;
    mine.arena = arena_new();
    for (int i = 0; i < 5; i++) {
        const char *key = arena_printf(mine.arena, "d%d/f", i).ptr;
        if (stream_put(&mine, key, FILE_CREATE, STR("x"), &stat, &err) == 0)
            racer->won++;
        else if (err.kind == ERR_ALREADY_EXISTS)
            racer->lost++;
    }
    arena_free(mine.arena);
    return NULL;
}

static void racing_writers_have_one_winner(void **state)
{
    struct racer racers[THREADS];
    int won = 0, lost = 0;
    for (size_t i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){.fixture = *state};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
        won += racers[i].won;
        lost += racers[i].lost;
    }
    assert_int_equal(won, 5);
    assert_int_equal(lost, 5 * (THREADS - 1));
}

/* ---- all ------------------------------------------------------------------------------------- */

int file_stream_cases_run(const char *backend, const struct file_io_opener *opener)
{
    static const struct CMUnitTest cases[] = {
        STREAM_CASE(what_is_there_is_told),
        STREAM_CASE(ranges_are_cut_at_the_end),
        STREAM_CASE(readers_know_the_whole_file),
        STREAM_CASE(a_name_appears_when_its_file_is_whole),
        STREAM_CASE(names_are_created_once_and_replaced_whole),
        STREAM_CASE(two_writers_of_a_name_have_one_winner),
        STREAM_CASE(a_condition_holds_or_nothing_changes),
        STREAM_CASE(another_length_than_announced_is_refused),
        STREAM_CASE(an_abort_leaves_nothing),
        STREAM_CASE(large_files_come_and_go_in_pieces),
        STREAM_CASE(copies_are_files_of_their_own),
        STREAM_CASE(many_are_removed_at_once),
        STREAM_CASE(bad_locations_are_refused_everywhere),
        STREAM_CASE(racing_writers_have_one_winner),
    };
    const struct {
        const char *name;
        const struct CMUnitTest *cases;
        size_t count;
    } groups[] = {
        {"streams", cases, COUNT_OF(cases)},
        {"uploads", file_upload_cases, file_upload_case_count},
        {"pages", file_page_cases, file_page_case_count},
    };
    int failed = 0;
    current_opener = opener;
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        char name[100];
        (void)snprintf(name, sizeof(name), "file_stream %s %s", backend, groups[i].name);
        failed += _cmocka_run_group_tests(name, groups[i].cases, groups[i].count, NULL, NULL);
    }
    return failed;
}
