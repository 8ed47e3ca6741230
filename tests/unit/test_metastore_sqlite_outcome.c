/* What errors of SQLite mean: the whole table of (error, phase) -> outcome. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "metastore/metastore_sqlite_private.h"

#define ANY 0

struct row {
    int code, system_errno;
    enum sqlite_phase phase;
    enum change_outcome outcome;
    bool fail_stop, disk_full;
};

static const struct row rows[] = {
    {SQLITE_OK, ANY, PHASE_COMMIT, CHANGE_APPLIED, false, false},
    {SQLITE_OK, ANY, PHASE_CHECKPOINT, CHANGE_APPLIED, false, false},

    /* Until COMMIT was sent nothing is applied. */
    {SQLITE_BUSY, ANY, PHASE_BEGIN, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_BUSY_SNAPSHOT, ANY, PHASE_BEGIN, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_CANTOPEN, ANY, PHASE_BEGIN, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_READONLY_DBMOVED, ANY, PHASE_BEGIN, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_IOERR_SHMMAP, EIO, PHASE_BEGIN, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_CONSTRAINT_UNIQUE, ANY, PHASE_CHANGE, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_CONSTRAINT_FOREIGNKEY, ANY, PHASE_CHANGE, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_TOOBIG, ANY, PHASE_CHANGE, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_ERROR, ANY, PHASE_CHANGE, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_IOERR_READ, EIO, PHASE_CHANGE, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_IOERR_WRITE, EIO, PHASE_CHANGE, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_FULL, ENOSPC, PHASE_CHANGE, CHANGE_UNAVAILABLE, false, true},
    {SQLITE_IOERR_WRITE, EDQUOT, PHASE_CHANGE, CHANGE_UNAVAILABLE, false, true},

    /* COMMIT: what refused room or was refused cleanly is not applied ... */
    {SQLITE_FULL, ENOSPC, PHASE_COMMIT, CHANGE_UNAVAILABLE, false, true},
    {SQLITE_IOERR_WRITE, ENOSPC, PHASE_COMMIT, CHANGE_UNAVAILABLE, false, true},
    {SQLITE_IOERR_WRITE, EDQUOT, PHASE_COMMIT, CHANGE_UNAVAILABLE, false, true},
    {SQLITE_IOERR_WRITE, EFBIG, PHASE_COMMIT, CHANGE_UNAVAILABLE, false, true},
    {SQLITE_BUSY, ANY, PHASE_COMMIT, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_LOCKED, ANY, PHASE_COMMIT, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_CONSTRAINT_FOREIGNKEY, ANY, PHASE_COMMIT, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_INTERRUPT, ANY, PHASE_COMMIT, CHANGE_UNAVAILABLE, false, false},
    {SQLITE_READONLY, ANY, PHASE_COMMIT, CHANGE_UNAVAILABLE, false, false},
    /* ... and everything else may come back after a restart. */
    {SQLITE_IOERR_FSYNC, EIO, PHASE_COMMIT, CHANGE_UNKNOWN, true, false},
    {SQLITE_IOERR_FSYNC, ENOSPC, PHASE_COMMIT, CHANGE_UNKNOWN, true, false},
    {SQLITE_IOERR_FSYNC, EDQUOT, PHASE_COMMIT, CHANGE_UNKNOWN, true, false},
    {SQLITE_IOERR_DIR_FSYNC, EIO, PHASE_COMMIT, CHANGE_UNKNOWN, true, false},
    {SQLITE_IOERR_WRITE, EIO, PHASE_COMMIT, CHANGE_UNKNOWN, true, false},
    {SQLITE_IOERR_WRITE, ANY, PHASE_COMMIT, CHANGE_UNKNOWN, true, false},
    {SQLITE_IOERR, ANY, PHASE_COMMIT, CHANGE_UNKNOWN, true, false},
    {SQLITE_ERROR, ANY, PHASE_COMMIT, CHANGE_UNKNOWN, true, false},
    {SQLITE_MISUSE, ANY, PHASE_COMMIT, CHANGE_UNKNOWN, true, false},

    /* A page that makes no sense: nothing that was read can be trusted. */
    {SQLITE_CORRUPT, ANY, PHASE_BEGIN, CHANGE_UNKNOWN, true, false},
    {SQLITE_CORRUPT_INDEX, ANY, PHASE_CHANGE, CHANGE_UNKNOWN, true, false},
    {SQLITE_CORRUPT, ANY, PHASE_COMMIT, CHANGE_UNKNOWN, true, false},
    {SQLITE_NOTADB, ANY, PHASE_CHANGE, CHANGE_UNKNOWN, true, false},
    {SQLITE_IOERR_CORRUPTFS, ANY, PHASE_CHANGE, CHANGE_UNKNOWN, true, false},
    {SQLITE_CORRUPT, ANY, PHASE_CHECKPOINT, CHANGE_APPLIED, true, false},

    /* A checkpoint: what was answered stays durable in the journal. */
    {SQLITE_IOERR_FSYNC, EIO, PHASE_CHECKPOINT, CHANGE_APPLIED, true, false},
    {SQLITE_IOERR_WRITE, EIO, PHASE_CHECKPOINT, CHANGE_APPLIED, true, false},
    {SQLITE_IOERR_WRITE, EDQUOT, PHASE_CHECKPOINT, CHANGE_APPLIED, false, true},
    {SQLITE_FULL, ENOSPC, PHASE_CHECKPOINT, CHANGE_APPLIED, false, true},
    {SQLITE_BUSY, ANY, PHASE_CHECKPOINT, CHANGE_APPLIED, false, false},
    {SQLITE_LOCKED, ANY, PHASE_CHECKPOINT, CHANGE_APPLIED, false, false},
};

static void every_row_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct sqlite_verdict verdict = sqlite_judge(row->code, row->system_errno, row->phase);
        if (verdict.outcome != row->outcome || verdict.fail_stop != row->fail_stop ||
            verdict.disk_full != row->disk_full)
            fail_msg("row %zu: code %d, errno %d, phase %d", i, row->code, row->system_errno,
                     row->phase);
    }
}

/* Whatever code a later SQLite may bring. */
static void rules_hold_for_every_code(void **state)
{
    (void)state;
    for (int code = 1; code < 0x2000; code++) {
        if ((code & 0xFF) == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM)
            continue;
        for (int phase = PHASE_BEGIN; phase <= PHASE_CHECKPOINT; phase++) {
            struct sqlite_verdict verdict = sqlite_judge(code, EIO, (enum sqlite_phase)phase);
            /* An error is never success, but in a checkpoint, which is nobody's commit. */
            assert_true((verdict.outcome == CHANGE_APPLIED) == (phase == PHASE_CHECKPOINT));
            /* Not knowing always stops the store. */
            assert_true(verdict.outcome != CHANGE_UNKNOWN || verdict.fail_stop);
            assert_false(verdict.fail_stop && verdict.disk_full);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_holds),
        cmocka_unit_test(rules_hold_for_every_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
