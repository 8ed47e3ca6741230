/* The contract of multipart uploads. */
#include "tests/contract/file_stream_cases.h"

#include "base/clock.h"

#define PART_BYTES (5 << 20)
#define HOUR_MS 3600000

struct upload {
    struct stream_fixture *f;
    struct str location, id;
};

static struct upload begin_upload(struct stream_fixture *f, const char *key)
{
    struct error err;
    struct upload upload = {.f = f, .location = stream_at(f, key)};
    assert_works(file_io_upload_begin(f->io, upload.location, f->arena, &upload.id, &err));
    assert_true(upload.id.len > 0);
    for (size_t i = 0; i < upload.id.len; i++) {
        char c = upload.id.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        assert_true(plain || strchr("._~-", c) != NULL);
    }
    return upload;
}

static int put_part(const struct upload *upload, int number, struct str body,
                    struct file_part *part, struct error *err)
{
    struct file_writer *writer;
    struct file_stat stat;
    const struct file_write write = {.mode = FILE_REPLACE, .bytes = (int64_t)body.len};
    if (file_io_upload_part(upload->f->io, upload->location, upload->id, number, &write, &writer,
                            err) != 0)
        return -1;
    for (struct str rest = body; rest.len > 0;) {
        size_t bytes = rest.len < 100001 ? rest.len : 100001;
        if (file_writer_write(writer, str_from(rest.ptr, bytes), err) != 0) {
            file_writer_abort(writer);
            return -1;
        }
        rest = str_skip(rest, bytes);
    }
    if (file_writer_finish(writer, &stat, err) != 0)
        return -1;
    assert_int_equal(stat.bytes, body.len);
    *part = (struct file_part){.number = number};
    memcpy(part->etag, stat.etag, sizeof(part->etag));
    return 0;
}

static void must_put_part(const struct upload *upload, int number, struct str body,
                          struct file_part *part)
{
    struct error err;
    assert_works(put_part(upload, number, body, part, &err));
}

static int complete(const struct upload *upload, const struct file_part *parts, size_t count,
                    enum write_mode mode, struct error *err)
{
    struct file_stat stat, later;
    if (file_io_upload_complete(upload->f->io, upload->location, upload->id, parts, count, mode,
                                &stat, err) != 0)
        return -1;
    bool found;
    assert_int_equal(file_io_stat(upload->f->io, upload->location, &found, &later, err), 0);
    assert_true(found);
    assert_string_equal(stat.etag, later.etag);
    assert_int_equal(stat.bytes, later.bytes);
    return 0;
}

/* Nobody knows the id any more, or never did. */
static void is_unknown(const struct upload *upload)
{
    struct error err;
    struct file_part part = {.number = 1, .etag = "\"0\""}, *parts;
    size_t count;
    struct file_stat stat;
    struct file_io *io = upload->f->io;
    assert_fails(put_part(upload, 1, STR("x"), &part, &err), ERR_FILE_NOT_FOUND);
    assert_fails(file_io_upload_parts(io, upload->location, upload->id, upload->f->arena, &parts,
                                      &count, &err),
                 ERR_FILE_NOT_FOUND);
    assert_fails(file_io_upload_complete(io, upload->location, upload->id, &part, 1, FILE_REPLACE,
                                         &stat, &err),
                 ERR_FILE_NOT_FOUND);
    assert_fails(file_io_upload_abort(io, upload->location, upload->id, &err), ERR_FILE_NOT_FOUND);
}

static bool is_there(const struct upload *upload)
{
    struct error err;
    struct file_stat stat;
    bool found;
    assert_works(file_io_stat(upload->f->io, upload->location, &found, &stat, &err));
    return found;
}

static bool any_entry(void *arg, const struct file_entry *entry)
{
    (void)entry;
    *(bool *)arg = true;
    return false;
}

static void nothing_is_visible(struct stream_fixture *f)
{
    struct error err;
    struct file_page page;
    const struct file_page_request all = {.limit = 10};
    bool any = false;
    assert_works(file_io_page(f->io, &all, f->arena, &page, &err));
    assert_int_equal(page.count, 0);
    assert_false(page.more);
    assert_works(file_io_list(f->io, str_cstr(f->opener->root), any_entry, &any, &err));
    assert_false(any);
}

/* ---- the way it should go -------------------------------------------------------------------- */

static void parts_become_one_file(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct upload upload = begin_upload(f, "a/large");
    struct file_part parts[3], *listed;
    size_t count;
    struct str got, first = stream_body(f, PART_BYTES, 1), second = stream_body(f, PART_BYTES, 2);
    assert_works(
        file_io_upload_parts(f->io, upload.location, upload.id, f->arena, &listed, &count, &err));
    assert_int_equal(count, 0);
    must_put_part(&upload, 20, stream_body(f, PART_BYTES, 7), &parts[1]);
    must_put_part(&upload, 3, first, &parts[0]);
    must_put_part(&upload, 10000, STR("end"), &parts[2]);
    must_put_part(&upload, 20, second, &parts[1]); /* in its place */
    assert_false(is_there(&upload));
    nothing_is_visible(f);

    assert_works(
        file_io_upload_parts(f->io, upload.location, upload.id, f->arena, &listed, &count, &err));
    assert_int_equal(count, 3);
    const int64_t bytes[] = {PART_BYTES, PART_BYTES, 3};
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(listed[i].number, parts[i].number);
        assert_int_equal(listed[i].bytes, bytes[i]);
        assert_string_equal(listed[i].etag, parts[i].etag);
        assert_true(listed[i].modified_ms > 1500000000000);
    }
    assert_works(complete(&upload, parts, 3, FILE_CREATE, &err));
    assert_works(stream_get(f, "a/large", 0, FILE_TO_END, &got, &err));
    assert_int_equal(got.len, 2 * PART_BYTES + 3);
    assert_memory_equal(got.ptr, first.ptr, PART_BYTES);
    assert_memory_equal(got.ptr + PART_BYTES, second.ptr, PART_BYTES);
    assert_str(str_skip(got, 2 * PART_BYTES), "end");
    is_unknown(&upload);
    assert_true(is_there(&upload));
}

static void a_part_may_be_left_out(void **state)
{
    struct stream_fixture *f = *state;
    if ((file_stream_store_lacks & LACKS_LEFT_OUT_PARTS) != 0)
        skip();
    struct error err;
    struct upload upload = begin_upload(f, "f");
    struct file_part parts[2];
    must_put_part(&upload, 1, STR("left out"), &parts[0]);
    must_put_part(&upload, 2, STR("taken"), &parts[1]);
    assert_works(complete(&upload, &parts[1], 1, FILE_CREATE, &err));
    stream_must_be(f, "f", "taken");
}

static void uploads_of_one_name_do_not_mix(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct upload first = begin_upload(f, "f"), second = begin_upload(f, "f");
    struct file_part of_first, of_second;
    assert_false(str_equal(first.id, second.id));
    must_put_part(&first, 1, STR("first"), &of_first);
    must_put_part(&second, 1, STR("second"), &of_second);
    assert_works(complete(&first, &of_first, 1, FILE_REPLACE, &err));
    stream_must_be(f, "f", "first");
    assert_works(complete(&second, &of_second, 1, FILE_REPLACE, &err));
    stream_must_be(f, "f", "second");
}

static void a_taken_name_is_kept_or_replaced(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_part part;
    stream_must_put(f, "f", "old");
    struct upload upload = begin_upload(f, "f");
    must_put_part(&upload, 1, STR("new"), &part);
    stream_must_be(f, "f", "old");
    assert_fails(complete(&upload, &part, 1, FILE_CREATE, &err), ERR_ALREADY_EXISTS);
    stream_must_be(f, "f", "old");
    upload = begin_upload(f, "f");
    must_put_part(&upload, 1, STR("new"), &part);
    assert_works(complete(&upload, &part, 1, FILE_REPLACE, &err));
    stream_must_be(f, "f", "new");
}

static void uploads_survive_a_restart(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct upload upload = begin_upload(f, "a/f");
    struct file_part parts[2], *listed;
    size_t count;
    struct str got;
    must_put_part(&upload, 1, stream_body(f, PART_BYTES, 1), &parts[0]);
    stream_reopen(f);
    must_put_part(&upload, 2, STR("end"), &parts[1]);
    stream_reopen(f);
    nothing_is_visible(f);
    assert_works(
        file_io_upload_parts(f->io, upload.location, upload.id, f->arena, &listed, &count, &err));
    assert_int_equal(count, 2);
    assert_works(complete(&upload, parts, 2, FILE_CREATE, &err));
    assert_works(stream_get(f, "a/f", -4, FILE_TO_END, &got, &err));
    assert_str(str_skip(got, 1), "end");
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void wrong_parts_are_refused_and_change_nothing(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct upload upload = begin_upload(f, "f");
    struct file_part one, two, replaced;
    must_put_part(&upload, 1, stream_body(f, PART_BYTES, 9), &replaced);
    must_put_part(&upload, 1, stream_body(f, PART_BYTES, 1), &one);
    must_put_part(&upload, 2, STR("two"), &two);
    struct file_part wrong = one, never = {.number = 3};
    (void)snprintf(wrong.etag, sizeof(wrong.etag), "\"0123456789abcdef0123456789abcdef\"");
    memcpy(never.etag, one.etag, sizeof(never.etag));
    const struct file_part bad[][2] = {
        {two, one}, {one, one}, {wrong, two}, {replaced, two}, {one, never},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_fails(complete(&upload, bad[i], 2, FILE_CREATE, &err), ERR_ILLEGAL_ARGUMENT);
    assert_fails(complete(&upload, &one, 0, FILE_CREATE, &err), ERR_ILLEGAL_ARGUMENT);
    assert_false(is_there(&upload));
    const struct file_part good[] = {one, two};
    assert_works(complete(&upload, good, 2, FILE_CREATE, &err));
}

static void parts_of_another_length_are_refused(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct upload upload = begin_upload(f, "f");
    struct file_writer *writer;
    struct file_part *parts;
    struct file_stat stat;
    size_t count;
    const struct file_write write = {.mode = FILE_REPLACE, .bytes = 5};
    assert_works(file_io_upload_part(f->io, upload.location, upload.id, 1, &write, &writer, &err));
    assert_works(file_writer_write(writer, STR("1234"), &err));
    assert_fails(file_writer_finish(writer, &stat, &err), ERR_ILLEGAL_ARGUMENT);
    assert_works(file_io_upload_part(f->io, upload.location, upload.id, 1, &write, &writer, &err));
    assert_works(file_writer_write(writer, STR("1234"), &err));
    file_writer_abort(writer);
    assert_works(
        file_io_upload_parts(f->io, upload.location, upload.id, f->arena, &parts, &count, &err));
    assert_int_equal(count, 0);
}

static void unknown_ids_are_not_found(void **state)
{
    struct stream_fixture *f = *state;
    struct upload good = begin_upload(f, "a/f");
    struct file_part part;
    must_put_part(&good, 1, STR("x"), &part);
    static const char *const ids[] = {"x", ".", "..", "~", "-", "../a", "a/b", "", "\xFF"};
    struct upload upload = good;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        upload.id = str_cstr(ids[i]);
        is_unknown(&upload);
    }
    char *other = arena_alloc(f->arena, good.id.len);
    memcpy(other, good.id.ptr, good.id.len);
    for (size_t i = 0; i < good.id.len; i++) /* one like it */
        if (other[i] >= '0' && other[i] <= '9')
            other[i] = other[i] == '9' ? '0' : (char)(other[i] + 1);
    upload.id = str_from(other, good.id.len);
    if (!str_equal(upload.id, good.id))
        is_unknown(&upload);
    upload = good;
    upload.location = stream_at(f, "a/g"); /* of another location */
    is_unknown(&upload);
    upload.location = stream_at(f, "a/f/f");
    is_unknown(&upload);
    struct error err;
    assert_works(complete(&good, &part, 1, FILE_CREATE, &err)); /* none of this hurt it */
}

/* ---- giving up ------------------------------------------------------------------------------- */

static void an_aborted_upload_leaves_nothing(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct upload empty = begin_upload(f, "a/f"), upload = begin_upload(f, "a/f");
    struct file_part part;
    must_put_part(&upload, 1, STR("x"), &part);
    must_put_part(&upload, 7, STR("x"), &part);
    assert_works(file_io_upload_abort(f->io, upload.location, upload.id, &err));
    is_unknown(&upload);
    assert_works(file_io_upload_abort(f->io, empty.location, empty.id, &err));
    is_unknown(&empty);
    assert_false(is_there(&upload));
    nothing_is_visible(f);
}

static void old_uploads_are_swept(void **state)
{
    struct stream_fixture *f = *state;
    if ((file_stream_store_lacks & LACKS_UPLOAD_TIMES) != 0)
        skip();
    struct error err;
    struct upload first = begin_upload(f, "a/f"), second = begin_upload(f, "b/g");
    struct file_part part;
    must_put_part(&first, 1, STR("x"), &part);
    int64_t now_ms = clock_now_ms(&clock_system);
    assert_works(file_io_uploads_expire(f->io, now_ms - HOUR_MS, &err));
    assert_works(complete(&first, &part, 1, FILE_CREATE, &err));
    first = begin_upload(f, "a/f");
    must_put_part(&first, 1, STR("y"), &part);
    assert_works(file_io_uploads_expire(f->io, now_ms + HOUR_MS, &err));
    is_unknown(&first);
    is_unknown(&second);
    stream_must_be(f, "a/f", "x");
    assert_works(file_io_uploads_expire(f->io, now_ms + HOUR_MS, &err));
}

const struct CMUnitTest file_upload_cases[] = {
    STREAM_CASE(parts_become_one_file),
    STREAM_CASE(a_part_may_be_left_out),
    STREAM_CASE(uploads_of_one_name_do_not_mix),
    STREAM_CASE(a_taken_name_is_kept_or_replaced),
    STREAM_CASE(uploads_survive_a_restart),
    STREAM_CASE(wrong_parts_are_refused_and_change_nothing),
    STREAM_CASE(parts_of_another_length_are_refused),
    STREAM_CASE(unknown_ids_are_not_found),
    STREAM_CASE(an_aborted_upload_leaves_nothing),
    STREAM_CASE(old_uploads_are_swept),
};
const size_t file_upload_case_count = COUNT_OF(file_upload_cases);
