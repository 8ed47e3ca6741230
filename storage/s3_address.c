/* Where a bucket is: from the endpoint, region and style of the options to the texts that requests
 * are made of. */
#include "storage/s3_address.h"

static int refuse(struct str endpoint, struct error *err)
{
    return error_set(err, ERR_ILLEGAL_ARGUMENT,
                     "endpoint must be http(s)://host[:port], without path, user or query: %.*s",
                     STR_ARG(str_utf8_cut(endpoint, 200)));
}

static bool is_host(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                    c == ':' || c == '[' || c == ']' || c == '_';
        if (!good)
            return false;
    }
    return host.len > 0 && host.ptr[0] != ':' && host.ptr[0] != '.';
}

static struct str lower(struct arena *arena, struct str text)
{
    char *copy = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        copy[i] = (char)(text.ptr[i] + (text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? 32 : 0));
    return str_from(copy, text.len);
}

int http_endpoint_parse(struct str endpoint, struct arena *arena, struct http_endpoint *out,
                        struct error *err)
{
    struct str text = lower(arena, endpoint);
    out->tls = str_starts_with(text, STR("https://"));
    if (!out->tls && !str_starts_with(text, STR("http://")))
        return refuse(endpoint, err);
    struct str host = str_skip(text, out->tls ? 8 : 7);
    if (host.len > 0 && host.ptr[host.len - 1] == '/')
        host.len--;
    struct str standard = out->tls ? STR(":443") : STR(":80");
    if (str_ends_with(host, standard)) /* not in the Host header, so not in what is signed */
        host.len -= standard.len;
    if (!is_host(host))
        return refuse(endpoint, err);
    out->host = host;
    out->text = arena_printf(arena, "%s://%.*s", out->tls ? "https" : "http", STR_ARG(host));
    return 0;
}

/* Can the bucket stand before the host, with a certificate for *.host? */
static bool is_host_label(struct str bucket, bool tls)
{
    for (size_t i = 0; i < bucket.len; i++) {
        char c = bucket.ptr[i];
        bool good =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || (c == '.' && !tls);
        if (!good)
            return false;
    }
    return bucket.len >= 3 && bucket.len <= 63;
}

static int style_of(const struct storage_options *options, struct str bucket, bool tls,
                    bool *path_style, struct error *err)
{
    struct str style = options->path_style;
    bool oss = str_equal(options->dialect, STR("oss"));
    bool can_be_host = is_host_label(bucket, tls);
    if (str_equal(style, STR("true")))
        *path_style = true;
    else if (str_equal(style, STR("false")))
        *path_style = false;
    else if (style.len == 0)
        *path_style = !can_be_host || (options->endpoint.len > 0 && !oss);
    else
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "path-style is true or false");
    if (!*path_style && !can_be_host)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Bucket %.*s cannot be part of a host name: set path-style to true",
                         STR_ARG(bucket));
    return 0;
}

int s3_address_make(const struct storage_options *options, struct str bucket, struct arena *arena,
                    struct s3_address *out, struct error *err)
{
    struct http_endpoint endpoint;
    struct str region = options->region.len > 0 ? options->region : STR("us-east-1");
    struct str text = options->endpoint;
    if (text.len == 0)
        text = arena_printf(arena, "https://s3.%.*s.amazonaws.com%s", STR_ARG(region),
                            str_starts_with(region, STR("cn-")) ? ".cn" : "");
    *out =
        (struct s3_address){.region = arena_str(arena, region), .bucket = arena_str(arena, bucket)};
    if (http_endpoint_parse(text, arena, &endpoint, err) != 0 ||
        style_of(options, bucket, endpoint.tls, &out->path_style, err) != 0)
        return -1;
    out->endpoint = endpoint.text;
    out->host = endpoint.host;
    out->path = STR("");
    if (out->path_style)
        out->path = arena_printf(arena, "/%.*s", STR_ARG(s3_uri_encode(bucket, false, arena)));
    else
        out->host = arena_printf(arena, "%.*s.%.*s", STR_ARG(bucket), STR_ARG(endpoint.host));
    out->origin =
        arena_printf(arena, "%s://%.*s", endpoint.tls ? "https" : "http", STR_ARG(out->host));
    return 0;
}
