/* HDFS: multipart uploads. An upload is a directory in HDFS_UPLOADS, called by its id; a part is a
 * file in it, called by its number. The rules are in file_io_webhdfs_private.h; here:
 *
 * 1. Parts are joined by CONCAT into a file of the same directory, a batch at a time, in order:
 * each moves from its own name into that file at once. Its length therefore tells which parts are
 * in it, and a completion that was interrupted goes on where it was.
 * 2. Where CONCAT does not work (encryption zones, erasure coding, older servers) the bytes are
 *    copied.
 * 3. Nothing is joined before all parts were seen to be those that the caller means. */
#include "storage/file_io_webhdfs_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/upload_id.h"

#define JOINED "joined"
#define CONCAT_MAX 32 /* parts at a time: they are named in the URL */
#define PIECE_BYTES 65536
#define TRIES_MAX 3

struct upload {
    struct file_io_webhdfs *io;
    struct arena *arena;
    struct hdfs_path path; /* of the location */
    struct str id;
    struct file_stat named; /* JOINED, when a rename of it was asked for; bytes -1: never */
};

static int unknown_upload(struct error *err, struct str location)
{
    return error_set(err, ERR_FILE_NOT_FOUND, "No such upload of %.*s", STR_ARG(location));
}

static struct hdfs_path staging_path(const struct upload *upload, struct str name)
{
    const char *slash = name.len > 0 ? "/" : "";
    struct str relative =
        arena_printf(upload->arena, "%.*s%s%.*s", STR_ARG(upload->id), slash, STR_ARG(name));
    return webhdfs_hidden_path(upload->io, upload->path.location, relative, upload->arena);
}

static struct hdfs_path part_path(const struct upload *upload, int number)
{
    return staging_path(upload, arena_printf(upload->arena, UPLOAD_PART_NAME, number));
}

static int parse_target(struct file_io_webhdfs *io, struct str location, struct arena *arena,
                        struct hdfs_path *out, struct error *err)
{
    if (webhdfs_path_parse(io, location, arena, out, err) != 0)
        return -1;
    if (out->is_root)
        return error_set(err, ERR_FORBIDDEN, "Location is a directory: %.*s",
                         STR_ARG(out->location));
    return 0;
}

static int find(struct file_io *base, struct str location, struct str id, struct arena *arena,
                struct upload *out, struct error *err)
{
    struct file_stat stat;
    bool found;
    *out =
        (struct upload){.io = webhdfs_of(base), .arena = arena, .id = id, .named = {.bytes = -1}};
    if (parse_target(out->io, location, arena, &out->path, err) != 0)
        return -1;
    if (!upload_id_is_of(id, out->path.location, arena))
        return unknown_upload(err, out->path.location);
    struct hdfs_path directory = staging_path(out, STR_NONE);
    if (webhdfs_look(out->io, &directory, &found, &stat, err) != 0)
        return -1;
    return found && stat.is_directory ? 0 : unknown_upload(err, out->path.location);
}

int webhdfs_upload_begin(struct file_io *base, struct str location, struct arena *arena,
                         struct str *id, struct error *err)
{
    struct upload upload = {.io = webhdfs_of(base), .arena = arena};
    if (parse_target(upload.io, location, arena, &upload.path, err) != 0)
        return -1;
    upload.id = *id = upload_id_new(upload.path.location, arena);
    struct hdfs_path directory = staging_path(&upload, STR_NONE);
    const struct hdfs_op op = {"PUT", &directory, STR("op=MKDIRS"), "write", true};
    return webhdfs_do(upload.io, &op, arena, err);
}

/* ---- parts ----------------------------------------------------------------------------------- */

int webhdfs_upload_part(struct file_io *base, struct str location, struct str id, int number,
                        const struct file_write *write, struct file_writer **out, struct error *err)
{
    struct upload upload;
    struct arena *arena = arena_new();
    if (find(base, location, id, arena, &upload, err) != 0) {
        arena_free(arena);
        return -1;
    }
    upload.id = arena_str(arena, id);
    const struct hdfs_target target = {.path = part_path(&upload, number), .mode = FILE_REPLACE};
    return webhdfs_writer_open(upload.io, arena, &target, write->bytes, out, err);
}

struct parts {
    struct file_part *parts; /* FILE_PARTS_MAX */
    size_t count;
    struct file_stat joined; /* of the file JOINED; bytes -1 when there is none */
};

static bool take_name(void *arg, const struct key_name *name)
{
    struct parts *found = arg;
    int number = upload_part_number(name->name);
    if (str_equal(name->name, STR(JOINED)))
        found->joined = *name->stat;
    if (number == 0 || found->count == FILE_PARTS_MAX)
        return true;
    struct file_part *part = &found->parts[found->count++];
    *part = (struct file_part){
        .number = number, .bytes = name->stat->bytes, .modified_ms = name->stat->modified_ms};
    memcpy(part->etag, name->stat->etag, sizeof(part->etag));
    return true;
}

static int compare_parts(const void *a, const void *b)
{
    return ((const struct file_part *)a)->number - ((const struct file_part *)b)->number;
}

static int list_parts(const struct upload *upload, struct parts *out, struct error *err)
{
    struct hdfs_path directory = staging_path(upload, STR_NONE);
    *out = (struct parts){.parts = ARENA_ARRAY(upload->arena, struct file_part, FILE_PARTS_MAX),
                          .joined = {.bytes = -1}};
    if (webhdfs_names(upload->io, &directory, take_name, out, err) != 0)
        return -1;
    qsort(out->parts, out->count, sizeof(*out->parts), compare_parts);
    return 0;
}

int webhdfs_upload_parts(struct file_io *base, struct str location, struct str id,
                         struct arena *arena, struct file_part **out, size_t *count,
                         struct error *err)
{
    struct upload upload;
    struct parts found;
    *count = 0;
    if (find(base, location, id, arena, &upload, err) != 0 || list_parts(&upload, &found, err) != 0)
        return -1;
    *out = found.parts;
    *count = found.count;
    return 0;
}

/* ---- joining --------------------------------------------------------------------------------- */

/* The length that an etag of ours tells; -1 when it is none of ours. */
static int64_t etag_bytes(const char *etag)
{
    uint64_t id, bytes, modified;
    if (sscanf(etag, "\"%" SCNx64 "-%" SCNx64 "-%" SCNx64 "\"", &id, &bytes, &modified) != 3)
        return -1;
    return (int64_t)bytes;
}

static int wrong_part(const struct upload *upload, int number, struct error *err)
{
    return error_set(err, ERR_ILLEGAL_ARGUMENT, "Part %d is missing or another: %.*s", number,
                     STR_ARG(upload->path.location));
}

/* How many of the parts are in JOINED already, and are the others there? */
static int check_parts(const struct upload *upload, const struct parts *found,
                       const struct file_part *parts, size_t count, size_t *joined,
                       struct error *err)
{
    int64_t left = found->joined.bytes;
    if (count == 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Upload has no parts: %.*s",
                         STR_ARG(upload->path.location));
    *joined = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t bytes = etag_bytes(parts[i].etag);
        if (i > 0 && parts[i].number <= parts[i - 1].number)
            return error_set(err, ERR_ILLEGAL_ARGUMENT, "Parts are not in ascending order: %.*s",
                             STR_ARG(upload->path.location));
        const struct file_part key = {.number = parts[i].number};
        const struct file_part *there =
            bsearch(&key, found->parts, found->count, sizeof(key), compare_parts);
        if (left > 0 && bytes > 0 && bytes <= left && there == NULL && *joined == i) {
            left -= bytes;
            *joined = i + 1;
        } else if (there == NULL || strcmp(there->etag, parts[i].etag) != 0) {
            return wrong_part(upload, parts[i].number, err);
        } else if (bytes == 0 && *joined == i) {
            *joined = i + 1; /* nothing to join */
        }
    }
    return left > 0 ? wrong_part(upload, parts[0].number, err) : 0;
}

/* An empty file that the parts are appended to. */
static int make_joined(const struct upload *upload, struct error *err)
{
    struct arena *arena = arena_new();
    struct hdfs_target target = {.mode = FILE_CREATE};
    struct upload own = {.io = upload->io, .arena = arena, .path = upload->path};
    struct file_writer *writer;
    struct file_stat stat;
    own.id = arena_str(arena, upload->id);
    own.path.location = arena_str(arena, upload->path.location);
    target.path = staging_path(&own, STR(JOINED));
    if (webhdfs_writer_open(upload->io, arena, &target, 0, &writer, err) != 0)
        return -1;
    return writer->backend->finish(writer, &stat, err);
}

/* Some more parts into JOINED. *refused: this file system does not. */
static int concat(const struct upload *upload, const struct file_part *parts, size_t count,
                  bool *refused, struct error *err)
{
    struct hdfs_path joined = staging_path(upload, STR(JOINED));
    struct hdfs_reply reply;
    struct str sources = STR_NONE;
    for (size_t i = 0; i < count; i++) {
        struct hdfs_path part = part_path(upload, parts[i].number);
        struct str encoded = webhdfs_encode(upload->arena, part.path, false);
        if (etag_bytes(parts[i].etag) > 0)
            sources = arena_printf(upload->arena, "%.*s%s%.*s", STR_ARG(sources),
                                   sources.len > 0 ? "," : "", STR_ARG(encoded));
    }
    if (sources.len == 0)
        return 0;
    const struct hdfs_op op = {
        .method = "POST",
        .at = &joined,
        .query = arena_printf(upload->arena, "op=CONCAT&sources=%.*s", STR_ARG(sources)),
        .verb = "write",
    };
    int result = webhdfs_call(upload->io, &op, upload->arena, &reply, err);
    json_decref(reply.json);
    *refused = result != 0 && reply.status != 0 && reply.exception[0] != '\0';
    return result;
}

static int copy_into(const struct upload *upload, const struct hdfs_path *from,
                     struct file_writer *writer, struct error *err)
{
    struct http_exchange *exchange;
    char *piece = arena_alloc_array_raw(upload->arena, PIECE_BYTES, 1);
    size_t got = 1;
    if (webhdfs_open_data(upload->io, upload->io->streams, from, 0, FILE_TO_END, upload->arena,
                          &exchange, err) != 0)
        return -1;
    int result = 0;
    while (result == 0 && got > 0) {
        result = http_exchange_read(exchange, piece, PIECE_BYTES, &got, err);
        if (result != 0)
            result = webhdfs_unavailable(err, "read", from);
        else if (got > 0)
            result = writer->backend->write(writer, str_from(piece, got), err);
    }
    http_exchange_close(exchange);
    return result;
}

/* Rule 2. What is joined already comes first. */
static int copy_all(struct file_io *base, const struct upload *upload,
                    const struct file_part *parts, size_t count, size_t joined,
                    enum write_mode mode, struct file_stat *out, struct error *err)
{
    struct file_writer *writer;
    struct file_write write = {.mode = mode};
    struct hdfs_path from = staging_path(upload, STR(JOINED));
    for (size_t i = 0; i < count; i++)
        write.bytes += etag_bytes(parts[i].etag);
    if (webhdfs_create(base, upload->path.location, &write, &writer, err) != 0)
        return -1;
    int result = joined > 0 ? copy_into(upload, &from, writer, err) : 0;
    for (size_t i = joined; i < count && result == 0; i++) {
        from = part_path(upload, parts[i].number);
        result = copy_into(upload, &from, writer, err);
    }
    if (result == 0)
        return writer->backend->finish(writer, out, err);
    writer->backend->abort(writer);
    return -1;
}

static int publish_joined(struct upload *upload, const struct file_part *parts, size_t count,
                          enum write_mode mode, struct file_stat *out, struct error *err)
{
    struct hdfs_path joined = staging_path(upload, STR(JOINED));
    const struct hdfs_target target = {.path = upload->path, .mode = mode, .make_directory = true};
    int64_t bytes = 0;
    bool found;
    for (size_t i = 0; i < count; i++)
        bytes += etag_bytes(parts[i].etag);
    if (webhdfs_look(upload->io, &joined, &found, out, err) != 0)
        return -1;
    if (!found || out->bytes != bytes)
        return webhdfs_broken(err, "join the parts of", &upload->path, "its length is another");
    upload->named = *out;
    return webhdfs_publish(upload->io, &joined, &target, out, err);
}

/* The name is taken: said before anything is joined, so that the parts stay what they were. */
static int check_free(const struct upload *upload, enum write_mode mode, struct error *err)
{
    struct file_stat stat;
    bool found = false;
    if (mode == FILE_CREATE && webhdfs_look(upload->io, &upload->path, &found, &stat, err) != 0)
        return -1;
    return found ? error_set(err, ERR_ALREADY_EXISTS, "File already exists: %.*s",
                             STR_ARG(upload->path.location))
                 : 0;
}

static int complete(struct file_io *base, struct upload *upload, const struct file_part *parts,
                    size_t count, enum write_mode mode, struct file_stat *out, struct error *err)
{
    struct parts found;
    size_t joined = 0;
    if (list_parts(upload, &found, err) != 0 ||
        check_parts(upload, &found, parts, count, &joined, err) != 0 ||
        check_free(upload, mode, err) != 0)
        return -1;
    if (found.joined.bytes < 0 && make_joined(upload, err) != 0)
        return -1;
    while (joined < count) {
        size_t batch = count - joined < CONCAT_MAX ? count - joined : CONCAT_MAX;
        bool refused = false;
        if (concat(upload, parts + joined, batch, &refused, err) != 0)
            return refused ? copy_all(base, upload, parts, count, joined, mode, out, err) : -1;
        joined += batch;
    }
    return publish_joined(upload, parts, count, mode, out, err);
}

/* After a try that failed; `before`: the one before it, of which it is not known what it did, or
 * NULL. Parts that are gone since then went with it, and are no mistake of the caller. */
static int judge_try(const struct upload *upload, const struct error *before, struct file_stat *out,
                     struct error *err)
{
    if (upload->named.bytes < 0)
        return -1;
    if (webhdfs_leads_to(upload->io, &upload->path, &upload->named)) {
        *out = upload->named;
        return 0;
    }
    if (before != NULL && err->kind == ERR_ILLEGAL_ARGUMENT)
        *err = *before;
    return -1;
}

int webhdfs_upload_complete(struct file_io *base, struct str location, struct str id,
                            const struct file_part *parts, size_t count, enum write_mode mode,
                            struct file_stat *out, struct error *err)
{
    struct upload upload;
    struct arena *arena = arena_new();
    int result = find(base, location, id, arena, &upload, err);
    for (int tries = 0; tries < TRIES_MAX && result == 0; tries++) { /* 1: it goes on */
        struct error before = *err;
        result = complete(base, &upload, parts, count, mode, out, err);
        if (result != 0)
            result = judge_try(&upload, tries > 0 ? &before : NULL, out, err);
        if (result == 0 || err->kind != ERR_UNAVAILABLE)
            break;
        result = tries + 1 < TRIES_MAX ? 0 : -1;
    }
    if (result == 0) {
        struct hdfs_path directory = staging_path(&upload, STR_NONE);
        struct error ignored; /* it is written; the sweep finds the rest */
        bool existed;
        (void)!webhdfs_delete(upload.io, &directory, true, &existed, &ignored);
    }
    arena_free(arena);
    return result;
}

/* ---- giving up ------------------------------------------------------------------------------- */

int webhdfs_upload_abort(struct file_io *base, struct str location, struct str id,
                         struct error *err)
{
    struct upload upload;
    struct arena *arena = arena_new();
    bool existed;
    int result = find(base, location, id, arena, &upload, err);
    if (result == 0) {
        struct hdfs_path directory = staging_path(&upload, STR_NONE);
        result = webhdfs_delete(upload.io, &directory, true, &existed, err);
    }
    arena_free(arena);
    return result;
}

struct sweep {
    struct arena *arena;
    int64_t begun_before_ms;
    struct old_name {
        struct str name;
        struct old_name *next;
    } * old;
};

static bool note_old(void *arg, const struct key_name *name)
{
    struct sweep *sweep = arg;
    int64_t begun_ms = upload_id_begun_ms(name->name);
    if (begun_ms < 0 || begun_ms >= sweep->begun_before_ms)
        return true;
    struct old_name *old = ARENA_NEW(sweep->arena, struct old_name);
    *old = (struct old_name){arena_str(sweep->arena, name->name), sweep->old};
    sweep->old = old;
    return true;
}

int webhdfs_uploads_expire(struct file_io *base, int64_t begun_before_ms, struct error *err)
{
    struct file_io_webhdfs *io = webhdfs_of(base);
    struct sweep sweep = {arena_new(), begun_before_ms, NULL};
    struct hdfs_path uploads = webhdfs_hidden_path(io, io->root.text, STR_NONE, sweep.arena);
    int result = webhdfs_names(io, &uploads, note_old, &sweep, err);
    for (const struct old_name *old = sweep.old; old != NULL && result == 0; old = old->next) {
        struct hdfs_path path = webhdfs_hidden_path(io, io->root.text, old->name, sweep.arena);
        bool existed;
        result = webhdfs_delete(io, &path, true, &existed, err);
    }
    arena_free(sweep.arena);
    return result;
}
