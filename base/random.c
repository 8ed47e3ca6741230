/* Random bytes of the system, and version 4 UUIDs from any source. */
#include "base/random.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"

static void system_fill(void *arg, void *out, size_t bytes)
{
    (void)arg;
    uint8_t *at = out;
    while (bytes > 0) {
        ssize_t got = getrandom(at, bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            log_fatal("getrandom failed: errno %d", errno);
        at += got;
        bytes -= (size_t)got;
    }
}

const struct random_source random_system = {system_fill, NULL};

void random_uuid4(const struct random_source *source, char out[UUID_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[16];
    source->fill(source->arg, raw, sizeof(raw));
    raw[6] = (uint8_t)((raw[6] & 0x0F) | 0x40); /* version 4 */
    raw[8] = (uint8_t)((raw[8] & 0x3F) | 0x80); /* RFC 9562 variant */
    char *at = out;
    for (size_t i = 0; i < sizeof(raw); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[raw[i] >> 4];
        *at++ = digits[raw[i] & 0x0F];
    }
    *at = '\0';
}
