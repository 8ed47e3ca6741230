/* S3 files: multipart uploads, the store's own. The rules are in file_io_s3_private.h.
 *
 * 1. An id that callers see begins with a digest of the key, so that it is of no use for another
 *    one, whatever the store checks.
 * 2. Completion may be ignored in its conditions by a store (Ceph does): they are looked up before,
 *    which leaves a moment in which somebody else may take the name. Catalog files never come this
 *    way, they are single PUTs. */
#include "storage/file_io_s3_private.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/xml.h"

#define TAG_BYTES 16 /* of an id: hex digits of the key's digest */
#define ID_BYTES_MAX 2048
#define LIST_BYTES_MAX (4 << 20)
#define LIST_ELEMENTS_MAX 20000
#define COMPLETE_MS (10 * 60 * 1000)

/* ---- ids ------------------------------------------------------------------------------------- */

static struct str key_tag(struct str key, struct arena *arena)
{
    struct sha256 digest = sha256_of(key);
    return hex_encode(arena, digest.bytes, TAG_BYTES / 2);
}

static int no_such_upload(const struct s3_path *path, struct error *err)
{
    return error_set(err, ERR_FILE_NOT_FOUND, "There is no such upload of file: %.*s",
                     STR_ARG(path->location));
}

/* The file's path and the store's id. */
static int upload_of(struct file_io_s3 *io, struct str location, struct str id, struct arena *arena,
                     struct s3_path *path, struct str *out, struct error *err)
{
    if (s3_file_path(io, location, arena, path, err) != 0)
        return -1;
    struct str tag = key_tag(path->key, arena);
    if (id.len <= TAG_BYTES + 1 || id.len > ID_BYTES_MAX || id.ptr[TAG_BYTES] != '~' ||
        !str_starts_with(id, tag) || !base64url_decode(arena, str_skip(id, TAG_BYTES + 1), out))
        return no_such_upload(path, err);
    return 0;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* A call about an upload, its answer as XML (NULL when there is none). */
static int ask(struct file_io_s3 *io, const struct s3_path *path, struct s3_call *call,
               struct arena *arena, struct s3_answer *answer, struct xml_element **out,
               struct error *err)
{
    struct buf body = BUF_INIT(LIST_BYTES_MAX);
    call->key = path == NULL ? STR("") : path->key;
    call->location = path == NULL ? io->root.text : path->location;
    *out = NULL;
    int result = s3_client_call(io->client, call, arena, answer, &body, err);
    if (result == 0 && !s3_answer_ok(answer)) {
        bool unknown = path != NULL && str_equal(answer->code, STR("NoSuchUpload"));
        result = unknown ? no_such_upload(path, err) : s3_answer_error(answer, call, err);
    } else if (result == 0 && body.len > 0 &&
               xml_parse(buf_str(&body), LIST_ELEMENTS_MAX, arena, out, err) != 0) {
        result = error_set(err, ERR_UNAVAILABLE, "Cannot %s file: %.*s (no answer to read)",
                           call->what, STR_ARG(call->location));
    }
    buf_free(&body);
    return result;
}

bool s3_multipart_is_gone(struct file_io_s3 *io, const struct s3_path *path, struct str id)
{
    struct arena *arena = arena_new();
    struct s3_query_item query[] = {{STR("max-parts"), STR("1"), true},
                                    {STR("uploadId"), id, true}};
    struct s3_call call = {.method = STR("GET"),
                           .query = query,
                           .query_count = 2,
                           .repeat = S3_REPEAT,
                           .what = "look at the upload of"};
    struct s3_answer answer;
    struct xml_element *root;
    struct error err = {0};
    bool gone =
        ask(io, path, &call, arena, &answer, &root, &err) != 0 && err.kind == ERR_FILE_NOT_FOUND;
    arena_free(arena);
    return gone;
}

/* Some stores say of uploads that they do not know that they have failed: looked up before the call
 * is repeated. */
static int ask_of_upload(struct file_io_s3 *io, const struct s3_path *path, struct str id,
                         struct s3_call *call, struct arena *arena, struct s3_answer *answer,
                         struct xml_element **out, struct error *err)
{
    enum s3_repeat repeat = call->repeat;
    call->repeat = S3_ONCE;
    int result = ask(io, path, call, arena, answer, out, err);
    if (result == 0 || err->kind != ERR_UNAVAILABLE)
        return result;
    if (answer->response.status >= 500 && s3_multipart_is_gone(io, path, id))
        return no_such_upload(path, err);
    if (repeat == S3_ONCE)
        return result;
    call->repeat = S3_REPEAT;
    return ask(io, path, call, arena, answer, out, err);
}

int s3_multipart_begin(struct file_io_s3 *io, const struct s3_path *path, struct arena *arena,
                       struct str *id, struct error *err)
{
    struct s3_query_item query = {STR("uploads"), STR(""), false};
    struct s3_call call = {.method = STR("POST"),
                           .query = &query,
                           .query_count = 1,
                           .body = STR(""),
                           .repeat = S3_REPEAT, /* one too many is swept */
                           .what = "begin an upload of"};
    struct s3_answer answer;
    struct xml_element *root;
    if (ask(io, path, &call, arena, &answer, &root, err) != 0)
        return -1;
    struct str found = root == NULL ? STR_NONE : xml_text(root, "UploadId");
    if (found.len == 0)
        return error_set(err, ERR_UNAVAILABLE, "Cannot begin an upload of file: %.*s (no id)",
                         STR_ARG(path->location));
    *id = found;
    return 0;
}

int s3_multipart_put(struct file_io_s3 *io, const struct s3_path *path, struct str id, int number,
                     struct str body, const struct file_write *write, struct file_stat *out,
                     struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_query_item query[] = {
        {STR("partNumber"), arena_printf(arena, "%d", number), true},
        {STR("uploadId"), id, true},
    };
    struct http_header md5 = {STR("content-md5"), write->md5_base64.len > 0
                                                      ? write->md5_base64
                                                      : s3_md5_base64(body, arena)};
    struct s3_call call = {.method = STR("PUT"),
                           .query = query,
                           .query_count = 2,
                           .headers = &md5,
                           .header_count = 1,
                           .body = body.ptr == NULL ? STR("") : body,
                           .repeat = S3_REPEAT,
                           .bulk = true,
                           .what = "write a part of"};
    struct s3_answer answer;
    struct xml_element *root;
    int result = ask_of_upload(io, path, id, &call, arena, &answer, &root, err);
    if (result == 0) {
        s3_stat_of(&answer.response, out);
        out->bytes = (int64_t)body.len;
    }
    arena_free(arena);
    return result;
}

int s3_multipart_abort(struct file_io_s3 *io, const struct s3_path *path, struct str id,
                       struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_query_item query = {STR("uploadId"), id, true};
    struct s3_call call = {.method = STR("DELETE"),
                           .query = &query,
                           .query_count = 1,
                           .repeat = S3_REPEAT,
                           .what = "end an upload of"};
    struct s3_answer answer;
    struct xml_element *root;
    int result = ask(io, path, &call, arena, &answer, &root, err);
    arena_free(arena);
    return result;
}

/* ---- completion ------------------------------------------------------------------------------ */

/* The etag that a file of these parts has: the MD5 over their MD5s, and how many. false when the
 * parts' etags are no MD5s. */
static bool etag_of_parts(const struct file_part *parts, size_t count,
                          char out[FILE_ETAG_BYTES_MAX + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    EVP_MD_CTX *md5 = EVP_MD_CTX_new();
    bool good = md5 != NULL && EVP_DigestInit_ex(md5, EVP_md5(), NULL) == 1;
    for (size_t i = 0; good && i < count; i++) {
        good = strlen(parts[i].etag) == 34;
        for (size_t at = 1; good && at < 33; at += 2) {
            char pair[3] = {parts[i].etag[at], parts[i].etag[at + 1], '\0'}, *end;
            unsigned char byte = (unsigned char)strtoul(pair, &end, 16);
            good = *end == '\0' && EVP_DigestUpdate(md5, &byte, 1) == 1;
        }
    }
    good = good && EVP_DigestFinal_ex(md5, digest, &len) == 1 && len == 16;
    EVP_MD_CTX_free(md5);
    out[0] = '"';
    for (size_t i = 0; good && i < 16; i++)
        (void)snprintf(out + 1 + 2 * i, 3, "%02x", digest[i]);
    if (good)
        (void)snprintf(out + 33, FILE_ETAG_BYTES_MAX - 33, "-%zu\"", count);
    return good;
}

static void write_parts(const struct file_part *parts, size_t count, struct buf *out)
{
    buf_add_cstr(out, "<CompleteMultipartUpload>");
    for (size_t i = 0; i < count; i++) {
        buf_add_format(out, "<Part><PartNumber>%d</PartNumber>", parts[i].number);
        xml_write(out, "ETag", str_cstr(parts[i].etag));
        buf_add_cstr(out, "</Part>");
    }
    buf_add_cstr(out, "</CompleteMultipartUpload>");
}

/* Was it done, though no reply says so? */
static bool was_completed(struct file_io_s3 *io, const struct s3_path *path,
                          const struct file_part *parts, size_t count)
{
    struct file_stat stat;
    struct error ignored;
    bool found;
    char etag[FILE_ETAG_BYTES_MAX + 1];
    return etag_of_parts(parts, count, etag) && s3_head(io, path, &found, &stat, &ignored) == 0 &&
           found && strcmp(etag, stat.etag) == 0;
}

static int send_completion(struct file_io_s3 *io, const struct s3_path *path, struct str id,
                           struct str list, const struct file_write *write, struct arena *arena,
                           bool *doubtful, struct error *err)
{
    struct s3_query_item query = {STR("uploadId"), id, true};
    struct http_header headers[S3_CONDITIONS_MAX];
    struct file_write conditions = {.mode = write->mode, .if_match = write->if_match};
    struct s3_call call = {.method = STR("POST"),
                           .query = &query,
                           .query_count = 1,
                           .headers = headers,
                           .header_count = s3_conditions(&conditions, arena, headers),
                           .body = list,
                           .repeat = S3_ONCE,
                           .total_ms = COMPLETE_MS,
                           .bulk = true,
                           .what = "complete the upload of"};
    struct s3_answer answer;
    struct xml_element *root;
    int result = ask_of_upload(io, path, id, &call, arena, &answer, &root, err);
    *doubtful = answer.doubtful;
    if (result != 0 && answer.response.status == 412)
        return s3_write_error(&answer, &call, write, err);
    if (result == 0 &&
        (root == NULL || !str_equal(root->name, STR("CompleteMultipartUploadResult")))) {
        *doubtful = true; /* 200, and an error in the body */
        result = error_set(err, ERR_UNAVAILABLE,
                           "Cannot complete the upload of file: %.*s (the store answers %.*s)",
                           STR_ARG(path->location),
                           STR_ARG(root == NULL ? STR("nothing") : xml_text(root, "Code")));
    }
    return result;
}

int s3_multipart_complete(struct file_io_s3 *io, const struct s3_path *path, struct str id,
                          const struct file_part *parts, size_t count,
                          const struct file_write *write, struct file_stat *out, struct error *err)
{
    struct arena *arena = arena_new();
    struct buf list = BUF_INIT(8 << 20);
    bool doubtful = false, found = false;
    int result = s3_check_conditions(io, path, write, err);
    if (result == 0) {
        assert(count > 0);
        write_parts(parts, count, &list);
        result = send_completion(io, path, id, buf_str(&list), write, arena, &doubtful, err);
        if (result != 0 && doubtful && was_completed(io, path, parts, count))
            result = 0;
    }
    if (result == 0)
        result = s3_head(io, path, &found, out, err);
    if (result == 0 && !found)
        result = error_set(err, ERR_UNAVAILABLE, "File was removed meanwhile: %.*s",
                           STR_ARG(path->location));
    buf_free(&list);
    arena_free(arena);
    return result;
}

/* ---- slots ----------------------------------------------------------------------------------- */

int s3_upload_begin(struct file_io *base, struct str location, struct arena *arena, struct str *id,
                    struct error *err)
{
    struct s3_path path;
    struct str stores_own;
    if (s3_file_path(s3_of(base), location, arena, &path, err) != 0 ||
        s3_multipart_begin(s3_of(base), &path, arena, &stores_own, err) != 0)
        return -1;
    *id = arena_printf(arena, "%.*s~%.*s", STR_ARG(key_tag(path.key, arena)),
                       STR_ARG(base64url_encode(arena, stores_own)));
    return 0;
}

int s3_upload_part(struct file_io *base, struct str location, struct str id, int number,
                   const struct file_write *write, struct file_writer **out, struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_path path;
    struct str stores_own;
    int result = upload_of(s3_of(base), location, id, arena, &path, &stores_own, err);
    if (result == 0)
        result = s3_writer_open(s3_of(base), &path, stores_own, number, write, out, err);
    arena_free(arena);
    return result;
}

static void parse_parts(const struct xml_element *root, struct file_part *out, size_t *count)
{
    for (const struct xml_element *e = root->children; e != NULL; e = e->next) {
        long long number = 0, bytes = 0;
        if (!str_equal(e->name, STR("Part")) || *count == FILE_PARTS_MAX ||
            !str_to_int64(xml_text(e, "PartNumber"), &number) || number < 1 ||
            number > FILE_PARTS_MAX || !str_to_int64(xml_text(e, "Size"), &bytes))
            continue;
        struct file_part *part = &out[(*count)++];
        *part = (struct file_part){.number = (int)number, .bytes = bytes};
        part->modified_ms = s3_time_of_iso(xml_text(e, "LastModified"));
        s3_etag_of(xml_text(e, "ETag"), part->etag);
    }
}

int s3_upload_parts(struct file_io *base, struct str location, struct str id, struct arena *arena,
                    struct file_part **out, size_t *count, struct error *err)
{
    struct s3_path path;
    struct str stores_own, marker = STR("0");
    if (upload_of(s3_of(base), location, id, arena, &path, &stores_own, err) != 0)
        return -1;
    *count = 0;
    *out = ARENA_ARRAY(arena, struct file_part, FILE_PARTS_MAX);
    while (marker.len > 0) {
        struct s3_query_item query[] = {{STR("part-number-marker"), marker, true},
                                        {STR("uploadId"), stores_own, true}};
        struct s3_call call = {.method = STR("GET"),
                               .query = query,
                               .query_count = 2,
                               .repeat = S3_REPEAT,
                               .what = "list the parts of"};
        struct s3_answer answer;
        struct xml_element *root;
        size_t before = *count;
        if (ask(s3_of(base), &path, &call, arena, &answer, &root, err) != 0)
            return -1;
        if (root == NULL)
            break;
        parse_parts(root, *out, count);
        bool more = str_equal(xml_text(root, "IsTruncated"), STR("true")) && *count > before;
        marker = more ? xml_text(root, "NextPartNumberMarker") : STR_NONE;
    }
    return 0;
}

static int check_parts(const struct s3_path *path, const struct file_part *parts, size_t count,
                       struct error *err)
{
    if (count == 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "An upload needs a part: %.*s",
                         STR_ARG(path->location));
    for (size_t i = 0; i < count; i++)
        if (parts[i].number < 1 || parts[i].number > FILE_PARTS_MAX ||
            (i > 0 && parts[i].number <= parts[i - 1].number))
            return error_set(err, ERR_ILLEGAL_ARGUMENT, "Parts are not in ascending order: %.*s",
                             STR_ARG(path->location));
    return 0;
}

int s3_upload_complete(struct file_io *base, struct str location, struct str id,
                       const struct file_part *parts, size_t count, enum write_mode mode,
                       struct file_stat *out, struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_path path;
    struct str stores_own;
    struct file_write write = {.mode = mode};
    int result = upload_of(s3_of(base), location, id, arena, &path, &stores_own, err);
    if (result == 0)
        result = check_parts(&path, parts, count, err);
    if (result == 0 && s3_multipart_is_gone(s3_of(base), &path, stores_own)) {
        /* Stores differ in what they say. It may be our caller that asks again: */
        bool found = false;
        result = -1;
        if (was_completed(s3_of(base), &path, parts, count))
            result = s3_head(s3_of(base), &path, &found, out, err);
        if (!found)
            result = no_such_upload(&path, err);
    } else if (result == 0) {
        result =
            s3_multipart_complete(s3_of(base), &path, stores_own, parts, count, &write, out, err);
    }
    arena_free(arena);
    return result;
}

int s3_upload_abort(struct file_io *base, struct str location, struct str id, struct error *err)
{
    struct arena *arena = arena_new();
    struct s3_path path;
    struct str stores_own;
    int result = upload_of(s3_of(base), location, id, arena, &path, &stores_own, err);
    if (result == 0)
        result = s3_multipart_abort(s3_of(base), &path, stores_own, err);
    arena_free(arena);
    return result;
}

/* ---- sweeping -------------------------------------------------------------------------------- */

/* Ends those of an answer that are old, beneath the root. */
static int expire_some(struct file_io_s3 *io, const struct xml_element *root,
                       int64_t begun_before_ms, struct error *err)
{
    for (const struct xml_element *e = root->children; e != NULL; e = e->next) {
        struct str key = xml_text(e, "Key"), id = xml_text(e, "UploadId");
        int64_t begun_ms = s3_time_of_iso(xml_text(e, "Initiated"));
        struct s3_path path = {.location = io->root.text, .key = key};
        if (!str_equal(e->name, STR("Upload")) || id.len == 0 || begun_ms == 0 ||
            begun_ms >= begun_before_ms || !str_starts_with(key, io->prefix))
            continue;
        if (s3_multipart_abort(io, &path, id, err) != 0 && err->kind != ERR_FILE_NOT_FOUND)
            return -1;
    }
    return 0;
}

int s3_uploads_expire(struct file_io *base, int64_t begun_before_ms, struct error *err)
{
    struct file_io_s3 *io = s3_of(base);
    struct arena *arena = arena_new();
    struct str key_marker = STR_NONE, id_marker = STR_NONE;
    int result = 0;
    bool more = true;
    while (more && result == 0) {
        struct s3_query_item query[4] = {{STR("uploads"), STR(""), false},
                                         {STR("prefix"), io->prefix, true},
                                         {STR("key-marker"), key_marker, true},
                                         {STR("upload-id-marker"), id_marker, true}};
        struct s3_call call = {.method = STR("GET"),
                               .query = query,
                               .query_count = key_marker.len > 0 ? 4 : 2,
                               .repeat = S3_REPEAT,
                               .what = "list uploads of"};
        struct s3_answer answer;
        struct xml_element *root;
        result = ask(io, NULL, &call, arena, &answer, &root, err);
        if (result != 0 || root == NULL)
            break;
        result = expire_some(io, root, begun_before_ms, err);
        key_marker = xml_text(root, "NextKeyMarker");
        id_marker = xml_text(root, "NextUploadIdMarker");
        more = str_equal(xml_text(root, "IsTruncated"), STR("true")) && key_marker.len > 0;
    }
    arena_free(arena);
    return result;
}
