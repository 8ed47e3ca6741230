/* Keys that an operator wrote into a file.
 *
 * 1. Every access key id is there once.
 * 2. A message names a line by its number; what stands in it may be a secret. */
#include "server/s3_key_file.h"

#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define SECRET_BYTES_MIN 8

static int refuse(struct error *err, size_t line, const char *why)
{
    return error_set(err, ERR_ILLEGAL_ARGUMENT, "Line %zu of the key file %s", line, why);
}

static bool is_word(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || text.ptr[i] == '/')
            return false;
    return text.len > 0 && text.len <= 128;
}

static int parse_line(struct s3_key_file *file, struct str line, size_t number, struct error *err)
{
    struct s3_file_key *key = &file->keys[file->count];
    key->access_key_id = str_cut(&line, ':');
    key->secret = str_cut(&line, ':');
    key->warehouse = str_cut(&line, ':');
    key->prefix = str_cut(&line, ':');
    struct str rights = line;
    if (!is_word(key->access_key_id) || key->secret.len < SECRET_BYTES_MIN ||
        key->warehouse.len == 0)
        return refuse(err, number, "is not id:secret:warehouse:prefix:rights");
    if (key->prefix.len > 0 && !str_ends_with(key->prefix, STR("/")))
        return refuse(err, number, "has a prefix that does not end in /");
    if (str_starts_with(key->prefix, STR("/")))
        return refuse(err, number, "has a prefix that begins with /");
    if (!str_equal(rights, STR("r")) && !str_equal(rights, STR("rw")))
        return refuse(err, number, "has rights other than r or rw");
    key->write = rights.len == 2;
    if (s3_key_file_find(file, key->access_key_id) != NULL)
        return refuse(err, number, "has an access key id for the second time");
    file->count++;
    return 0;
}

int s3_key_file_parse(struct str text, struct s3_key_file **out, struct error *err)
{
    struct s3_key_file *file = calloc(1, sizeof(*file));
    if (file == NULL)
        log_fatal("out of memory");
    file->arena = arena_new();
    text = arena_str(file->arena, text);
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    file->keys = ARENA_ARRAY(file->arena, struct s3_file_key, lines);
    for (size_t number = 1; text.len > 0; number++) {
        struct str line = str_trim(str_cut(&text, '\n'));
        if (str_ends_with(line, STR("\r")))
            line.len--;
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        if (parse_line(file, line, number, err) != 0) {
            s3_key_file_close(file);
            return -1;
        }
    }
    *out = file;
    return 0;
}

static int read_all(int fd, struct buf *out)
{
    char bytes[4096];
    ssize_t got;
    while ((got = read(fd, bytes, sizeof(bytes))) > 0)
        buf_add(out, str_from(bytes, (size_t)got));
    explicit_bzero(bytes, sizeof(bytes));
    return got < 0 || out->overflowed ? -1 : 0;
}

int s3_key_file_open(const char *path, struct s3_key_file **out, struct error *err)
{
    struct stat stat;
    struct buf text = BUF_INIT(FILE_BYTES_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = -1;
    if (fd < 0 || fstat(fd, &stat) != 0)
        error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot read the key file %s: %s", path,
                  strerror(errno));
    else if ((stat.st_mode & (S_IROTH | S_IWOTH)) != 0)
        error_set(err, ERR_ILLEGAL_ARGUMENT, "The key file %s is open to everybody: chmod o= it",
                  path);
    else if (read_all(fd, &text) != 0)
        error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot read the key file %s", path);
    else
        rc = s3_key_file_parse(buf_str(&text), out, err);
    if (fd >= 0)
        close(fd);
    if (text.ptr != NULL)
        explicit_bzero(text.ptr, text.len);
    buf_free(&text);
    return rc;
}

void s3_key_file_close(struct s3_key_file *file)
{
    if (file == NULL)
        return;
    arena_free(file->arena);
    free(file);
}

const struct s3_file_key *s3_key_file_find(const struct s3_key_file *file, struct str access_key_id)
{
    for (size_t i = 0; i < file->count; i++)
        if (str_equal(file->keys[i].access_key_id, access_key_id))
            return &file->keys[i];
    return NULL;
}
