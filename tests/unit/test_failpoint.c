/* Tests of base/failpoint. The environment is read once, so each test runs in a child. In a build
 * without failpoints the only test is that there are none. */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"

#ifdef FIRN_FAILPOINTS

/* Runs `passes` in a child with that specification; returns the child's status. */
static int run(const char *specification, int (*passes)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        setenv("FIRN_FAILPOINTS", specification, 1);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(99);
        _exit(passes());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int exit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Which of four passings failed, as bits. */
static int four_passings(void)
{
    int failed = 0;
    for (int i = 0; i < 4; i++)
        failed |= (FAILPOINT("place") ? 1 : 0) << i;
    return failed;
}

static int time_of_two_passings_ms(void)
{
    int64_t start_us = clock_monotonic_us(&clock_system);
    bool failed = FAILPOINT("place");
    failed = FAILPOINT("place") || failed;
    int64_t ms = (clock_monotonic_us(&clock_system) - start_us) / 1000;
    return failed ? 98 : ms > 90 ? 90 : (int)ms;
}

static void errors(void **state)
{
    (void)state;
    assert_int_equal(exit_code(run("", four_passings)), 0);
    assert_int_equal(exit_code(run("place=error", four_passings)), 15);
    assert_int_equal(exit_code(run("place=error@1", four_passings)), 1);
    assert_int_equal(exit_code(run("place=error@3", four_passings)), 4);
    assert_int_equal(exit_code(run("place=error@5", four_passings)), 0);
    assert_int_equal(exit_code(run("places=error,plac=error", four_passings)), 0);
    assert_int_equal(exit_code(run("other=crash,place=error@2,place=error@4,", four_passings)), 10);
}

static void crashes(void **state)
{
    (void)state;
    assert_int_equal(exit_code(run("place=crash", four_passings)), 137);
    assert_int_equal(exit_code(run("place=crash@4", four_passings)), 137);
    assert_int_equal(exit_code(run("place=crash@5", four_passings)), 0);
}

static void sleeps(void **state)
{
    (void)state;
    assert_in_range(exit_code(run("place=sleep:20@2", time_of_two_passings_ms)), 20, 90);
    assert_in_range(exit_code(run("place=sleep:20", time_of_two_passings_ms)), 40, 90);
    assert_int_equal(exit_code(run("place=sleep:0", four_passings)), 0);
}

static void misspelt_is_fatal(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "place",         "place=",         "=error",        "place=panic",     "place=error@",
        "place=error@0", "place=error@-1", "place=error@x", "place=sleep",     "place=sleep:",
        "place=sleep:x", "place=sleep:-1", "place=errors",  "a=error,place=x", "place=crash:1",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int status = run(bad[i], four_passings);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            fail_msg("accepted %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors),
        cmocka_unit_test(crashes),
        cmocka_unit_test(sleeps),
        cmocka_unit_test(misspelt_is_fatal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void there_are_none(void **state)
{
    (void)state;
    setenv("FIRN_FAILPOINTS", "place=crash", 1);
    assert_false(FAILPOINT("place"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_are_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
