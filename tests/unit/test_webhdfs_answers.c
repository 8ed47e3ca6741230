/* HDFS access against a namenode and a datanode that the test plays: what MiniDFS never says. Where
 * redirects may lead, who hears the token, what odd answers become. */
#include <signal.h>

#include "storage/file_io_webhdfs.h"
#include "storage/file_stream.h"
#include "tests/unit/answering_fixture.h"

#define ROOT "hdfs://nn/wh"
#define TOKEN "CANARY+x"

struct fixture {
    struct answering namenode, datanode;
    struct file_io *io;
    _Atomic int renames, removed, leaked;
    bool breaks;         /* the datanode, at the end of what is written */
    bool uploads;        /* the namenode knows one upload, whose parts are joined */
    _Atomic int dazed;   /* so many requests it does not answer after the rename */
    _Atomic bool joined; /* not renamed yet */
};

static const struct storage_context context = {&clock_system, &random_system};
static struct fixture *current;

static bool asks(const struct heard *heard, const char *method, const char *part)
{
    struct str rest = heard->head, line = str_cut(&rest, '\r');
    return str_starts_with(line, str_cstr(method)) && str_contains(line, str_cstr(part));
}

static void refuse(struct buf *out, const char *exception)
{
    char body[300];
    (void)snprintf(body, sizeof(body),
                   "{\"RemoteException\":{\"exception\":\"%s\",\"message\":\"no " TOKEN "\"}}",
                   exception);
    answer_with(out, 403, str_cstr(body));
}

static void redirect(struct buf *out, const char *to)
{
    buf_add_format(out, "HTTP/1.1 307 x\r\nContent-Length: 0\r\n%s%s\r\nConnection: close\r\n\r\n",
                   to[0] == '\0' ? "X-Other: x" : "Location: ", to);
}

static void status_of(struct buf *out, int id, int length)
{
    char body[200];
    (void)snprintf(
        body, sizeof(body),
        "{\"FileStatus\":{\"fileId\":%d,\"length\":%d,\"modificationTime\":1600000000000,"
        "\"type\":\"FILE\"}}",
        id, length);
    answer_with(out, 200, str_cstr(body));
}

static void answer_look(const struct heard *heard, struct buf *out)
{
    if (asks(heard, "GET", "/wh/.firn-uploads/"))
        status_of(out, 7, 3);
    else if (asks(heard, "GET", "/wh/taken") || asks(heard, "GET", "/wh/good"))
        status_of(out, 8, 5);
    else if (asks(heard, "GET", "/wh/standby"))
        refuse(out, "StandbyException");
    else if (asks(heard, "GET", "/wh/expired"))
        refuse(out, "InvalidToken");
    else if (asks(heard, "GET", "/wh/html"))
        answer_with(out, 500, STR("<html>" TOKEN "</html>"));
    else if (asks(heard, "GET", "/wh/nonsense"))
        answer_with(out, 200, STR("{\"FileStatus\":[]}"));
    else
        answer_with(out, 404,
                    STR("{\"RemoteException\":{\"exception\":\"FileNotFoundException\"}}"));
}

/* An upload of 3 bytes: "joined" until the rename, then /wh/whole. That one goes unanswered. */
static void answer_upload(struct fixture *f, const struct heard *heard, struct buf *out)
{
    if (asks(heard, "PUT", "op=RENAME")) {
        f->renames++;
        f->joined = false;
    } else if (!f->joined && f->dazed > 0) {
        f->dazed--;
        refuse(out, "StandbyException");
    } else if (asks(heard, "GET", f->joined ? "/joined?" : "/wh/whole?")) {
        status_of(out, 9, 3);
    } else if (asks(heard, "GET", "op=LISTSTATUS_BATCH")) {
        char body[400];
        (void)snprintf(
            body, sizeof(body),
            "{\"DirectoryListing\":{\"partialListing\":{\"FileStatuses\":{\"FileStatus\":[%s]"
            "}},\"remainingEntries\":0}}",
            f->joined ? "{\"pathSuffix\":\"joined\",\"fileId\":9,\"length\":3,"
                        "\"modificationTime\":1600000000000,\"type\":\"FILE\"}"
                      : "");
        answer_with(out, 200, str_cstr(body));
    } else if (asks(heard, "GET", "/wh/.firn-uploads/") && !asks(heard, "GET", "/joined?")) {
        answer_with(out, 200,
                    STR("{\"FileStatus\":{\"fileId\":5,\"length\":0,"
                        "\"modificationTime\":0,\"type\":\"DIRECTORY\"}}"));
    } else if (asks(heard, "GET", "")) {
        answer_with(out, 404,
                    STR("{\"RemoteException\":{\"exception\":\"FileNotFoundException\"}}"));
    } else {
        answer_with(out, 200, STR("{\"boolean\":true}"));
    }
}

static void answer_namenode(struct answering *server, const struct heard *heard, struct buf *out)
{
    char to[100];
    (void)server;
    (void)snprintf(to, sizeof(to), "http://127.0.0.1:%d/data?a=b%%20c", current->datanode.port);
    if (!asks(heard, "", "&delegation=CANARY%2Bx") || asks(heard, "", "user.name"))
        current->leaked++;
    if (current->uploads) {
        answer_upload(current, heard, out);
    } else if (asks(heard, "GET", "op=GETFILESTATUS")) {
        answer_look(heard, out);
    } else if (asks(heard, "PUT", "op=RENAME")) {
        current->renames++;
        answer_with(out, 200, STR("{\"boolean\":false}"));
    } else if (asks(heard, "DELETE", "")) {
        current->removed++;
        answer_with(out, 200, STR("{\"boolean\":true}"));
    } else if (asks(heard, "", "/wh/ftp")) {
        redirect(out, "ftp://127.0.0.1/x");
    } else if (asks(heard, "", "/wh/metadata-service")) {
        redirect(out, "http://169.254.169.254/latest/meta-data/");
    } else if (asks(heard, "", "/wh/nowhere")) {
        redirect(out, "");
    } else if (asks(heard, "", "/wh/httpfs")) {
        answer_with(out, 200, STR("hello"));
    } else {
        redirect(out, to);
    }
}

static void answer_datanode(struct answering *server, const struct heard *heard, struct buf *out)
{
    (void)server;
    if (!asks(heard, "", " /data?a=b%20c HTTP/1.1") || str_contains(heard->head, STR("CANARY")) ||
        str_contains(heard->head, STR("uthorization")))
        current->leaked++;
    if (asks(heard, "PUT", "") && current->breaks)
        answer_with(out, 500, STR("<html>"));
    else if (asks(heard, "PUT", ""))
        answer_with(out, 201, STR(""));
    else
        answer_with(out, 200, STR("hello"));
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    current = f;
    char endpoint[60];
    struct error err;
    f->namenode.answer = answer_namenode;
    f->datanode.answer = answer_datanode;
    answering_start(&f->namenode);
    answering_start(&f->datanode);
    (void)snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d", f->namenode.port);
    const struct storage_options options = {
        .endpoint = str_cstr(endpoint), .user = STR("somebody"), .delegation_token = STR(TOKEN)};
    assert_int_equal(file_io_webhdfs_open(STR(ROOT), &options, &context, &f->io, &err), 0);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    file_io_close(f->io);
    answering_stop(&f->namenode);
    answering_stop(&f->datanode);
    free(f);
    return 0;
}

static int read_file(struct fixture *f, const char *location, struct buf *out, struct error *err)
{
    return file_io_read(f->io, str_cstr(location), 100, out, err);
}

/* Neither clients nor the log hear of the token: not even when a server repeats it in a page. */
static void is_unavailable(const struct error *err)
{
    assert_int_equal(error_status(err->kind), 503);
    assert_null(strstr(err->message, "CANARY"));
}

static void redirects_are_followed_with_what_they_carry(void **state)
{
    struct fixture *f = *state;
    struct error err;
    struct buf body = BUF_INIT(100);
    assert_int_equal(read_file(f, ROOT "/good", &body, &err), 0);
    assert_str(buf_str(&body), "hello");
    assert_int_equal(f->datanode.count, 1);
    buf_clear(&body);
    assert_int_equal(read_file(f, ROOT "/httpfs", &body, &err), 0); /* it needs no redirect */
    assert_str(buf_str(&body), "hello");
    assert_int_equal(f->datanode.count, 1);
    assert_int_equal(f->leaked, 0);
    buf_free(&body);
}

static void redirects_to_elsewhere_are_not_followed(void **state)
{
    struct fixture *f = *state;
    static const char *const locations[] = {ROOT "/ftp", ROOT "/nowhere", ROOT "/metadata-service"};
    for (size_t i = 0; i < COUNT_OF(locations); i++) {
        struct error err;
        struct buf body = BUF_INIT(100);
        assert_int_equal(read_file(f, locations[i], &body, &err), -1);
        is_unavailable(&err);
        buf_free(&body);
    }
    assert_int_equal(f->datanode.count, 0);
    assert_int_equal(f->leaked, 0);
}

static void odd_answers_are_unavailable(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *location;
        int asked;
    } rows[] = {
        {ROOT "/standby", 3},
        {ROOT "/html", 3},
        {ROOT "/expired", 1},
        {ROOT "/nonsense", 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err;
        struct file_stat stat;
        bool found;
        f->namenode.count = 0;
        assert_int_equal(file_io_stat(f->io, str_cstr(rows[i].location), &found, &stat, &err), -1);
        is_unavailable(&err);
        assert_int_equal(f->namenode.count, rows[i].asked);
    }
}

/* A server without rename's options says "no" and no more. */
static void a_plain_no_is_looked_into(void **state)
{
    struct fixture *f = *state;
    struct error err;
    assert_int_equal(file_io_write_new(f->io, STR(ROOT "/taken"), STR("abc"), &err), -1);
    assert_int_equal(err.kind, ERR_ALREADY_EXISTS);
    assert_int_equal(f->renames, 1);
    assert_int_equal(f->removed, 1);
    assert_int_equal(f->leaked, 0);
}

/* 3: the namenode knows three bytes of it. */
static void a_file_of_another_length_gets_no_name(void **state)
{
    struct fixture *f = *state;
    struct error err;
    assert_int_equal(file_io_write_new(f->io, STR(ROOT "/new"), STR("four"), &err), -1);
    is_unavailable(&err);
    assert_int_equal(f->renames, 0);
    assert_int_equal(f->removed, 1);
}

/* What the caller knew of the file before is no sign of what was written now. */
static void a_replacement_that_breaks_is_none(void **state)
{
    struct fixture *f = *state;
    const struct file_write write = {.mode = FILE_REPLACE, .bytes = 3};
    struct file_writer *writer;
    struct file_stat stat;
    struct error err;
    bool found;
    f->breaks = true;
    assert_int_equal(file_io_stat(f->io, STR(ROOT "/taken"), &found, &stat, &err), 0);
    assert_true(found);
    assert_int_equal(file_io_create(f->io, STR(ROOT "/taken"), &write, &writer, &err), 0);
    assert_int_equal(file_writer_write(writer, STR("abc"), &err), 0);
    assert_int_equal(file_writer_finish(writer, &stat, &err), -1);
    is_unavailable(&err);
    assert_int_equal(f->renames, 0);
}

/* The parts are gone because they have become the file. */
static void a_completion_whose_end_was_not_seen_is_one(void **state)
{
    struct fixture *f = *state;
    static const struct file_part part = {.number = 1, .bytes = 3, .etag = "\"7-3-0\""};
    const struct str location = STR(ROOT "/whole");
    struct arena *arena = arena_new();
    struct file_stat stat = {0};
    struct error err = {0};
    struct str id;
    f->uploads = f->joined = true;
    f->dazed = 7; /* a look, a directory, a look again */
    assert_int_equal(file_io_upload_begin(f->io, location, arena, &id, &err), 0);
    if (file_io_upload_complete(f->io, location, id, &part, 1, FILE_REPLACE, &stat, &err) != 0)
        fail_msg("%s: %s (%s)", error_name(err.kind), err.message, err.detail);
    assert_int_equal(f->renames, 1);
    assert_int_equal(stat.bytes, 3);
    assert_false(f->joined);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(redirects_are_followed_with_what_they_carry, begin, end),
        cmocka_unit_test_setup_teardown(redirects_to_elsewhere_are_not_followed, begin, end),
        cmocka_unit_test_setup_teardown(odd_answers_are_unavailable, begin, end),
        cmocka_unit_test_setup_teardown(a_plain_no_is_looked_into, begin, end),
        cmocka_unit_test_setup_teardown(a_file_of_another_length_gets_no_name, begin, end),
        cmocka_unit_test_setup_teardown(a_replacement_that_breaks_is_none, begin, end),
        cmocka_unit_test_setup_teardown(a_completion_whose_end_was_not_seen_is_one, begin, end),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
