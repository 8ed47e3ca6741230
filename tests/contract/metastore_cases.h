/* The cases that every metastore backend must pass. A backend's test brings an opener and runs
 * them; each case begins with an empty store that holds one warehouse. */
#ifndef TESTS_CONTRACT_METASTORE_CASES_H
#define TESTS_CONTRACT_METASTORE_CASES_H

#include "tests/unit/unit.h"

#include "metastore/metastore.h"

struct metastore_opener {
    struct metastore *(*open)(void *arg); /* the same store as long as it is not wiped */
    void (*wipe)(void *arg);
    void *arg;
};

/* Returns the number of failed cases. */
int metastore_cases_run(const char *backend, const struct metastore_opener *opener);

/* ---- for the files of cases ------------------------------------------------------------------ */

struct metastore_fixture {
    const struct metastore_opener *opener;
    struct metastore *store;
    struct arena *arena;
    int64_t warehouse_id; /* "wh" */
};

extern const struct CMUnitTest metastore_object_cases[];
extern const size_t metastore_object_case_count;
extern const struct CMUnitTest metastore_place_cases[];
extern const size_t metastore_place_case_count;
extern const struct CMUnitTest metastore_reservation_cases[];
extern const size_t metastore_reservation_case_count;
extern const struct CMUnitTest metastore_row_cases[];
extern const size_t metastore_row_case_count;
extern const struct CMUnitTest metastore_principal_cases[];
extern const size_t metastore_principal_case_count;
extern const struct CMUnitTest metastore_thread_cases[];
extern const size_t metastore_thread_case_count;

int metastore_case_begin(void **state);
int metastore_case_end(void **state);
#define METASTORE_CASE(fn) \
    cmocka_unit_test_setup_teardown(fn, metastore_case_begin, metastore_case_end)

void fixture_reopen(struct metastore_fixture *fixture);

/* One change alone in a set; the change gets its results. */
enum change_outcome apply_one(struct metastore_fixture *fixture, struct change *change);

/* Changes as the fixture's warehouse would see them. Texts are C strings that must live on. */
struct change make_namespace(struct metastore_fixture *fixture, const char *key);
struct change make_table(struct metastore_fixture *fixture, const char *key, const char *name,
                         const char *location);
/* What makes `object` (a result of find_table) point elsewhere. */
struct change move_pointer(const struct object_row *object, const char *metadata_location);

void must_apply(struct metastore_fixture *fixture, struct change change);
bool find_object_named(struct metastore_fixture *fixture, const char *key, const char *name,
                       struct object_row *out);
/* Fails when there is none. */
struct object_row get_object(struct metastore_fixture *fixture, const char *key, const char *name);

#endif
