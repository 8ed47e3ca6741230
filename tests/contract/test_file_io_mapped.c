/* Mapped file access: the contract of all backends over a local one, and what is its own: nobody
 * hears of the inner place. */
#include "tests/contract/file_stream_cases.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/location.h"
#include "storage/access.h"
#include "storage/file_io_local.h"
#include "storage/file_io_mapped.h"
#include "tests/contract/directory.h"

#define ROOT "s3://lake"

static char directory[] = "/tmp/firn-test-XXXXXX";
static char inner_root[120];

static struct file_io *open_mapped(void *arg)
{
    (void)arg;
    struct file_io *inner = NULL, *io = NULL;
    struct error err;
    assert_works(file_io_local_open(str_cstr(inner_root), &inner, &err));
    assert_works(file_io_mapped_open(STR(ROOT), str_cstr(inner_root), inner, &io, &err));
    return io;
}

static void wipe(void *arg)
{
    (void)arg;
    directory_empty(directory);
}

static const struct file_io_opener opener = {open_mapped, wipe, ROOT, "s3://other/x", NULL};

static int begin(void **state)
{
    struct stream_fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    wipe(NULL);
    *f = (struct stream_fixture){&opener, open_mapped(NULL), arena_new()};
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct stream_fixture *f = *state;
    file_io_close(f->io);
    arena_free(f->arena);
    free(f);
    return 0;
}

static void files_lie_below_the_inner_root(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    stream_must_put(f, "a b/c", "x");
    assert_works(file_io_write_new(f->io, STR("s3a://lake/d"), STR("y"), &err));
    const char *path = arena_printf(f->arena, "%s/a b/c", inner_root + strlen("file://")).ptr;
    assert_int_equal(access(path, R_OK), 0);
    stream_must_be(f, "d", "y");
}

static void messages_speak_of_logical_locations(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct str got;
    struct file_stat stat;
    stream_must_put(f, "a/f", "x");
    assert_fails(stream_get(f, "a/g", 0, 1, &got, &err), ERR_FILE_NOT_FOUND);
    assert_string_equal(err.message, "Failed to open input stream for file: s3://lake/a/g");
    assert_fails(stream_put(f, "a/f", FILE_CREATE, STR("y"), &stat, &err), ERR_ALREADY_EXISTS);
    assert_string_equal(err.message, "File already exists: s3://lake/a/f");
    assert_fails(stream_put(f, ".firn-uploads/x", FILE_CREATE, STR("y"), &stat, &err),
                 ERR_FORBIDDEN);
    assert_string_equal(err.message, "Location is kept for uploads: s3://lake/.firn-uploads/x");
    /* its own place, spelt as the inner one knows it, is outside */
    struct str inner = arena_printf(f->arena, "%s/a/f", inner_root);
    assert_fails(file_io_read(f->io, inner, 10, &(struct buf){.bytes_max = 10}, &err),
                 ERR_FORBIDDEN);
}

static void keys_of_the_inner_place_are_not_given(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_keys keys;
    struct property *properties;
    size_t count = 1;
    const struct file_scope scope = {.locations = &STR(ROOT "/t"), .location_count = 1};
    assert_false(file_io_can_vend(f->io));
    assert_false(file_io_can_sign(f->io));
    assert_fails(file_io_vend(f->io, &scope, 1000, f->arena, &keys, &err), ERR_UNSUPPORTED);
    assert_works(file_io_client_properties(f->io, NULL, f->arena, &properties, &count, &err));
    assert_int_equal(count, 0);
}

/* The root of all local files, which ends in a slash. */
static void the_inner_root_may_be_the_top(void **state)
{
    struct stream_fixture *f = *state;
    struct file_io *inner = NULL, *io = NULL;
    struct error err;
    struct file_stat stat;
    bool found = false;
    assert_works(file_io_local_open(STR("file:///"), &inner, &err));
    assert_fails(file_io_mapped_open(STR("lake"), STR("file:///"), inner, &io, &err),
                 ERR_ILLEGAL_ARGUMENT);
    assert_works(file_io_mapped_open(STR(ROOT), STR("file:///"), inner, &io, &err));
    stream_must_put(f, "f", "x");
    const char *path = inner_root + strlen("file://");
    assert_works(file_io_stat(io, arena_printf(f->arena, ROOT "%s/f", path), &found, &stat, &err));
    assert_true(found);
    struct buf buf = BUF_INIT(10);
    struct str missing = arena_printf(f->arena, ROOT "%s/none", path);
    assert_fails(file_io_read(io, missing, 10, &buf, &err), ERR_FILE_NOT_FOUND);
    assert_non_null(strstr(err.message, arena_cstr(f->arena, missing)));
    file_io_close(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_lie_below_the_inner_root, begin, end),
        cmocka_unit_test_setup_teardown(messages_speak_of_logical_locations, begin, end),
        cmocka_unit_test_setup_teardown(keys_of_the_inner_place_are_not_given, begin, end),
        cmocka_unit_test_setup_teardown(the_inner_root_may_be_the_top, begin, end),
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    (void)snprintf(inner_root, sizeof(inner_root), "file://%s/inner", directory);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    failed += file_io_cases_run("mapped", &opener);
    failed += file_stream_cases_run("mapped", &opener);
    directory_empty(directory);
    (void)rmdir(directory);
    return failed;
}
