/* Blocks of files on local disk, found by an index in memory.
 *
 * 1. A block in the index is READY or being FILLED by exactly one thread; who meets the latter
 *    waits, and nobody waits for a thread that waits itself.
 * 2. A block gets its name when it is whole. Its digest is looked at once per process unless this
 *    process wrote it.
 * 3. bytes_held is the sum of the sizes of all READY blocks, and at most bytes_max whenever the
 * lock is free. Files that are removed while somebody reads them stay readable for him.
 * 4. Trouble with the directory is never trouble of the reader: he is sent to the store. */
#include "storage/read_cache.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metric.h"

#define BUCKETS 65536 /* a power of two */
#define NAME_BYTES_MAX 96
#define PIECE_BYTES 65536
#define FOLDERS 256

enum block_state { BLOCK_FILLING, BLOCK_READY };

struct entry {
    struct read_cache_block block;
    enum block_state state;
    bool verified;
    struct entry *next_in_bucket;
    struct entry *newer, *older; /* READY ones, by their last use */
};

struct read_cache {
    int directory_fd, lock_fd;
    int64_t bytes_max, bytes_held;
    uint64_t temporaries;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct entry *newest, *oldest;
    struct entry *buckets[BUCKETS];
};

/* ---- names ----------------------------------------------------------------------------------- */

static void name_of(const struct read_cache_block *block, char *out)
{
    int at = snprintf(out, NAME_BYTES_MAX, "%02x/", block->file.bytes[0]);
    for (size_t i = 0; i < SHA256_BYTES; i++)
        at += snprintf(out + at, (size_t)(NAME_BYTES_MAX - at), "%02x", block->file.bytes[i]);
    snprintf(out + at, (size_t)(NAME_BYTES_MAX - at), "-%" PRIu32, block->number);
}

/* The other way round; false for what is no block of ours. */
static bool block_of(const char *name, struct read_cache_block *out)
{
    unsigned int byte;
    for (size_t i = 0; i < SHA256_BYTES; i++, name += 2) {
        if (sscanf(name, "%2x", &byte) != 1)
            return false;
        out->file.bytes[i] = (uint8_t)byte;
    }
    char *end;
    unsigned long number = name[0] == '-' ? strtoul(name + 1, &end, 10) : 0;
    out->number = (uint32_t)number;
    return name[0] == '-' && name[1] != '\0' && *end == '\0' && number < UINT32_MAX;
}

/* Over the content and what it is the content of: a block under another's name is torn too. */
static struct sha256 digest_of(const struct read_cache_block *block, struct str content)
{
    const struct str parts[] = {
        str_from((const char *)block->file.bytes, SHA256_BYTES),
        str_from((const char *)&block->number, sizeof(block->number)),
        content,
    };
    return sha256_of_parts(parts, 3);
}

/* ---- the index (with the lock held) ---------------------------------------------------------- */

static struct entry **slot_of(struct read_cache *cache, const struct read_cache_block *block)
{
    uint32_t hash;
    memcpy(&hash, block->file.bytes + 1, sizeof(hash));
    hash += block->number * 2654435761u;
    struct entry **at = &cache->buckets[hash & (BUCKETS - 1)];
    while (*at != NULL && ((*at)->block.number != block->number ||
                           memcmp((*at)->block.file.bytes, block->file.bytes, SHA256_BYTES) != 0))
        at = &(*at)->next_in_bucket;
    return at;
}

static void unlink_use(struct read_cache *cache, struct entry *entry)
{
    *(entry->newer == NULL ? &cache->newest : &entry->newer->older) = entry->older;
    *(entry->older == NULL ? &cache->oldest : &entry->older->newer) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void link_newest(struct read_cache *cache, struct entry *entry)
{
    entry->older = cache->newest;
    *(cache->newest == NULL ? &cache->oldest : &cache->newest->newer) = entry;
    cache->newest = entry;
}

static void drop(struct read_cache *cache, struct entry *entry)
{
    struct entry **slot = slot_of(cache, &entry->block);
    assert(*slot == entry);
    if (entry->state == BLOCK_READY) {
        char name[NAME_BYTES_MAX];
        name_of(&entry->block, name);
        (void)unlinkat(cache->directory_fd, name, 0);
        unlink_use(cache, entry);
        cache->bytes_held -= entry->block.bytes;
        metric_set(METRIC_READ_CACHE_BYTES, cache->bytes_held);
    }
    *slot = entry->next_in_bucket;
    free(entry);
}

static struct entry *add(struct read_cache *cache, const struct read_cache_block *block,
                         enum block_state state)
{
    struct entry **slot = slot_of(cache, block);
    assert(*slot == NULL);
    struct entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        log_fatal("out of memory: the read cache");
    entry->block = *block;
    entry->state = state;
    *slot = entry;
    return entry;
}

static void make_ready(struct read_cache *cache, struct entry *entry)
{
    entry->state = BLOCK_READY;
    link_newest(cache, entry);
    cache->bytes_held += entry->block.bytes;
    while (cache->bytes_held > cache->bytes_max)
        drop(cache, cache->oldest);
    metric_set(METRIC_READ_CACHE_BYTES, cache->bytes_held);
}

/* ---- looking --------------------------------------------------------------------------------- */

static bool is_whole(int fd, const struct read_cache_block *block)
{
    struct stat file;
    struct sha256 kept;
    bool whole = false;
    if (fstat(fd, &file) != 0 || file.st_size != (off_t)(block->bytes + sizeof(kept)))
        return false;
    char *content = malloc(block->bytes + 1);
    if (content == NULL)
        log_fatal("out of memory: the read cache");
    if (pread(fd, content, block->bytes, 0) == (ssize_t)block->bytes &&
        pread(fd, &kept, sizeof(kept), block->bytes) == (ssize_t)sizeof(kept)) {
        struct sha256 real = digest_of(block, str_from(content, block->bytes));
        whole = sha256_equal(&real, &kept);
    }
    free(content);
    return whole;
}

/* Opens a READY block; -1 when it is not there any more, or not whole. */
static int open_block(struct read_cache *cache, const struct read_cache_block *block, bool verified)
{
    char name[NAME_BYTES_MAX];
    name_of(block, name);
    int fd = openat(cache->directory_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && !verified && !is_whole(fd, block)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The block's entry once nobody fills it, or NULL. */
static struct entry *find_settled(struct read_cache *cache, const struct read_cache_block *block)
{
    struct entry *entry = *slot_of(cache, block);
    while (entry != NULL && entry->state == BLOCK_FILLING) {
        pthread_cond_wait(&cache->filled, &cache->lock);
        entry = *slot_of(cache, block);
    }
    return entry;
}

int read_cache_get(struct read_cache *cache, const struct read_cache_block *block, bool *pass)
{
    assert(block->bytes > 0 && block->bytes <= READ_CACHE_BLOCK_BYTES);
    int fd = -1;
    *pass = (int64_t)block->bytes > cache->bytes_max;
    if (*pass)
        return -1;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find_settled(cache, block);
    if (entry != NULL) {
        bool verified = entry->verified && entry->block.bytes == block->bytes;
        unlink_use(cache, entry);
        link_newest(cache, entry);
        pthread_mutex_unlock(&cache->lock);
        fd = open_block(cache, block, verified);
        pthread_mutex_lock(&cache->lock);
        entry = find_settled(cache, block); /* it may have gone, or come again */
        if (fd >= 0 && entry != NULL)
            entry->verified = true;
        else if (fd < 0 && entry != NULL)
            drop(cache, entry);
        entry = NULL;
    }
    if (fd < 0)
        (void)add(cache, block, BLOCK_FILLING);
    pthread_mutex_unlock(&cache->lock);
    metric_add(fd >= 0 ? METRIC_READ_CACHE_HITS : METRIC_READ_CACHE_MISSES, 1);
    return fd;
}

/* ---- filling --------------------------------------------------------------------------------- */

/* Ends what read_cache_get began. */
static void settle(struct read_cache *cache, const struct read_cache_block *block, bool ready)
{
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = *slot_of(cache, block);
    assert(entry != NULL && entry->state == BLOCK_FILLING);
    if (ready) {
        entry->verified = true;
        make_ready(cache, entry);
    } else {
        drop(cache, entry);
    }
    pthread_cond_broadcast(&cache->filled);
    pthread_mutex_unlock(&cache->lock);
}

void read_cache_give_up(struct read_cache *cache, const struct read_cache_block *block)
{
    settle(cache, block, false);
}

static bool write_all(int fd, const void *from, size_t bytes)
{
    for (const char *at = from; bytes > 0;) {
        ssize_t done = write(fd, at, bytes);
        if (done <= 0)
            return false;
        at += done;
        bytes -= (size_t)done;
    }
    return true;
}

/* The whole content through `pull` into memory and the file. */
static bool fill_file(int fd, const struct read_cache_block *block, read_cache_pull_fn *pull,
                      void *arg, bool *broken)
{
    char *content = malloc(block->bytes);
    if (content == NULL)
        log_fatal("out of memory: the read cache");
    size_t have = 0, got = 1;
    while (!*broken && have < block->bytes && got > 0) {
        size_t room = block->bytes - have;
        *broken = pull(arg, content + have, room < PIECE_BYTES ? room : PIECE_BYTES, &got) != 0;
        have += *broken ? 0 : got;
    }
    bool done = have == block->bytes;
    if (done) {
        struct sha256 digest = digest_of(block, str_from(content, block->bytes));
        done = write_all(fd, content, have) && write_all(fd, &digest, sizeof(digest));
    }
    free(content);
    return done;
}

int read_cache_fill(struct read_cache *cache, const struct read_cache_block *block,
                    read_cache_pull_fn *pull, void *arg, bool *broken)
{
    char name[NAME_BYTES_MAX], temporary[NAME_BYTES_MAX];
    name_of(block, name);
    pthread_mutex_lock(&cache->lock);
    snprintf(temporary, sizeof(temporary), "%.2s/.new-%" PRIu64, name, cache->temporaries++);
    pthread_mutex_unlock(&cache->lock);
    *broken = false;
    int fd = openat(cache->directory_fd, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool done = fd >= 0 && fill_file(fd, block, pull, arg, broken) &&
                renameat(cache->directory_fd, temporary, cache->directory_fd, name) == 0;
    if (!done && fd >= 0) {
        (void)unlinkat(cache->directory_fd, temporary, 0);
        close(fd);
        fd = -1;
    }
    settle(cache, block, done);
    return fd;
}

/* ---- opening and closing --------------------------------------------------------------------- */

/* A file found in a folder of the cache: a block, or what a crash left. */
static void adopt(struct read_cache *cache, int folder_fd, const char *name)
{
    struct read_cache_block block;
    struct stat file;
    if (name[0] == '.' && strncmp(name, ".new-", 5) != 0)
        return; /* . and .. */
    if (!block_of(name, &block) || fstatat(folder_fd, name, &file, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(file.st_mode) || file.st_size <= SHA256_BYTES ||
        file.st_size > READ_CACHE_BLOCK_BYTES + SHA256_BYTES) {
        (void)unlinkat(folder_fd, name, 0);
        return;
    }
    block.bytes = (uint32_t)(file.st_size - SHA256_BYTES);
    if (*slot_of(cache, &block) == NULL)
        make_ready(cache, add(cache, &block, BLOCK_FILLING));
}

static int adopt_folder(struct read_cache *cache, int number)
{
    char name[8];
    snprintf(name, sizeof(name), "%02x", (unsigned int)number);
    if (mkdirat(cache->directory_fd, name, 0700) != 0 && errno != EEXIST)
        return -1;
    int fd = openat(cache->directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL)
        return -1;
    for (struct dirent *at; (at = readdir(folder)) != NULL;)
        adopt(cache, fd, at->d_name);
    closedir(folder);
    return 0;
}

static int own_directory(struct read_cache *cache, const char *directory)
{
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return -1;
    cache->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cache->directory_fd < 0)
        return -1;
    cache->lock_fd = openat(cache->directory_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (cache->lock_fd < 0 || flock(cache->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return -1;
    for (int i = 0; i < FOLDERS; i++)
        if (adopt_folder(cache, i) != 0)
            return -1;
    return 0;
}

int read_cache_open(const char *directory, int64_t bytes_max, struct read_cache **out,
                    struct error *err)
{
    assert(bytes_max > 0);
    struct read_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        log_fatal("out of memory: the read cache");
    cache->directory_fd = cache->lock_fd = -1;
    cache->bytes_max = bytes_max;
    (void)pthread_mutex_init(&cache->lock, NULL);
    (void)pthread_cond_init(&cache->filled, NULL);
    if (own_directory(cache, directory) != 0) {
        error_set(err, ERR_UNAVAILABLE, "Cannot use the read cache's directory %s%s", directory,
                  errno == EWOULDBLOCK ? ": another process has it" : "");
        (void)error_detail(err, "%s", strerror(errno));
        read_cache_close(cache);
        return -1;
    }
    *out = cache;
    return 0;
}

void read_cache_close(struct read_cache *cache)
{
    for (size_t i = 0; i < BUCKETS; i++)
        while (cache->buckets[i] != NULL) {
            struct entry *entry = cache->buckets[i];
            assert(entry->state == BLOCK_READY);
            cache->buckets[i] = entry->next_in_bucket;
            free(entry);
        }
    if (cache->lock_fd >= 0)
        close(cache->lock_fd);
    if (cache->directory_fd >= 0)
        close(cache->directory_fd);
    (void)pthread_cond_destroy(&cache->filled);
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache);
}
