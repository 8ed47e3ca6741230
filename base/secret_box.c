/* Sealed texts over openssl, and the file of their key.
 *
 * 1. A nonce is random and never used twice: every seal takes a new one. 96 random bits are good
 *    for 2^32 texts under one key; there are as many as an operator makes warehouses.
 * 2. A text is handed out only after its tag was right.
 * 3. The key file appears whole or not at all: it is written and flushed under another name. */
#include "base/secret_box.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/log.h"

#define VERSION 1
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define HEAD_BYTES ((size_t)(1 + NONCE_BYTES))
#define KEY_FILE_BYTES_MAX 128
#define PATH_TEXT_BYTES_MAX 4096

/* ---- the key file ---------------------------------------------------------------------------- */

static int cannot(struct error *err, const char *what, const char *path)
{
    int why = errno;
    error_set(err, ERR_UNAVAILABLE, "Cannot %s the key file of secrets: %s", what, path);
    return error_detail(err, "%s", strerror(why));
}

static int parse_key(struct str text, const char *path, struct secret_key *out, struct error *err)
{
    struct str line = text, bytes;
    struct arena *arena = arena_new();
    line = str_trim(str_cut(&line, '\n'));
    bool ok = base64url_decode(arena, line, &bytes) && bytes.len == SECRET_KEY_BYTES;
    if (ok) {
        memcpy(out->bytes, bytes.ptr, SECRET_KEY_BYTES);
        explicit_bzero((char *)(uintptr_t)bytes.ptr, bytes.len);
    }
    arena_free(arena);
    return ok ? 0
              : error_set(err, ERR_ILLEGAL_ARGUMENT, "The key file of secrets holds no key: %s",
                          path);
}

int secret_key_read(const char *path, struct secret_key *out, bool *found, struct error *err)
{
    char text[KEY_FILE_BYTES_MAX];
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    *found = fd >= 0;
    if (fd < 0)
        return errno == ENOENT ? 0 : cannot(err, "read", path);
    ssize_t got = read(fd, text, sizeof(text));
    bool is_open = fstat(fd, &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0;
    int result = got < 0 ? cannot(err, "read", path) : 0;
    close(fd);
    if (result == 0)
        result = parse_key(str_from(text, (size_t)got), path, out, err);
    explicit_bzero(text, sizeof(text));
    if (result == 0 && is_open)
        log_warn("the key file of secrets is open to others than its owner: %s", path);
    return result;
}

static int write_all(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t wrote = write(fd, text.ptr, text.len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return -1;
        text = str_skip(text, (size_t)wrote);
    }
    return fsync(fd);
}

static int sync_directory_of(const char *path)
{
    char directory[PATH_TEXT_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    int len = slash == NULL ? 0 : (int)(slash - path);
    (void)snprintf(directory, sizeof(directory), "%.*s%s", len, path, len == 0 ? "." : "");
    int fd = open(slash == path ? "/" : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return result;
}

/* A new file of that text under `path`; false with *exists when there is one. */
static bool make_file(const char *path, struct str text, bool *exists)
{
    char draft[PATH_TEXT_BYTES_MAX];
    int len = snprintf(draft, sizeof(draft), "%s.%d", path, (int)getpid());
    if (len < 0 || (size_t)len >= sizeof(draft)) {
        errno = ENAMETOOLONG;
        return false;
    }
    (void)unlink(draft);
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write_all(fd, text) == 0;
    if (fd >= 0)
        close(fd);
    ok = ok && link(draft, path) == 0;
    int why = errno;
    *exists = !ok && why == EEXIST;
    if (fd >= 0)
        (void)unlink(draft);
    errno = why;
    return ok && sync_directory_of(path) == 0;
}

int secret_key_make(const char *path, const struct random_source *random, struct secret_key *out,
                    struct error *err)
{
    struct arena *arena = arena_new();
    bool exists = false, found = false;
    random->fill(random->arg, out->bytes, sizeof(out->bytes));
    struct str text =
        base64url_encode(arena, str_from((const char *)out->bytes, sizeof(out->bytes)));
    struct str line = arena_printf(arena, "%.*s\n", STR_ARG(text));
    int result = make_file(path, line, &exists) ? 0 : -1;
    if (result != 0 && !exists)
        result = cannot(err, "make", path);
    explicit_bzero((char *)(uintptr_t)text.ptr, text.len);
    explicit_bzero((char *)(uintptr_t)line.ptr, line.len);
    arena_free(arena);
    if (exists && secret_key_read(path, out, &found, err) == 0)
        result = found ? 0 : error_set(err, ERR_UNAVAILABLE, "The key file vanished: %s", path);
    return result;
}

/* ---- texts ----------------------------------------------------------------------------------- */

static EVP_CIPHER_CTX *begin(const struct secret_key *key, const char *nonce, struct str bound_to,
                             bool seals)
{
    int len;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context == NULL ||
        EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key->bytes,
                          (const unsigned char *)nonce, seals ? 1 : 0) != 1 ||
        EVP_CipherUpdate(context, NULL, &len, (const unsigned char *)bound_to.ptr,
                         (int)bound_to.len) != 1)
        log_fatal("openssl cannot do AES-256-GCM");
    return context;
}

struct str secret_seal(const struct secret_key *key, struct str bound_to, struct str text,
                       const struct random_source *random, struct arena *arena)
{
    size_t total = HEAD_BYTES + text.len + TAG_BYTES;
    char *bytes = arena_alloc(arena, total);
    unsigned char *sealed = (unsigned char *)bytes + HEAD_BYTES;
    int len;
    assert(text.len < INT32_MAX && bound_to.len > 0);
    bytes[0] = VERSION;
    random->fill(random->arg, bytes + 1, NONCE_BYTES);
    EVP_CIPHER_CTX *context = begin(key, bytes + 1, bound_to, true);
    if (EVP_CipherUpdate(context, sealed, &len, (const unsigned char *)text.ptr, (int)text.len) !=
            1 ||
        EVP_CipherFinal_ex(context, sealed + text.len, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, sealed + text.len) != 1)
        log_fatal("openssl cannot seal");
    EVP_CIPHER_CTX_free(context);
    return base64url_encode(arena, str_from(bytes, total));
}

bool secret_open(const struct secret_key *key, struct str bound_to, struct str sealed,
                 struct arena *arena, struct str *out)
{
    struct str bytes;
    unsigned char tag[TAG_BYTES];
    int len;
    if (!base64url_decode(arena, sealed, &bytes) || bytes.len < HEAD_BYTES + TAG_BYTES ||
        bytes.len > INT32_MAX || bytes.ptr[0] != VERSION)
        return false;
    size_t text_len = bytes.len - HEAD_BYTES - TAG_BYTES;
    unsigned char *text = arena_alloc(arena, text_len + 1);
    memcpy(tag, bytes.ptr + HEAD_BYTES + text_len, TAG_BYTES);
    EVP_CIPHER_CTX *context = begin(key, bytes.ptr + 1, bound_to, false);
    bool ok = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
              EVP_CipherUpdate(context, text, &len, (const unsigned char *)bytes.ptr + HEAD_BYTES,
                               (int)text_len) == 1 &&
              EVP_CipherFinal_ex(context, text + text_len, &len) == 1;
    EVP_CIPHER_CTX_free(context);
    if (!ok)
        explicit_bzero(text, text_len);
    *out = ok ? str_from((const char *)text, text_len) : STR_NONE;
    return ok;
}
