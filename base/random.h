/* Random bytes behind a pointer. The system source is getrandom(2); its failure is fatal.
 * Threads: immutable; the system source is thread-safe. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>

struct random_source {
    void (*fill)(void *arg, void *out, size_t bytes);
    void *arg;
};

extern const struct random_source random_system;

#define UUID_TEXT_BYTES 37 /* 36 characters and NUL */

void random_uuid4(const struct random_source *source, char out[UUID_TEXT_BYTES]); /* lower case */

#endif
