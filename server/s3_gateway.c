/* The way of a request through the gateway.
 *
 * 1. One order for all operations: parse → who asks → is every header understood → may he →
 * handler. Nothing of the store is looked at before the first four have passed, and there is no
 * other way to a handler.
 * 2. An operation without a row in `operations` is refused. The row says what must be allowed; a
 * copy's source is judged by its handler as a read.
 * 3. Whoever may not know of a bucket is told the same whether it exists or not. */
#include "server/s3_gateway.h"

#include "base/log.h"
#include "catalog/object_location.h"
#include "server/s3_call.h"
#include "server/request_metrics.h"
#include "server/transfers.h"
#include <assert.h>
#include <stdlib.h>

#define PREFIX "/s3"
#define IDLE_MS 10000 /* how long a thread without work stays */

struct s3_gateway {
    struct s3_gateway_options options;
    struct transfers *transfers;
};

static const struct operation_row {
    s3_handler *handler;
    bool of_bucket, of_key;
} operations[] = {
    [S3_LIST_BUCKETS] = {serve_list_buckets, false, false},
    [S3_HEAD_BUCKET] = {serve_head_bucket, true, false},
    [S3_GET_BUCKET_LOCATION] = {serve_bucket_location, true, false},
    [S3_LIST_OBJECTS_V1] = {serve_list_objects, true, false},
    [S3_LIST_OBJECTS_V2] = {serve_list_objects, true, false},
    [S3_DELETE_OBJECTS] = {serve_delete_objects, true, false}, /* judges each key */
    [S3_GET_OBJECT] = {serve_get_object, true, true},
    [S3_HEAD_OBJECT] = {serve_head_object, true, true},
    [S3_PUT_OBJECT] = {serve_put_object, true, true},
    [S3_COPY_OBJECT] = {serve_copy_object, true, true},
    [S3_DELETE_OBJECT] = {serve_delete_object, true, true},
    [S3_CREATE_UPLOAD] = {serve_create_upload, true, true},
    [S3_UPLOAD_PART] = {serve_upload_part, true, true},
    [S3_UPLOAD_PART_COPY] = {serve_upload_part_copy, true, true},
    [S3_COMPLETE_UPLOAD] = {serve_complete_upload, true, true},
    [S3_ABORT_UPLOAD] = {serve_abort_upload, true, true},
    [S3_LIST_PARTS] = {serve_list_parts, true, true},
};
#define OPERATION_COUNT (sizeof(operations) / sizeof(operations[0]))

struct s3_gateway *s3_gateway_open(const struct s3_gateway_options *options)
{
    struct s3_gateway *gateway = calloc(1, sizeof(*gateway));
    if (gateway == NULL)
        log_fatal("out of memory");
    gateway->options = *options;
    gateway->transfers = transfers_open(options->threads, options->queue, IDLE_MS);
    return gateway;
}

void s3_gateway_close(struct s3_gateway *gateway)
{
    if (gateway == NULL)
        return;
    transfers_close(gateway->transfers);
    free(gateway);
}

const struct s3_gateway_options *s3_gateway_options_of(const struct s3_gateway *gateway)
{
    return &gateway->options;
}

/* ---- whose request it is --------------------------------------------------------------------- */

static bool is_below_prefix(struct str target)
{
    struct str rest = str_skip(target, sizeof(PREFIX) - 1);
    return str_starts_with(target, STR(PREFIX)) &&
           (rest.len == 0 || rest.ptr[0] == '/' || rest.ptr[0] == '?');
}

bool s3_gateway_takes(struct http_exchange *x)
{
    return is_below_prefix(x->target) ||
           s3_auth_is_present(http_exchange_header(x, "Authorization"), x->target);
}

static struct s3_call *call_new(struct s3_gateway *gateway, struct http_exchange *x,
                                struct str request_id)
{
    struct s3_call *call = ARENA_NEW(x->arena, struct s3_call);
    struct str rest = x->target;
    call->gateway = gateway;
    call->x = x;
    call->arena = x->arena;
    call->request_id = request_id;
    call->is_head = str_equal(x->method, STR("HEAD"));
    call->path = str_cut(&rest, '?');
    call->target = x->target;
    if (is_below_prefix(call->target))
        call->target = str_skip(call->target, sizeof(PREFIX) - 1);
    if (call->target.len == 0 || call->target.ptr[0] != '/')
        call->target = arena_printf(call->arena, "/%.*s", STR_ARG(call->target));
    return call;
}

struct s3_call *s3_gateway_head(struct s3_gateway *gateway, struct http_exchange *x,
                                struct str request_id)
{
    struct s3_call *call = call_new(gateway, x, request_id);
    call->header_count = http_exchange_headers(x, &call->headers);
    x->streams = true;
    return call;
}

struct str s3_call_header(const struct s3_call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (str_equal_ignore_case(call->headers[i].name, str_cstr(name)))
            return call->headers[i].value;
    return STR_NONE;
}

/* ---- what is asked --------------------------------------------------------------------------- */

/* Is it the key, and nothing else, that is too long? */
static bool has_long_key(const struct s3_call *call)
{
    struct str rest = call->target, key;
    struct str path = str_cut(&rest, '?');
    path = str_skip(path, 1);
    str_cut(&path, '/');
    return path.len > S3_KEY_BYTES_MAX && s3_uri_decode(path, call->arena, &key) &&
           str_is_utf8(key) && key.len > S3_KEY_BYTES_MAX;
}

static int parse(struct s3_call *call)
{
    struct str copy_source = s3_call_header(call, "x-amz-copy-source");
    struct error *err = &call->fault.error;
    if (s3_request_parse(call->x->method, call->target, copy_source, call->arena, &call->request,
                         err) == 0)
        return 0;
    if (has_long_key(call))
        return s3_fault_set(&call->fault, S3_KEY_TOO_LONG, "Your key is too long.");
    return s3_fault_set(&call->fault, S3_INVALID_URI, "Couldn't parse the specified URI.");
}

static bool begins_with(struct str name, const char *beginning)
{
    struct str b = str_cstr(beginning);
    return name.len >= b.len && str_equal_ignore_case(str_from(name.ptr, b.len), b);
}

/* The canned lists that say what holds anyway: those who have keys, and nobody else. */
static bool is_our_acl(const struct http_field *header)
{
    static const char *const lists[] = {"", "private", "bucket-owner-full-control"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (str_equal_cstr(header->value, lists[i]))
            return str_equal_ignore_case(header->name, STR("x-amz-acl"));
    return false;
}

/* What a client asks for and does not get must not pass as if it had (contract/reliability.md S07,
 * X06): encryption, retention, conditions on operations that know none. */
static int judge_headers(struct s3_call *call)
{
    for (size_t i = 0; i < call->header_count; i++) {
        struct str name = call->headers[i].name;
        bool matters = begins_with(name, "x-amz-") || begins_with(name, "if-");
        if (!matters || s3_header_allowed(call->request.operation, name) ||
            str_equal_ignore_case(name, STR("x-amz-security-token")) ||
            str_equal_ignore_case(name, STR("if-range")) || is_our_acl(&call->headers[i]))
            continue;
        return s3_fault_set(&call->fault, S3_NOT_IMPLEMENTED,
                            "A header you provided implies functionality that is not implemented: "
                            "%.*s",
                            STR_ARG(name));
    }
    return 0;
}

/* ---- may he ---------------------------------------------------------------------------------- */

/* `why` says only what the holder of the key may know: how far it reaches, not what is there. */
static int deny(struct s3_fault *fault, const char *why)
{
    return s3_fault_set(fault, S3_ACCESS_DENIED, "Access denied%s.", why);
}

bool s3_call_knows(const struct s3_call *call, const struct warehouse *warehouse)
{
    const struct s3_identity *identity = &call->identity;
    if (warehouse->access != WAREHOUSE_GATEWAY || warehouse->dropped)
        return false;
    if (identity->warehouse.ptr == NULL)
        return identity->grant.warehouse_id == warehouse->id;
    return str_equal_cstr(identity->warehouse, "*") ||
           str_equal(identity->warehouse, warehouse->name);
}

int s3_call_bucket(const struct s3_call *call, struct str bucket, struct warehouse **out,
                   struct s3_fault *fault)
{
    bool any = str_equal_cstr(call->identity.warehouse, "*");
    struct error *err = &fault->error;
    if (bucket.len > 0 &&
        catalog_warehouse_find(call->gateway->options.catalog, bucket, out, err) == 0 &&
        s3_call_knows(call, *out))
        return 0;
    if (any) /* may know of all there are */
        return s3_fault_set(fault, S3_NO_SUCH_BUCKET, "The specified bucket does not exist.");
    return deny(fault, "");
}

/* A key that is the path of a file: the rules of base/location.h, and no empty segment. */
static bool is_good_key(struct str key)
{
    if (key.len == 0 || key.ptr[0] == '/')
        return false;
    while (key.len > 0) {
        struct str segment = str_cut(&key, '/');
        if (segment.len == 0 || str_equal_cstr(segment, ".") || str_equal_cstr(segment, ".."))
            return false;
    }
    return true;
}

int s3_call_locate(const struct s3_call *call, const struct warehouse *warehouse, struct str key,
                   struct str *out, struct s3_fault *fault)
{
    struct location location;
    if (key.len > S3_KEY_BYTES_MAX)
        return s3_fault_set(fault, S3_KEY_TOO_LONG, "Your key is too long.");
    struct str text =
        arena_printf(call->arena, "%.*s/%.*s", STR_ARG(warehouse->root.text), STR_ARG(key));
    if (!is_good_key(key) || location_parse_file(text, call->arena, &location, &fault->error) != 0)
        return s3_fault_set(fault, S3_INVALID_ARGUMENT,
                            "The specified key is not the path of a file.");
    if (!gateway_grant_covers(&call->identity.grant, key))
        return deny(fault, ": the access key does not reach there");
    *out = location.text;
    return 0;
}

bool s3_key_is_guarded(struct str key)
{
    return metadata_location_is_named_so(key);
}

static int authorize(struct s3_call *call, const struct operation_row *row)
{
    const struct s3_request *request = &call->request;
    struct s3_fault *fault = &call->fault;
    if (!call->gateway->options.unsigned_payload &&
        (call->identity.payload == S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER ||
         (call->identity.payload == S3_PAYLOAD_UNSIGNED && request->effect == S3_WRITES)))
        return s3_fault_set(fault, S3_ACCESS_DENIED,
                            "Bodies that are not signed are not accepted here.");
    if (row->of_bucket && s3_call_bucket(call, request->bucket, &call->warehouse, fault) != 0)
        return -1;
    if (request->effect == S3_WRITES && !call->identity.grant.write)
        return deny(fault, ": the access key is for reading only");
    if (row->of_key)
        return s3_call_locate(call, call->warehouse, request->key, &call->location, fault);
    return 0;
}

/* ---- serving --------------------------------------------------------------------------------- */

static int serve(struct s3_call *call)
{
    const struct s3_gateway_options *options = &call->gateway->options;
    const struct s3_keys keys = {options->keys, options->key_file};
    if (parse(call) != 0)
        return -1;
    const struct s3_auth_request what = {call->x->method, call->path, &call->request, call->headers,
                                         call->header_count};
    if (s3_auth_check(&keys, &what, clock_now_ms(options->clock), call->arena, &call->identity,
                      &call->fault) != 0)
        return -1;
    const struct operation_row *row =
        call->request.operation < OPERATION_COUNT ? &operations[call->request.operation] : NULL;
    if (row == NULL || row->handler == NULL)
        return s3_fault_set(&call->fault, S3_NOT_IMPLEMENTED,
                            "This operation, or a parameter of it, is not implemented.");
    if (judge_headers(call) != 0 || authorize(call, row) != 0)
        return -1;
    return row->handler(call);
}

static void serve_on_thread(void *arg)
{
    struct s3_call *call = arg;
    if (serve(call) != 0)
        s3_reply_fault(call);
}

void s3_gateway_stream(struct s3_call *call, bool stopping)
{
    if (stopping) {
        s3_fault_set(&call->fault, S3_UNAVAILABLE, "The server is shutting down.");
        s3_reply_fault(call);
        return;
    }
    if (transfers_push(call->gateway->transfers, serve_on_thread, call))
        return;
    s3_fault_set(&call->fault, S3_SLOW_DOWN, "Please reduce your request rate.");
    s3_reply_fault(call);
}

void s3_gateway_refuse(struct s3_gateway *gateway, struct http_exchange *x, struct str request_id,
                       const struct error *why, struct http_reply *reply)
{
    struct s3_call *call = call_new(gateway, x, request_id);
    struct buf xml = BUF_INIT(4096);
    s3_fault_set(&call->fault, S3_INVALID_REQUEST, "%s", why->message);
    s3_reply_begin(call, reply, error_status(why->kind));
    s3_fault_write(&xml, &call->fault, STR(""), request_id);
    s3_reply_header(reply, "Content-Type", STR("application/xml"), call->arena);
    reply->body = arena_str(call->arena, buf_str(&xml));
    buf_free(&xml);
}

void s3_gateway_finished(const struct s3_call *call, int64_t duration_us)
{
    request_metrics_gateway(s3_gateway_operation(call), call->request.operation, call->x->status,
                            duration_us, call->bytes_in, call->bytes_out);
}

const char *s3_gateway_operation(const struct s3_call *call)
{
    return s3_operation_name(call->request.operation);
}
