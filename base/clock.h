/* Time behind a pointer, so that the commit core and the tests decide what "now" is.
 * Threads: a struct clock is immutable; the functions behind it are thread-safe. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*now_ms)(void *arg);       /* wall clock, ms since 1970 */
    int64_t (*monotonic_us)(void *arg); /* never goes back; for durations and deadlines */
    void *arg;
};

extern const struct clock clock_system;

static inline int64_t clock_now_ms(const struct clock *clock)
{
    return clock->now_ms(clock->arg);
}

static inline int64_t clock_monotonic_us(const struct clock *clock)
{
    return clock->monotonic_us(clock->arg);
}

#endif
