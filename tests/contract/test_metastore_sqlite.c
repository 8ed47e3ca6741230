/* The SQLite metastore: the contract of all backends, and what is its own. */
#include "tests/contract/metastore_cases.h"

#include <unistd.h>

#include "metastore/metastore_sqlite.h"
#include "tests/contract/directory.h"

static char directory[] = "/tmp/firn-test-XXXXXX";
static char path[100];

static struct metastore *open_store(void *arg)
{
    (void)arg;
    struct metastore *store = NULL;
    struct error err;
    struct metastore_sqlite_options options = {.path = path, .owner = "127.0.0.1:8181"};
    if (metastore_sqlite_open(&options, &store, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    return store;
}

static void wipe_store(void *arg)
{
    (void)arg;
    directory_empty(directory);
}

int main(void)
{
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/firn.db", directory);
    struct metastore_opener opener = {open_store, wipe_store, NULL};
    int failed = metastore_cases_run("sqlite", &opener);
    directory_empty(directory);
    (void)rmdir(directory);
    return failed;
}
