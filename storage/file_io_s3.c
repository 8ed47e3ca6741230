/* S3 file access: from a location to a key, opening and closing, what clients are told. The rules
 * are in file_io_s3_private.h. */
#include "storage/file_io_s3_private.h"

#include <assert.h>
#include <curl/curl.h>
#include <time.h>

#define PROPERTIES_MAX 24

/* ---- keys ------------------------------------------------------------------------------------ */

int s3_path_parse(struct file_io_s3 *io, struct str text, struct arena *arena, struct s3_path *out,
                  struct error *err)
{
    struct location location;
    if (location_parse_file(text, arena, &location, err) != 0)
        return -1;
    if (!location_contains(&io->root, &location))
        return error_set(err, ERR_FORBIDDEN, "Location is outside of the warehouse: %.*s",
                         STR_ARG(location.text));
    out->location = location.text;
    out->key = str_skip(location.path, 1);
    out->is_root = location.path.len == io->root.path.len;
    assert(out->is_root || str_starts_with(out->key, io->prefix));
    return 0;
}

int s3_file_path(struct file_io_s3 *io, struct str text, struct arena *arena, struct s3_path *out,
                 struct error *err)
{
    if (s3_path_parse(io, text, arena, out, err) != 0)
        return -1;
    if (out->is_root)
        return error_set(err, ERR_FORBIDDEN, "Location is the root of the warehouse: %.*s",
                         STR_ARG(out->location));
    return 0;
}

int s3_make_directory(struct file_io *base, struct str location, struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_path path;
    int result = s3_path_parse(s3_of(base), location, arena, &path, err);
    arena_free(arena);
    return result;
}

/* ---- what answers tell ----------------------------------------------------------------------- */

void s3_etag_of(struct str text, char out[FILE_ETAG_BYTES_MAX + 1])
{
    bool quoted = text.len >= 2 && text.ptr[0] == '"';
    struct str bare = quoted ? str_from(text.ptr + 1, text.len - 2) : text;
    size_t len = bare.len < FILE_ETAG_BYTES_MAX - 2 ? bare.len : FILE_ETAG_BYTES_MAX - 2;
    out[0] = '"';
    if (len > 0)
        memcpy(out + 1, bare.ptr, len);
    out[len + 1] = '"';
    out[len + 2] = '\0';
}

static int64_t time_of(struct str date)
{
    char text[64];
    if (date.len == 0 || date.len >= sizeof(text))
        return 0;
    memcpy(text, date.ptr, date.len);
    text[date.len] = '\0';
    time_t seconds = curl_getdate(text, NULL);
    return seconds < 0 ? 0 : (int64_t)seconds * 1000;
}

int64_t s3_time_of_iso(struct str text)
{
    char copy[40];
    struct tm tm = {0};
    if (text.len == 0 || text.len >= sizeof(copy))
        return 0;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm) == NULL ? 0 : (int64_t)timegm(&tm) * 1000;
}

void s3_stat_of(const struct http_response *response, struct file_stat *out)
{
    struct str range = http_response_header(response, "content-range");
    struct str length = http_response_header(response, "content-length");
    long long bytes = 0;
    *out =
        (struct file_stat){.modified_ms = time_of(http_response_header(response, "last-modified"))};
    if (response->status == 206 && range.len > 0) { /* bytes 0-9/100 */
        (void)str_cut(&range, '/');
        length = range;
    }
    if (str_to_int64(length, &bytes) && bytes >= 0)
        out->bytes = bytes;
    s3_etag_of(http_response_header(response, "etag"), out->etag);
}

/* ---- what clients are told ------------------------------------------------------------------- */

struct properties {
    struct arena *arena;
    struct property *list;
    size_t count;
};

static void add(struct properties *to, const char *name, struct str value)
{
    assert(to->count < PROPERTIES_MAX);
    if (value.len > 0)
        to->list[to->count++] = (struct property){str_cstr(name), arena_str(to->arena, value)};
}

static void add_keys(struct properties *to, const struct file_keys *keys, bool oss)
{
    struct str expires = arena_printf(to->arena, "%lld", (long long)keys->expires_ms);
    add(to, "s3.access-key-id", keys->access_key_id);
    add(to, "s3.secret-access-key", keys->secret_access_key);
    add(to, "s3.session-token", keys->session_token);
    if (keys->session_token.len > 0)
        add(to, "s3.session-token-expires-at-ms", expires);
    if (!oss)
        return;
    add(to, "oss.access-key-id", keys->access_key_id);
    add(to, "oss.access-key-secret", keys->secret_access_key);
    add(to, "oss.security-token", keys->session_token);
    add(to, "client.access-key-id", keys->access_key_id);
    add(to, "client.access-key-secret", keys->secret_access_key);
    add(to, "client.security-token", keys->session_token);
}

/* OSS's own endpoint, when the one given is that for S3's protocol: without the "s3." before it. */
static struct str oss_endpoint(struct str endpoint, struct arena *arena)
{
    static const char *const begins[] = {"https://s3.oss", "http://s3.oss"};
    for (size_t i = 0; i < 2; i++) {
        struct str begin = str_cstr(begins[i]);
        if (str_starts_with(endpoint, begin))
            return arena_printf(arena, "%s%.*s", i == 0 ? "https://" : "http://",
                                STR_ARG(str_skip(endpoint, begin.len - strlen("oss"))));
    }
    return endpoint;
}

static int s3_client_properties(struct file_io *base, const struct file_keys *keys,
                                struct arena *arena, struct property **out, size_t *count,
                                struct error *err)
{
    struct file_io_s3 *io = s3_of(base);
    const struct s3_address *address = s3_client_address(io->client);
    struct properties to = {arena, ARENA_ARRAY(arena, struct property, PROPERTIES_MAX), 0};
    struct str endpoint = io->options.client_endpoint;
    (void)err;
    if (endpoint.len == 0)
        endpoint = io->options.endpoint;
    add(&to, "s3.endpoint", endpoint);
    add(&to, "s3.region", address->region);
    add(&to, "client.region", address->region);
    add(&to, "s3.path-style-access", address->path_style ? STR("true") : STR("false"));
    if (io->oss) {
        add(&to, "oss.endpoint", oss_endpoint(endpoint, arena));
        add(&to, "s3.force-virtual-addressing", address->path_style ? STR("false") : STR("true"));
    }
    if (keys != NULL)
        add_keys(&to, keys, io->oss);
    *out = to.list;
    *count = to.count;
    return 0;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void s3_close(struct file_io *base)
{
    struct file_io_s3 *io = s3_of(base);
    s3_sts_free(io->sts);
    s3_client_free(io->client);
    s3_credentials_close(io->credentials);
    arena_free(io->arena);
}

static const struct file_io_backend s3_backend = {
    .name = "s3",
    .read = s3_read,
    .write_new = s3_write_new,
    .stat = s3_stat,
    .remove = s3_remove,
    .remove_all = s3_remove_all,
    .list = s3_list,
    .make_directory = s3_make_directory,
    .open = s3_open,
    .create = s3_create,
    .copy = s3_copy,
    .page = s3_page,
    .upload_begin = s3_upload_begin,
    .upload_part = s3_upload_part,
    .upload_parts = s3_upload_parts,
    .upload_complete = s3_upload_complete,
    .upload_abort = s3_upload_abort,
    .uploads_expire = s3_uploads_expire,
    .client_properties = s3_client_properties,
    .vend = s3_vend,
    .sign = s3_sign,
    .close = s3_close,
};

static void copy_options(struct file_io_s3 *io, const struct storage_options *options)
{
#define X(member, name, secret)  \
    if (options->member.len > 0) \
        io->options.member = arena_str(io->arena, options->member);
    STORAGE_OPTIONS(X)
#undef X
}

static int parse_root(struct file_io_s3 *io, struct str root, struct error *err)
{
    if (location_parse(root, io->arena, &io->root, err) != 0)
        return -1;
    if (!str_equal(io->root.scheme, STR("s3")) && !str_equal(io->root.scheme, STR("oss")))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Not a location in an S3 store: %.*s",
                         STR_ARG(io->root.text));
    if (str_contains(io->root.authority, STR(":")))
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "A location in an S3 store begins with its bucket: %.*s",
                         STR_ARG(io->root.text));
    if (io->root.path.len > 1)
        io->prefix = arena_printf(io->arena, "%.*s/", STR_ARG(str_skip(io->root.path, 1)));
    else
        io->prefix = STR("");
    return 0;
}

int file_io_s3_open(struct str root, const struct storage_options *options,
                    const struct storage_context *context, struct file_io **out, struct error *err)
{
    struct arena *arena = arena_new();
    struct file_io_s3 *io = ARENA_NEW(arena, struct file_io_s3);
    io->base.backend = &s3_backend;
    io->arena = arena;
    io->context = *context;
    copy_options(io, options);
    struct str dialect = io->options.dialect;
    int result = parse_root(io, root, err);
    if (result == 0 && dialect.len == 0 && str_equal(io->root.scheme, STR("oss")))
        dialect = io->options.dialect = STR("oss");
    io->oss = str_equal(dialect, STR("oss"));
    if (result == 0 && !io->oss && dialect.len > 0 && !str_equal(dialect, STR("s3")))
        result = error_set(err, ERR_ILLEGAL_ARGUMENT, "dialect is s3 or oss");
    if (result == 0 && io->oss && io->options.endpoint.len == 0)
        result = error_set(err, ERR_ILLEGAL_ARGUMENT, "OSS needs its endpoint for S3's protocol");
    if (result == 0)
        result = s3_credentials_open(&io->options, &io->context, &io->credentials, err);
    if (result == 0)
        result = s3_client_new(&io->options, &io->context, io->root.authority, io->credentials,
                               &io->client, err);
    if (result == 0)
        result = s3_sts_new(&io->options, &io->context, io->credentials, io->client, &io->sts, err);
    if (result != 0) {
        s3_close(&io->base);
        return -1;
    }
    *out = &io->base;
    return 0;
}
