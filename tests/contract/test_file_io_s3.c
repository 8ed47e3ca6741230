/* S3 file access: the contract of all backends, against the store that the environment names. */
#include "tests/contract/file_stream_cases.h"
#include "tests/contract/s3_fixture.h"

static char root[200], outside[200];

static struct file_io *open_s3(void *arg)
{
    (void)arg;
    struct storage_options options = s3_fixture_options();
    return s3_fixture_open(str_cstr(root), &options);
}

/* Locations of a listing, to be removed together. */
struct gathered {
    struct arena *arena;
    struct str locations[5000];
    size_t count;
};

static bool gather(void *arg, const struct file_entry *entry)
{
    struct gathered *to = arg;
    to->locations[to->count++] = arena_str(to->arena, entry->location);
    return to->count < COUNT_OF(to->locations);
}

static void wipe(void *arg)
{
    struct error err;
    struct gathered *all = calloc(1, sizeof(*all));
    assert_non_null(all);
    all->arena = arena_new();
    struct file_io *io = open_s3(arg);
    assert_int_equal(file_io_list(io, str_cstr(root), gather, all, &err), 0);
    if (file_io_remove_all(io, all->locations, all->count, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    file_io_close(io);
    arena_free(all->arena);
    free(all);
}

int main(void)
{
    static const struct file_io_opener opener = {
        .open = open_s3, .wipe = wipe, .root = root, .outside = outside};
    if (!s3_fixture_is_there())
        return s3_fixture_skip();
    struct str bucket = s3_fixture_value("FIRN_TEST_S3_BUCKET");
    (void)snprintf(root, sizeof(root), "s3://%.*s/contract/warehouse", STR_ARG(bucket));
    (void)snprintf(outside, sizeof(outside), "s3://%.*s/contract/elsewhere", STR_ARG(bucket));
    if (s3_fixture_is("radosgw"))
        file_stream_store_lacks = LACKS_LEFT_OUT_PARTS;
    if (s3_fixture_is("moto"))
        file_stream_store_lacks = LACKS_UPLOAD_TIMES;
    int failed = file_io_cases_run("s3", &opener);
    return failed + file_stream_cases_run("s3", &opener);
}
