/* S3 files: one PUT, copies, removing. The rules are in file_io_s3_private.h.
 *
 * 1. A PUT under If-None-Match: * may be sent again and again: it can be done once only.
 * 2. When an attempt may have been done without its reply having come, "it exists" is no verdict:
 * the bytes that are there decide. */
#include "storage/file_io_s3_private.h"

#include <assert.h>
#include <openssl/evp.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/xml.h"

#define REMOVE_KEYS_MAX 1000 /* of one request */
#define ANSWER_BYTES_MAX (1 << 20)
#define PIECE_BYTES 65536

/* ---- digests and conditions ------------------------------------------------------------------ */

struct str s3_md5_base64(struct str body, struct arena *arena)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    char text[EVP_MAX_MD_SIZE * 2];
    if (EVP_Digest(body.len == 0 ? "" : body.ptr, body.len, digest, &len, EVP_md5(), NULL) != 1)
        log_fatal("no MD5");
    int written = EVP_EncodeBlock((unsigned char *)text, digest, (int)len);
    return arena_str(arena, str_from(text, (size_t)written));
}

/* Etags go out without their quotes: Ceph knows them only so, and all others too. */
size_t s3_conditions(const struct file_write *write, struct arena *arena,
                     struct http_header out[S3_CONDITIONS_MAX])
{
    size_t count = 0;
    if (write->mode == FILE_CREATE)
        out[count++] = (struct http_header){STR("if-none-match"), STR("*")};
    if (write->if_match.len > 0) {
        struct str etag = write->if_match;
        if (etag.len >= 2 && etag.ptr[0] == '"')
            etag = str_from(etag.ptr + 1, etag.len - 2);
        out[count++] = (struct http_header){STR("if-match"), arena_str(arena, etag)};
    }
    if (write->md5_base64.len > 0)
        out[count++] =
            (struct http_header){STR("content-md5"), arena_str(arena, write->md5_base64)};
    assert(count <= S3_CONDITIONS_MAX);
    return count;
}

static int exists_already(struct str location, struct error *err)
{
    return error_set(err, ERR_ALREADY_EXISTS, "File already exists: %.*s", STR_ARG(location));
}

static int other_version(struct str location, struct error *err)
{
    return error_set(err, ERR_PRECONDITION_FAILED, "File is not the expected version: %.*s",
                     STR_ARG(location));
}

int s3_write_error(const struct s3_answer *answer, const struct s3_call *call,
                   const struct file_write *write, struct error *err)
{
    int status = answer->response.status;
    if (status == 412 && write->mode == FILE_CREATE && write->if_match.len == 0)
        return exists_already(call->location, err);
    if (status == 412 ||
        (status == 404 && write->if_match.len > 0 && !str_equal(answer->code, STR("NoSuchBucket"))))
        return other_version(call->location, err);
    return s3_answer_error(answer, call, err);
}

int s3_check_conditions(struct file_io_s3 *io, const struct s3_path *path,
                        const struct file_write *write, struct error *err)
{
    struct file_stat stat;
    bool found;
    char wanted[FILE_ETAG_BYTES_MAX + 1];
    if (write->mode == FILE_REPLACE && write->if_match.len == 0)
        return 0;
    if (s3_head(io, path, &found, &stat, err) != 0)
        return -1;
    if (write->mode == FILE_CREATE && found)
        return exists_already(path->location, err);
    if (write->if_match.len == 0)
        return 0;
    s3_etag_of(write->if_match, wanted);
    return found && strcmp(wanted, stat.etag) == 0 ? 0 : other_version(path->location, err);
}

/* ---- one PUT --------------------------------------------------------------------------------- */

/* Are these the bytes of the file? false too when it cannot be learned; *found only when it was. */
static bool holds(struct file_io_s3 *io, const struct s3_path *path, struct str body)
{
    char piece[PIECE_BYTES];
    struct file_reader *reader;
    struct error ignored;
    size_t got = 0;
    if (s3_open(&io->base, path->location, 0, FILE_TO_END, &reader, &ignored) != 0)
        return false;
    bool same = reader->stat.bytes == (int64_t)body.len;
    while (same && body.len > 0) {
        same = file_reader_read(reader, piece, sizeof(piece), &got, &ignored) == 0 && got > 0 &&
               got <= body.len && memcmp(piece, body.ptr, got) == 0;
        body = str_skip(body, got);
    }
    file_reader_close(reader);
    return same;
}

/* After a PUT without a clear end: 0 when the file holds its bytes. */
static int judge_by_bytes(struct file_io_s3 *io, const struct s3_path *path, struct str body,
                          struct file_stat *out)
{
    struct error ignored;
    bool found;
    if (!holds(io, path, body) || s3_head(io, path, &found, out, &ignored) != 0 || !found)
        return -1;
    log_info("a reply was lost, the file is there: %.*s", STR_ARG(path->location));
    return 0;
}

int s3_put(struct file_io_s3 *io, const struct s3_path *path, struct str body,
           const struct file_write *write, struct file_stat *out, struct error *err)
{
    struct arena *arena = arena_new();
    struct file_write checked = *write;
    struct http_header headers[S3_CONDITIONS_MAX];
    if (checked.md5_base64.len == 0)
        checked.md5_base64 = s3_md5_base64(body, arena);
    struct s3_call call = {.method = STR("PUT"),
                           .key = path->key,
                           .headers = headers,
                           .header_count = s3_conditions(&checked, arena, headers),
                           .body = body.ptr == NULL ? STR("") : body,
                           .repeat = S3_REPEAT,
                           .what = "write",
                           .location = path->location};
    struct s3_answer answer;
    struct buf nothing = BUF_INIT(ANSWER_BYTES_MAX);
    int result = s3_client_call(io->client, &call, arena, &answer, &nothing, err);
    bool ok = result == 0 && s3_answer_ok(&answer);
    bool exists = result == 0 && answer.response.status == 412;
    if (ok) {
        s3_stat_of(&answer.response, out);
        out->bytes = (int64_t)body.len;
    } else {
        if (result == 0)
            result = s3_write_error(&answer, &call, write, err);
        if (answer.doubtful && (exists || err->kind == ERR_UNAVAILABLE) &&
            judge_by_bytes(io, path, body, out) == 0)
            result = 0;
    }
    buf_free(&nothing);
    arena_free(arena);
    return result;
}

int s3_write_new(struct file_io *base, struct str location, struct str body, struct error *err)
{
    static const struct file_write create = {.mode = FILE_CREATE};
    struct file_io_s3 *io = s3_of(base);
    struct arena *arena = arena_new();
    struct s3_path path;
    struct file_stat stat;
    int result = s3_file_path(io, location, arena, &path, err);
    if (result == 0 && (FAILPOINT("storage_before_write") || FAILPOINT("storage_write_error")))
        result = error_set(err, ERR_UNAVAILABLE, "Cannot write file: %.*s", STR_ARG(path.location));
    if (result == 0 && (int64_t)body.len > S3_PUT_BYTES_MAX)
        result = error_set(err, ERR_BODY_TOO_LARGE, "File is too large for one PUT: %.*s",
                           STR_ARG(path.location));
    if (result == 0)
        result = s3_put(io, &path, body, &create, &stat, err);
    if (result == 0 && FAILPOINT("storage_after_link")) { /* nobody is told of it */
        struct error ignored;
        (void)s3_remove(base, location, &ignored);
        result = error_set(err, ERR_UNAVAILABLE, "Cannot write file: %.*s", STR_ARG(path.location));
    }
    arena_free(arena);
    return result;
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* A copy answers 200 before it knows: the body tells. */
static int judge_copy(struct str body, const struct s3_call *call, struct arena *arena,
                      struct error *err)
{
    struct xml_element *root;
    struct error ignored;
    if (xml_parse(body, 100, arena, &root, &ignored) == 0 &&
        str_equal(root->name, STR("CopyObjectResult")))
        return 0;
    error_set(err, ERR_UNAVAILABLE, "Cannot %s file: %.*s (the store did not finish it)",
              call->what, STR_ARG(call->location));
    return -1;
}

static int copy_key(struct file_io_s3 *io, const struct s3_path *from, const struct s3_path *to,
                    const struct file_write *write, struct arena *arena, struct error *err)
{
    struct http_header headers[S3_CONDITIONS_MAX + 1];
    struct file_write unchecked = *write;
    unchecked.md5_base64 = STR_NONE;
    size_t count = s3_conditions(&unchecked, arena, headers);
    headers[count++] = (struct http_header){
        STR("x-amz-copy-source"), arena_printf(arena, "/%.*s/%.*s", STR_ARG(io->root.authority),
                                               STR_ARG(s3_uri_encode(from->key, true, arena)))};
    struct s3_call call = {.method = STR("PUT"),
                           .key = to->key,
                           .headers = headers,
                           .header_count = count,
                           .body = STR(""),
                           .repeat = write->mode == FILE_REPLACE ? S3_REPEAT : S3_ONCE,
                           .total_ms = 10 * 60 * 1000,
                           .bulk = true,
                           .what = "copy to",
                           .location = to->location};
    struct s3_answer answer;
    struct buf body = BUF_INIT(ANSWER_BYTES_MAX);
    int result = s3_client_call(io->client, &call, arena, &answer, &body, err);
    if (result == 0 && !s3_answer_ok(&answer))
        result = s3_write_error(&answer, &call, write, err);
    else if (result == 0)
        result = judge_copy(buf_str(&body), &call, arena, err);
    buf_free(&body);
    return result;
}

int s3_copy(struct file_io *base, struct str from, struct str to, const struct file_write *write,
            struct file_stat *out, struct error *err)
{
    struct file_io_s3 *io = s3_of(base);
    struct arena *arena = arena_new();
    struct s3_path source, target;
    struct file_stat stat;
    bool found = false;
    int result = s3_file_path(io, from, arena, &source, err);
    if (result == 0)
        result = s3_file_path(io, to, arena, &target, err);
    if (result == 0)
        result = s3_head(io, &source, &found, &stat, err);
    if (result == 0 && !found)
        result = error_set(err, ERR_FILE_NOT_FOUND, "Failed to open input stream for file: %.*s",
                           STR_ARG(source.location));
    if (result == 0 && stat.bytes > S3_PUT_BYTES_MAX)
        result = error_set(err, ERR_UNSUPPORTED, "File is too large to be copied: %.*s",
                           STR_ARG(source.location));
    if (result == 0)
        result = s3_check_conditions(io, &target, write, err);
    if (result == 0)
        result = copy_key(io, &source, &target, write, arena, err);
    if (result == 0)
        result = s3_head(io, &target, &found, out, err);
    if (result == 0 && !found)
        result = error_set(err, ERR_UNAVAILABLE, "File was removed meanwhile: %.*s",
                           STR_ARG(target.location));
    arena_free(arena);
    return result;
}

/* ---- removing -------------------------------------------------------------------------------- */

int s3_remove(struct file_io *base, struct str location, struct error *err)
{
    struct file_io_s3 *io = s3_of(base);
    struct arena *arena = arena_new();
    struct s3_path path;
    int result = s3_file_path(io, location, arena, &path, err);
    if (result == 0) {
        struct s3_call call = {.method = STR("DELETE"),
                               .key = path.key,
                               .repeat = S3_REPEAT,
                               .what = "remove",
                               .location = path.location};
        struct s3_answer answer;
        struct buf nothing = BUF_INIT(ANSWER_BYTES_MAX);
        result = s3_client_call(io->client, &call, arena, &answer, &nothing, err);
        bool gone = answer.response.status == 404 && !str_equal(answer.code, STR("NoSuchBucket"));
        if (result == 0 && !s3_answer_ok(&answer) && !gone)
            result = s3_answer_error(&answer, &call, err);
        buf_free(&nothing);
    }
    arena_free(arena);
    return result;
}

/* The first <Error> of an answer to a multi-delete that is one: what was not there is removed. */
static int judge_removal(struct str body, const struct s3_call *call, struct arena *arena,
                         struct error *err)
{
    struct xml_element *root;
    if (xml_parse(body, 8 * REMOVE_KEYS_MAX, arena, &root, err) != 0)
        return error_set(err, ERR_UNAVAILABLE, "Cannot remove files: %.*s (no answer to read)",
                         STR_ARG(call->location));
    const struct xml_element *failed = root;
    if (!str_equal(root->name, STR("Error")))
        for (failed = root->children; failed != NULL; failed = failed->next)
            if (str_equal(failed->name, STR("Error")) &&
                !str_equal(xml_text(failed, "Code"), STR("NoSuchKey")))
                break;
    if (failed == NULL)
        return 0;
    struct str code = str_utf8_cut(xml_text(failed, "Code"), 100);
    return error_set(err, ERR_UNAVAILABLE, "Cannot remove file: %.*s (the store answers %.*s)",
                     STR_ARG(str_utf8_cut(xml_text(failed, "Key"), 300)), STR_ARG(code));
}

static int remove_some(struct file_io_s3 *io, const struct s3_path *paths, size_t count,
                       struct arena *arena, struct error *err)
{
    struct buf list = BUF_INIT(16 << 20), answer_body = BUF_INIT(4 << 20);
    buf_add_cstr(&list, "<Delete><Quiet>true</Quiet>");
    for (size_t i = 0; i < count; i++) {
        buf_add_cstr(&list, "<Object>");
        xml_write(&list, "Key", paths[i].key);
        buf_add_cstr(&list, "</Object>");
    }
    buf_add_cstr(&list, "</Delete>");
    struct s3_query_item query = {STR("delete"), STR(""), false};
    struct http_header headers[] = {{STR("content-md5"), s3_md5_base64(buf_str(&list), arena)},
                                    {STR("content-type"), STR("application/xml")}};
    struct s3_call call = {.method = STR("POST"),
                           .query = &query,
                           .query_count = 1,
                           .headers = headers,
                           .header_count = 2,
                           .body = buf_str(&list),
                           .repeat = S3_REPEAT,
                           .what = "remove",
                           .location = paths[0].location};
    struct s3_answer answer;
    int result = s3_client_call(io->client, &call, arena, &answer, &answer_body, err);
    if (result == 0 && !s3_answer_ok(&answer))
        result = s3_answer_error(&answer, &call, err);
    else if (result == 0 && answer_body.len > 0)
        result = judge_removal(buf_str(&answer_body), &call, arena, err);
    buf_free(&list);
    buf_free(&answer_body);
    return result;
}

int s3_remove_all(struct file_io *base, const struct str *locations, size_t count,
                  struct error *err)
{
    struct file_io_s3 *io = s3_of(base);
    struct arena *arena = arena_new();
    struct s3_path *paths = ARENA_ARRAY(arena, struct s3_path, count + 1);
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = s3_file_path(io, locations[i], arena, &paths[i], err);
    for (size_t done = 0; done < count && result == 0; done += REMOVE_KEYS_MAX) {
        size_t some = count - done < REMOVE_KEYS_MAX ? count - done : REMOVE_KEYS_MAX;
        result = remove_some(io, paths + done, some, arena, err);
    }
    arena_free(arena);
    return result;
}
