/* Local file access by pieces: what is its own beside the contract (run by test_file_io_local):
 * hidden places, links and odd names in pages, long directories, races, crashes. */
#include "tests/contract/file_stream_cases.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/file_io_local.h"
#include "tests/contract/directory.h"

static char directory[] = "/tmp/firn-test-XXXXXX";
static char root[120];
static char program[4096];

static struct file_io *open_local(void *arg)
{
    (void)arg;
    struct file_io *io = NULL;
    struct error err;
    assert_works(file_io_local_open(str_cstr(root), &io, &err));
    return io;
}

static void wipe(void *arg)
{
    (void)arg;
    directory_empty(directory);
}

static const struct file_io_opener opener = {open_local, wipe, root, "file:///elsewhere/x", NULL};

static int begin(void **state)
{
    struct stream_fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    wipe(NULL);
    *f = (struct stream_fixture){&opener, open_local(NULL), arena_new()};
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct stream_fixture *f = *state;
    file_io_close(f->io);
    arena_free(f->arena);
    free(f);
    wipe(NULL);
    return 0;
}

static const char *path_of(struct stream_fixture *f, const char *relative)
{
    return arena_printf(f->arena, "%s/%s", root + strlen("file://"), relative).ptr;
}

static struct str page_of(struct stream_fixture *f, const char *prefix, bool by_directory)
{
    struct error err;
    struct file_page page;
    struct buf text = BUF_INIT(10000);
    const struct file_page_request request = {
        .prefix = str_cstr(prefix), .by_directory = by_directory, .limit = 1000};
    assert_works(file_io_page(f->io, &request, f->arena, &page, &err));
    assert_false(page.more);
    for (size_t i = 0; i < page.count; i++)
        buf_add_format(&text, "%.*s|", STR_ARG(page.entries[i].key));
    struct str result = arena_str(f->arena, buf_str(&text));
    buf_free(&text);
    return result;
}

/* ---- what is hidden -------------------------------------------------------------------------- */

static void no_location_leads_to_uploads(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_stat stat;
    struct str id, got;
    bool found;
    struct str upload = stream_at(f, "t/f");
    assert_works(file_io_upload_begin(f->io, upload, f->arena, &id, &err));
    assert_int_equal(
        access(path_of(f, arena_printf(f->arena, ".firn-uploads/%.*s", STR_ARG(id)).ptr), F_OK), 0);
    static const char *const names[] = {".firn-uploads", ".firn-uploads/x",
                                        ".firn-uploads/x/00001"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct str location = stream_at(f, names[i]);
        assert_fails(file_io_stat(f->io, location, &found, &stat, &err), ERR_FORBIDDEN);
        assert_fails(stream_get(f, names[i], 0, FILE_TO_END, &got, &err), ERR_FORBIDDEN);
        assert_fails(stream_put(f, names[i], FILE_REPLACE, STR("x"), &stat, &err), ERR_FORBIDDEN);
        assert_fails(file_io_write_new(f->io, location, STR("x"), &err), ERR_FORBIDDEN);
        assert_fails(file_io_remove(f->io, location, &err), ERR_FORBIDDEN);
        assert_fails(file_io_make_directory(f->io, location, &err), ERR_FORBIDDEN);
        assert_fails(file_io_upload_begin(f->io, location, f->arena, &id, &err), ERR_FORBIDDEN);
    }
    assert_str(page_of(f, ".firn", false), "");
    assert_str(page_of(f, ".firn-uploads/", false), "");
    stream_must_put(f, "t/.firn-uploads/x", "x"); /* only the root's is special */
    assert_str(page_of(f, "", false), "t/.firn-uploads/x|");
    assert_fails(
        stream_put(f, "t/" FILE_IO_LOCAL_TEMPORARY "x", FILE_REPLACE, STR("x"), &stat, &err),
        ERR_FORBIDDEN);
}

static void pages_show_regular_files_with_locations_only(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_stat stat;
    stream_must_put(f, "a/f", "x");
    assert_int_equal(symlink("f", path_of(f, "a/link")), 0);
    assert_int_equal(symlink("a", path_of(f, "b")), 0);
    assert_int_equal(symlink("/etc", path_of(f, "etc")), 0);
    assert_int_equal(mkfifo(path_of(f, "a/fifo"), 0644), 0);
    static const char *const odd[] = {"a\\b", "a\nb", "a?b", "a#b", "%2e", "\xFF", "x%2Fy"};
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        const char *path = path_of(f, odd[i]);
        assert_int_equal(mkdir(path, 0755), 0);
        const char *below = arena_printf(f->arena, "%s/f", path).ptr;
        FILE *file = fopen(below, "w");
        assert_non_null(file);
        assert_int_equal(fclose(file), 0);
    }
    assert_str(page_of(f, "", false), "a/f|x%2Fy/f|");
    assert_str(page_of(f, "", true), "a/|x%2Fy/|");
    assert_str(page_of(f, "etc/", false), "");
    assert_str(page_of(f, "b/", false), "");
    assert_str(page_of(f, "a/f/", false), "");
    assert_fails(stream_put(f, "b/new", FILE_REPLACE, STR("x"), &stat, &err), ERR_FORBIDDEN);
    assert_fails(stream_put(f, "a", FILE_REPLACE, STR("x"), &stat, &err), ERR_FORBIDDEN);
    assert_works(stream_put(f, "a/link", FILE_REPLACE, STR("new"), &stat, &err));
    stream_must_be(f, "a/f", "x"); /* the link was replaced, not followed */
    stream_must_be(f, "a/link", "new");
}

/* ---- long directories ------------------------------------------------------------------------ */

static void touch(struct stream_fixture *f, const char *relative)
{
    FILE *file = fopen(path_of(f, relative), "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

/* More names than a page keeps, most of them directories without any file. */
static void long_directories_are_paged_whole(void **state)
{
    struct stream_fixture *f = *state;
    static const size_t limits[] = {1, 100, 1000};
    size_t files = 0;
    assert_int_equal(mkdir(path_of(f, "d"), 0755), 0);
    for (int i = 0; i < 3000; i++) {
        const char *name = arena_printf(f->arena, "d/%04d", i).ptr;
        if (i % 3 != 0) {
            assert_int_equal(mkdir(path_of(f, name), 0755), 0);
            if (i % 30 == 1)
                touch(f, arena_printf(f->arena, "%s/f", name).ptr);
        } else if (i % 2 == 0) {
            touch(f, name);
        }
        files += i % 3 != 0 ? i % 30 == 1 : i % 2 == 0;
    }
    for (size_t i = 0; i < 2 * COUNT_OF(limits); i++) {
        struct error err;
        struct file_page page = {.more = true};
        struct file_page_request request = {
            .prefix = STR("d/"), .by_directory = i % 2 == 0, .limit = limits[i / 2]};
        size_t seen = 0;
        while (page.more) {
            assert_works(file_io_page(f->io, &request, f->arena, &page, &err));
            assert_true(page.count == request.limit || !page.more);
            for (size_t k = 0; k < page.count; k++) {
                assert_true(str_compare(page.entries[k].key, request.after) > 0);
                request.after = page.entries[k].key;
            }
            seen += page.count;
            if (request.limit == 1 && seen == 150)
                break; /* a page reads all of the directory: enough of the smallest */
        }
        assert_int_equal(seen, request.limit == 1 ? 150 : files);
    }
}

/* ---- races and crashes ----------------------------------------------------------------------- */

#define RACERS 8

struct racer {
    struct stream_fixture *fixture;
    const char *etag;
    int won;
    pthread_t thread;
};

static void *replace_once(void *arg)
{
    struct racer *racer = arg;
    struct error err;
    struct file_writer *writer;
    struct file_stat stat;
    const struct file_write write = {
        .mode = FILE_REPLACE, .bytes = 3, .if_match = str_cstr(racer->etag)};
    struct arena *arena = arena_new();
    if (file_io_create(racer->fixture->io, arena_printf(arena, "%s/f", root), &write, &writer,
                       &err) == 0) {
        if (file_writer_write(writer, STR("new"), &err) != 0)
            file_writer_abort(writer);
        else
            racer->won += file_writer_finish(writer, &stat, &err) == 0;
    }
    arena_free(arena);
    return NULL;
}

static void one_condition_has_one_winner(void **state)
{
    struct stream_fixture *f = *state;
    stream_must_put(f, "f", "one");
    for (int round = 0; round < 20; round++) {
        struct file_stat stat;
        struct racer racers[RACERS];
        int won = 0;
        assert_true(stream_stat(f, "f", &stat));
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){.fixture = f, .etag = stat.etag};
            assert_int_equal(pthread_create(&racers[i].thread, NULL, replace_once, &racers[i]), 0);
        }
        for (int i = 0; i < RACERS; i++) {
            assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
            won += racers[i].won;
        }
        assert_int_equal(won, 1);
    }
}

/* Files made and removed, and the directories with the last of them, as the gateway does it. */
static void *come_and_go(void *arg)
{
    struct racer *racer = arg;
    struct file_io *io = racer->fixture->io;
    struct error err;
    bool removed;
    struct arena *arena = arena_new();
    struct str inner = arena_printf(arena, "%s/a/b", root),
               outer = arena_printf(arena, "%s/a", root);
    struct str file = arena_printf(arena, "%s/a/b/%s", root, racer->etag);
    for (int i = 0; i < 100; i++) {
        racer->won +=
            file_io_write_new(io, file, STR("x"), &err) == 0 && file_io_remove(io, file, &err) == 0;
        (void)!file_io_remove_directory(io, inner, &removed, &err);
        (void)!file_io_remove_directory(io, outer, &removed, &err);
    }
    arena_free(arena);
    return NULL;
}

static void directories_that_go_are_no_trouble(void **state)
{
    static const char *const names[] = {"1", "2", "3", "4"};
    struct racer racers[COUNT_OF(names)];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        racers[i] = (struct racer){.fixture = *state, .etag = names[i]};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, come_and_go, &racers[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(racers[i].won, 100);
}

#ifdef FIRN_FAILPOINTS
/* The child: an upload of two parts over `f`, which it completes. */
static int complete_upload(struct stream_fixture *f)
{
    struct error err;
    struct str id, location = stream_at(f, "f");
    struct file_part parts[2];
    struct file_stat stat;
    const struct file_write write = {.mode = FILE_REPLACE, .bytes = FILE_BYTES_UNKNOWN};
    if (file_io_upload_begin(f->io, location, f->arena, &id, &err) != 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        struct file_writer *writer;
        parts[i] = (struct file_part){.number = i + 1};
        if (file_io_upload_part(f->io, location, id, i + 1, &write, &writer, &err) != 0 ||
            file_writer_write(writer, STR("new"), &err) != 0 ||
            file_writer_finish(writer, &stat, &err) != 0)
            return 3;
        memcpy(parts[i].etag, stat.etag, sizeof(stat.etag));
    }
    return file_io_upload_complete(f->io, location, id, parts, 2, FILE_REPLACE, &stat, &err) == 0
               ? 0
               : 3;
}

static int run_child(void)
{
    struct stream_fixture f = {&opener, open_local(NULL), arena_new()};
    int status = complete_upload(&f);
    file_io_close(f.io);
    arena_free(f.arena);
    return status;
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

static bool has_uploads(struct stream_fixture *f)
{
    struct stat uploads;
    assert_int_equal(stat(path_of(f, ".firn-uploads"), &uploads), 0);
    return uploads.st_nlink > 2; /* ext4, tmpfs: one for each directory in it */
}

/* The third write is the completion: whenever it dies or fails, the old file or the new one is
 * whole, and the sweep leaves nothing. */
static void a_crash_leaves_the_old_or_the_new(void **state)
{
    struct stream_fixture *f = *state;
    static const struct {
        const char *failpoints;
        int status;
        bool new;
    } cases[] = {
        {"storage_before_write=crash@3", 137, false},
        {"storage_write_error=crash@3", 137, false},
        {"storage_after_temp=crash@3", 137, false},
        {"storage_after_link=crash@3", 137, true},
        {"storage_before_write=error@3", 3, false},
        {"storage_write_error=error@3", 3, false},
        {"storage_after_temp=error@3", 3, false},
        {"storage_after_link=error@3", 3, true},
        {"storage_after_link=crash@1", 137, false},
        {"storage_after_temp=error@2", 3, false},
        {"", 0, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err;
        struct file_stat stat;
        assert_works(stream_put(f, "f", FILE_REPLACE, STR("old"), &stat, &err));
        assert_int_equal(spawn_child(cases[i].failpoints), cases[i].status);
        stream_must_be(f, "f", cases[i].new ? "newnew" : "old");
        assert_str(page_of(f, "", false), "f|");
        assert_int_equal(has_uploads(f), cases[i].status != 0);
        assert_works(file_io_uploads_expire(f->io, INT64_MAX, &err));
        assert_false(has_uploads(f));
    }
}
#endif

int main(int argc, char **argv)
{
#ifdef FIRN_FAILPOINTS
    if (argc == 3 && strcmp(argv[1], "child") == 0) {
        (void)snprintf(root, sizeof(root), "%s", argv[2]);
        return run_child();
    }
#endif
    (void)argc;
    (void)argv;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_location_leads_to_uploads, begin, end),
        cmocka_unit_test_setup_teardown(pages_show_regular_files_with_locations_only, begin, end),
        cmocka_unit_test_setup_teardown(long_directories_are_paged_whole, begin, end),
        cmocka_unit_test_setup_teardown(one_condition_has_one_winner, begin, end),
        cmocka_unit_test_setup_teardown(directories_that_go_are_no_trouble, begin, end),
#ifdef FIRN_FAILPOINTS
        cmocka_unit_test_setup_teardown(a_crash_leaves_the_old_or_the_new, begin, end),
#endif
    };
    if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0 || mkdtemp(directory) == NULL)
        return 1;
    (void)snprintf(root, sizeof(root), "file://%s/wh", directory);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    directory_empty(directory);
    (void)rmdir(directory);
    return failed;
}
