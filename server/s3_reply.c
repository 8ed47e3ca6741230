/* Replies of the gateway.
 *
 * 1. Every reply carries its request id, every error of a request that may have a body carries the
 * document that says which (the AWS CLI fails on a 412 without). */
#include "server/s3_call.h"

#include "base/log.h"
#include "base/xml.h"
#include "server/request_metrics.h"
#include <assert.h>
#include <stdlib.h>

#define NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"
#define ERROR_BYTES_MAX 65536

void s3_reply_header(struct http_reply *reply, const char *name, struct str value,
                     struct arena *arena)
{
    assert(reply->header_count < HTTP_REPLY_HEADERS_MAX);
    reply->headers[reply->header_count++] = (struct http_header){name, arena_cstr(arena, value)};
}

void s3_reply_begin(struct s3_call *call, struct http_reply *reply, int status)
{
    *reply = (struct http_reply){.status = status};
    s3_reply_header(reply, "x-amz-request-id", call->request_id, call->arena);
}

void s3_reply_empty(struct s3_call *call, struct http_reply *reply)
{
    http_exchange_reply(call->x, reply);
}

static void release(void *bytes)
{
    free(bytes);
}

void s3_reply_xml(struct s3_call *call, struct http_reply *reply, struct buf *xml)
{
    assert(!xml->overflowed);
    s3_reply_header(reply, "Content-Type", STR("application/xml"), call->arena);
    reply->body = buf_str(xml);
    reply->release_arg = buf_take(xml);
    reply->release = release;
    http_exchange_reply(call->x, reply);
}

void s3_xml_begin(struct buf *out, const char *root)
{
    buf_add_format(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%s xmlns=\"" NAMESPACE "\">",
                   root);
}

void s3_xml_end(struct buf *out, const char *root)
{
    buf_add_format(out, "</%s>", root);
}

static void log_fault(const struct s3_call *call)
{
    const struct error *error = &call->fault.error;
    request_metrics_error(error->kind);
    enum log_level level = (enum log_level)error_log_level(error->kind);
    if (level > LOG_LEVEL_WARN || !log_enabled(level))
        return;
    const struct log_field fields[] = {
        {.name = "request_id", .text = call->request_id},
        {.name = "operation", .text = str_cstr(s3_operation_name(call->request.operation))},
        {.name = "code", .text = str_cstr(s3_code_text(call->fault.code))},
        {.name = "detail", .text = str_cstr(error->detail)},
    };
    log_fields(level, "request to the gateway failed", fields, sizeof(fields) / sizeof(fields[0]));
}

void s3_reply_fault(struct s3_call *call)
{
    struct http_reply reply;
    struct buf xml = BUF_INIT(ERROR_BYTES_MAX);
    assert(call->fault.code != S3_OK);
    s3_reply_begin(call, &reply, s3_code_status(call->fault.code));
    log_fault(call);
    if (reply.status == 503)
        s3_reply_header(&reply, "Retry-After", STR("1"), call->arena);
    struct str resource = str_is_utf8(call->path) ? str_utf8_cut(call->path, 4096) : STR("");
    if (!call->is_head)
        s3_fault_write(&xml, &call->fault, resource, call->request_id);
    s3_reply_xml(call, &reply, &xml);
}
