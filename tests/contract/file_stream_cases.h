/* The cases of storage/file_stream.h that every file access backend must pass, with the opener of
 * tests/contract/file_io_cases.h; each case begins with an empty root. Directories are not part of
 * the contract: stores without them pass too. What costs a store something is kept small: the parts
 * of uploads are of 5 MiB (but the last), as S3 wants them. */
#ifndef TESTS_CONTRACT_FILE_STREAM_CASES_H
#define TESTS_CONTRACT_FILE_STREAM_CASES_H

#include "tests/contract/file_io_cases.h"

#include "storage/file_stream.h"

/* What a store's own program cannot do: the cases of it are skipped. */
enum store_lacks {
    LACKS_LEFT_OUT_PARTS = 1, /* completes an upload with all of its parts or not at all */
    LACKS_UPLOAD_TIMES = 2,   /* does not tell when an upload was begun */
};
extern unsigned file_stream_store_lacks; /* enum store_lacks; none */

/* Returns the number of failed cases. */
int file_stream_cases_run(const char *backend, const struct file_io_opener *opener);

/* ---- for the files of cases ------------------------------------------------------------------ */

struct stream_fixture {
    const struct file_io_opener *opener;
    struct file_io *io;
    struct arena *arena;
};

extern const struct CMUnitTest file_upload_cases[];
extern const size_t file_upload_case_count;
extern const struct CMUnitTest file_page_cases[];
extern const size_t file_page_case_count;

int stream_case_begin(void **state);
int stream_case_end(void **state);
#define STREAM_CASE(fn) cmocka_unit_test_setup_teardown(fn, stream_case_begin, stream_case_end)

struct str stream_at(struct stream_fixture *f, const char *key);
void stream_reopen(struct stream_fixture *f);

/* A whole file through create, write, finish. */
int stream_put(struct stream_fixture *f, const char *key, enum write_mode mode, struct str body,
               struct file_stat *out, struct error *err);
void stream_must_put(struct stream_fixture *f, const char *key, const char *text);
/* The bytes that a reader gives, in small pieces. */
int stream_get(struct stream_fixture *f, const char *key, int64_t offset, int64_t length,
               struct str *out, struct error *err);
void stream_must_be(struct stream_fixture *f, const char *key, const char *text);
bool stream_stat(struct stream_fixture *f, const char *key, struct file_stat *out);

/* Bytes that differ by place and seed. */
struct str stream_body(struct stream_fixture *f, size_t bytes, unsigned seed);

/* The next call must have failed so. */
#define assert_fails(call, wanted)                                                                 \
    do {                                                                                           \
        if ((call) == 0)                                                                           \
            fail_msg("succeeded: %s", #call);                                                      \
        if (err.kind != (wanted))                                                                  \
            fail_msg("%s: got %s (%s; %s), expected %s", #call, error_name(err.kind), err.message, \
                     err.detail, error_name(wanted));                                              \
    } while (0)
#define assert_works(call)                                                                     \
    do {                                                                                       \
        if ((call) != 0)                                                                       \
            fail_msg("%s: %s (%s; %s)", #call, error_name(err.kind), err.message, err.detail); \
    } while (0)

#endif
