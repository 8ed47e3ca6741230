/* Objects read: whole or a range of them, or only what they are.
 *
 * 1. What is judged (conditions, range) and what is sent is one opened file: a replacement in
 * between does not mix two.
 * 2. A body that ends early cuts the connection, so that no client takes it for whole. */
#include "server/s3_call.h"

#include <fcntl.h>
#include <unistd.h>

static struct s3_conditions conditions_of(const struct s3_call *call)
{
    return (struct s3_conditions){
        .if_match = s3_call_header(call, "If-Match"),
        .if_none_match = s3_call_header(call, "If-None-Match"),
        .if_modified_since = s3_call_header(call, "If-Modified-Since"),
        .if_unmodified_since = s3_call_header(call, "If-Unmodified-Since"),
    };
}

static bool is_directory_key(const struct s3_call *call)
{
    return str_ends_with(call->request.key, STR("/"));
}

static int no_such_key(struct s3_call *call)
{
    return s3_fault_set(&call->fault, S3_NO_SUCH_KEY, "The specified key does not exist.");
}

static void tell_of(struct s3_call *call, struct http_reply *reply, const struct file_stat *stat)
{
    s3_reply_header(reply, "ETag", str_cstr(stat->etag), call->arena);
    s3_reply_header(reply, "Last-Modified", s3_http_date(stat->modified_ms, call->arena),
                    call->arena);
    s3_reply_header(reply, "Accept-Ranges", STR("bytes"), call->arena);
}

/* The head of the reply for what is there; *range is what to send. 1: it was the whole reply. */
static int judge(struct s3_call *call, const struct file_stat *stat, struct s3_range *range,
                 struct http_reply *reply)
{
    struct s3_conditions conditions = conditions_of(call);
    switch (s3_conditions_judge(&conditions, stat)) {
    case S3_CONDITION_HOLDS:
        break;
    case S3_CONDITION_NOT_MODIFIED:
        s3_reply_begin(call, reply, 304);
        tell_of(call, reply, stat);
        s3_reply_empty(call, reply);
        return 1;
    case S3_CONDITION_FAILED:
        return s3_fault_set(&call->fault, S3_PRECONDITION_FAILED,
                            "At least one of the pre-conditions you specified did not hold.");
    }
    if (!s3_range_resolve(range, stat->bytes))
        return s3_fault_set(&call->fault, S3_INVALID_RANGE,
                            "The requested range is not satisfiable.");
    s3_reply_begin(call, reply, range->given ? 206 : 200);
    tell_of(call, reply, stat);
    s3_reply_header(reply, "Content-Type",
                    is_directory_key(call) ? STR("application/x-directory")
                                           : STR("application/octet-stream"),
                    call->arena);
    if (range->given)
        s3_reply_header(reply, "Content-Range",
                        arena_printf(call->arena, "bytes %lld-%lld/%lld", (long long)range->offset,
                                     (long long)(range->offset + range->length - 1),
                                     (long long)stat->bytes),
                        call->arena);
    return 0;
}

static int stat_object(struct s3_call *call, struct file_stat *stat)
{
    bool found;
    if (file_io_stat(call->warehouse->io, call->location, &found, stat, &call->fault.error) != 0)
        return s3_fault_of_error(&call->fault);
    if (!found || stat->is_directory != is_directory_key(call))
        return no_such_key(call);
    return 0;
}

int serve_head_object(struct s3_call *call)
{
    struct file_stat stat;
    struct http_reply reply;
    if (stat_object(call, &stat) != 0)
        return -1;
    struct s3_range range = s3_range_parse(s3_call_header(call, "Range"));
    if (range.given && !s3_if_range_holds(s3_call_header(call, "If-Range"), &stat))
        range = s3_range_parse(STR_NONE);
    int rc = judge(call, &stat, &range, &reply);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    http_stream_begin(call->x, &reply, range.length);
    http_stream_end(call->x, true);
    return 0;
}

/* ---- the content ----------------------------------------------------------------------------- */

static int read_directory(struct s3_call *call)
{
    struct file_stat stat;
    struct http_reply reply;
    struct s3_range all = s3_range_parse(STR_NONE);
    if (stat_object(call, &stat) != 0)
        return -1;
    int rc = judge(call, &stat, &all, &reply);
    if (rc == 0)
        s3_reply_empty(call, &reply);
    return rc < 0 ? -1 : 0;
}

static int open_object(struct s3_call *call, const struct s3_range *range, struct file_reader **out)
{
    struct file_io *io = call->warehouse->io;
    struct error *err = &call->fault.error;
    if (file_io_open(io, call->location, range->offset, range->length, out, err) == 0)
        return 0;
    struct file_stat stat;
    struct error ignored;
    bool found;
    if (err->kind == ERR_FORBIDDEN &&
        file_io_stat(io, call->location, &found, &stat, &ignored) == 0 && found &&
        stat.is_directory)
        return no_such_key(call);
    return s3_fault_of_error(&call->fault);
}

/* Opens what the request names, the whole of it when If-Range does not hold. */
static int open_range(struct s3_call *call, struct s3_range *range, struct file_reader **reader)
{
    if (open_object(call, range, reader) != 0)
        return -1;
    if (!range->given || s3_if_range_holds(s3_call_header(call, "If-Range"), &(*reader)->stat))
        return 0;
    file_reader_close(*reader);
    *range = s3_range_parse(STR_NONE);
    return open_object(call, range, reader);
}

/* By the kernel, from the file to the socket. */
static bool send_file(struct s3_call *call, struct file_reader *reader, struct http_reply *reply)
{
    int fd = file_reader_fd(reader);
    int own = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return false;
    reply->file_fd = own;
    reply->file_offset = reader->offset;
    reply->file_bytes = reader->length;
    call->bytes_out = reader->length;
    http_exchange_reply(call->x, reply);
    return true;
}

static void send_pieces(struct s3_call *call, struct file_reader *reader,
                        const struct http_reply *reply)
{
    char *piece = arena_alloc(call->arena, S3_PIECE_BYTES);
    struct error *err = &call->fault.error;
    size_t got;
    int rc;
    http_stream_begin(call->x, reply, reader->length);
    while ((rc = file_reader_read(reader, piece, S3_PIECE_BYTES, &got, err)) == 0 && got > 0) {
        rc = http_stream_write(call->x, str_from(piece, got), err);
        if (rc != 0)
            break;
        call->bytes_out += (int64_t)got;
    }
    http_stream_end(call->x, rc == 0);
}

int serve_get_object(struct s3_call *call)
{
    struct http_reply reply;
    struct file_reader *reader;
    if (is_directory_key(call))
        return read_directory(call);
    struct s3_range range = s3_range_parse(s3_call_header(call, "Range"));
    if (open_range(call, &range, &reader) != 0)
        return -1;
    int rc = judge(call, &reader->stat, &range, &reply);
    if (rc == 0 && reader->length == 0)
        s3_reply_empty(call, &reply);
    else if (rc == 0 && !send_file(call, reader, &reply))
        send_pieces(call, reader, &reply);
    file_reader_close(reader);
    return rc < 0 ? -1 : 0;
}
