/* The headers of a request as a list.
 *
 * 1. Asked of the library on the loop's thread only: it adds to its own list when a body ends in a
 *    trailer.
 * 2. Copied, since a streamed exchange may outlive its connection; once per exchange. */
#include "server/http_private.h"

#include <string.h>
#include <strings.h>

static enum MHD_Result add(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len,
                           const char *value, size_t value_len)
{
    struct exchange *x = arg;
    (void)kind;
    if (x->field_count == HTTP_FIELDS_MAX)
        return MHD_NO;
    x->fields[x->field_count++] = (struct http_field){
        arena_str(x->pub.arena, str_from(name, name_len)),
        arena_str(x->pub.arena, str_from(value == NULL ? "" : value, value_len))};
    return MHD_YES;
}

size_t http_exchange_headers(struct http_exchange *pub, struct http_field **out)
{
    struct exchange *x = (struct exchange *)pub;
    if (x->fields == NULL) {
        x->fields = ARENA_ARRAY(pub->arena, struct http_field, HTTP_FIELDS_MAX);
        MHD_get_connection_values_n(x->library, MHD_HEADER_KIND, add, x);
    }
    *out = x->fields;
    return x->field_count;
}

struct str http_exchange_header(struct http_exchange *pub, const char *name)
{
    struct exchange *x = (struct exchange *)pub;
    size_t len = strlen(name);
    if (x->fields == NULL)
        return str_cstr(MHD_lookup_connection_value(x->library, MHD_HEADER_KIND, name));
    for (size_t i = 0; i < x->field_count; i++)
        if (x->fields[i].name.len == len && strncasecmp(x->fields[i].name.ptr, name, len) == 0)
            return x->fields[i].value;
    return STR_NONE;
}
