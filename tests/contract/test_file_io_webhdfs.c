/* HDFS access. What needs no HDFS runs always; the contract of all backends, and HDFS's own
 * answers, run against the one that FIRN_TEST_WEBHDFS names (http://host:port of a namenode, where
 * user root may do all; tests/stores/minidfs.py starts one). */
#include "tests/contract/file_stream_cases.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/file_io_webhdfs.h"
#include "storage/http_client.h"

#define AUTHORITY "hdfs://nameservice:8020"
#define TOP "/firn-test"
#define ROOT AUTHORITY TOP "/wh"

static const struct storage_context context = {&clock_system, &random_system};
static struct str service;
static char program[4096];

static struct file_io *open_as(const char *root, const char *user)
{
    struct file_io *io = NULL;
    struct error err;
    const struct storage_options options = {.endpoint = service, .user = str_cstr(user)};
    assert_works(file_io_webhdfs_open(str_cstr(root), &options, &context, &io, &err));
    return io;
}

static struct file_io *open_hdfs(void *arg)
{
    (void)arg;
    return open_as(ROOT, "root");
}

/* One operation as root, past the backend. */
static void ask(const char *method, const char *path, const char *query)
{
    static const struct http_client_options defaults = {0};
    struct http_client *client = http_client_new(&defaults);
    struct arena *arena = arena_new();
    struct http_response response;
    struct buf body = BUF_INIT(100000);
    struct error err;
    const struct http_request request = {
        .method = str_cstr(method),
        .url = arena_printf(arena, "%.*s/webhdfs/v1%s?user.name=root&%s", STR_ARG(service), path,
                            query),
        .body = STR(""),
    };
    assert_works(http_client_call(client, &request, arena, &response, &body, &err));
    if (response.status != 200)
        fail_msg("%s: %d %.*s", query, response.status, STR_ARG(buf_str(&body)));
    buf_free(&body);
    arena_free(arena);
    http_client_free(client);
}

static void wipe(void *arg)
{
    (void)arg;
    ask("DELETE", TOP, "op=DELETE&recursive=true");
}

static const struct file_io_opener opener = {open_hdfs, wipe, ROOT, AUTHORITY TOP "/other/x", NULL};

static int begin(void **state)
{
    struct stream_fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    wipe(NULL);
    *f = (struct stream_fixture){&opener, open_hdfs(NULL), arena_new()};
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

/* ---- without an HDFS ------------------------------------------------------------------------- */

static void endpoints_are_judged(void **state)
{
    static const char *const good[] = {"", "http://nn:9870", "https://nn", "http://nn:9870/"};
    static const char *const bad[] = {"nn:9870",          "ftp://nn",       "http://",
                                      "http://u:p@nn",    "http://nn/x",    "http://nn?x",
                                      "http://nn:1/../x", "hdfs://nn:8020", "http://nn 1"};
    (void)state;
    struct error err;
    struct file_io *io = NULL;
    struct storage_options options = {0};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        options.endpoint = str_cstr(good[i]);
        assert_works(file_io_webhdfs_open(STR(ROOT), &options, &context, &io, &err));
        file_io_close(io);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        options.endpoint = str_cstr(bad[i]);
        assert_fails(file_io_webhdfs_open(STR(ROOT), &options, &context, &io, &err),
                     ERR_ILLEGAL_ARGUMENT);
    }
    options.endpoint = STR("http://nn");
    options.access_key_id = STR("key"); /* of another kind of store */
    assert_fails(file_io_webhdfs_open(STR(ROOT), &options, &context, &io, &err),
                 ERR_ILLEGAL_ARGUMENT);
    options.access_key_id = STR_NONE;
    assert_fails(file_io_webhdfs_open(STR("s3://bucket"), &options, &context, &io, &err),
                 ERR_ILLEGAL_ARGUMENT);
}

/* L12, and names that HDFS has not: refused before anything is asked (the endpoint is nobody). */
static void foreign_places_are_refused_unasked(void **state)
{
    (void)state;
    struct error err;
    struct file_io *io = NULL;
    struct file_stat stat;
    bool found;
    const struct storage_options options = {.endpoint = STR("http://127.0.0.1:1")};
    assert_works(file_io_webhdfs_open(STR(ROOT), &options, &context, &io, &err));
    static const struct {
        const char *location;
        enum error_kind kind;
    } rows[] = {
        {"hdfs://other:8020" TOP "/wh/x", ERR_FORBIDDEN},
        {"hdfs://nameservice:8021" TOP "/wh/x", ERR_FORBIDDEN},
        {"hdfs://nameservice" TOP "/wh/x", ERR_FORBIDDEN},
        {"s3://nameservice:8020" TOP "/wh/x", ERR_FORBIDDEN},
        {"hdfs://root@nameservice:8020" TOP "/wh/x", ERR_ILLEGAL_ARGUMENT},
        {ROOT "/a:b", ERR_ILLEGAL_ARGUMENT},
        {ROOT "/a:b/c", ERR_ILLEGAL_ARGUMENT},
        {ROOT "/.firn-uploads", ERR_FORBIDDEN},
        {ROOT "/.firn-uploads/x", ERR_FORBIDDEN},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str location = str_cstr(rows[i].location);
        assert_fails(file_io_stat(io, location, &found, &stat, &err), rows[i].kind);
        assert_fails(file_io_write_new(io, location, STR("x"), &err), rows[i].kind);
    }
    file_io_close(io);
}

static void a_missing_namenode_is_unavailable(void **state)
{
    (void)state;
    struct error err;
    struct file_io *io = NULL;
    struct file_stat stat;
    bool found;
    const struct storage_options options = {.endpoint = STR("http://127.0.0.1:1"),
                                            .delegation_token = STR("CANARY")};
    assert_works(file_io_webhdfs_open(STR(ROOT), &options, &context, &io, &err));
    assert_fails(file_io_stat(io, STR(ROOT "/x"), &found, &stat, &err), ERR_UNAVAILABLE);
    assert_null(strstr(err.message, "CANARY"));
    assert_null(strstr(err.detail, "CANARY"));
    assert_fails(file_io_write_new(io, STR(ROOT "/x"), STR("x"), &err), ERR_UNAVAILABLE);
    assert_null(strstr(err.message, "CANARY"));
    assert_null(strstr(err.detail, "CANARY"));
    file_io_close(io);
}

/* ---- HDFS's own ------------------------------------------------------------------------------ */

static void names_are_kept_as_they_are(void **state)
{
    struct stream_fixture *f = *state;
    static const char *const names[] = {
        "a b", "%41",      "%",   "b+c",       "d;e",       "f&g",          "h=i", "a'\"$*<>",
        "~",   "\xC3\xA9", "...", "op=DELETE", "{x}[y]^`|", "\xE4\xB8\xAD", "-rf", "a,b"};
    struct error err;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *key = arena_printf(f->arena, "d/%s/%s", names[i], names[i]).ptr;
        stream_must_put(f, key, names[i]);
        stream_must_be(f, key, names[i]);
        struct str id, location = stream_at(f, arena_printf(f->arena, "%s.up", key).ptr);
        assert_works(file_io_upload_begin(f->io, location, f->arena, &id, &err));
        assert_works(file_io_upload_abort(f->io, location, id, &err));
    }
    struct file_page page;
    const struct file_page_request request = {.prefix = STR("d/"), .limit = 1000};
    assert_works(file_io_page(f->io, &request, f->arena, &page, &err));
    assert_int_equal(page.count, COUNT_OF(names));
    char name[300] = "";
    memset(name, 'n', 256);
    struct file_stat stat;
    assert_fails(stream_put(f, name, FILE_CREATE, STR("x"), &stat, &err), ERR_ILLEGAL_ARGUMENT);
}

static void directories_are_no_files(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_stat stat;
    struct str got;
    stream_must_put(f, "a/f", "x");
    assert_true(stream_stat(f, "a", &stat));
    assert_true(stat.is_directory);
    assert_fails(stream_get(f, "a", 0, 1, &got, &err), ERR_FORBIDDEN);
    assert_fails(stream_put(f, "a", FILE_REPLACE, STR("x"), &stat, &err), ERR_FORBIDDEN);
    assert_fails(stream_put(f, "a", FILE_CREATE, STR("x"), &stat, &err), ERR_ALREADY_EXISTS);
    assert_fails(stream_put(f, "a/f/g", FILE_CREATE, STR("x"), &stat, &err), ERR_FORBIDDEN);
    assert_fails(file_io_make_directory(f->io, stream_at(f, "a/f"), &err), ERR_FORBIDDEN);
    assert_fails(file_io_remove(f->io, stream_at(f, "a"), &err), ERR_FORBIDDEN);
    stream_must_be(f, "a/f", "x"); /* and nothing moved into it */
}

static void strangers_are_refused(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    stream_must_put(f, "a/f", "x");
    ask("PUT", TOP "/wh/a/f", "op=SETPERMISSION&permission=600");
    struct file_io *theirs = open_as(ROOT, "mallory");
    struct buf buf = BUF_INIT(10);
    assert_fails(file_io_read(theirs, stream_at(f, "a/f"), 10, &buf, &err), ERR_STORAGE_REFUSED);
    assert_fails(file_io_remove(theirs, stream_at(f, "a/f"), &err), ERR_STORAGE_REFUSED);
    assert_fails(file_io_write_new(theirs, stream_at(f, "a/g"), STR("x"), &err),
                 ERR_STORAGE_REFUSED);
    file_io_close(theirs);
    stream_must_be(f, "a/f", "x");
}

static void the_root_may_be_the_top(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct file_io *io = open_as(AUTHORITY, "root");
    struct file_stat stat;
    bool found;
    assert_works(file_io_write_new(io, STR(AUTHORITY TOP "/f"), STR("x"), &err));
    assert_works(file_io_stat(io, STR(AUTHORITY TOP "/f"), &found, &stat, &err));
    assert_true(found);
    struct file_page page;
    const struct file_page_request request = {.prefix = STR("firn-test"), .limit = 10};
    assert_works(file_io_page(io, &request, f->arena, &page, &err));
    assert_int_equal(page.count, 1);
    assert_str(page.entries[0].key, "firn-test/f");
    file_io_close(io);
    ask("DELETE", "/.firn-uploads", "op=DELETE&recursive=true");
}

/* More than one batch of CONCAT, with empty ones between. */
static void many_small_parts_become_one(void **state)
{
    struct stream_fixture *f = *state;
    struct error err;
    struct str id, location = stream_at(f, "t/f"), got;
    struct file_part parts[75];
    struct file_stat stat;
    struct buf expected = BUF_INIT(10000);
    const struct file_write write = {.mode = FILE_REPLACE, .bytes = FILE_BYTES_UNKNOWN};
    assert_works(file_io_upload_begin(f->io, location, f->arena, &id, &err));
    for (int i = 0; i < (int)COUNT_OF(parts); i++) {
        struct file_writer *writer;
        struct str text = i % 10 == 0 ? STR("") : arena_printf(f->arena, "part %d;", i);
        assert_works(file_io_upload_part(f->io, location, id, i + 1, &write, &writer, &err));
        assert_works(file_writer_write(writer, text, &err));
        assert_works(file_writer_finish(writer, &stat, &err));
        parts[i] = (struct file_part){.number = i + 1};
        memcpy(parts[i].etag, stat.etag, sizeof(stat.etag));
        buf_add(&expected, text);
    }
    assert_works(file_io_upload_complete(f->io, location, id, parts, COUNT_OF(parts), FILE_CREATE,
                                         &stat, &err));
    assert_works(stream_get(f, "t/f", 0, FILE_TO_END, &got, &err));
    assert_true(str_equal(got, buf_str(&expected)));
    buf_free(&expected);
}

/* ---- answers that get lost, and crashes ------------------------------------------------------ */

#ifdef FIRN_FAILPOINTS
static int finish_child(int result, const struct error *err)
{
    return result == 0                       ? 0
           : err->kind == ERR_UNAVAILABLE    ? 3
           : err->kind == ERR_ALREADY_EXISTS ? 4
                                             : 1;
}

static int write_in_child(struct stream_fixture *f)
{
    struct error err;
    return finish_child(file_io_write_new(f->io, stream_at(f, "a/f"), STR("new"), &err), &err);
}

/* Its operations that cannot be repeated: two names for parts, one for the file that they are
 * joined in, the joining, the name. */
static int upload_in_child(struct stream_fixture *f)
{
    struct error err;
    struct str id, location = stream_at(f, "a/f");
    struct file_part parts[2];
    struct file_stat stat;
    const struct file_write write = {.mode = FILE_REPLACE, .bytes = FILE_BYTES_UNKNOWN};
    if (file_io_upload_begin(f->io, location, f->arena, &id, &err) != 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        struct file_writer *writer;
        parts[i] = (struct file_part){.number = i + 1};
        if (file_io_upload_part(f->io, location, id, i + 1, &write, &writer, &err) != 0 ||
            file_writer_write(writer, i == 0 ? STR("n") : STR("ew"), &err) != 0 ||
            file_writer_finish(writer, &stat, &err) != 0)
            return finish_child(-1, &err);
        memcpy(parts[i].etag, stat.etag, sizeof(stat.etag));
    }
    return finish_child(
        file_io_upload_complete(f->io, location, id, parts, 2, FILE_REPLACE, &stat, &err), &err);
}

static int run_child(const char *what)
{
    struct stream_fixture f = {&opener, open_hdfs(NULL), arena_new()};
    int result = strcmp(what, "write") == 0 ? write_in_child(&f) : upload_in_child(&f);
    file_io_close(f.io);
    arena_free(f.arena);
    return result;
}

static int spawn_child(const char *what, const char *failpoints)
{
    pid_t child = fork();
    if (child == 0) {
        (void)setenv("FIRN_FAILPOINTS", failpoints, 1);
        (void)execl(program, program, what, (char *)NULL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool any_entry(void *arg, const struct file_entry *entry)
{
    (void)entry;
    *(bool *)arg = true;
    return false;
}

/* What is left in the hidden directory. */
static bool has_leftovers(void)
{
    struct error err;
    struct file_io *io = open_as(ROOT "/.firn-uploads", "root");
    bool any = false;
    assert_works(file_io_list(io, STR(ROOT "/.firn-uploads"), any_entry, &any, &err));
    file_io_close(io);
    return any;
}

static void outcomes_are_found_out(void **state)
{
    struct stream_fixture *f = *state;
    static const struct {
        const char *what, *failpoints;
        int status;
        const char *before, *after; /* NULL: no file */
        bool leftovers;
    } rows[] = {
        {"write", "", 0, NULL, "new", false},
        {"write", "", 4, "old", "old", false},
        {"write", "webhdfs_reply_lost=error", 0, NULL, "new", false},
        {"write", "webhdfs_request_lost=error@1", 0, NULL, "new", false},
        {"write", "webhdfs_request_lost=error", 3, NULL, NULL, false},
        {"write", "webhdfs_reply_lost=error@1", 4, "old", "old", false},
        {"write", "webhdfs_request_lost=error@1", 4, "old", "old", false},
        {"write", "webhdfs_request_lost=crash", 137, NULL, NULL, true},
        {"write", "webhdfs_reply_lost=crash@2", 137, NULL, "new", false}, /* the first: no parent */
        {"write", "storage_write_error=error", 3, NULL, NULL, false},
        {"upload", "", 0, "old", "new", false},
        {"upload", "webhdfs_reply_lost=error", 0, "old", "new", false},
        {"upload", "webhdfs_request_lost=error@1", 0, "old", "new", false},
        {"upload", "webhdfs_request_lost=error@3", 0, "old", "new", false},
        {"upload", "webhdfs_request_lost=error@4", 0, "old", "new", false},
        {"upload", "webhdfs_request_lost=error@5", 0, "old", "new", false},
        {"upload", "webhdfs_request_lost=crash@2", 137, "old", "old", true},
        {"upload", "webhdfs_request_lost=crash@3", 137, "old", "old", true},
        {"upload", "webhdfs_request_lost=crash@4", 137, "old", "old", true},
        {"upload", "webhdfs_request_lost=crash@5", 137, "old", "old", true},
        {"upload", "webhdfs_reply_lost=crash@4", 137, "old", "old", true},
        {"upload", "webhdfs_reply_lost=crash@5", 137, "old", "new", false}, /* no file */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err;
        struct file_stat stat;
        wipe(NULL);
        if (rows[i].before != NULL)
            stream_must_put(f, "a/f", rows[i].before);
        int status = spawn_child(rows[i].what, rows[i].failpoints);
        if (status != rows[i].status)
            fail_msg("%s %s: %d", rows[i].what, rows[i].failpoints, status);
        if (rows[i].after != NULL)
            stream_must_be(f, "a/f", rows[i].after);
        else
            assert_false(stream_stat(f, "a/f", &stat));
        if (has_leftovers() != rows[i].leftovers)
            fail_msg("%s %s: leftovers", rows[i].what, rows[i].failpoints);
        assert_works(file_io_uploads_expire(f->io, INT64_MAX, &err));
        assert_false(has_leftovers());
    }
}
#endif

int main(int argc, char **argv)
{
    service = str_cstr(getenv("FIRN_TEST_WEBHDFS"));
    if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
        return 1;
#ifdef FIRN_FAILPOINTS
    if (argc == 2)
        return run_child(argv[1]);
#endif
    (void)argc;
    (void)argv;
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(endpoints_are_judged),
        cmocka_unit_test(foreign_places_are_refused_unasked),
        cmocka_unit_test(a_missing_namenode_is_unavailable),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_are_kept_as_they_are, begin, end),
        cmocka_unit_test_setup_teardown(directories_are_no_files, begin, end),
        cmocka_unit_test_setup_teardown(strangers_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(the_root_may_be_the_top, begin, end),
        cmocka_unit_test_setup_teardown(many_small_parts_become_one, begin, end),
#ifdef FIRN_FAILPOINTS
        cmocka_unit_test_setup_teardown(outcomes_are_found_out, begin, end),
#endif
    };
    (void)signal(SIGPIPE, SIG_IGN);
    int failed = cmocka_run_group_tests(alone, NULL, NULL);
    if (service.len == 0)
        return failed;
    failed += cmocka_run_group_tests(tests, NULL, NULL);
    failed += file_io_cases_run("webhdfs", &opener);
    failed += file_stream_cases_run("webhdfs", &opener);
    return failed;
}
