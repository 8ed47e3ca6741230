/* The lock file <db>.lock: one process owns a store for as long as it lives.
 *
 * The lock is a write lock of the open file description (fcntl OFD): it ends with the process
 * however that dies, conflicts within one process too, and can be asked about without being taken.
 * The file stays when the lock is given back: removing it would let two owners lock two files. */
#include "metastore/metastore_sqlite_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

#define OWNER_BYTES_MAX 512

static char *lock_path(const char *path)
{
    char *text = NULL;
    if (asprintf(&text, "%s.lock", path) < 0)
        log_fatal("out of memory");
    return text;
}

static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

static size_t read_owner(int fd, char *out, size_t bytes_max)
{
    ssize_t len = pread(fd, out, bytes_max, 0);
    return len < 0 ? 0 : (size_t)len;
}

void sqlite_lock_set_owner(int fd, const char *owner)
{
    size_t len = owner == NULL ? 0 : strnlen(owner, OWNER_BYTES_MAX);
    /* The text is help for people: what cannot be written (disk full) is not worth failing for. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, owner == NULL ? "" : owner, len, 0) != (ssize_t)len)
        log_warn("cannot write the owner into the lock file: %s", strerror(errno));
}

int sqlite_lock(const char *path, const char *owner, int *out, struct error *err)
{
    char *name = lock_path(path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);
    if (fd < 0) {
        error_set(err, ERR_INTERNAL, "Cannot open the lock file %s", name);
        error_detail(err, "%s", strerror(errno));
        free(name);
        return -1;
    }
    struct flock lock = whole_file();
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
        sqlite_lock_set_owner(fd, owner);
        free(name);
        *out = fd;
        return 0;
    }
    int why = errno;
    if (why == EAGAIN || why == EACCES) {
        char text[OWNER_BYTES_MAX];
        size_t len = read_owner(fd, text, sizeof(text));
        error_set(err, ERR_UNAVAILABLE, "The catalog store %s is in use by another process: %.*s",
                  path, (int)len, text);
    } else {
        error_set(err, ERR_INTERNAL, "Cannot lock %s", name);
        error_detail(err, "%s", strerror(why));
    }
    (void)close(fd);
    free(name);
    return -1;
}

void sqlite_unlock(int fd)
{
    sqlite_lock_set_owner(fd, NULL);
    (void)close(fd);
}

struct str metastore_sqlite_owner(const char *path, struct arena *arena)
{
    char *name = lock_path(path);
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    free(name);
    if (fd < 0)
        return STR_NONE;
    struct flock lock = whole_file();
    struct str owner = STR_NONE;
    if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
        char text[OWNER_BYTES_MAX];
        owner = arena_str(arena, str_from(text, read_owner(fd, text, sizeof(text))));
    }
    (void)close(fd);
    return owner;
}
