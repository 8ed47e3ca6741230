/* Local file access: the contract of all backends, and what is its own: symlinks, special files,
 * full disks, crashes. */
#include "tests/contract/file_io_cases.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/file_io_local.h"
#include "tests/contract/directory.h"

static char directory[] = "/tmp/firn-test-XXXXXX";
static char root[100], outside[100];

static struct file_io *open_local(void *arg)
{
    (void)arg;
    struct file_io *io = NULL;
    struct error err;
    if (file_io_local_open(str_cstr(root), &io, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    return io;
}

static void wipe(void *arg)
{
    (void)arg;
    directory_empty(directory);
}

int main(void)
{
    assert_non_null(mkdtemp(directory));
    (void)snprintf(root, sizeof(root), "file://%s/new/wh", directory);
    (void)snprintf(outside, sizeof(outside), "file://%s/secret", directory);
    struct file_io_opener opener = {open_local, wipe, root, outside, NULL};
    int failed = file_io_cases_run("local", &opener);
    directory_empty(directory);
    (void)rmdir(directory);
    return failed;
}
