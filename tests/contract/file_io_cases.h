/* The cases that every file access backend must pass. A backend's test brings an opener and runs
 * them; each case begins with an empty root. */
#ifndef TESTS_CONTRACT_FILE_IO_CASES_H
#define TESTS_CONTRACT_FILE_IO_CASES_H

#include "tests/unit/unit.h"

#include "storage/file_io.h"

struct file_io_opener {
    struct file_io *(*open)(void *arg);
    void (*wipe)(void *arg);
    const char *root;    /* its canonical location */
    const char *outside; /* a canonical location of the same kind that is not beneath it */
    void *arg;
};

/* Returns the number of failed cases. */
int file_io_cases_run(const char *backend, const struct file_io_opener *opener);

#endif
