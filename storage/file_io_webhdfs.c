/* HDFS: from a location to a path, opening, directories, removing. The rules are in
 * file_io_webhdfs_private.h. */
#include "storage/file_io_webhdfs_private.h"

#include <stdlib.h>

#include "base/log.h"

#define HTTP_PORT "9870"
#define CALL_MS 10000
#define CALLS_MAX 10    /* of each kind: no more threads hang with a namenode, or with a datanode */
#define STREAMS_MAX 128 /* readers and writers that are open */
#define STALL_MS 30000

/* ---- paths ----------------------------------------------------------------------------------- */

static struct str below_root(const struct file_io_webhdfs *io, struct str relative,
                             struct arena *arena)
{
    const char *slash = relative.len > 0 ? "/" : "";
    return arena_printf(arena, "%.*s%s%.*s", STR_ARG(io->root.path), slash, STR_ARG(relative));
}

int webhdfs_path_parse(struct file_io_webhdfs *io, struct str text, struct arena *arena,
                       struct hdfs_path *out, struct error *err)
{
    struct location location;
    if (location_parse_file(text, arena, &location, err) != 0)
        return -1;
    if (!location_contains(&io->root, &location))
        return error_set(err, ERR_FORBIDDEN, "Location is outside of the warehouse: %.*s",
                         STR_ARG(location.text));
    struct str relative = str_skip(location.path, io->root.path.len);
    *out = (struct hdfs_path){location.text, location.path, relative.len == 0};
    if (location.path.len == 0)
        out->path = STR("/");
    if (str_contains(relative, STR(":")))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "HDFS has no names with ':': %.*s",
                         STR_ARG(location.text));
    if (str_equal(relative, STR("/" HDFS_UPLOADS)) ||
        str_starts_with(relative, STR("/" HDFS_UPLOADS "/")))
        return error_set(err, ERR_FORBIDDEN, "Location is kept for uploads: %.*s",
                         STR_ARG(location.text));
    return 0;
}

struct hdfs_path webhdfs_hidden_path(const struct file_io_webhdfs *io, struct str location,
                                     struct str relative, struct arena *arena)
{
    const char *slash = relative.len > 0 ? "/" : "";
    struct str below = arena_printf(arena, HDFS_UPLOADS "%s%.*s", slash, STR_ARG(relative));
    return (struct hdfs_path){location, below_root(io, below, arena), false};
}

/* ---- directories and removing ---------------------------------------------------------------- */

static int webhdfs_make_directory(struct file_io *base, struct str location, struct error *err)
{
    struct file_io_webhdfs *io = webhdfs_of(base);
    struct arena *arena = arena_new();
    struct hdfs_path path;
    struct hdfs_reply reply;
    const struct hdfs_op op = {"PUT", &path, STR("op=MKDIRS"), "write", true};
    int result = webhdfs_path_parse(io, location, arena, &path, err);
    if (result == 0) {
        result = webhdfs_call(io, &op, arena, &reply, err);
        if (result == 0 && !webhdfs_said_true(&reply))
            result = webhdfs_broken(err, "write", &path, "no directory was made");
        else if (result != 0 && err->kind == ERR_ALREADY_EXISTS) /* a file */
            result = webhdfs_failed(err, ERR_FORBIDDEN,
                                    "Location is not a plain path to a directory", &path);
        json_decref(reply.json);
    }
    arena_free(arena);
    return result;
}

int webhdfs_delete(struct file_io_webhdfs *io, const struct hdfs_path *path, bool recursive,
                   bool *existed, struct error *err)
{
    struct arena *arena = arena_new();
    struct hdfs_reply reply;
    const struct hdfs_op op = {"DELETE", path,
                               recursive ? STR("op=DELETE&recursive=true")
                                         : STR("op=DELETE&recursive=false"),
                               "remove", true};
    int result = webhdfs_call(io, &op, arena, &reply, err);
    *existed = result == 0 && webhdfs_said_true(&reply);
    if (result != 0 && (err->kind == ERR_FILE_NOT_FOUND || reply.below_file ||
                        strcmp(reply.exception, "PathIsNotEmptyDirectoryException") == 0))
        result = 0; /* there was nothing that it could remove */
    json_decref(reply.json);
    arena_free(arena);
    return result;
}

static int webhdfs_remove(struct file_io *base, struct str location, struct error *err)
{
    struct file_io_webhdfs *io = webhdfs_of(base);
    struct arena *arena = arena_new();
    struct hdfs_path path;
    struct file_stat stat;
    bool found = false;
    int result = webhdfs_path_parse(io, location, arena, &path, err);
    if (result == 0)
        result = webhdfs_look(io, &path, &found, &stat, err);
    if (result == 0 && (path.is_root || (found && stat.is_directory)))
        result =
            error_set(err, ERR_FORBIDDEN, "Location is a directory: %.*s", STR_ARG(path.location));
    if (result == 0 && found)
        result = webhdfs_delete(io, &path, false, &found, err);
    arena_free(arena);
    return result;
}

static bool note_name(void *any, const struct key_name *name)
{
    (void)name;
    *(bool *)any = true;
    return false;
}

/* HDFS itself refuses to remove one that got a name meanwhile. */
static int webhdfs_remove_directory(struct file_io *base, struct str location, bool *removed,
                                    struct error *err)
{
    struct file_io_webhdfs *io = webhdfs_of(base);
    struct arena *arena = arena_new();
    struct hdfs_path path;
    struct file_stat stat;
    bool found = false, any = false;
    int result = webhdfs_path_parse(io, location, arena, &path, err);
    if (result == 0 && !path.is_root)
        result = webhdfs_look(io, &path, &found, &stat, err);
    bool goes = result == 0 && !path.is_root && found && stat.is_directory;
    if (goes)
        result = webhdfs_names(io, &path, note_name, &any, err);
    if (goes && result == 0 && !any)
        result = webhdfs_delete(io, &path, false, removed, err);
    arena_free(arena);
    return result;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void webhdfs_close(struct file_io *base)
{
    struct file_io_webhdfs *io = webhdfs_of(base);
    http_client_free(io->calls);
    http_client_free(io->files);
    http_client_free(io->streams);
    (void)pthread_mutex_destroy(&io->replace_mutex);
    arena_free(io->arena);
    free(io);
}

static const struct file_io_backend webhdfs_backend = {
    .name = "webhdfs",
    .read = webhdfs_read,
    .write_new = webhdfs_write_new,
    .stat = webhdfs_stat,
    .remove = webhdfs_remove,
    .list = webhdfs_list,
    .make_directory = webhdfs_make_directory,
    .remove_directory = webhdfs_remove_directory,
    .open = webhdfs_open,
    .create = webhdfs_create,
    .page = webhdfs_page,
    .upload_begin = webhdfs_upload_begin,
    .upload_part = webhdfs_upload_part,
    .upload_parts = webhdfs_upload_parts,
    .upload_complete = webhdfs_upload_complete,
    .upload_abort = webhdfs_upload_abort,
    .uploads_expire = webhdfs_uploads_expire,
    .close = webhdfs_close,
};

static int take_endpoint(struct file_io_webhdfs *io, struct str endpoint, struct error *err)
{
    struct str host = io->root.authority, rest;
    if (endpoint.len == 0) {
        host = str_cut(&host, ':');
        endpoint = arena_printf(io->arena, "http://%.*s:" HTTP_PORT, STR_ARG(host));
    }
    io->is_https = str_starts_with(endpoint, STR("https://"));
    rest = str_skip(endpoint, io->is_https ? strlen("https://") : strlen("http://"));
    if (str_ends_with(rest, STR("/")))
        rest.len--;
    bool has_scheme = io->is_https || str_starts_with(endpoint, STR("http://"));
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.ptr[i];
        has_scheme = has_scheme && c > ' ' && c < 0x7F && strchr("/?#@\\", c) == NULL;
    }
    if (!has_scheme || rest.len == 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "The endpoint of an hdfs: warehouse is http(s)://host:port of its "
                         "namenode or HttpFS");
    io->service = arena_printf(io->arena, "%s%.*s/webhdfs/v1",
                               io->is_https ? "https://" : "http://", STR_ARG(rest));
    return 0;
}

static int refuse_others(const struct storage_options *options, struct error *err)
{
    struct storage_options others = *options;
    others.endpoint = others.user = others.delegation_token = STR_NONE;
    if (!storage_options_any(&others))
        return 0;
    return error_set(err, ERR_ILLEGAL_ARGUMENT,
                     "HDFS takes the storage options endpoint, user and delegation-token only");
}

static void take_identity(struct file_io_webhdfs *io, const struct storage_options *options)
{
    struct str token = options->delegation_token, user = options->user;
    if (token.len > 0)
        io->identity = arena_printf(io->arena, "&delegation=%.*s",
                                    STR_ARG(webhdfs_encode(io->arena, token, false)));
    else if (user.len > 0)
        io->identity = arena_printf(io->arena, "&user.name=%.*s",
                                    STR_ARG(webhdfs_encode(io->arena, user, false)));
}

int file_io_webhdfs_open(struct str root, const struct storage_options *options,
                         const struct storage_context *context, struct file_io **out,
                         struct error *err)
{
    static const struct http_client_options calls = {.in_flight_max = CALLS_MAX,
                                                     .total_ms = CALL_MS};
    static const struct http_client_options files = {.in_flight_max = CALLS_MAX,
                                                     .stall_ms = STALL_MS};
    static const struct http_client_options streams = {.in_flight_max = STREAMS_MAX,
                                                       .stall_ms = STALL_MS};
    struct file_io_webhdfs *io = calloc(1, sizeof(*io));
    if (io == NULL)
        log_fatal("out of memory");
    io->base.backend = &webhdfs_backend;
    io->arena = arena_new();
    io->context = context;
    (void)pthread_mutex_init(&io->replace_mutex, NULL);
    int result = location_parse(root, io->arena, &io->root, err);
    if (result == 0 && !str_equal(io->root.scheme, STR("hdfs")))
        result =
            error_set(err, ERR_ILLEGAL_ARGUMENT, "Not a location in HDFS: %.*s", STR_ARG(root));
    if (result == 0)
        result = refuse_others(options, err);
    if (result == 0)
        result = take_endpoint(io, options->endpoint, err);
    if (result == 0) {
        take_identity(io, options);
        io->calls = http_client_new(&calls);
        io->files = http_client_new(&files);
        io->streams = http_client_new(&streams);
        *out = &io->base;
        return 0;
    }
    webhdfs_close(&io->base);
    return -1;
}
