/* S3 files: reading them whole and by pieces, looking. The rules are in file_io_s3_private.h.
 *
 * 1. A reader that lost its connection goes on where it was, on the same version (its etag), a few
 *    times. */
#include "storage/file_io_s3_private.h"

#include <assert.h>
#include <stdlib.h>

#define READ_TRIES 3
#define PIECE_BYTES 65536

/* ---- looking --------------------------------------------------------------------------------- */

int s3_head(struct file_io_s3 *io, const struct s3_path *path, bool *found, struct file_stat *out,
            struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_call call = {.method = STR("HEAD"),
                           .key = path->key,
                           .repeat = S3_REPEAT,
                           .what = "look at",
                           .location = path->location};
    struct s3_answer answer;
    struct buf nothing = BUF_INIT(1);
    *found = false;
    int result = s3_client_call(io->client, &call, arena, &answer, &nothing, err);
    if (result == 0 && s3_answer_ok(&answer)) {
        *found = true;
        s3_stat_of(&answer.response, out);
    } else if (result == 0 && answer.response.status != 404) {
        result = s3_answer_error(&answer, &call, err);
    }
    buf_free(&nothing);
    arena_free(arena);
    return result;
}

int s3_stat(struct file_io *base, struct str location, bool *found, struct file_stat *out,
            struct error *err)
{
    struct file_io_s3 *io = s3_of(base);
    struct arena *arena = arena_new();
    struct s3_path path;
    int result = s3_path_parse(io, location, arena, &path, err);
    if (result == 0 && !path.is_root)
        result = s3_head(io, &path, found, out, err);
    arena_free(arena);
    return result;
}

/* ---- whole ----------------------------------------------------------------------------------- */

static int not_found(const struct s3_path *path, struct error *err)
{
    return error_set(err, ERR_FILE_NOT_FOUND, "Failed to open input stream for file: %.*s",
                     STR_ARG(path->location));
}

static int too_large(const struct s3_path *path, size_t bytes_max, struct error *err)
{
    return error_set(err, ERR_BODY_TOO_LARGE, "File is larger than %zu bytes: %.*s", bytes_max,
                     STR_ARG(path->location));
}

static int read_body(struct http_exchange *exchange, const struct s3_path *path, size_t bytes_max,
                     struct buf *out, struct error *err)
{
    char piece[PIECE_BYTES];
    size_t got, total = 0;
    do {
        if (http_exchange_read(exchange, piece, sizeof(piece), &got, err) != 0)
            return -1;
        total += got;
        if (total > bytes_max)
            return too_large(path, bytes_max, err);
        buf_add(out, str_from(piece, got));
    } while (got > 0);
    return out->overflowed ? too_large(path, out->bytes_max, err) : 0;
}

static int read_once(struct file_io_s3 *io, const struct s3_path *path, size_t bytes_max,
                     struct arena *arena, struct buf *out, struct error *err)
{
    struct s3_call call = {.method = STR("GET"),
                           .key = path->key,
                           .repeat = S3_REPEAT,
                           .what = "read",
                           .location = path->location};
    struct s3_answer answer;
    struct http_exchange *exchange;
    struct file_stat stat;
    if (s3_client_open(io->client, &call, arena, &answer, &exchange, err) != 0)
        return -1;
    if (exchange == NULL)
        return s3_answer_error(&answer, &call, err);
    s3_stat_of(&answer.response, &stat);
    int result = stat.bytes > (int64_t)bytes_max ? too_large(path, bytes_max, err)
                                                 : read_body(exchange, path, bytes_max, out, err);
    http_exchange_close(exchange);
    return result;
}

int s3_read(struct file_io *base, struct str location, size_t bytes_max, struct buf *out,
            struct error *err)
{
    struct file_io_s3 *io = s3_of(base);
    struct arena *arena = arena_new();
    struct s3_path path;
    size_t len = out->len;
    int result = s3_path_parse(io, location, arena, &path, err);
    if (result == 0 && path.is_root)
        result = not_found(&path, err);
    for (int tries = 0; result == 0 && tries < READ_TRIES; tries++) {
        result = read_once(io, &path, bytes_max, arena, out, err);
        if (result == 0)
            break;
        bool was_cut = err->kind == ERR_UNAVAILABLE && out->len > len;
        out->len = len;
        if (was_cut && tries + 1 < READ_TRIES)
            result = 0; /* once more */
    }
    arena_free(arena);
    return result;
}

/* ---- by pieces ------------------------------------------------------------------------------- */

struct s3_reader {
    struct file_reader base;
    struct file_io_s3 *io;
    struct arena *arena;
    struct s3_path path;
    struct http_exchange *exchange; /* NULL: nothing (more) to read, or to be opened again */
    int64_t position;               /* in the file */
    int resumed;
};

static struct s3_reader *reader_of(struct file_reader *reader)
{
    return (struct s3_reader *)reader;
}

static struct str range_text(int64_t offset, int64_t length, struct arena *arena)
{
    if (offset < 0)
        return arena_printf(arena, "bytes=%lld", (long long)offset);
    if (length > INT64_MAX - offset)
        return arena_printf(arena, "bytes=%lld-", (long long)offset);
    return arena_printf(arena, "bytes=%lld-%lld", (long long)offset,
                        (long long)(offset + length - 1));
}

/* The answer to GET with a range; *missing when there is no such file, *outside when the range
 * holds nothing of it. */
static int request_range(struct s3_reader *reader, int64_t offset, int64_t length,
                         struct str if_match, struct s3_answer *answer, bool *outside,
                         struct error *err)
{
    struct http_header headers[2];
    size_t count = 0;
    if (offset != 0 || length != FILE_TO_END)
        headers[count++] =
            (struct http_header){STR("range"), range_text(offset, length, reader->arena)};
    if (if_match.len > 0)
        headers[count++] = (struct http_header){STR("if-match"), if_match};
    struct s3_call call = {.method = STR("GET"),
                           .key = reader->path.key,
                           .headers = headers,
                           .header_count = count,
                           .repeat = S3_REPEAT,
                           .bulk = true,
                           .what = "read",
                           .location = reader->path.location};
    *outside = false;
    if (s3_client_open(reader->io->client, &call, reader->arena, answer, &reader->exchange, err) !=
        0)
        return -1;
    if (reader->exchange != NULL)
        return 0;
    *outside = answer->response.status == 416;
    if (*outside)
        return 0;
    if (answer->response.status == 412) {
        (void)s3_answer_error(answer, &call, err);
        err->kind = ERR_UNAVAILABLE; /* it changed under a reader */
        return -1;
    }
    return s3_answer_error(answer, &call, err);
}

/* Where the bytes that come begin in the file, from "bytes 5-9/10". */
static int64_t range_begin(const struct http_response *response)
{
    struct str range = http_response_header(response, "content-range");
    long long begin = 0;
    if (response->status != 206)
        return 0;
    (void)str_cut(&range, ' ');
    return str_to_int64(str_cut(&range, '-'), &begin) ? begin : -1;
}

/* The part of the file that is asked for, cut at its end. */
static void set_extent(struct file_reader *reader, int64_t offset, int64_t length)
{
    int64_t bytes = reader->stat.bytes;
    if (offset < 0)
        offset = bytes + offset > 0 ? bytes + offset : 0;
    if (offset > bytes)
        offset = bytes;
    reader->offset = offset;
    reader->length = length < bytes - offset ? length : bytes - offset;
}

static int reader_begin(struct s3_reader *reader, int64_t offset, int64_t length, struct error *err)
{
    struct s3_answer answer;
    bool outside = length == 0, found = true;
    if (!outside && request_range(reader, offset, length, STR_NONE, &answer, &outside, err) != 0)
        return -1;
    if (outside) {
        if (s3_head(reader->io, &reader->path, &found, &reader->base.stat, err) != 0)
            return -1;
        if (!found)
            return not_found(&reader->path, err);
    } else {
        s3_stat_of(&answer.response, &reader->base.stat);
    }
    set_extent(&reader->base, offset, length);
    reader->position = reader->base.offset;
    if (outside) {
        reader->base.length = 0;
        return 0;
    }
    if (range_begin(&answer.response) != reader->base.offset)
        return error_set(err, ERR_UNAVAILABLE, "The store does not keep to ranges of file: %.*s",
                         STR_ARG(reader->path.location));
    return 0;
}

/* Opens again what is left, of the same version. */
static int resume(struct s3_reader *reader, struct error *err)
{
    struct s3_answer answer;
    bool outside;
    int64_t left = reader->base.offset + reader->base.length - reader->position;
    struct str etag = str_cstr(reader->base.stat.etag);
    if (etag.len >= 2) /* some stores know it without its quotes only, all know that */
        etag = str_from(etag.ptr + 1, etag.len - 2);
    http_exchange_close(reader->exchange);
    reader->exchange = NULL;
    reader->resumed++;
    if (request_range(reader, reader->position, left, etag, &answer, &outside, err) != 0)
        return -1;
    if (outside || range_begin(&answer.response) != reader->position)
        return error_set(err, ERR_UNAVAILABLE, "File became shorter: %.*s",
                         STR_ARG(reader->path.location));
    return 0;
}

static int reader_read(struct file_reader *base, void *to, size_t size, size_t *got,
                       struct error *err)
{
    struct s3_reader *reader = reader_of(base);
    int64_t left = base->offset + base->length - reader->position;
    *got = 0;
    if (left == 0)
        return 0;
    if ((int64_t)size > left)
        size = (size_t)left;
    while (reader->exchange == NULL ||
           http_exchange_read(reader->exchange, to, size, got, err) != 0) {
        if (reader->exchange == NULL || reader->resumed >= READ_TRIES || resume(reader, err) != 0)
            return error_set(err, ERR_UNAVAILABLE, "Cannot read all of file: %.*s",
                             STR_ARG(reader->path.location));
    }
    if (*got == 0)
        return error_set(err, ERR_UNAVAILABLE, "File is shorter than it was: %.*s",
                         STR_ARG(reader->path.location));
    reader->position += (int64_t)*got;
    return 0;
}

static void reader_close(struct file_reader *base)
{
    struct s3_reader *reader = reader_of(base);
    if (reader->exchange != NULL)
        http_exchange_close(reader->exchange);
    arena_free(reader->arena);
}

static const struct file_reader_backend reader_backend = {
    .read = reader_read,
    .close = reader_close,
};

int s3_open(struct file_io *base, struct str location, int64_t offset, int64_t length,
            struct file_reader **out, struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_reader *reader = ARENA_NEW(arena, struct s3_reader);
    reader->base.backend = &reader_backend;
    reader->io = s3_of(base);
    reader->arena = arena;
    int result = s3_path_parse(reader->io, location, arena, &reader->path, err);
    if (result == 0 && reader->path.is_root)
        result = not_found(&reader->path, err);
    if (result == 0)
        result = reader_begin(reader, offset, length, err);
    if (result != 0) {
        reader_close(&reader->base);
        return -1;
    }
    assert(reader->base.length >= 0);
    *out = &reader->base;
    return 0;
}
