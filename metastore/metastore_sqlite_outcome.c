/* What an error of SQLite means for the sets of a transaction: one pure function
 * (contract/reliability.md 2.4, F14 to F16).
 *
 * Until COMMIT was sent nothing is applied. COMMIT itself writes to the journal and flushes it:
 * when the disk refused room, the transaction's last frame is not whole, so it is not applied; any
 * other trouble there may come back from the dead after a restart, so nobody knows. A page that
 * makes no sense ends the trust in everything read, hence UNKNOWN in every phase. */
#include "metastore/metastore_sqlite_private.h"

#include <assert.h>
#include <errno.h>

static bool is_disk_full(int code, int system_errno)
{
    if ((code & 0xFF) == SQLITE_FULL)
        return true;
    /* SQLite says FULL for ENOSPC only; a quota and a size limit refuse just as cleanly. */
    return code == SQLITE_IOERR_WRITE &&
           (system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG);
}

static bool is_corrupt(int code)
{
    return (code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB ||
           code == SQLITE_IOERR_CORRUPTFS || code == SQLITE_IOERR_DATA;
}

/* Refusals after which SQLite leaves the transaction as if COMMIT had not been asked for. */
static bool is_clean_refusal(int code)
{
    switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CONSTRAINT:
    case SQLITE_INTERRUPT:
    case SQLITE_READONLY:
        return true;
    default:
        return false;
    }
}

struct sqlite_verdict sqlite_judge(int code, int system_errno, enum sqlite_phase phase)
{
    int primary = code & 0xFF;
    assert(primary != SQLITE_NOMEM && code != SQLITE_IOERR_NOMEM); /* fatal where it is met */
    if (code == SQLITE_OK)
        return (struct sqlite_verdict){CHANGE_APPLIED, false, false};
    if (is_corrupt(code))
        return (struct sqlite_verdict){phase == PHASE_CHECKPOINT ? CHANGE_APPLIED : CHANGE_UNKNOWN,
                                       true, false};

    bool disk_full = is_disk_full(code, system_errno);
    switch (phase) {
    case PHASE_BEGIN:
    case PHASE_CHANGE:
        return (struct sqlite_verdict){CHANGE_UNAVAILABLE, false, disk_full};
    case PHASE_COMMIT:
        if (disk_full || is_clean_refusal(code))
            return (struct sqlite_verdict){CHANGE_UNAVAILABLE, false, disk_full};
        return (struct sqlite_verdict){CHANGE_UNKNOWN, true, false};
    case PHASE_CHECKPOINT:
        break;
    }
    /* A checkpoint that could not flush must not be tried again in this process: the kernel has
     * forgotten that the pages are dirty. The journal still holds them for the next one. */
    return (struct sqlite_verdict){CHANGE_APPLIED, primary == SQLITE_IOERR && !disk_full,
                                   disk_full};
}
