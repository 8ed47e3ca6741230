/* HDFS: looking and reading. The rules are in file_io_webhdfs_private.h. */
#include "storage/file_io_webhdfs_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define TRIES_MAX 3

/* ---- looking --------------------------------------------------------------------------------- */

bool webhdfs_stat_of(const json_t *status, struct file_stat *out)
{
    const char *type = json_string_value(json_object_get(status, "type"));
    const json_t *length = json_object_get(status, "length");
    int64_t id = json_integer_value(json_object_get(status, "fileId")); /* HttpFS: none */
    if (type == NULL || !json_is_integer(length) || json_integer_value(length) < 0)
        return false;
    *out = (struct file_stat){
        .bytes = json_integer_value(length),
        .modified_ms = json_integer_value(json_object_get(status, "modificationTime")),
        .is_directory = strcmp(type, "DIRECTORY") == 0,
    };
    if (out->is_directory)
        out->bytes = 0;
    (void)snprintf(out->etag, sizeof(out->etag), "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"",
                   (uint64_t)id, (uint64_t)out->bytes, (uint64_t)out->modified_ms);
    return out->is_directory || strcmp(type, "FILE") == 0;
}

int webhdfs_look(struct file_io_webhdfs *io, const struct hdfs_path *path, bool *found,
                 struct file_stat *out, struct error *err)
{
    struct arena *arena = arena_new();
    struct hdfs_reply reply;
    const struct hdfs_op op = {"GET", path, STR("op=GETFILESTATUS"), "look at", true};
    *found = false;
    int result = webhdfs_call(io, &op, arena, &reply, err);
    if (result == 0) {
        const json_t *status = json_object_get(reply.json, "FileStatus");
        *found = webhdfs_stat_of(status, out);
        if (!json_is_string(json_object_get(status, "type")))
            result = webhdfs_broken(err, "look at", path, "no FileStatus");
    } else if (err->kind == ERR_FILE_NOT_FOUND || reply.below_file) {
        result = 0;
    }
    json_decref(reply.json);
    arena_free(arena);
    return result;
}

int webhdfs_stat(struct file_io *base, struct str location, bool *found, struct file_stat *out,
                 struct error *err)
{
    struct file_io_webhdfs *io = webhdfs_of(base);
    struct arena *arena = arena_new();
    struct hdfs_path path;
    *found = false;
    int result = webhdfs_path_parse(io, location, arena, &path, err);
    if (result == 0)
        result = webhdfs_look(io, &path, found, out, err);
    arena_free(arena);
    return result;
}

static int not_found(struct error *err, const struct hdfs_path *path)
{
    return error_set(err, ERR_FILE_NOT_FOUND, "Failed to open input stream for file: %.*s",
                     STR_ARG(path->location));
}

/* ---- whole files ----------------------------------------------------------------------------- */

static int read_once(struct file_io_webhdfs *io, const struct hdfs_path *path, struct buf *out,
                     struct arena *arena, struct error *err)
{
    struct http_exchange *exchange;
    if (webhdfs_open_data(io, io->files, path, 0, FILE_TO_END, arena, &exchange, err) != 0)
        return -1;
    int result = http_exchange_read_all(exchange, out, err);
    if (result != 0 && err->kind != ERR_BODY_TOO_LARGE)
        result = webhdfs_unavailable(err, "read", path);
    http_exchange_close(exchange);
    return result;
}

static int read_whole(struct file_io_webhdfs *io, const struct hdfs_path *path, size_t bytes_max,
                      struct buf *out, struct arena *arena, struct error *err)
{
    size_t room = out->bytes_max - out->len;
    struct buf content = BUF_INIT(bytes_max < room ? bytes_max : room);
    int result = -1;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        buf_clear(&content);
        result = read_once(io, path, &content, arena, err);
        if (result == 0 || err->kind != ERR_UNAVAILABLE)
            break;
    }
    if (result == 0)
        buf_add(out, buf_str(&content));
    else if (err->kind == ERR_BODY_TOO_LARGE)
        result = error_set(err, ERR_BODY_TOO_LARGE, "File is larger than %zu bytes: %.*s",
                           bytes_max, STR_ARG(path->location));
    buf_free(&content);
    return result;
}

int webhdfs_read(struct file_io *base, struct str location, size_t bytes_max, struct buf *out,
                 struct error *err)
{
    struct file_io_webhdfs *io = webhdfs_of(base);
    struct arena *arena = arena_new();
    struct hdfs_path path;
    int result = webhdfs_path_parse(io, location, arena, &path, err);
    if (result == 0 && path.is_root)
        result = not_found(err, &path);
    if (result == 0)
        result = read_whole(io, &path, bytes_max, out, arena, err);
    arena_free(arena);
    return result;
}

/* ---- readers --------------------------------------------------------------------------------- */

struct hdfs_reader {
    struct file_reader base;
    struct arena *arena; /* of the path */
    struct hdfs_path path;
    struct http_exchange *exchange; /* NULL: nothing to read */
    int64_t done;
};

static int reader_read(struct file_reader *base, void *to, size_t size, size_t *got,
                       struct error *err)
{
    struct hdfs_reader *reader = (struct hdfs_reader *)base;
    int64_t left = base->length - reader->done;
    *got = 0;
    if (left == 0)
        return 0;
    if ((int64_t)size > left)
        size = (size_t)left;
    if (http_exchange_read(reader->exchange, to, size, got, err) != 0)
        return webhdfs_unavailable(err, "read", &reader->path);
    if (*got == 0)
        return webhdfs_broken(err, "read", &reader->path, "the datanode ended early");
    reader->done += (int64_t)*got;
    if (reader->done == base->length) { /* the last look lets the connection be kept */
        char none;
        size_t more;
        struct error ignored;
        (void)!http_exchange_read(reader->exchange, &none, 1, &more, &ignored);
    }
    return 0;
}

static void reader_close(struct file_reader *base)
{
    struct hdfs_reader *reader = (struct hdfs_reader *)base;
    if (reader->exchange != NULL)
        http_exchange_close(reader->exchange);
    arena_free(reader->arena);
    free(reader);
}

static const struct file_reader_backend reader_backend = {
    .read = reader_read,
    .close = reader_close,
};

static int look_for_reader(struct file_io_webhdfs *io, const struct hdfs_path *path,
                           struct file_stat *out, struct error *err)
{
    bool found;
    if (webhdfs_look(io, path, &found, out, err) != 0)
        return -1;
    if (!found)
        return not_found(err, path);
    if (out->is_directory)
        return error_set(err, ERR_FORBIDDEN, "Location is a directory: %.*s",
                         STR_ARG(path->location));
    return 0;
}

/* What is read was opened by name: the looks before and after tell whether it was the file that is
 * meant. *same false: it was replaced meanwhile. */
static int reader_start(struct file_io_webhdfs *io, struct hdfs_reader *reader, int64_t offset,
                        int64_t length, bool *same, struct error *err)
{
    struct file_stat after;
    struct file_reader *base = &reader->base;
    *same = true;
    if (look_for_reader(io, &reader->path, &base->stat, err) != 0)
        return -1;
    file_reader_cut(base, offset, length);
    if (base->length == 0)
        return 0;
    if (webhdfs_open_data(io, io->streams, &reader->path, base->offset, base->length, reader->arena,
                          &reader->exchange, err) != 0) {
        reader->exchange = NULL;
        return -1;
    }
    if (look_for_reader(io, &reader->path, &after, err) != 0)
        return -1;
    *same = strcmp(after.etag, base->stat.etag) == 0;
    return 0;
}

int webhdfs_open(struct file_io *base, struct str location, int64_t offset, int64_t length,
                 struct file_reader **out, struct error *err)
{
    struct file_io_webhdfs *io = webhdfs_of(base);
    struct hdfs_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        log_fatal("out of memory");
    reader->base.backend = &reader_backend;
    reader->arena = arena_new();
    bool same = false;
    int result = webhdfs_path_parse(io, location, reader->arena, &reader->path, err);
    for (int tries = 0; tries < TRIES_MAX && result == 0 && !same; tries++) {
        if (reader->exchange != NULL)
            http_exchange_close(reader->exchange);
        reader->exchange = NULL;
        result = reader_start(io, reader, offset, length, &same, err);
    }
    if (result == 0 && !same)
        result = webhdfs_broken(err, "read", &reader->path, "it is replaced again and again");
    if (result != 0) {
        reader_close(&reader->base);
        return -1;
    }
    *out = &reader->base;
    return 0;
}
