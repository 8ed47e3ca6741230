/* The SQLite metastore when its process dies or its disk is really full. The dying is done by a
 * child, which is this program run again: "child <directory>" commits until it ends and writes a
 * byte to its standard output for every commit that was answered. */
#include "tests/contract/sqlite_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define CHILD_COMMITS 300

static char program[4096];

/* ---- the child ------------------------------------------------------------------------------- */

/* Its answers: 'a' applied, 'r' refused, 'u' unknown, 's' was stopped and reads go on. */
static int run_child(const char *directory)
{
    (void)snprintf(store_path, sizeof(store_path), "%s/firn.db", directory);
    struct metastore *store = must_open();
    warehouse_id = 1;
    for (int i = 0; i < CHILD_COMMITS; i++) {
        enum change_outcome outcome = commit_next(store, 500);
        char answer = outcome == CHANGE_APPLIED       ? 'a'
                      : outcome == CHANGE_UNAVAILABLE ? 'r'
                      : outcome == CHANGE_UNKNOWN     ? 'u'
                                                      : '?';
        if (outcome == CHANGE_UNKNOWN) {
            wait_for_fatal();
            if (commit_next(store, 10) == CHANGE_UNAVAILABLE && table_version(store) > 0)
                answer = 's';
        }
        if (write(STDOUT_FILENO, &answer, 1) != 1 || answer == 's')
            break;
    }
    metastore_close(store);
    return 0;
}

struct child_result {
    int status;
    size_t applied, refused, unknown, stopped, other;
};

/* Runs the child with these failpoints; kills it after `kill_us`, when that is not 0. */
static struct child_result spawn_child(const char *failpoints, useconds_t kill_us)
{
    int out[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)setenv("FIRN_FAILPOINTS", failpoints, 1);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)execl(program, program, "child", store_directory, (char *)NULL);
        _exit(1);
    }
    (void)close(out[1]);
    if (kill_us != 0) {
        (void)usleep(kill_us);
        (void)kill(child, SIGKILL);
    }
    struct child_result result = {0};
    char answers[CHILD_COMMITS + 1];
    ssize_t len;
    while ((len = read(out[0], answers, sizeof(answers))) > 0) {
        for (ssize_t i = 0; i < len; i++) {
            result.applied += answers[i] == 'a';
            result.refused += answers[i] == 'r';
            result.unknown += answers[i] == 'u';
            result.stopped += answers[i] == 's';
            result.other += strchr("arus", answers[i]) == NULL;
        }
    }
    (void)close(out[0]);
    assert_int_equal(waitpid(child, &result.status, 0), child);
    assert_int_equal(result.other, 0);
    return result;
}

/* Every answered commit is there; at most one more, that was on its way; nothing is half there. */
static int64_t check_survivors(int64_t version_before, const struct child_result *result)
{
    struct metastore *store = must_open();
    int64_t version = table_version(store);
    assert_in_range(version, version_before + (int64_t)result->applied,
                    version_before + (int64_t)result->applied + 1);
    check_chain(store);
    metastore_close(store);
    check_integrity();
    return version;
}

/* ---- dying ----------------------------------------------------------------------------------- */

static void begin_store(void)
{
    struct metastore *store = must_open();
    fill_store(store);
    metastore_close(store);
}

static void answered_commits_survive_kill(void **state)
{
    (void)state;
    int64_t version = 1;
    begin_store();
    for (int round = 0; round < 12; round++) {
        struct child_result result = spawn_child("", 3000 + 9000 * (useconds_t)round);
        version = check_survivors(version, &result);
    }
}

#ifdef FIRN_FAILPOINTS
static void answered_commits_survive_a_crash_anywhere(void **state)
{
    (void)state;
    static const char *const points[] = {
        "metastore_before_begin=crash@7", "metastore_after_change=crash@7",
        "metastore_before_commit=crash@7", "metastore_after_commit=crash@7"};
    int64_t version = 1;
    begin_store();
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        struct child_result result = spawn_child(points[i], 0);
        assert_true(WIFEXITED(result.status) && WEXITSTATUS(result.status) == 137);
        assert_int_equal(result.applied, 6);
        int64_t next = check_survivors(version, &result);
        /* Durable is what COMMIT has returned for, answered or not. */
        assert_int_equal(next, version + (i == 3 ? 7 : 6));
        version = next;
    }
}

static void failures_before_commit_are_definite(void **state)
{
    (void)state;
    static const char *const points[] = {"metastore_before_begin=error@7",
                                         "metastore_before_commit=error@7"};
    int64_t version = 1;
    begin_store();
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        struct child_result result = spawn_child(points[i], 0);
        assert_int_equal(result.status, 0);
        assert_int_equal(result.refused, 1);
        assert_int_equal(result.applied, CHILD_COMMITS - 1);
        int64_t next = check_survivors(version, &result);
        assert_int_equal(next, version + CHILD_COMMITS - 1);
        version = next;
    }
    /* An error of one set: the transaction is repeated with care and goes through. */
    struct child_result result = spawn_child("metastore_after_change=error@7", 0);
    assert_int_equal(result.applied, CHILD_COMMITS);
    (void)check_survivors(version, &result);
    result = spawn_child("metastore_after_change=error", 0);
    assert_int_equal(result.refused, CHILD_COMMITS);
}

/* F14 */
static void an_unknown_commit_stops_the_store(void **state)
{
    (void)state;
    begin_store();
    struct child_result lost = spawn_child("metastore_commit_io_error=error@7", 0);
    assert_int_equal(lost.applied, 6);
    assert_int_equal(lost.stopped, 1);
    assert_int_equal(check_survivors(1, &lost), 7); /* it did not happen */
    struct child_result kept = spawn_child("metastore_after_commit=error@7", 0);
    assert_int_equal(kept.applied, 6);
    assert_int_equal(kept.stopped, 1);
    assert_int_equal(check_survivors(7, &kept), 14); /* it did */
}
#endif

/* ---- full disks ------------------------------------------------------------------------------ */

/* Commits until one is refused, then makes room, and goes on. `limit` tells how to do that. */
static void fill_up_and_go_on(void (*limit)(bool on))
{
    struct metastore *store = must_open();
    struct error err;
    bool writable = true;
    fill_store(store);
    limit(true);
    enum change_outcome outcome = CHANGE_APPLIED;
    for (int i = 0; i < 10000 && outcome == CHANGE_APPLIED; i++)
        outcome = commit_next(store, 5000);
    assert_int_equal(outcome, CHANGE_UNAVAILABLE);
    assert_int_equal(metastore_health(store, &writable, &err), 0);
    assert_false(writable);
    int64_t version = table_version(store);
    check_chain(store); /* reads go on */
    assert_int_equal(commit_next(store, 5000), CHANGE_UNAVAILABLE);
    assert_int_equal(table_version(store), version);
    limit(false);
    assert_int_equal(metastore_health(store, &writable, &err), 0);
    assert_true(writable);
    assert_int_equal(commit_next(store, 5000), CHANGE_APPLIED);
    assert_int_equal(fatal_calls, 0);
    metastore_close(store);
    check_integrity();
    store = must_open();
    assert_int_equal(table_version(store), version + 1);
    check_chain(store);
    metastore_close(store);
}

static void limit_file_size(bool on)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = on ? 2 << 20 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* F15 */
static void a_size_limit_is_survived(void **state)
{
    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    fill_up_and_go_on(limit_file_size);
}

static void resize_tmpfs(bool on)
{
    assert_int_equal(mount(NULL, store_directory, NULL, MS_REMOUNT, on ? "size=1m" : "size=100m"),
                     0);
}

static void a_full_disk_is_survived(void **state)
{
    (void)state;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", store_directory, "tmpfs", 0, "size=100m") != 0)
        skip(); /* only root may */
    fill_up_and_go_on(resize_tmpfs);
    assert_int_equal(umount2(store_directory, MNT_DETACH), 0);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "child") == 0)
        return run_child(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(answered_commits_survive_kill, begin_case),
#ifdef FIRN_FAILPOINTS
        cmocka_unit_test_setup(answered_commits_survive_a_crash_anywhere, begin_case),
        cmocka_unit_test_setup(failures_before_commit_are_definite, begin_case),
        cmocka_unit_test_setup(an_unknown_commit_stops_the_store, begin_case),
#endif
        cmocka_unit_test_setup(a_size_limit_is_survived, begin_case),
        cmocka_unit_test_setup(a_full_disk_is_survived, begin_case),
    };
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (len < 0)
        return 1;
    make_store_directory();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_store_directory();
    return failed;
}
