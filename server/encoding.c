/* Which replies are compressed, where, and by whom.
 *
 * 1. Whether a reply could be compressed depends on the reply alone, so Vary does not depend on who
 *    asks.
 * 2. What would take long is never done on an event loop: it is done on a worker; and not at all on
 *    the thread that makes commits durable: a commit's answer is compressed only when the copy is
 *    there already.
 * 3. A reply that must not be stored holds a secret: it is not compressed. */
#include "server/encoding.h"

#include "base/log.h"
#include "catalog/gzip.h"
#include "catalog/versions.h"
#include <stdlib.h>

#define VERSION_BYTES_MIN 1024
#define OTHER_BYTES_MIN 4096
#define INLINE_BYTES_MAX ((size_t)16 << 10) /* a fraction of a millisecond */

/* ---- Accept-Encoding ------------------------------------------------------------------------- */

/* The weight of one element in thousandths; 1000 when it has none, 0 when it is malformed. */
static int weight_of(struct str parameters)
{
    while (parameters.len > 0) {
        struct str value = str_trim(str_cut(&parameters, ';'));
        struct str name = str_trim(str_cut(&value, '='));
        if (!str_equal_ignore_case(name, STR("q")))
            continue;
        value = str_trim(value);
        if (value.len == 0 || value.len > 5 || (value.ptr[0] != '0' && value.ptr[0] != '1'))
            return 0;
        int weight = (value.ptr[0] - '0') * 1000;
        for (size_t i = 2, unit = 100; i < value.len; i++, unit /= 10) {
            if (value.ptr[1] != '.' || value.ptr[i] < '0' || value.ptr[i] > '9')
                return 0;
            weight += (int)unit * (value.ptr[i] - '0');
        }
        return weight > 1000 ? 0 : weight;
    }
    return 1000;
}

bool encoding_prefers_gzip(struct str accept_encoding)
{
    int gzip = -1, identity = -1, any = -1;
    while (accept_encoding.len > 0) {
        struct str parameters = str_cut(&accept_encoding, ',');
        struct str coding = str_trim(str_cut(&parameters, ';'));
        int weight = weight_of(parameters);
        if (str_equal_ignore_case(coding, STR("gzip")) ||
            str_equal_ignore_case(coding, STR("x-gzip")))
            gzip = weight;
        else if (str_equal_ignore_case(coding, STR("identity")))
            identity = weight;
        else if (str_equal(coding, STR("*")))
            any = weight;
    }
    if (gzip < 0)
        gzip = any;
    return gzip > 0 && gzip >= identity;
}

/* ---- replies --------------------------------------------------------------------------------- */

static bool could_be_compressed(const struct request *req)
{
    const struct response *res = &req->response;
    if (res->reply.status == 304)
        return true; /* the answer that it stands for could */
    if (res->reply.status != 200 || req->is_head)
        return false;
    for (size_t i = 0; i < res->reply.header_count; i++)
        if (strcmp(res->reply.headers[i].name, "Cache-Control") == 0)
            return false;
    return res->reply.body.len >= (res->version != NULL ? VERSION_BYTES_MIN : OTHER_BYTES_MIN);
}

static void use(struct response *res, struct str packed)
{
    if (packed.ptr == NULL || packed.len >= res->reply.body.len)
        return;
    res->reply.body = packed;
    response_header(res, "Content-Encoding", "gzip");
}

enum encoding_step encoding_begin(struct request *req, bool hurried)
{
    struct response *res = &req->response;
    if (!could_be_compressed(req))
        return ENCODING_READY;
    response_header(res, "Vary", "Accept-Encoding");
    if (res->reply.status == 304 ||
        !encoding_prefers_gzip(http_exchange_header(req->exchange, "Accept-Encoding")))
        return ENCODING_READY;
    struct str packed = res->version == NULL ? STR_NONE : object_version_packed(res->version);
    if (packed.ptr != NULL) {
        use(res, packed);
        return ENCODING_READY;
    }
    if (hurried)
        return ENCODING_READY;
    if (!req->on_worker && res->reply.body.len > INLINE_BYTES_MAX)
        return ENCODING_WORKS;
    encoding_work(req);
    return ENCODING_READY;
}

void encoding_work(struct request *req)
{
    struct response *res = &req->response;
    if (res->version != NULL) {
        use(res, catalog_version_pack(req->service->catalog, res->version));
        return;
    }
    struct buf packed = BUF_INIT(res->reply.body.len + 1024);
    if (!gzip_deflate(res->reply.body, &packed)) {
        buf_free(&packed);
        return; /* it does not shrink */
    }
    size_t len = packed.len;
    char *bytes = buf_take(&packed);
    arena_defer(req->arena, free, bytes);
    use(res, str_from(bytes, len));
}
