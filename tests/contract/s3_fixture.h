/* The S3 store that tests run against, named by the environment (tests/stores/radosgw.py COMMAND
 * sets it). Without one the tests skip. */
#ifndef TESTS_CONTRACT_S3_FIXTURE_H
#define TESTS_CONTRACT_S3_FIXTURE_H

#include "tests/unit/unit.h"

#include <stdlib.h>

#include "storage/file_io_s3.h"

static const struct storage_context s3_fixture_context = {&clock_system, &random_system};

static inline struct str s3_fixture_value(const char *name)
{
    return str_cstr(getenv(name));
}

static inline bool s3_fixture_is_there(void)
{
    return getenv("FIRN_TEST_S3_ENDPOINT") != NULL;
}

/* Is the store the one of that name: "radosgw", "moto"? */
static inline bool s3_fixture_is(const char *name)
{
    return str_equal_cstr(s3_fixture_value("FIRN_TEST_S3"), name);
}

static inline struct storage_options s3_fixture_options(void)
{
    return (struct storage_options){
        .endpoint = s3_fixture_value("FIRN_TEST_S3_ENDPOINT"),
        .region = s3_fixture_value("FIRN_TEST_S3_REGION"),
        .access_key_id = s3_fixture_value("FIRN_TEST_S3_ACCESS_KEY"),
        .secret_access_key = s3_fixture_value("FIRN_TEST_S3_SECRET_KEY"),
    };
}

static inline struct file_io *s3_fixture_open(struct str root,
                                              const struct storage_options *options)
{
    struct file_io *io = NULL;
    struct error err;
    if (file_io_s3_open(root, options, &s3_fixture_context, &io, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    return io;
}

static void there_is_no_store(void **state)
{
    (void)state;
    skip(); /* tests/stores/radosgw.py PROGRAM runs it with one */
}

static inline int s3_fixture_skip(void)
{
    static const struct CMUnitTest cases[] = {cmocka_unit_test(there_is_no_store)};
    return cmocka_run_group_tests(cases, NULL, NULL);
}

#endif
