/* Local file access: the contract of all backends, and what is its own: symlinks, special files,
 * full disks, crashes. */
#include "tests/contract/file_stream_cases.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/file_io_local.h"
#include "tests/contract/directory.h"

#define SECRET "secret"

static char directory[] = "/tmp/firn-test-XXXXXX";
static char root_path[100], root[120], outside[120];
static char program[4096];

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

struct fixture {
    struct file_io *io;
    struct arena *arena;
};

/* A warehouse with a file a/b/f, and a secret file in a directory beside it. */
static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    wipe(NULL);
    f->io = open_local(NULL);
    f->arena = arena_new();
    struct error err;
    assert_int_equal(
        file_io_write_new(f->io, arena_printf(f->arena, "%s/a/b/f", root), STR("hello"), &err), 0);
    assert_int_equal(mkdir(outside + strlen("file://"), 0755), 0);
    const char *secret = arena_printf(f->arena, "%s/f", outside + strlen("file://")).ptr;
    FILE *file = fopen(secret, "w");
    assert_non_null(file);
    assert_true(fputs(SECRET, file) >= 0);
    assert_int_equal(fclose(file), 0);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    file_io_close(f->io);
    arena_free(f->arena);
    free(f);
    return 0;
}

static const char *path_of(struct fixture *f, const char *relative)
{
    return arena_printf(f->arena, "%s/%s", root_path, relative).ptr;
}

static struct str at(struct fixture *f, const char *relative)
{
    return arena_printf(f->arena, "%s/%s", root, relative);
}

static bool count_entry(void *arg, const struct file_entry *entry)
{
    (void)entry;
    ++*(size_t *)arg;
    return true;
}

static size_t count_files(struct fixture *f, const char *relative)
{
    size_t count = 0;
    struct error err;
    assert_int_equal(file_io_list(f->io, at(f, relative), count_entry, &count, &err), 0);
    return count;
}

/* ---- symlinks and special files -------------------------------------------------------------- */

static void is_forbidden(struct fixture *f, const char *relative)
{
    struct error err;
    struct buf buf = BUF_INIT(100);
    assert_int_equal(file_io_read(f->io, at(f, relative), 100, &buf, &err), -1);
    assert_int_equal(err.kind, ERR_FORBIDDEN);
    assert_int_equal(buf.len, 0);
    assert_int_equal(file_io_remove(f->io, at(f, relative), &err), -1);
    assert_int_equal(err.kind, ERR_FORBIDDEN);
    assert_int_equal(file_io_write_new(f->io, at(f, relative), STR("x"), &err), -1);
    assert_true(err.kind == ERR_FORBIDDEN || err.kind == ERR_ALREADY_EXISTS);
    buf_free(&buf);
}

static void secret_is_whole(struct fixture *f)
{
    char text[20] = "";
    FILE *file = fopen(arena_printf(f->arena, "%s/f", outside + strlen("file://")).ptr, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, SECRET);
    const char *other = arena_printf(f->arena, "%s/new", outside + strlen("file://")).ptr;
    assert_int_not_equal(access(other, F_OK), 0);
}

/* L11: links as a file, and as a directory at each level, relative and absolute, out and within. */
static void symlinks_lead_nowhere(void **state)
{
    struct fixture *f = *state;
    const char *out = outside + strlen("file://");
    const char *secret = arena_printf(f->arena, "%s/f", out).ptr;
    assert_int_equal(symlink(secret, path_of(f, "a/b/link")), 0);
    assert_int_equal(symlink("f", path_of(f, "a/b/near")), 0);
    assert_int_equal(symlink("../../../" SECRET "/f", path_of(f, "a/b/up")), 0);
    assert_int_equal(symlink("/proc/self/root", path_of(f, "magic")), 0);
    assert_int_equal(symlink(out, path_of(f, "a/b/dir")), 0);
    assert_int_equal(symlink(out, path_of(f, "a/dir")), 0);
    assert_int_equal(symlink(out, path_of(f, "dir")), 0);
    assert_int_equal(symlink("b", path_of(f, "a/within")), 0);
    static const char *const names[] = {"a/b/link",  "a/b/near",   "a/b/up",
                                        "a/b/dir/f", "a/dir/f",    "dir/f",
                                        "dir",       "a/within/f", "magic/etc/passwd"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        is_forbidden(f, names[i]);
    struct error err;
    static const char *const new_names[] = {"a/b/dir/new", "a/dir/new", "dir/new", "dir/new/er"};
    for (size_t i = 0; i < COUNT_OF(new_names); i++) {
        assert_int_equal(file_io_write_new(f->io, at(f, new_names[i]), STR("x"), &err), -1);
        assert_int_equal(err.kind, ERR_FORBIDDEN);
    }
    secret_is_whole(f);
    assert_int_equal(count_files(f, ""), 1); /* listing follows none of them */
}

static void only_regular_files_are_files(void **state)
{
    struct fixture *f = *state;
    struct error err;
    bool found = true;
    assert_int_equal(mkfifo(path_of(f, "fifo"), 0644), 0);
    is_forbidden(f, "fifo"); /* and does not hang */
    assert_int_equal(file_io_exists(f->io, at(f, "fifo"), &found, &err), 0);
    assert_false(found);
    if (mknod(path_of(f, "null"), S_IFCHR | 0644, (1 << 8) | 3) == 0)
        is_forbidden(f, "null");
    assert_int_equal(count_files(f, ""), 1);
}

struct swapper {
    const char *link, *real, *name;
    _Atomic bool stop;
};

/* Now a directory of the warehouse, now a link out of it. */
static void *swap_forever(void *arg)
{
    struct swapper *swapper = arg;
    while (!swapper->stop) {
        if (rename(swapper->name, swapper->real) == 0 && symlink(swapper->link, swapper->name) == 0)
            (void)unlink(swapper->name);
        (void)rename(swapper->real, swapper->name);
    }
    return NULL;
}

static void a_swapped_directory_gives_nothing_away(void **state)
{
    struct fixture *f = *state;
    struct swapper swapper = {outside + strlen("file://"), path_of(f, "a/aside"), path_of(f, "a/b"),
                              false};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, swap_forever, &swapper), 0);
    struct str location = at(f, "a/b/f");
    size_t good = 0;
    /* On a busy machine the swapper may own every moment for long: go on until one was good. */
    for (int i = 0; i < 10000 || (good == 0 && i < 10000000); i++) {
        struct error err;
        struct buf buf = BUF_INIT(100);
        if (file_io_read(f->io, location, 100, &buf, &err) == 0) {
            assert_str(buf_str(&buf), "hello");
            good++;
        }
        if (i < 10000 && i % 50 == 0 && /* wherever it lands, not outside */
            file_io_write_new(f->io, at(f, "a/b/new"), STR("x"), &err) == 0)
            good++;
        buf_free(&buf);
    }
    swapper.stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    secret_is_whole(f);
    assert_true(good > 0);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void names_may_be_odd_or_too_long(void **state)
{
    struct fixture *f = *state;
    struct error err;
    struct buf buf = BUF_INIT(100);
    static const char *const odd[] = {"a b", "%41", "...", "-rf", "\xC3\xA9", "a'\"$*", "~"};
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        assert_int_equal(file_io_write_new(f->io, at(f, odd[i]), STR("x"), &err), 0);
        assert_int_equal(access(path_of(f, odd[i]), R_OK), 0); /* spelt as it was given */
    }
    char name[300];
    memset(name, 'n', sizeof(name));
    name[256] = '\0';
    assert_int_equal(file_io_write_new(f->io, at(f, name), STR("x"), &err), -1);
    assert_int_equal(err.kind, ERR_ILLEGAL_ARGUMENT);
    assert_int_equal(file_io_read(f->io, at(f, name), 100, &buf, &err), -1);
    assert_int_equal(err.kind, ERR_ILLEGAL_ARGUMENT);
    name[255] = '\0';
    assert_int_equal(file_io_write_new(f->io, at(f, name), STR("x"), &err), 0);

    struct str temporary = at(f, "a/" FILE_IO_LOCAL_TEMPORARY "x");
    assert_true(file_io_local_is_temporary(temporary));
    assert_false(file_io_local_is_temporary(at(f, "a/" FILE_IO_LOCAL_TEMPORARY "x/f")));
    assert_int_equal(file_io_write_new(f->io, temporary, STR("x"), &err), -1);
    assert_int_equal(err.kind, ERR_FORBIDDEN);
    assert_int_equal(file_io_write_new(f->io, at(f, "a/b/f/below-a-file"), STR("x"), &err), -1);
    assert_int_equal(err.kind, ERR_FORBIDDEN);
    assert_int_equal(file_io_write_new(f->io, at(f, "a/b"), STR("x"), &err), -1);
    assert_int_equal(err.kind, ERR_ALREADY_EXISTS);
}

static void roots_are_made_or_refused(void **state)
{
    (void)state;
    struct file_io *io = NULL;
    struct error err;
    assert_int_equal(file_io_local_open(STR("s3://bucket/x"), &io, &err), -1);
    assert_int_equal(err.kind, ERR_ILLEGAL_ARGUMENT);
    assert_int_equal(file_io_local_open(STR("relative"), &io, &err), -1);
    assert_int_equal(err.kind, ERR_ILLEGAL_ARGUMENT);
    assert_int_equal(file_io_local_open(STR("file:///dev/null/x"), &io, &err), -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_int_equal(file_io_local_open(STR("file:///"), &io, &err), 0);
    bool found = false;
    assert_int_equal(file_io_exists(io, STR("file:///etc/passwd"), &found, &err), 0);
    assert_true(found);
    file_io_close(io);
}

/* ---- full disks and crashes ------------------------------------------------------------------ */

static void a_refused_write_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct error err;
    struct rlimit limit;
    bool found;
    char *body = calloc(1, 100000);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 50000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(file_io_write_new(f->io, at(f, "a/big"), str_from(body, 100000), &err), -1);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_int_equal(file_io_exists(f->io, at(f, "a/big"), &found, &err), 0);
    assert_false(found);
    assert_int_equal(count_files(f, ""), 1);
    assert_int_equal(file_io_write_new(f->io, at(f, "a/big"), str_from(body, 100000), &err), 0);
    free(body);
}

#ifdef FIRN_FAILPOINTS
static int run_child(const char *child_root)
{
    struct file_io *io = NULL;
    struct error err;
    if (file_io_local_open(str_cstr(child_root), &io, &err) != 0)
        return 1;
    struct arena *arena = arena_new();
    int result = file_io_write_new(io, arena_printf(arena, "%s/x/y", child_root), STR("z"), &err);
    arena_free(arena);
    file_io_close(io);
    return result == 0 ? 0 : err.kind == ERR_UNAVAILABLE ? 3 : 1;
}

static int spawn_child(const char *failpoints)
{
    pid_t child = fork();
    if (child == 0) {
        (void)setenv("FIRN_FAILPOINTS", failpoints, 1);
        (void)execl(program, program, "child", root, (char *)NULL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool all_temporary(void *arg, const struct file_entry *entry)
{
    (void)arg;
    assert_true(file_io_local_is_temporary(entry->location) ||
                str_ends_with(entry->location, STR("/f")));
    return true;
}

/* F05: at whatever step it dies or fails, the name is absent or the file is whole. */
static void a_crash_leaves_no_half_file(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *failpoints;
        int status;
        size_t files; /* beside a/b/f */
        bool exists;
    } cases[] = {
        {"storage_before_write=crash", 137, 0, false}, {"storage_after_temp=crash", 137, 1, false},
        {"storage_before_write=error", 3, 1, false},   {"storage_write_error=error", 3, 1, false},
        {"storage_after_temp=error", 3, 1, false},     {"storage_after_link=error", 3, 1, false},
        {"storage_after_link=crash", 137, 2, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err;
        bool found;
        assert_int_equal(spawn_child(cases[i].failpoints), cases[i].status);
        assert_int_equal(file_io_exists(f->io, at(f, "x/y"), &found, &err), 0);
        assert_int_equal(found, cases[i].exists);
        assert_int_equal(count_files(f, ""), 1 + cases[i].files);
        if (!found)
            assert_int_equal(file_io_list(f->io, str_cstr(root), all_temporary, NULL, &err), 0);
    }
}
#endif

int main(int argc, char **argv)
{
#ifdef FIRN_FAILPOINTS
    if (argc == 3 && strcmp(argv[1], "child") == 0)
        return run_child(argv[2]);
#endif
    (void)argc;
    (void)argv;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(symlinks_lead_nowhere, begin, end),
        cmocka_unit_test_setup_teardown(only_regular_files_are_files, begin, end),
        cmocka_unit_test_setup_teardown(a_swapped_directory_gives_nothing_away, begin, end),
        cmocka_unit_test_setup_teardown(names_may_be_odd_or_too_long, begin, end),
        cmocka_unit_test_setup_teardown(roots_are_made_or_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_refused_write_leaves_nothing, begin, end),
#ifdef FIRN_FAILPOINTS
        cmocka_unit_test_setup_teardown(a_crash_leaves_no_half_file, begin, end),
#endif
    };
    if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0 || mkdtemp(directory) == NULL)
        return 1;
    (void)snprintf(root_path, sizeof(root_path), "%s/new/wh", directory);
    (void)snprintf(root, sizeof(root), "file://%s", root_path);
    (void)snprintf(outside, sizeof(outside), "file://%s/" SECRET, directory);
    struct file_io_opener opener = {open_local, wipe, root, outside, NULL};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    failed += file_io_cases_run("local", &opener);
    failed += file_stream_cases_run("local", &opener);
    directory_empty(directory);
    (void)rmdir(directory);
    return failed;
}
