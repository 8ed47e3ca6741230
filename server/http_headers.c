/* The headers of a request as a list.
 *
 * 1. Only on the loop's thread: the library adds to its own list when a body ends in a trailer. */
#include "server/http_private.h"

struct headers {
    struct http_field *fields;
    size_t count;
};

static enum MHD_Result add(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len,
                           const char *value, size_t value_len)
{
    struct headers *headers = arg;
    (void)kind;
    if (headers->count == HTTP_FIELDS_MAX)
        return MHD_NO;
    headers->fields[headers->count++] = (struct http_field){
        str_from(name, name_len), str_from(value == NULL ? "" : value, value_len)};
    return MHD_YES;
}

size_t http_exchange_headers(struct http_exchange *x, struct http_field **out)
{
    struct headers headers = {ARENA_ARRAY(x->arena, struct http_field, HTTP_FIELDS_MAX), 0};
    MHD_get_connection_values_n(((struct exchange *)x)->library, MHD_HEADER_KIND, add, &headers);
    *out = headers.fields;
    return headers.count;
}
