/* HDFS: writing. The rules are in file_io_webhdfs_private.h; here:
 *
 * 1. The bytes go to a temporary file that only its writer knows. One that was cut off may appear
 *    after its removal, when the datanode was slow: it is swept with old uploads.
 * 2. A rename is judged by its answer; without one, by whether the name leads to our file: etags
 *    hold a file's id, which a rename keeps.
 * 3. When it must be said that nothing was written, the temporary file was removed first, so that a
 *    rename still on its way finds nothing. */
#include "storage/file_io_webhdfs_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "storage/upload_id.h"

#define RENAMES_MAX 4

struct hdfs_writer {
    struct file_writer base;
    struct file_io_webhdfs *io;
    struct arena *arena; /* of the target and the temporary path */
    struct hdfs_target target;
    struct hdfs_path temporary;
    struct http_exchange *exchange; /* NULL: ended */
    int64_t announced, written;
    bool failed;
};

/* ---- giving a name --------------------------------------------------------------------------- */

bool webhdfs_leads_to(struct file_io_webhdfs *io, const struct hdfs_path *path,
                      const struct file_stat *stat)
{
    struct file_stat now;
    struct error ignored;
    bool found;
    return webhdfs_look(io, path, &found, &now, &ignored) == 0 && found &&
           strcmp(now.etag, stat->etag) == 0;
}

static int make_directory_of(struct file_io_webhdfs *io, const struct hdfs_path *path,
                             struct arena *arena, struct error *err)
{
    struct hdfs_path directory = *path;
    while (directory.path.len > 1 && directory.path.ptr[directory.path.len - 1] != '/')
        directory.path.len--;
    if (directory.path.len > 1)
        directory.path.len--;
    const struct hdfs_op op = {"PUT", &directory, STR("op=MKDIRS"), "write", true};
    return webhdfs_do(io, &op, arena, err);
}

/* The answer is not the one wished for: 0 to ask again, else -1. */
static int judge_refusal(struct file_io_webhdfs *io, const struct hdfs_target *target,
                         const struct hdfs_reply *reply, struct arena *arena, struct error *err)
{
    struct file_stat stat;
    bool found;
    if (strstr(err->detail, "must both be directories") != NULL) {
        if (target->mode == FILE_CREATE)
            return webhdfs_failed(err, ERR_ALREADY_EXISTS, "File already exists", &target->path);
        return webhdfs_failed(err, ERR_FORBIDDEN, "Location is a directory", &target->path);
    }
    if (reply->status == 200) { /* "no", without a reason */
        if (webhdfs_look(io, &target->path, &found, &stat, err) != 0)
            return -1;
        if (found && target->mode == FILE_CREATE)
            return webhdfs_failed(err, ERR_ALREADY_EXISTS, "File already exists", &target->path);
        return make_directory_of(io, &target->path, arena, err);
    }
    if (err->kind != ERR_FILE_NOT_FOUND && !reply->maybe_done)
        return -1;
    if (target->make_directory) /* which it may have been about */
        return make_directory_of(io, &target->path, arena, err);
    return reply->maybe_done ? 0 : -1;
}

static int rename_to(struct file_io_webhdfs *io, const struct hdfs_path *from,
                     const struct hdfs_target *target, const struct file_stat *stat,
                     struct error *err)
{
    struct arena *arena = arena_new();
    const char *option = target->mode == FILE_CREATE ? "NONE" : "OVERWRITE";
    const struct hdfs_op op = {
        .method = "PUT",
        .at = from,
        .query = arena_printf(arena, "op=RENAME&renameoptions=%s&destination=%.*s", option,
                              STR_ARG(webhdfs_encode(arena, target->path.path, false))),
        .verb = "write",
    };
    int result = -1;
    for (int tries = 0; tries < RENAMES_MAX; tries++) {
        struct hdfs_reply reply;
        result = webhdfs_call(io, &op, arena, &reply, err);
        bool refused = json_is_false(json_object_get(reply.json, "boolean"));
        json_decref(reply.json);
        if (result == 0 && !refused)
            break;
        if (webhdfs_leads_to(io, &target->path, stat)) {
            result = 0;
            break;
        }
        if (result == 0)
            result = webhdfs_broken(err, "write", &target->path, "the rename was refused");
        if (judge_refusal(io, target, &reply, arena, err) != 0)
            break;
    }
    arena_free(arena);
    return result;
}

static int check_condition(struct file_io_webhdfs *io, const struct hdfs_target *target,
                           struct error *err)
{
    struct file_stat now;
    bool found;
    if (target->if_match.len == 0)
        return 0;
    if (webhdfs_look(io, &target->path, &found, &now, err) != 0)
        return -1;
    if (found && !now.is_directory && str_equal_cstr(target->if_match, now.etag))
        return 0;
    return error_set(err, ERR_PRECONDITION_FAILED, "File has changed: %.*s",
                     STR_ARG(target->path.location));
}

int webhdfs_publish(struct file_io_webhdfs *io, const struct hdfs_path *from,
                    const struct hdfs_target *target, const struct file_stat *stat,
                    struct error *err)
{
    bool exclusive = target->mode == FILE_REPLACE && target->make_directory; /* no part */
    if (exclusive)
        (void)pthread_mutex_lock(&io->replace_mutex);
    int result = check_condition(io, target, err);
    if (result == 0)
        result = rename_to(io, from, target, stat, err);
    if (exclusive)
        (void)pthread_mutex_unlock(&io->replace_mutex);
    return result;
}

/* ---- writers --------------------------------------------------------------------------------- */

static void writer_free(struct hdfs_writer *writer)
{
    if (writer->exchange != NULL)
        http_exchange_close(writer->exchange);
    arena_free(writer->arena);
    free(writer);
}

static void remove_temporary(struct hdfs_writer *writer)
{
    struct error ignored;
    bool existed;
    if (writer->exchange != NULL)
        http_exchange_close(writer->exchange);
    writer->exchange = NULL;
    (void)!webhdfs_delete(writer->io, &writer->temporary, false, &existed, &ignored);
}

static void writer_abort(struct file_writer *base)
{
    struct hdfs_writer *writer = (struct hdfs_writer *)base;
    remove_temporary(writer);
    writer_free(writer);
}

static int writer_write(struct file_writer *base, struct str data, struct error *err)
{
    struct hdfs_writer *writer = (struct hdfs_writer *)base;
    if (writer->announced != FILE_BYTES_UNKNOWN &&
        (int64_t)data.len > writer->announced - writer->written) {
        writer->failed = true;
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Content is longer than its announced %" PRId64 " bytes: %.*s",
                         writer->announced, STR_ARG(writer->target.path.location));
    }
    if (data.len == 0)
        return 0;
    writer->written += (int64_t)data.len;
    if (http_exchange_send(writer->exchange, data, err) == 0)
        return 0;
    writer->failed = true;
    return webhdfs_unavailable(err, "write", &writer->target.path);
}

/* The temporary file is whole. */
static int end_content(struct hdfs_writer *writer, struct file_stat *out, struct error *err)
{
    bool found;
    const struct hdfs_path *path = &writer->target.path;
    if (writer->announced != FILE_BYTES_UNKNOWN && writer->written != writer->announced)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Content has %" PRId64 " of its announced %" PRId64 " bytes: %.*s",
                         writer->written, writer->announced, STR_ARG(path->location));
    if (writer->failed)
        return webhdfs_broken(err, "write", path, "a piece could not be written");
    struct http_exchange *exchange = writer->exchange;
    writer->exchange = NULL;
    if (webhdfs_create_end(exchange, path, err) != 0 ||
        webhdfs_look(writer->io, &writer->temporary, &found, out, err) != 0)
        return -1;
    if (found && out->bytes == writer->written && !FAILPOINT("storage_write_error"))
        return 0;
    return webhdfs_broken(err, "write", path, "the file has not the bytes that were sent");
}

static int writer_finish(struct file_writer *base, struct file_stat *out, struct error *err)
{
    struct hdfs_writer *writer = (struct hdfs_writer *)base;
    int result = end_content(writer, out, err);
    bool is_whole = result == 0; /* and *out is of it */
    if (is_whole)
        result = webhdfs_publish(writer->io, &writer->temporary, &writer->target, out, err);
    if (result != 0) {
        bool doubtful = is_whole && err->kind == ERR_UNAVAILABLE;
        remove_temporary(writer);
        if (doubtful && webhdfs_leads_to(writer->io, &writer->target.path, out)) /* 3 */
            result = 0;
    }
    writer_free(writer);
    return result;
}

static const struct file_writer_backend writer_backend = {
    .write = writer_write,
    .finish = writer_finish,
    .abort = writer_abort,
};

int webhdfs_writer_open(struct file_io_webhdfs *io, struct arena *arena,
                        const struct hdfs_target *target, int64_t bytes, struct file_writer **out,
                        struct error *err)
{
    struct hdfs_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL)
        log_fatal("out of memory");
    struct str location = target->path.location;
    *writer = (struct hdfs_writer){
        .base.backend = &writer_backend,
        .io = io,
        .arena = arena,
        .target = *target,
        .temporary = webhdfs_hidden_path(io, location, upload_id_new(location, arena), arena),
        .announced = bytes,
    };
    writer->target.if_match = arena_str(arena, target->if_match);
    if (webhdfs_create_data(io, target->is_whole_file ? io->files : io->streams, &writer->temporary,
                            bytes == FILE_BYTES_UNKNOWN ? HTTP_CHUNKED : bytes, arena,
                            &writer->exchange, err) != 0) {
        writer->exchange = NULL;
        writer_free(writer);
        return -1;
    }
    *out = &writer->base;
    return 0;
}

static int open_at(struct file_io_webhdfs *io, struct str location, const struct file_write *write,
                   bool is_whole_file, struct file_writer **out, struct error *err)
{
    struct arena *arena = arena_new();
    struct hdfs_target target = {.mode = write->mode,
                                 .if_match = write->if_match,
                                 .make_directory = true,
                                 .is_whole_file = is_whole_file};
    int result = webhdfs_path_parse(io, location, arena, &target.path, err);
    if (result == 0 && target.path.is_root)
        result = error_set(err, ERR_FORBIDDEN, "Location is a directory: %.*s",
                           STR_ARG(target.path.location));
    if (result == 0)
        return webhdfs_writer_open(io, arena, &target, write->bytes, out, err);
    arena_free(arena);
    return -1;
}

int webhdfs_create(struct file_io *base, struct str location, const struct file_write *write,
                   struct file_writer **out, struct error *err)
{
    return open_at(webhdfs_of(base), location, write, false, out, err);
}

int webhdfs_write_new(struct file_io *base, struct str location, struct str body, struct error *err)
{
    struct file_writer *writer;
    struct file_stat stat;
    const struct file_write write = {.mode = FILE_CREATE, .bytes = (int64_t)body.len};
    if (open_at(webhdfs_of(base), location, &write, true, &writer, err) != 0)
        return -1;
    if (writer_write(writer, body, err) == 0)
        return writer_finish(writer, &stat, err);
    writer_abort(writer);
    return -1;
}
