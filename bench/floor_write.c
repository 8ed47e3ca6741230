/* The floor of uploads: N threads write BYTES zeros to a file, flush it, give it its name and flush
 * the directory, over and over. No network and no checks.
 *
 *   floor_write DIRECTORY THREADS SECONDS BYTES
 *
 * Prints requests=N bytes=N seconds=S. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PIECE_BYTES (1 << 18)
#define THREADS_MAX 256

static struct {
    const char *directory;
    double until;
    int64_t bytes_each;
    _Atomic int64_t files;
    char zeros[PIECE_BYTES];
} load;

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    perror(what);
    exit(1);
}

static void write_one(const char *partial, const char *path, int directory)
{
    int fd = open(partial, O_WRONLY | O_CREAT | O_EXCL, 0600);
    must(fd, partial);
    for (int64_t left = load.bytes_each; left > 0;) {
        ssize_t n = write(fd, load.zeros, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES);
        must((int)n, "write");
        left -= n;
    }
    must(fsync(fd), "fsync");
    close(fd);
    must(rename(partial, path), "rename");
    must(fsync(directory), "fsync");
}

static void *run(void *arg)
{
    char partial[512], path[512];
    int directory = open(load.directory, O_RDONLY | O_DIRECTORY);
    must(directory, load.directory);
    snprintf(partial, sizeof(partial), "%s/partial-%ld", load.directory, (long)(intptr_t)arg);
    snprintf(path, sizeof(path), "%s/file-%ld", load.directory, (long)(intptr_t)arg);
    while (now() < load.until) {
        write_one(partial, path, directory);
        load.files++;
    }
    close(directory);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MAX];
    long count = argc == 5 ? strtol(argv[2], NULL, 10) : 0;
    if (count < 1 || count > THREADS_MAX) {
        fprintf(stderr, "usage: floor_write DIRECTORY THREADS SECONDS BYTES\n");
        return 2;
    }
    double began = now();
    load.directory = argv[1];
    load.until = began + strtod(argv[3], NULL);
    load.bytes_each = strtoll(argv[4], NULL, 10);
    for (long i = 0; i < count; i++)
        must(-pthread_create(&threads[i], NULL, run, (void *)(intptr_t)i), "pthread_create");
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("requests=%lld bytes=%lld seconds=%.3f\n", (long long)load.files,
           (long long)(load.files * load.bytes_each), now() - began);
    return 0;
}
