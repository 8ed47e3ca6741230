/* WebHDFS: one operation. What the rules mean is in file_io_webhdfs_private.h; how HDFS answers
 * (statuses tell little, exceptions much) in contract/clients.md 3n. */
#include "storage/file_io_webhdfs_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/failpoint.h"

#define TRIES_MAX 3
#define PAUSE_MS 100 /* before the second; doubled before each further */
#define REFUSAL_BYTES_MAX 65536

/* ---- texts ----------------------------------------------------------------------------------- */

struct str webhdfs_encode(struct arena *arena, struct str text, bool keep_slashes)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, 3 * text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~' || (c == '/' && keep_slashes);
        if (plain) {
            out[len++] = (char)c;
        } else {
            out[len++] = '%';
            out[len++] = digits[c >> 4];
            out[len++] = digits[c & 0x0F];
        }
    }
    return str_from(out, len);
}

int webhdfs_failed(struct error *err, enum error_kind kind, const char *message,
                   const struct hdfs_path *path)
{
    char detail[ERROR_DETAIL_BYTES_MAX];
    memcpy(detail, err->detail, sizeof(detail));
    error_set(err, kind, "%s: %.*s", message, STR_ARG(path->location));
    return error_detail(err, "%s", detail);
}

int webhdfs_unavailable(struct error *err, const char *verb, const struct hdfs_path *path)
{
    char what[64];
    (void)snprintf(what, sizeof(what), "Cannot %s file", verb);
    return webhdfs_failed(err, ERR_UNAVAILABLE, what, path);
}

int webhdfs_broken(struct error *err, const char *verb, const struct hdfs_path *path,
                   const char *why)
{
    error_set(err, ERR_UNAVAILABLE, "%s", "");
    error_detail(err, "%s", why);
    return webhdfs_unavailable(err, verb, path);
}

static struct str url_of(const struct file_io_webhdfs *io, struct str path, struct str query,
                         struct arena *arena)
{
    return arena_printf(arena, "%.*s%.*s?%.*s%.*s", STR_ARG(io->service),
                        STR_ARG(webhdfs_encode(arena, path, true)), STR_ARG(query),
                        STR_ARG(io->identity));
}

/* ---- refusals -------------------------------------------------------------------------------- */

static const struct {
    const char *exception;
    enum error_kind kind;
} exception_kinds[] = {
    {"FileNotFoundException", ERR_FILE_NOT_FOUND},
    {"FileAlreadyExistsException", ERR_ALREADY_EXISTS},
    {"AccessControlException", ERR_STORAGE_REFUSED},
    {"SecurityException", ERR_STORAGE_REFUSED},
    {"AuthorizationException", ERR_STORAGE_REFUSED},
    {"AuthenticationException", ERR_STORAGE_REFUSED},
    {"InvalidToken", ERR_STORAGE_REFUSED},
    {"ParentNotDirectoryException", ERR_FORBIDDEN},
    {"PathIsNotEmptyDirectoryException", ERR_FORBIDDEN},
    {"UnresolvedPathException", ERR_FORBIDDEN},
    {"InvalidPathException", ERR_ILLEGAL_ARGUMENT},
    {"IllegalArgumentException", ERR_ILLEGAL_ARGUMENT},
    {"HadoopIllegalArgumentException", ERR_ILLEGAL_ARGUMENT},
    {"PathComponentTooLongException", ERR_ILLEGAL_ARGUMENT},
};

static const char *message_of(enum error_kind kind)
{
    switch (kind) {
    case ERR_FILE_NOT_FOUND:
        return "Failed to open input stream for file";
    case ERR_ALREADY_EXISTS:
        return "File already exists";
    case ERR_FORBIDDEN:
        return "Location is not a plain path to a regular file";
    case ERR_STORAGE_REFUSED:
        return "HDFS refuses the user or token of the warehouse";
    default:
        return "HDFS refuses the name";
    }
}

/* The last part of a class's name: FSLimitException$PathComponentTooLongException too. */
static const char *short_name(const char *exception)
{
    const char *dot = strrchr(exception, '.'), *dollar = strrchr(exception, '$');
    const char *cut = dot > dollar ? dot : dollar;
    return cut == NULL ? exception : cut + 1;
}

/* An answer that is no success, as an error. */
static int refused(struct str body, const struct hdfs_path *path, const char *verb,
                   struct hdfs_reply *reply, struct error *err)
{
    json_t *json = json_loadb(body.ptr == NULL ? "" : body.ptr, body.len, 0, NULL);
    const json_t *remote = json_object_get(json, "RemoteException");
    const char *exception = json_string_value(json_object_get(remote, "exception"));
    const char *message = json_string_value(json_object_get(remote, "message"));
    enum error_kind kind = ERR_UNAVAILABLE;
    error_set(err, kind, "%s", "");
    if (exception == NULL) { /* a proxy, a Java stack trace, an HTML page */
        error_detail(err, "HTTP %d", reply->status);
        reply->maybe_done = true;
    } else {
        (void)snprintf(reply->exception, sizeof(reply->exception), "%s", short_name(exception));
        message = message == NULL ? "" : message;
        error_detail(err, "HTTP %d %s: %.*s", reply->status, reply->exception,
                     (int)strcspn(message, "\n"), message);
        reply->below_file = strstr(message, "(is not a directory)") != NULL;
        for (size_t i = 0; i < sizeof(exception_kinds) / sizeof(exception_kinds[0]); i++)
            if (strcmp(reply->exception, exception_kinds[i].exception) == 0)
                kind = exception_kinds[i].kind;
        if (reply->below_file) /* some say AccessControlException */
            kind = ERR_FORBIDDEN;
    }
    json_decref(json);
    if (kind == ERR_UNAVAILABLE)
        return webhdfs_unavailable(err, verb, path);
    return webhdfs_failed(err, kind, message_of(kind), path);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int call_once(struct file_io_webhdfs *io, const struct hdfs_op *op, struct arena *arena,
                     struct hdfs_reply *out, bool *hopeless, struct error *err)
{
    struct http_response response = {0};
    struct buf body = BUF_INIT(HDFS_ANSWER_BYTES_MAX);
    const struct http_request request = {
        .method = str_cstr(op->method),
        .url = url_of(io, op->at->path, op->query, arena),
        .body = strcmp(op->method, "GET") == 0 ? STR_NONE : STR(""),
    };
    *out = (struct hdfs_reply){0};
    bool lost = !op->repeatable && FAILPOINT("webhdfs_request_lost");
    int result = lost ? -1 : http_client_call(io->calls, &request, arena, &response, &body, err);
    if (lost || (result == 0 && !op->repeatable && FAILPOINT("webhdfs_reply_lost"))) {
        response = (struct http_response){.sent = true};
        result = error_set(err, ERR_UNAVAILABLE, "No answer");
    }
    *hopeless = response.hopeless;
    out->status = response.status;
    if (result != 0) {
        out->maybe_done = response.sent;
        result = webhdfs_unavailable(err, op->verb, op->at);
    } else if (response.status != 200 && response.status != 201) {
        result = refused(buf_str(&body), op->at, op->verb, out, err);
    } else if (body.len > 0) {
        out->json = json_loadb(body.ptr, body.len, 0, NULL);
    }
    buf_free(&body);
    return result;
}

static void pause_before_try(const struct file_io_webhdfs *io, int tries)
{
    uint32_t random;
    io->context->random->fill(io->context->random->arg, &random, sizeof(random));
    int64_t ms = PAUSE_MS << (tries - 1);
    ms += random % ms;
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

int webhdfs_call(struct file_io_webhdfs *io, const struct hdfs_op *op, struct arena *arena,
                 struct hdfs_reply *out, struct error *err)
{
    bool hopeless = false;
    int result = -1;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        if (tries > 0)
            pause_before_try(io, tries);
        result = call_once(io, op, arena, out, &hopeless, err);
        if (result == 0 || err->kind != ERR_UNAVAILABLE || !op->repeatable || hopeless)
            break;
    }
    return result;
}

int webhdfs_do(struct file_io_webhdfs *io, const struct hdfs_op *op, struct arena *arena,
               struct error *err)
{
    struct hdfs_reply reply;
    int result = webhdfs_call(io, op, arena, &reply, err);
    json_decref(reply.json);
    return result;
}

bool webhdfs_said_true(const struct hdfs_reply *reply)
{
    return json_is_true(json_object_get(reply->json, "boolean"));
}

/* ---- transfers ------------------------------------------------------------------------------- */

/* Where a redirect leads; STR_NONE where it must not. */
static struct str datanode_url(const struct file_io_webhdfs *io,
                               const struct http_response *response, struct arena *arena)
{
    struct str url = http_response_header(response, "Location");
    bool is_https = str_starts_with(url, STR("https://"));
    if (!is_https && (io->is_https || !str_starts_with(url, STR("http://"))))
        return STR_NONE;
    return arena_str(arena, url);
}

static bool is_redirect(const struct http_response *response)
{
    return response->status == 307 || response->status == 302;
}

static int no_redirect(const struct http_response *response, const struct hdfs_path *path,
                       const char *verb, struct error *err)
{
    char why[64];
    (void)snprintf(why, sizeof(why), "HTTP %d without a redirect to follow", response->status);
    return webhdfs_broken(err, verb, path, why);
}

/* A GET whose answer's headers are there. */
static int get(struct http_client *client, struct str url, const struct hdfs_path *path,
               struct http_exchange **out, const struct http_response **response, struct error *err)
{
    const struct http_request request = {.method = STR("GET"), .url = url};
    if (http_exchange_begin(client, &request, HTTP_NO_BODY, out, err) != 0)
        return webhdfs_unavailable(err, "read", path);
    if (http_exchange_response(*out, response, err) == 0)
        return 0;
    http_exchange_close(*out);
    return webhdfs_unavailable(err, "read", path);
}

/* An exchange that has no success to give. */
static int refused_exchange(struct http_exchange *exchange, int status,
                            const struct hdfs_path *path, const char *verb, struct error *err)
{
    struct hdfs_reply reply = {.status = status};
    struct buf body = BUF_INIT(REFUSAL_BYTES_MAX);
    int result = http_exchange_read_all(exchange, &body, err);
    if (result != 0)
        buf_clear(&body);
    (void)!refused(buf_str(&body), path, verb, &reply, err);
    buf_free(&body);
    http_exchange_close(exchange);
    return -1;
}

int webhdfs_open_data(struct file_io_webhdfs *io, struct http_client *datanodes,
                      const struct hdfs_path *path, int64_t offset, int64_t length,
                      struct arena *arena, struct http_exchange **out, struct error *err)
{
    const struct http_response *response;
    struct str query = STR("op=OPEN");
    if (offset > 0)
        query = arena_printf(arena, "%.*s&offset=%" PRId64, STR_ARG(query), offset);
    if (length != FILE_TO_END)
        query = arena_printf(arena, "%.*s&length=%" PRId64, STR_ARG(query), length);
    if (get(io->calls, url_of(io, path->path, query, arena), path, out, &response, err) != 0)
        return -1;
    if (is_redirect(response)) {
        struct str url = datanode_url(io, response, arena);
        int result = url.len == 0 ? no_redirect(response, path, "read", err) : 0;
        http_exchange_close(*out);
        if (result != 0 || get(datanodes, url, path, out, &response, err) != 0)
            return -1;
    }
    if (response->status == 200)
        return 0;
    return refused_exchange(*out, response->status, path, "read", err);
}

int webhdfs_create_data(struct file_io_webhdfs *io, struct http_client *datanodes,
                        const struct hdfs_path *path, int64_t bytes, struct arena *arena,
                        struct http_exchange **out, struct error *err)
{
    static const struct http_header headers[] = {
        {{"Content-Type", 12}, {"application/octet-stream", 24}}};
    struct http_response response = {0};
    struct buf body = BUF_INIT(REFUSAL_BYTES_MAX);
    struct str query = STR("op=CREATE&overwrite=false&createflag=CREATE,SYNC_BLOCK");
    struct http_request request = {
        .method = STR("PUT"), .url = url_of(io, path->path, query, arena), .body = STR("")};
    int result = http_client_call(io->calls, &request, arena, &response, &body, err);
    struct str url = datanode_url(io, &response, arena);
    if (result != 0) {
        result = webhdfs_unavailable(err, "write", path);
    } else if (!is_redirect(&response)) {
        struct hdfs_reply reply = {.status = response.status};
        result = refused(buf_str(&body), path, "write", &reply, err);
    } else if (url.len == 0) {
        result = no_redirect(&response, path, "write", err);
    }
    buf_free(&body);
    request = (struct http_request){
        .method = STR("PUT"), .url = url, .headers = headers, .header_count = 1};
    if (result == 0 && http_exchange_begin(datanodes, &request, bytes, out, err) != 0)
        result = webhdfs_unavailable(err, "write", path);
    return result;
}

int webhdfs_create_end(struct http_exchange *exchange, const struct hdfs_path *path,
                       struct error *err)
{
    const struct http_response *response;
    if (http_exchange_response(exchange, &response, err) != 0) {
        http_exchange_close(exchange);
        return webhdfs_unavailable(err, "write", path);
    }
    if (response->status != 201)
        return refused_exchange(exchange, response->status, path, "write", err);
    struct buf rest = BUF_INIT(REFUSAL_BYTES_MAX); /* so that the connection is kept */
    (void)!http_exchange_read_all(exchange, &rest, err);
    buf_free(&rest);
    http_exchange_close(exchange);
    return 0;
}
