/* Objects and parts copied from objects.
 *
 * 1. The source is judged as a GET of it by the same caller would be (contract/reliability.md X04):
 * bucket, prefix, and that it is a file. */
#include "server/s3_call.h"

#include "base/xml.h"

struct source {
    struct warehouse *warehouse;
    struct str location;
    struct file_stat stat;
};

static int judge_conditions(struct s3_call *call, const struct file_stat *stat)
{
    const struct s3_conditions conditions = {
        .if_match = s3_call_header(call, "x-amz-copy-source-if-match"),
        .if_none_match = s3_call_header(call, "x-amz-copy-source-if-none-match"),
        .if_modified_since = s3_call_header(call, "x-amz-copy-source-if-modified-since"),
        .if_unmodified_since = s3_call_header(call, "x-amz-copy-source-if-unmodified-since"),
    };
    if (s3_conditions_judge(&conditions, stat) == S3_CONDITION_HOLDS)
        return 0;
    return s3_fault_set(&call->fault, S3_PRECONDITION_FAILED,
                        "At least one of the pre-conditions you specified did not hold.");
}

static int find_source(struct s3_call *call, struct source *out)
{
    const struct s3_request *request = &call->request;
    struct s3_fault *fault = &call->fault;
    bool found;
    if (s3_call_bucket(call, request->copy_bucket, &out->warehouse, fault) != 0 ||
        s3_call_locate(call, out->warehouse, request->copy_key, &out->location, fault) != 0)
        return -1;
    if (file_io_stat(out->warehouse->io, out->location, &found, &out->stat, &fault->error) != 0)
        return s3_fault_of_error(fault);
    bool as_directory = str_ends_with(request->copy_key, STR("/"));
    if (!found || out->stat.is_directory != as_directory)
        return s3_fault_set(fault, S3_NO_SUCH_KEY, "The specified key does not exist.");
    return judge_conditions(call, &out->stat);
}

static void reply_copied(struct s3_call *call, const char *root, const struct file_stat *stat)
{
    struct http_reply reply;
    struct buf xml = BUF_INIT(4096);
    s3_xml_begin(&xml, root);
    xml_write(&xml, "LastModified", s3_iso_date(stat->modified_ms, call->arena));
    xml_write(&xml, "ETag", str_cstr(stat->etag));
    s3_xml_end(&xml, root);
    s3_reply_begin(call, &reply, 200);
    s3_reply_xml(call, &reply, &xml);
}

/* Through this program: from another warehouse, or into a part. Takes the writer over. */
static int pump(struct s3_call *call, struct file_reader *reader, struct file_writer *writer,
                struct file_stat *stat)
{
    char *piece = arena_alloc(call->arena, S3_PIECE_BYTES);
    struct error *err = &call->fault.error;
    size_t got = 0;
    int rc;
    while ((rc = file_reader_read(reader, piece, S3_PIECE_BYTES, &got, err)) == 0 && got > 0) {
        rc = file_writer_write(writer, str_from(piece, got), err);
        if (rc != 0)
            break;
    }
    if (rc == 0)
        return file_writer_finish(writer, stat, err);
    file_writer_abort(writer);
    return -1;
}

static int copy_across(struct s3_call *call, const struct source *source,
                       const struct file_write *write, struct file_stat *stat)
{
    struct file_reader *reader;
    struct file_writer *writer;
    struct file_write exact = *write;
    struct error *err = &call->fault.error;
    if (file_io_open(source->warehouse->io, source->location, 0, FILE_TO_END, &reader, err) != 0)
        return -1;
    exact.bytes = reader->length;
    int rc = file_io_create(call->warehouse->io, call->location, &exact, &writer, err);
    if (rc == 0)
        rc = pump(call, reader, writer, stat);
    file_reader_close(reader);
    return rc;
}

static int copy(struct s3_call *call, const struct source *source, const struct file_write *write,
                struct file_stat *stat)
{
    struct error *err = &call->fault.error;
    struct file_io *io = call->warehouse->io;
    if (!source->stat.is_directory) {
        if (source->warehouse != call->warehouse)
            return copy_across(call, source, write, stat);
        return file_io_copy(io, source->location, call->location, write, stat, err);
    }
    *stat = source->stat;
    return file_io_make_directory(io, call->location, err);
}

int serve_copy_object(struct s3_call *call)
{
    struct source source;
    struct file_write write = {.bytes = FILE_BYTES_UNKNOWN};
    struct file_stat stat;
    struct s3_fault *fault = &call->fault;
    if (s3_write_conditions(call, &write, fault) != 0 || find_source(call, &source) != 0)
        return -1;
    if (source.stat.is_directory != str_ends_with(call->request.key, STR("/")))
        return s3_fault_set(fault, S3_INVALID_ARGUMENT,
                            "A key that ends in / is a directory and has no content.");
    if (str_equal(source.location, call->location)) {
        if (!str_equal_ignore_case(s3_call_header(call, "x-amz-metadata-directive"),
                                   STR("REPLACE")))
            return s3_fault_set(fault, S3_INVALID_REQUEST,
                                "This copy request is illegal because it is trying to copy an "
                                "object to itself without changing anything.");
        stat = source.stat; /* metadata is not kept: nothing to change */
    } else if (copy(call, &source, &write, &stat) != 0) {
        return s3_write_fault(call);
    }
    reply_copied(call, "CopyObjectResult", &stat);
    return 0;
}

int serve_upload_part_copy(struct s3_call *call)
{
    struct source source;
    struct s3_range range = s3_range_parse(STR_NONE);
    struct str header = s3_call_header(call, "x-amz-copy-source-range"), id;
    struct s3_fault *fault = &call->fault;
    struct file_reader *reader;
    struct file_writer *writer;
    struct file_stat stat;
    int number;
    if (s3_call_upload(call, &id) != 0 || s3_call_part_number(call, &number) != 0 ||
        find_source(call, &source) != 0)
        return -1;
    if (header.ptr != NULL && !s3_range_parse_exact(header, &range))
        return s3_fault_set(fault, S3_INVALID_ARGUMENT,
                            "The x-amz-copy-source-range value must be of the form "
                            "bytes=first-last.");
    if (range.given &&
        (range.offset >= source.stat.bytes || range.length > source.stat.bytes - range.offset))
        return s3_fault_set(fault, S3_INVALID_RANGE,
                            "The range specified is not valid for the source object.");
    if (file_io_open(source.warehouse->io, source.location, range.offset, range.length, &reader,
                     &fault->error) != 0)
        return s3_fault_of_error(fault);
    const struct file_write write = {.mode = FILE_REPLACE, .bytes = reader->length};
    int rc = file_io_upload_part(call->warehouse->io, call->location, id, number, &write, &writer,
                                 &fault->error);
    if (rc == 0)
        rc = pump(call, reader, writer, &stat);
    file_reader_close(reader);
    if (rc != 0)
        return s3_upload_fault(call);
    reply_copied(call, "CopyPartResult", &stat);
    return 0;
}
