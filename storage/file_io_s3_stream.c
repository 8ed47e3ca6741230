/* S3 files: writing by pieces. The rules are in file_io_s3_private.h.
 *
 * 1. A writer either streams one PUT whose length is known, or holds what comes and sends it in
 * PUTs that can be repeated: at most HELD_BYTES_MAX at once.
 * 2. A streamed PUT is over only when the store's etag is the MD5 of what was sent, where its etags
 *    are MD5s: a body that was changed or cut on the way is no success.
 * 3. An upload that a writer began is completed or ended by it.
 * 4. The store gets the last byte of a streamed PUT only when the writer is finished: of one that
 * is not, it has no whole body that it could keep. */
#include "storage/file_io_s3_private.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/log.h"

#define HOLD_ALL_BYTES (1 << 20)        /* shorter files are held, and so can be repeated */
#define PART_BYTES (8 << 20)            /* of files whose length is not known */
#define HELD_BYTES_MAX (32 << 20)       /* the same, from the part on that comes after GROW_AFTER */
#define GROW_AFTER 1000                 /* so that 10,000 parts are enough */
#define LOOSE_PART_BYTES_MAX (64 << 20) /* a part of unknown length */
#define ANSWER_BYTES_MAX 65536

struct s3_writer {
    struct file_writer base;
    struct file_io_s3 *io;
    struct arena *arena;
    struct s3_path path;
    struct file_write write;
    struct str upload; /* the store's id of somebody's upload that this is a part of */
    int number;        /* of that part; 0: a file */

    struct http_exchange *exchange; /* streams */
    struct s3_call call;
    EVP_MD_CTX *md5;
    char last_byte; /* of all that was announced, once it came */

    struct buf held; /* holds */
    int64_t bytes;
    struct str own_upload;
    struct file_part *parts;
    size_t part_count;
};

static struct s3_writer *writer_of(struct file_writer *writer)
{
    return (struct s3_writer *)writer;
}

static void writer_free(struct s3_writer *writer)
{
    if (writer->exchange != NULL)
        http_exchange_close(writer->exchange);
    EVP_MD_CTX_free(writer->md5);
    buf_free(&writer->held);
    arena_free(writer->arena);
}

/* ---- streaming ------------------------------------------------------------------------------- */

static int stream_begin(struct s3_writer *writer, struct error *err)
{
    struct arena *arena = writer->arena;
    struct http_header *headers = ARENA_ARRAY(arena, struct http_header, S3_CONDITIONS_MAX);
    struct file_write conditions = writer->write;
    struct s3_query_item *query = ARENA_ARRAY(arena, struct s3_query_item, 2);
    if (writer->number > 0) { /* parts know no conditions */
        conditions.mode = FILE_REPLACE;
        conditions.if_match = STR_NONE;
        query[0] = (struct s3_query_item){STR("partNumber"),
                                          arena_printf(arena, "%d", writer->number), true};
        query[1] = (struct s3_query_item){STR("uploadId"), writer->upload, true};
    }
    writer->call = (struct s3_call){.method = STR("PUT"),
                                    .key = writer->path.key,
                                    .query = query,
                                    .query_count = writer->number > 0 ? 2 : 0,
                                    .headers = headers,
                                    .header_count = s3_conditions(&conditions, arena, headers),
                                    .bulk = true,
                                    .what = "write",
                                    .location = writer->path.location};
    writer->md5 = EVP_MD_CTX_new();
    if (writer->md5 == NULL || EVP_DigestInit_ex(writer->md5, EVP_md5(), NULL) != 1)
        log_fatal("no MD5");
    return s3_client_begin(writer->io->client, &writer->call, writer->write.bytes,
                           &writer->exchange, err);
}

static int stream_write(struct s3_writer *writer, struct str data, struct error *err)
{
    assert(data.len > 0);
    if (EVP_DigestUpdate(writer->md5, data.ptr, data.len) != 1)
        log_fatal("no MD5");
    if (writer->bytes == writer->write.bytes) /* rule 4 */
        writer->last_byte = data.ptr[--data.len];
    return http_exchange_send(writer->exchange, data, err);
}

static void md5_etag(struct s3_writer *writer, char out[FILE_ETAG_BYTES_MAX + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (EVP_DigestFinal_ex(writer->md5, digest, &len) != 1)
        log_fatal("no MD5");
    s3_etag_of(hex_encode(writer->arena, digest, len), out);
}

/* Some stores' etags are no MD5s when they encrypt. */
static bool etag_is_md5(const struct http_response *response, const char *etag)
{
    struct str encrypted = http_response_header(response, "x-amz-server-side-encryption");
    struct str by_customer =
        http_response_header(response, "x-amz-server-side-encryption-customer-algorithm");
    return strlen(etag) == 34 && by_customer.len == 0 &&
           (encrypted.len == 0 || str_equal(encrypted, STR("AES256")));
}

/* The reply did not come: what is there? Parts cannot be looked at. */
static int stream_judge(struct s3_writer *writer, const char *etag, struct file_stat *out)
{
    struct error ignored;
    bool found = false;
    if (writer->number > 0 || s3_head(writer->io, &writer->path, &found, out, &ignored) != 0)
        return -1;
    return found && out->bytes == writer->bytes && strcmp(out->etag, etag) == 0 ? 0 : -1;
}

static int stream_finish(struct s3_writer *writer, struct file_stat *out, struct error *err)
{
    struct s3_answer answer;
    struct buf body = BUF_INIT(ANSWER_BYTES_MAX);
    char etag[FILE_ETAG_BYTES_MAX + 1];
    struct http_exchange *exchange = writer->exchange;
    assert(writer->bytes == writer->write.bytes && writer->bytes > 0);
    writer->exchange = NULL;
    md5_etag(writer, etag);
    /* When that fails, the answer that is waited for does not come either, and says why. */
    (void)!http_exchange_send(exchange, str_from(&writer->last_byte, 1), err);
    int result = s3_client_finish(writer->io->client, &writer->call, exchange, writer->arena,
                                  &answer, &body, err);
    buf_free(&body);
    bool gone = str_equal(answer.code, STR("NoSuchUpload"));
    if (result != 0) {
        if (answer.doubtful && err->kind == ERR_UNAVAILABLE && stream_judge(writer, etag, out) == 0)
            return 0;
        gone = writer->number > 0 && answer.response.status >= 500 &&
               s3_multipart_is_gone(writer->io, &writer->path, writer->upload);
        if (!gone)
            return -1;
    }
    if (gone)
        return error_set(err, ERR_FILE_NOT_FOUND, "There is no such upload of file: %.*s",
                         STR_ARG(writer->path.location));
    if (!s3_answer_ok(&answer))
        return s3_write_error(&answer, &writer->call, &writer->write, err);
    s3_stat_of(&answer.response, out);
    out->bytes = writer->bytes;
    if (etag_is_md5(&answer.response, out->etag) && strcmp(out->etag, etag) != 0)
        return error_set(err, ERR_UNAVAILABLE, "The store holds other bytes than were sent: %.*s",
                         STR_ARG(writer->path.location));
    return 0;
}

/* ---- holding --------------------------------------------------------------------------------- */

static size_t part_bytes(const struct s3_writer *writer)
{
    return writer->part_count < GROW_AFTER ? PART_BYTES : HELD_BYTES_MAX;
}

/* What is held becomes a part of the writer's own upload. */
static int send_part(struct s3_writer *writer, struct error *err)
{
    static const struct file_write plain = {.mode = FILE_REPLACE};
    struct file_stat stat;
    if (writer->own_upload.len == 0) {
        if (s3_multipart_begin(writer->io, &writer->path, writer->arena, &writer->own_upload,
                               err) != 0)
            return -1;
        writer->parts = arena_alloc_array(writer->arena, FILE_PARTS_MAX, sizeof(*writer->parts));
    }
    if (writer->part_count == FILE_PARTS_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "File is too large: %.*s",
                         STR_ARG(writer->path.location));
    int number = (int)writer->part_count + 1;
    if (s3_multipart_put(writer->io, &writer->path, writer->own_upload, number,
                         buf_str(&writer->held), &plain, &stat, err) != 0)
        return -1;
    struct file_part *part = &writer->parts[writer->part_count++];
    part->number = number;
    memcpy(part->etag, stat.etag, sizeof(part->etag));
    buf_clear(&writer->held);
    return 0;
}

static int hold_write(struct s3_writer *writer, struct str data, struct error *err)
{
    if (writer->number > 0 && writer->held.len + data.len > LOOSE_PART_BYTES_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "A part of unknown length is larger than %d bytes: %.*s",
                         LOOSE_PART_BYTES_MAX, STR_ARG(writer->path.location));
    while (data.len > 0) {
        size_t room = writer->number > 0 ? data.len : part_bytes(writer) - writer->held.len;
        size_t len = data.len < room ? data.len : room;
        buf_add(&writer->held, str_from(data.ptr, len));
        data = str_skip(data, len);
        if (writer->number == 0 && writer->held.len == part_bytes(writer) &&
            send_part(writer, err) != 0)
            return -1;
    }
    return 0;
}

static int hold_finish(struct s3_writer *writer, struct file_stat *out, struct error *err)
{
    struct str body = buf_str(&writer->held);
    if (writer->number > 0)
        return s3_multipart_put(writer->io, &writer->path, writer->upload, writer->number, body,
                                &writer->write, out, err);
    if (writer->own_upload.len == 0)
        return s3_put(writer->io, &writer->path, body, &writer->write, out, err);
    if (body.len > 0 && send_part(writer, err) != 0)
        return -1;
    return s3_multipart_complete(writer->io, &writer->path, writer->own_upload, writer->parts,
                                 writer->part_count, &writer->write, out, err);
}

/* ---- the writer ------------------------------------------------------------------------------ */

static void end_own_upload(struct s3_writer *writer)
{
    struct error err;
    if (writer->own_upload.len > 0 &&
        s3_multipart_abort(writer->io, &writer->path, writer->own_upload, &err) != 0)
        log_info("an upload is left to be swept: %s", err.message);
}

static int writer_write(struct file_writer *base, struct str data, struct error *err)
{
    struct s3_writer *writer = writer_of(base);
    if (writer->write.bytes >= 0 && writer->bytes + (int64_t)data.len > writer->write.bytes)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "More bytes came than the %lld announced: %.*s",
                         (long long)writer->write.bytes, STR_ARG(writer->path.location));
    writer->bytes += (int64_t)data.len;
    if (data.len == 0)
        return 0;
    return writer->exchange != NULL ? stream_write(writer, data, err)
                                    : hold_write(writer, data, err);
}

static int writer_finish(struct file_writer *base, struct file_stat *out, struct error *err)
{
    struct s3_writer *writer = writer_of(base);
    int result = 0;
    if (writer->write.bytes >= 0 && writer->bytes != writer->write.bytes)
        result = error_set(err, ERR_ILLEGAL_ARGUMENT, "Only %lld of %lld bytes came: %.*s",
                           (long long)writer->bytes, (long long)writer->write.bytes,
                           STR_ARG(writer->path.location));
    if (result == 0)
        result = writer->exchange != NULL ? stream_finish(writer, out, err)
                                          : hold_finish(writer, out, err);
    if (result != 0)
        end_own_upload(writer);
    writer_free(writer);
    return result;
}

static void writer_abort(struct file_writer *base)
{
    end_own_upload(writer_of(base));
    writer_free(writer_of(base));
}

static const struct file_writer_backend writer_backend = {
    .write = writer_write,
    .finish = writer_finish,
    .abort = writer_abort,
};

int s3_writer_open(struct file_io_s3 *io, const struct s3_path *path, struct str id, int number,
                   const struct file_write *write, struct file_writer **out, struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_writer *writer = ARENA_NEW(arena, struct s3_writer);
    *writer = (struct s3_writer){
        .base = {&writer_backend},
        .io = io,
        .arena = arena,
        .path = {arena_str(arena, path->location), arena_str(arena, path->key), false},
        .write = {write->mode, write->bytes, arena_str(arena, write->if_match),
                  arena_str(arena, write->md5_base64)},
        .upload = arena_str(arena, id),
        .number = number,
        .held = BUF_INIT(2 * LOOSE_PART_BYTES_MAX),
    };
    bool streams = write->bytes > HOLD_ALL_BYTES && write->bytes <= S3_PUT_BYTES_MAX;
    if (streams && stream_begin(writer, err) != 0) {
        writer_free(writer);
        return -1;
    }
    *out = &writer->base;
    return 0;
}

int s3_create(struct file_io *base, struct str location, const struct file_write *write,
              struct file_writer **out, struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_path path;
    int result = s3_file_path(s3_of(base), location, arena, &path, err);
    if (result == 0)
        result = s3_writer_open(s3_of(base), &path, STR_NONE, 0, write, out, err);
    arena_free(arena);
    return result;
}
