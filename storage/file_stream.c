/* The doors to readers, writers, uploads and pages: checks, metrics and defaults around the
 * backend's functions. */
#include "storage/backend.h"

#include <assert.h>

#include "base/metric.h"

#define COPY_BYTES 65536

/* ---- readers and writers --------------------------------------------------------------------- */

int file_io_open(struct file_io *io, struct str location, int64_t offset, int64_t length,
                 struct file_reader **out, struct error *err)
{
    assert(length >= 0);
    metric_add(METRIC_STORAGE_READS, 1);
    return file_io_counted(io->backend->open(io, location, offset, length, out, err), err);
}

void file_reader_cut(struct file_reader *reader, int64_t offset, int64_t length)
{
    int64_t bytes = reader->stat.bytes;
    assert(bytes >= 0 && length >= 0);
    if (offset < 0) /* from the end */
        offset = -bytes < offset ? bytes + offset : 0;
    reader->offset = offset < bytes ? offset : bytes;
    reader->length = bytes - reader->offset < length ? bytes - reader->offset : length;
}

int file_reader_read(struct file_reader *reader, void *to, size_t size, size_t *got,
                     struct error *err)
{
    assert(size > 0);
    return file_io_counted(reader->backend->read(reader, to, size, got, err), err);
}

int file_reader_fd(const struct file_reader *reader)
{
    return reader->backend->fd == NULL ? -1 : reader->backend->fd(reader);
}

void file_reader_close(struct file_reader *reader)
{
    reader->backend->close(reader);
}

int file_io_create(struct file_io *io, struct str location, const struct file_write *write,
                   struct file_writer **out, struct error *err)
{
    assert(write->bytes >= 0 || write->bytes == FILE_BYTES_UNKNOWN);
    assert(write->if_match.len == 0 || write->mode == FILE_REPLACE);
    metric_add(METRIC_STORAGE_WRITES, 1);
    return file_io_counted(io->backend->create(io, location, write, out, err), err);
}

int file_writer_write(struct file_writer *writer, struct str data, struct error *err)
{
    return file_io_counted(writer->backend->write(writer, data, err), err);
}

int file_writer_finish(struct file_writer *writer, struct file_stat *out, struct error *err)
{
    return file_io_counted(writer->backend->finish(writer, out, err), err);
}

void file_writer_abort(struct file_writer *writer)
{
    writer->backend->abort(writer);
}

/* ---- copies ---------------------------------------------------------------------------------- */

static int pump(struct file_reader *reader, struct file_writer *writer, struct error *err)
{
    char piece[COPY_BYTES];
    size_t got;
    do {
        if (file_reader_read(reader, piece, sizeof(piece), &got, err) != 0 ||
            (got > 0 && file_writer_write(writer, str_from(piece, got), err) != 0))
            return -1;
    } while (got > 0);
    return 0;
}

static int copy_by_streaming(struct file_io *io, struct str from, struct str to,
                             const struct file_write *write, struct file_stat *out,
                             struct error *err)
{
    struct file_reader *reader;
    struct file_writer *writer;
    struct file_write sized = *write;
    if (file_io_open(io, from, 0, FILE_TO_END, &reader, err) != 0)
        return -1;
    sized.bytes = reader->length;
    int result = file_io_create(io, to, &sized, &writer, err);
    if (result == 0) {
        result = pump(reader, writer, err);
        if (result == 0)
            result = file_writer_finish(writer, out, err);
        else
            file_writer_abort(writer);
    }
    file_reader_close(reader);
    return result;
}

int file_io_copy(struct file_io *io, struct str from, struct str to, const struct file_write *write,
                 struct file_stat *out, struct error *err)
{
    if (io->backend->copy == NULL)
        return copy_by_streaming(io, from, to, write, out, err);
    metric_add(METRIC_STORAGE_WRITES, 1);
    return file_io_counted(io->backend->copy(io, from, to, write, out, err), err);
}

/* ---- uploads --------------------------------------------------------------------------------- */

int file_io_upload_begin(struct file_io *io, struct str location, struct arena *arena,
                         struct str *id, struct error *err)
{
    return file_io_counted(io->backend->upload_begin(io, location, arena, id, err), err);
}

int file_io_upload_part(struct file_io *io, struct str location, struct str id, int number,
                        const struct file_write *write, struct file_writer **out, struct error *err)
{
    assert(number >= 1 && number <= FILE_PARTS_MAX);
    metric_add(METRIC_STORAGE_WRITES, 1);
    return file_io_counted(io->backend->upload_part(io, location, id, number, write, out, err),
                           err);
}

int file_io_upload_parts(struct file_io *io, struct str location, struct str id,
                         struct arena *arena, struct file_part **out, size_t *count,
                         struct error *err)
{
    return file_io_counted(io->backend->upload_parts(io, location, id, arena, out, count, err),
                           err);
}

int file_io_upload_complete(struct file_io *io, struct str location, struct str id,
                            const struct file_part *parts, size_t count, enum write_mode mode,
                            struct file_stat *out, struct error *err)
{
    return file_io_counted(
        io->backend->upload_complete(io, location, id, parts, count, mode, out, err), err);
}

int file_io_upload_abort(struct file_io *io, struct str location, struct str id, struct error *err)
{
    return file_io_counted(io->backend->upload_abort(io, location, id, err), err);
}

int file_io_uploads_expire(struct file_io *io, int64_t begun_before_ms, struct error *err)
{
    return file_io_counted(io->backend->uploads_expire(io, begun_before_ms, err), err);
}

int file_io_page(struct file_io *io, const struct file_page_request *request, struct arena *arena,
                 struct file_page *out, struct error *err)
{
    assert(request->limit >= 1 && request->limit <= 1000);
    return file_io_counted(io->backend->page(io, request, arena, out, err), err);
}
