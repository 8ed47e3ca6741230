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

/* ---- of S3 alone ----------------------------------------------------------------------------- */

struct fixture {
    struct file_io *io;
    struct arena *arena;
    struct error err;
};

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    wipe(NULL);
    f->io = open_s3(NULL);
    f->arena = arena_new();
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    file_io_close(f->io);
    arena_free(f->arena);
    free(f);
    wipe(NULL);
    return 0;
}

static void writes_and_reads(struct fixture *f, struct file_io *io, struct str location)
{
    struct buf back = BUF_INIT(1000);
    if (file_io_write_new(io, location, location, &f->err) != 0 ||
        file_io_read(io, location, 1000, &back, &f->err) != 0)
        fail_msg("%s (%s)", f->err.message, f->err.detail);
    assert_true(str_equal(buf_str(&back), location));
    buf_free(&back);
}

struct found {
    struct str location;
    size_t count, all;
};

static bool find(void *arg, const struct file_entry *entry)
{
    struct found *found = arg;
    found->count += str_equal(entry->location, found->location);
    found->all++;
    return true;
}

/* Written, listed, copied and removed under names that every layer encodes in its own way. */
static void names_may_hold_anything(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"a b/c",      "a+b",     "\xC3\xBC/\xF0\x9F\x98\x80",
                                        "100%",       "a=b&c;d", "a<b>\"'",
                                        "!*'()$,:@~", "x%41y"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        static const struct file_write create = {.mode = FILE_CREATE, .bytes = FILE_BYTES_UNKNOWN};
        struct str location = arena_printf(f->arena, "%s/odd/%s", root, names[i]);
        struct str copy = arena_printf(f->arena, "%s/copy/%s", root, names[i]);
        struct found found = {.location = location}, gone = {.location = location};
        struct str both[] = {location, copy};
        struct file_stat stat;
        writes_and_reads(f, f->io, location);
        assert_int_equal(file_io_list(f->io, str_cstr(root), find, &found, &f->err), 0);
        if (found.count != 1)
            fail_msg("not listed: %s", names[i]);
        if (file_io_copy(f->io, location, copy, &create, &stat, &f->err) != 0)
            fail_msg("%s (%s)", f->err.message, f->err.detail);
        assert_int_equal(stat.bytes, location.len);
        assert_int_equal(file_io_remove_all(f->io, both, 2, &f->err), 0);
        assert_int_equal(file_io_list(f->io, str_cstr(root), find, &gone, &f->err), 0);
        assert_int_equal(gone.all, 0);
    }
}

static void a_bucket_may_be_part_of_the_host(void **state)
{
    struct fixture *f = *state;
    struct storage_options options = s3_fixture_options();
    struct str port = options.endpoint;
    (void)str_cut(&port, ':');
    (void)str_cut(&port, ':');
    options.endpoint = arena_printf(f->arena, "http://localhost:%.*s", STR_ARG(port));
    options.path_style = STR("false");
    struct file_io *io = s3_fixture_open(str_cstr(root), &options);
    struct found found = {0};
    writes_and_reads(f, io, arena_printf(f->arena, "%s/host/file", root));
    assert_int_equal(file_io_list(io, str_cstr(root), find, &found, &f->err), 0);
    assert_int_equal(found.all, 1);
    file_io_close(io);
    found.all = 0;
    assert_int_equal(file_io_list(f->io, str_cstr(root), find, &found, &f->err), 0);
    assert_int_equal(found.all, 1); /* the same place */
}

static void wrong_keys_are_refused(void **state)
{
    struct fixture *f = *state;
    struct storage_options options = s3_fixture_options();
    struct buf back = BUF_INIT(10);
    struct str location = arena_printf(f->arena, "%s/file", root);
    bool found;
    if (s3_fixture_is("moto"))
        skip(); /* it takes any */
    options.secret_access_key = STR("wrong");
    struct file_io *io = s3_fixture_open(str_cstr(root), &options);
    assert_int_equal(file_io_write_new(io, location, STR("x"), &f->err), -1);
    assert_int_equal(f->err.kind, ERR_STORAGE_REFUSED);
    assert_int_equal(file_io_read(io, location, 10, &back, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_STORAGE_REFUSED);
    assert_int_equal(file_io_exists(io, location, &found, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_STORAGE_REFUSED);
    assert_null(strstr(f->err.message, "wrong"));
    file_io_close(io);
    buf_free(&back);
}

static const struct CMUnitTest own_cases[] = {
    cmocka_unit_test_setup_teardown(names_may_hold_anything, begin, end),
    cmocka_unit_test_setup_teardown(a_bucket_may_be_part_of_the_host, begin, end),
    cmocka_unit_test_setup_teardown(wrong_keys_are_refused, begin, end),
};

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
    failed += file_stream_cases_run("s3", &opener);
    return failed + cmocka_run_group_tests(own_cases, NULL, NULL);
}
