/* Failpoints, read from FIRN_FAILPOINTS at the first passing. A specification that is not
 * understood is fatal: a test that believes in a failpoint it misspelt proves nothing. */
#include "base/failpoint.h"

#ifdef FIRN_FAILPOINTS

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"

#define FAILPOINTS_MAX 32
#define CRASH_STATUS 137 /* what a shell reports for kill -9 */
#define SLEEP_MS_MAX 600000

enum failpoint_action { ACTION_CRASH, ACTION_ERROR, ACTION_SLEEP };

struct failpoint {
    struct str name;
    enum failpoint_action action;
    long long sleep_ms;
    long long only_passing; /* 0: every passing */
    _Atomic long long passings;
};

static struct failpoint failpoints[FAILPOINTS_MAX];
static size_t failpoint_count;
static pthread_once_t failpoints_once = PTHREAD_ONCE_INIT;

static bool parse_action(struct str text, struct failpoint *point)
{
    struct str passing = text;
    struct str action = str_cut(&passing, '@');
    if (passing.ptr != NULL &&
        (!str_to_int64(passing, &point->only_passing) || point->only_passing < 1))
        return false;
    if (str_equal(action, STR("crash"))) {
        point->action = ACTION_CRASH;
        return true;
    }
    if (str_equal(action, STR("error"))) {
        point->action = ACTION_ERROR;
        return true;
    }
    point->action = ACTION_SLEEP;
    return str_starts_with(action, STR("sleep:")) &&
           str_to_int64(str_skip(action, strlen("sleep:")), &point->sleep_ms) &&
           point->sleep_ms >= 0 && point->sleep_ms <= SLEEP_MS_MAX;
}

static void read_environment(void)
{
    struct str rest = str_cstr(getenv("FIRN_FAILPOINTS"));
    while (rest.len > 0) {
        struct str action = str_cut(&rest, ',');
        struct str name = str_cut(&action, '=');
        if (name.len == 0 && action.len == 0)
            continue;
        struct failpoint *point = &failpoints[failpoint_count];
        if (failpoint_count == FAILPOINTS_MAX || name.len == 0 || !parse_action(action, point))
            log_fatal("FIRN_FAILPOINTS is not understood at \"%.*s\"", STR_ARG(name));
        point->name = name;
        failpoint_count++;
    }
}

static void sleep_for(long long ms)
{
    struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue;
}

bool failpoint_hit(const char *name)
{
    pthread_once(&failpoints_once, read_environment);
    bool fails = false;
    for (size_t i = 0; i < failpoint_count; i++) {
        struct failpoint *point = &failpoints[i];
        if (!str_equal_cstr(point->name, name))
            continue;
        long long passing = ++point->passings;
        if (point->only_passing != 0 && passing != point->only_passing)
            continue;
        if (point->action == ACTION_CRASH)
            _exit(CRASH_STATUS);
        if (point->action == ACTION_SLEEP)
            sleep_for(point->sleep_ms);
        fails = fails || point->action == ACTION_ERROR;
    }
    return fails;
}

#endif
