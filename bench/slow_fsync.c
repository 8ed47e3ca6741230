/* LD_PRELOAD: adds FIRN_SLOW_FSYNC_US to every fsync and fdatasync, as a disk without a write cache
 * would. For the benchmarks only. */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int fsync(int fd);
int fdatasync(int fd);

static void wait_a_little(void)
{
    static int us = -1;

    if (us < 0) {
        const char *text = getenv("FIRN_SLOW_FSYNC_US");
        us = text != NULL ? (int)strtol(text, NULL, 10) : 0;
    }
    if (us > 0) {
        usleep((useconds_t)us);
    }
}

int fsync(int fd)
{
    static int (*real)(int);

    if (real == NULL) {
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    }
    wait_a_little();
    return real(fd);
}

int fdatasync(int fd)
{
    static int (*real)(int);

    if (real == NULL) {
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    }
    wait_a_little();
    return real(fd);
}
