/* Writing by pieces to an S3 store that the test plays: what the store has, and when. */
#include "tests/unit/peer_fixture.h"

#include <stdatomic.h>

#include "storage/file_io_s3.h"
#include "storage/file_stream.h"

#define PIECE_BYTES ((size_t)256 << 10)
#define PIECES 8 /* more than is held in memory */
#define BYTES ((int64_t)(PIECES * PIECE_BYTES))

struct fixture {
    struct peer peer;
    struct file_io *io;
    _Atomic int stored; /* PUTs whose whole body came */
    _Atomic int cut;    /* connections that ended within one */
    bool leaves;        /* before the last byte */
    char piece[PIECE_BYTES];
};

static const struct storage_context context = {&clock_system, &random_system};

/* Its etag is no MD5: what came is not compared. */
#define STORED "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define NONE "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

/* One request: its head, and its body counted. */
static void serve(struct peer *peer, int fd)
{
    struct fixture *f = peer->arg;
    char *head = calloc(1, PIECE_BYTES + 1);
    size_t len = 0;
    assert_non_null(head);
    while (strstr(head, "\r\n\r\n") == NULL) {
        ssize_t got = recv(fd, head + len, PIECE_BYTES - len, 0);
        if (got <= 0) {
            free(head);
            return;
        }
        len += (size_t)got;
    }
    if (strncmp(head, "PUT ", 4) != 0) {
        (void)peer_write(fd, STR(NONE));
        free(head);
        return;
    }
    if (strcasestr(head, "\r\nExpect:") != NULL)
        (void)peer_write(fd, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    int64_t left = BYTES - (int64_t)(len - (size_t)(strstr(head, "\r\n\r\n") + 4 - head));
    while (left > f->leaves) {
        ssize_t got = recv(fd, head, PIECE_BYTES, 0);
        if (got <= 0)
            break;
        left -= got;
    }
    free(head);
    if (left > 0) {
        f->cut++;
        return;
    }
    f->stored++;
    (void)peer_write(fd, STR(STORED));
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err;
    assert_non_null(f);
    memset(f->piece, 'x', sizeof(f->piece));
    peer_start(&f->peer, serve, f);
    const struct storage_options options = {.endpoint = str_cstr(f->peer.url),
                                            .region = STR("here"),
                                            .access_key_id = STR("AK"),
                                            .secret_access_key = STR("secret")};
    assert_int_equal(file_io_s3_open(STR("s3://bucket/wh"), &options, &context, &f->io, &err), 0);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    file_io_close(f->io);
    peer_stop(&f->peer);
    free(f);
    return 0;
}

static struct file_writer *written(struct fixture *f)
{
    struct file_writer *writer = NULL;
    struct error err;
    const struct file_write write = {.mode = FILE_REPLACE, .bytes = BYTES};
    assert_int_equal(file_io_create(f->io, STR("s3://bucket/wh/f"), &write, &writer, &err), 0);
    for (size_t i = 0; i < PIECES; i++)
        assert_int_equal(file_writer_write(writer, str_from(f->piece, PIECE_BYTES), &err), 0);
    return writer;
}

/* Whoever wrote may find out at the very end that the bytes are not those that were meant. */
static void an_abort_after_the_last_byte_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    file_writer_abort(written(f));
    while (f->cut + f->stored == 0)
        (void)usleep(1000);
    assert_int_equal(f->stored, 0);
}

static void a_finish_gives_all_of_it(void **state)
{
    struct fixture *f = *state;
    struct file_stat stat;
    struct error err;
    if (file_writer_finish(written(f), &stat, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    assert_int_equal(stat.bytes, BYTES);
    assert_int_equal(f->stored, 1);
    assert_int_equal(f->cut, 0);
}

static void a_store_that_left_holds_nothing(void **state)
{
    struct fixture *f = *state;
    struct file_stat stat;
    struct error err;
    f->leaves = true;
    struct file_writer *writer = written(f);
    while (f->cut == 0)
        (void)usleep(1000);
    assert_int_equal(file_writer_finish(writer, &stat, &err), -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_int_equal(f->stored, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_abort_after_the_last_byte_leaves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_finish_gives_all_of_it, begin, end),
        cmocka_unit_test_setup_teardown(a_store_that_left_holds_nothing, begin, end),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
