/* Objects and parts written from the body of a request.
 *
 * 1. Nothing of a body exists under its name before all that was told about it has been checked:
 * finish comes after s3_body_end.
 * 2. 200 means that the store has it for good.
 * 3. A metadata file is made, never replaced (s3_key_is_guarded). */
#include "server/s3_call.h"

#include <assert.h>

/* ---- the plan -------------------------------------------------------------------------------- */

static int plan_length(const struct s3_call *call, struct s3_body_plan *plan,
                       struct s3_fault *fault)
{
    long long decoded;
    struct str told = s3_call_header(call, "x-amz-decoded-content-length");
    int64_t wire_bytes = http_stream_body_bytes(call->x);
    plan->decoded_bytes = wire_bytes;
    if (s3_payload_is_chunked(plan->payload)) {
        if (told.ptr == NULL)
            return s3_fault_set(fault, S3_MISSING_LENGTH,
                                "You must provide the x-amz-decoded-content-length HTTP header.");
        if (!str_to_int64(told, &decoded) || decoded < 0)
            return s3_fault_set(fault, S3_INVALID_ARGUMENT,
                                "The x-amz-decoded-content-length header is malformed.");
        plan->decoded_bytes = decoded;
    }
    if (plan->decoded_bytes < 0)
        return s3_fault_set(fault, S3_MISSING_LENGTH,
                            "You must provide the Content-Length HTTP header.");
    if (plan->decoded_bytes > S3_OBJECT_BYTES_MAX)
        return s3_fault_set(fault, S3_ENTITY_TOO_LARGE,
                            "Your proposed upload exceeds the maximum allowed object size.");
    return 0;
}

static int plan_trailers(const struct s3_call *call, struct s3_body_plan *plan,
                         struct s3_fault *fault)
{
    struct str names = s3_call_header(call, "x-amz-trailer");
    bool has_trailer = plan->payload == S3_PAYLOAD_CHUNKS_SIGNED_TRAILER ||
                       plan->payload == S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER;
    while (names.len > 0) {
        enum s3_checksum_kind kind;
        struct str name = str_trim(str_cut(&names, ','));
        if (!has_trailer || !s3_checksum_kind_of(name, &kind) || kind == S3_MD5 ||
            plan->expected[kind].ptr != NULL)
            return s3_fault_set(fault, S3_INVALID_REQUEST,
                                "The value specified in the x-amz-trailer header is not "
                                "supported.");
        plan->in_trailer[kind] = true;
    }
    return 0;
}

int s3_call_body_plan(const struct s3_call *call, struct s3_body_plan *plan, struct s3_fault *fault)
{
    const struct s3_identity *identity = &call->identity;
    *plan = (struct s3_body_plan){
        .payload = identity->payload,
        .sha256 = identity->payload_text,
        .key = identity->key,
        .amz_date = identity->amz_date,
        .scope = identity->scope,
        .seed_signature = identity->signature,
    };
    for (int i = 0; i < S3_CHECKSUM_KIND_COUNT; i++)
        plan->expected[i] = s3_call_header(call, s3_checksum_header((enum s3_checksum_kind)i));
    if (plan_length(call, plan, fault) != 0)
        return -1;
    return plan_trailers(call, plan, fault);
}

/* ---- the body -------------------------------------------------------------------------------- */

static int read_fault(struct s3_fault *fault)
{
    if (fault->error.kind == ERR_BAD_REQUEST)
        return s3_fault_set(fault, S3_INCOMPLETE_BODY,
                            "You did not provide the number of bytes specified by the "
                            "Content-Length HTTP header.");
    return s3_fault_set(fault, S3_REQUEST_TIMEOUT,
                        "Your socket connection to the server was not read from or written to "
                        "within the timeout period.");
}

static int receive(struct s3_call *call, struct s3_body *body, s3_body_sink *sink, void *arg)
{
    char *piece = arena_alloc(call->arena, S3_PIECE_BYTES);
    struct s3_fault *fault = &call->fault;
    for (;;) {
        size_t got;
        if (http_stream_read(call->x, piece, S3_PIECE_BYTES, &got, &fault->error) != 0)
            return read_fault(fault);
        if (got == 0)
            return s3_body_end(body, fault);
        if (s3_body_feed(body, str_from(piece, got), sink, arg, fault) != 0)
            return -1;
        call->bytes_in = s3_body_bytes(body);
    }
}

static int to_buf(void *arg, struct str data, struct s3_fault *fault)
{
    struct buf *out = arg;
    buf_add(out, data);
    if (out->overflowed)
        return s3_fault_set(fault, S3_MALFORMED_XML, "The XML you provided is too long.");
    return 0;
}

int s3_call_read_all(struct s3_call *call, size_t bytes_max, struct buf *out)
{
    struct s3_body_plan plan;
    struct s3_body *body;
    if (s3_call_body_plan(call, &plan, &call->fault) != 0 ||
        s3_body_open(&plan, call->arena, &body, &call->fault) != 0)
        return -1;
    *out = BUF_INIT(bytes_max);
    int rc = receive(call, body, to_buf, out);
    if (rc != 0)
        buf_free(out);
    return rc;
}

static int to_writer(void *arg, struct str data, struct s3_fault *fault)
{
    if (file_writer_write(arg, data, &fault->error) != 0)
        return s3_fault_of_error(fault);
    return 0;
}

static void tell_checksums(struct s3_call *call, const struct s3_body *body,
                           struct http_reply *reply)
{
    for (int i = 0; i < S3_CHECKSUM_KIND_COUNT; i++) {
        enum s3_checksum_kind kind = (enum s3_checksum_kind)i;
        struct str sum = s3_body_checksum(body, kind);
        if (kind == S3_MD5 || sum.ptr == NULL || reply->header_count == HTTP_REPLY_HEADERS_MAX)
            continue;
        s3_reply_header(reply, s3_checksum_header(kind), sum, call->arena);
    }
}

/* Takes the writer over. `translate` makes a fault of its error. */
static int write_body(struct s3_call *call, struct s3_body *body, struct file_writer *writer,
                      int (*translate)(struct s3_call *call))
{
    struct file_stat stat;
    struct http_reply reply;
    if (receive(call, body, to_writer, writer) != 0) {
        file_writer_abort(writer);
        return -1;
    }
    if (file_writer_finish(writer, &stat, &call->fault.error) != 0)
        return translate(call);
    s3_reply_begin(call, &reply, 200);
    s3_reply_header(&reply, "ETag", str_cstr(stat.etag), call->arena);
    tell_checksums(call, body, &reply);
    s3_reply_empty(call, &reply);
    return 0;
}

/* ---- PutObject ------------------------------------------------------------------------------- */

/* A key that ends in '/' is a directory: it has no content. */
static int put_directory(struct s3_call *call)
{
    struct buf nothing;
    struct http_reply reply;
    struct file_stat stat;
    bool found;
    struct error *err = &call->fault.error;
    if (http_stream_body_bytes(call->x) != 0 && !s3_payload_is_chunked(call->identity.payload))
        return s3_fault_set(&call->fault, S3_INVALID_ARGUMENT,
                            "A key that ends in / is a directory and has no content.");
    if (s3_call_read_all(call, 0, &nothing) != 0)
        return -1;
    buf_free(&nothing);
    if (file_io_make_directory(call->warehouse->io, call->location, err) != 0 ||
        file_io_stat(call->warehouse->io, call->location, &found, &stat, err) != 0)
        return s3_fault_of_error(&call->fault);
    s3_reply_begin(call, &reply, 200);
    s3_reply_header(&reply, "ETag", found ? str_cstr(stat.etag) : STR("\"directory\""),
                    call->arena);
    s3_reply_empty(call, &reply);
    return 0;
}

int s3_write_conditions(const struct s3_call *call, struct file_write *write,
                        struct s3_fault *fault)
{
    struct str none_match = s3_call_header(call, "If-None-Match");
    struct str match = s3_call_header(call, "If-Match");
    bool guarded = s3_key_is_guarded(call->request.key);
    write->mode = FILE_REPLACE;
    if ((none_match.ptr != NULL && !str_equal(none_match, STR("*"))) ||
        (match.ptr != NULL && (none_match.ptr != NULL || str_equal(match, STR("*")))))
        return s3_fault_set(fault, S3_NOT_IMPLEMENTED,
                            "Of the conditions for a write only If-None-Match: * or If-Match with "
                            "an etag are implemented.");
    if (guarded && match.ptr != NULL)
        return s3_fault_set(fault, S3_ACCESS_DENIED, S3_GUARDED_MESSAGE);
    if (none_match.ptr != NULL || guarded)
        write->mode = FILE_CREATE;
    if (match.ptr != NULL && !str_starts_with(match, STR("\"")))
        match = arena_printf(call->arena, "\"%.*s\"", STR_ARG(match));
    write->if_match = match;
    return 0;
}

/* A write that found its name taken, or gone. */
int s3_write_fault(struct s3_call *call)
{
    bool asked = s3_call_header(call, "If-None-Match").ptr != NULL;
    if (call->fault.error.kind == ERR_ALREADY_EXISTS && !asked)
        return s3_fault_set(&call->fault, S3_ACCESS_DENIED, S3_GUARDED_MESSAGE);
    if (call->fault.error.kind == ERR_FILE_NOT_FOUND)
        return s3_fault_set(&call->fault, S3_NO_SUCH_KEY, "The specified key does not exist.");
    return s3_fault_of_error(&call->fault);
}

int serve_put_object(struct s3_call *call)
{
    struct file_write write = {0};
    struct s3_body_plan plan;
    struct s3_body *body;
    struct file_writer *writer;
    struct s3_fault *fault = &call->fault;
    if (str_ends_with(call->request.key, STR("/")))
        return put_directory(call);
    if (s3_write_conditions(call, &write, fault) != 0 ||
        s3_call_body_plan(call, &plan, fault) != 0 ||
        s3_body_open(&plan, call->arena, &body, fault) != 0)
        return -1;
    write.bytes = plan.decoded_bytes;
    if (file_io_create(call->warehouse->io, call->location, &write, &writer, &fault->error) != 0)
        return s3_write_fault(call);
    return write_body(call, body, writer, s3_write_fault);
}

int serve_upload_part(struct s3_call *call)
{
    struct file_write write = {.mode = FILE_REPLACE};
    struct s3_body_plan plan;
    struct s3_body *body;
    struct file_writer *writer;
    struct s3_fault *fault = &call->fault;
    struct str id;
    int number;
    if (s3_call_upload(call, &id) != 0 || s3_call_part_number(call, &number) != 0 ||
        s3_call_body_plan(call, &plan, fault) != 0 ||
        s3_body_open(&plan, call->arena, &body, fault) != 0)
        return -1;
    write.bytes = plan.decoded_bytes;
    if (file_io_upload_part(call->warehouse->io, call->location, id, number, &write, &writer,
                            &fault->error) != 0)
        return s3_upload_fault(call);
    return write_body(call, body, writer, s3_upload_fault);
}
