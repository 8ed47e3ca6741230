/* The SQLite metastore when the disk fails: every flush and every write of a run in turn. The
 * calls that SQLite makes are replaced in this program. Crashes and full disks of the operating
 * system: test_metastore_sqlite_crash.c. */
#include "tests/contract/sqlite_fixture.h"

#include <errno.h>
#include <sys/syscall.h>

enum fault { FAULT_NONE, FAULT_FLUSH, FAULT_WRITE };

static _Atomic int fault_kind;
static _Atomic int fault_countdown; /* the call that fails, 0: none any more */
static _Atomic int fault_errno;
static _Atomic int fault_hits;

static bool call_fails(enum fault kind)
{
    if (fault_kind != (int)kind || fault_countdown <= 0 || --fault_countdown > 0)
        return false;
    fault_hits++;
    errno = fault_errno;
    return true;
}

/* Nothing here needs a real flush. */
int fdatasync(int fd)
{
    (void)fd;
    return call_fails(FAULT_FLUSH) ? -1 : 0;
}

int fsync(int fd)
{
    return fdatasync(fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
    return call_fails(FAULT_WRITE) ? -1 : syscall(SYS_pwrite64, fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    return pwrite64(fd, bytes, count, offset);
}

static void set_fault(enum fault kind, int countdown, int error)
{
    fault_errno = error;
    fault_hits = 0;
    fault_countdown = countdown;
    fault_kind = (int)kind;
}

#define COMMITS 4

/* Commits until done or failed; returns the outcome of the last one and counts the applied. */
static enum change_outcome commit_some(struct metastore *store, int *applied)
{
    enum change_outcome outcome = CHANGE_APPLIED;
    for (int i = 0; i < COMMITS && outcome == CHANGE_APPLIED; i++) {
        outcome = commit_next(store, 3000);
        *applied += outcome == CHANGE_APPLIED;
    }
    return outcome;
}

static bool is_writable(struct metastore *store)
{
    bool writable;
    struct error err;
    assert_int_equal(metastore_health(store, &writable, &err), 0);
    return writable;
}

/* F14: a flush that fails. The outcome is unknown, the store stops, a restart tells. */
static void a_failed_flush_stops_the_store(void **state)
{
    (void)state;
    bool failed = true;
    for (int k = 1; failed; k++) {
        (void)begin_case(state);
        struct metastore *store = must_open();
        fill_store(store);
        int applied = 0;
        set_fault(FAULT_FLUSH, k, EIO);
        enum change_outcome outcome = commit_some(store, &applied);
        failed = fault_hits > 0;
        set_fault(FAULT_NONE, 0, 0);
        if (failed) {
            assert_int_equal(outcome, CHANGE_UNKNOWN);
            wait_for_fatal();
            assert_false(is_writable(store));
            assert_int_equal(commit_next(store, 10), CHANGE_UNAVAILABLE);
            assert_int_equal(table_version(store), 1 + applied); /* reads go on */
            assert_int_equal(fatal_calls, 1);
        } else {
            assert_int_equal(applied, COMMITS);
            assert_true(k > COMMITS);
        }
        metastore_close(store);
        check_integrity();
        store = must_open();
        assert_in_range(table_version(store), 1 + applied, 2 + applied);
        check_chain(store);
        assert_int_equal(commit_next(store, 10), CHANGE_APPLIED);
        metastore_close(store);
    }
}

/* A write that fails with `error` at every place in turn. */
static void sweep_writes(void **state, int error, enum change_outcome expected)
{
    bool failed = true;
    for (int k = 1; failed; k++) {
        (void)begin_case(state);
        struct metastore *store = must_open();
        fill_store(store);
        int applied = 0;
        set_fault(FAULT_WRITE, k, error);
        enum change_outcome outcome = commit_some(store, &applied);
        failed = fault_hits > 0;
        set_fault(FAULT_NONE, 0, 0);
        if (failed)
            assert_int_equal(outcome, expected);
        if (failed && expected == CHANGE_UNAVAILABLE) { /* there is room again */
            assert_int_equal(fatal_calls, 0);
            assert_int_equal(table_version(store), 1 + applied);
            assert_true(is_writable(store));
            assert_int_equal(commit_next(store, 10), CHANGE_APPLIED);
            applied++;
        }
        metastore_close(store);
        check_integrity();
        store = must_open();
        int64_t version = table_version(store);
        if (expected == CHANGE_UNAVAILABLE)
            assert_int_equal(version, 1 + applied);
        else
            assert_in_range(version, 1 + applied, 2 + applied);
        check_chain(store);
        metastore_close(store);
    }
}

/* F15 */
static void a_full_disk_is_definite(void **state)
{
    sweep_writes(state, ENOSPC, CHANGE_UNAVAILABLE);
}

static void a_used_up_quota_is_definite(void **state)
{
    sweep_writes(state, EDQUOT, CHANGE_UNAVAILABLE);
}

static void a_failed_write_of_a_commit_is_unknown(void **state)
{
    sweep_writes(state, EIO, CHANGE_UNKNOWN);
}

/* A full disk stays full for a while: writes are refused, reads go on, health finds out. */
static void a_store_recovers_when_there_is_room(void **state)
{
    (void)state;
    struct metastore *store = must_open();
    fill_store(store);
    for (int i = 0; i < 3; i++) {
        set_fault(FAULT_WRITE, 1, ENOSPC);
        assert_int_equal(commit_next(store, 100), CHANGE_UNAVAILABLE);
        set_fault(FAULT_WRITE, 1, ENOSPC); /* the probe is refused too */
        assert_false(is_writable(store));
        assert_int_equal(table_version(store), 1);
    }
    set_fault(FAULT_NONE, 0, 0);
    assert_true(is_writable(store));
    assert_int_equal(commit_next(store, 100), CHANGE_APPLIED);
    metastore_close(store);
}

/* A checkpoint that cannot flush: what was answered is in the journal, the next process finds it.
 */
static void a_failed_checkpoint_stops_the_store(void **state)
{
    (void)state;
    bool failed = false;
    for (int k = 2; k <= 4 && !failed; k++) { /* the first flush is the commit's own */
        (void)begin_case(state);
        struct metastore *store = must_open();
        fill_store(store);
        set_fault(FAULT_FLUSH, k, EIO);
        /* More pages than make a checkpoint due. */
        assert_int_equal(commit_next(store, 40 << 20), CHANGE_APPLIED);
        metastore_close(store);
        failed = fatal_calls == 1; /* closing waited for the writer */
        set_fault(FAULT_NONE, 0, 0);
        check_integrity();
        store = must_open();
        assert_int_equal(table_version(store), 2);
        check_chain(store);
        metastore_close(store);
    }
    assert_true(failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_failed_flush_stops_the_store, begin_case),
        cmocka_unit_test_setup(a_full_disk_is_definite, begin_case),
        cmocka_unit_test_setup(a_used_up_quota_is_definite, begin_case),
        cmocka_unit_test_setup(a_failed_write_of_a_commit_is_unknown, begin_case),
        cmocka_unit_test_setup(a_store_recovers_when_there_is_room, begin_case),
        cmocka_unit_test_setup(a_failed_checkpoint_stops_the_store, begin_case),
    };
    make_store_directory();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_store_directory();
    return failed;
}
