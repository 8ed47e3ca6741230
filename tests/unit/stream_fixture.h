/* A server with streaming handlers, and more of the client, for the tests of streamed exchanges and
 * of replies from files. What a target does, after /s/:
 *   echo/PIECE           reads the body in such pieces, then writes it, of known length
 *   chunks/PIECE         the same, in chunks
 *   count                reads the body, replies its length
 *   gate                 reads a byte, waits for open_gate, reads the rest, replies its length
 *   bytes/N              writes N bytes of the pattern
 *   endless              writes until it fails
 *   early, early/N       replies 403 after N bytes of the body
 *   begin/N              after N bytes of the body: writes "begun", by pieces
 *   cut, cut/chunks      writes half of what it promises, ends incomplete
 *   none                 ends without a reply
 *   inline               replies 503 on the loop thread
 *   file/FROM/N          replies a part of the file */
#ifndef TESTS_UNIT_STREAM_FIXTURE_H
#define TESTS_UNIT_STREAM_FIXTURE_H

#include "tests/unit/http_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>

#include "base/metric.h"
#include "server/http_stream.h"

#define HOST "Host: localhost\r\n"
#define THREADS 80
#define FILE_BYTES (8u << 20)

static struct {
    struct work_queue *threads;
    sem_t gate;
    char file[64];
    _Atomic int entered, read_errors, write_errors, last_error_kind, done;
    _Atomic int64_t read, written;
} test;

static inline char pattern(uint64_t at)
{
    return (char)((at * 2654435761u) >> 13);
}

static inline void fill(char *to, uint64_t from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = pattern(from + i);
}

/* ---- handlers -------------------------------------------------------------------------------- */

static inline int64_t number_in(struct str target, int index)
{
    for (size_t i = 0; i < target.len; i++)
        if (target.ptr[i] == '/' && index-- == 0)
            return strtoll(target.ptr + i + 1, NULL, 10);
    return 0;
}

static inline bool asks_for(struct http_exchange *x, const char *what)
{
    return str_starts_with(str_skip(x->target, 3), str_cstr(what));
}

/* The connection may be gone already; what it said stays. */
static inline void note_error(struct http_exchange *x, _Atomic int *counter,
                              const struct error *err)
{
    assert_str(http_exchange_header(x, "host"), "localhost");
    assert_str(x->client, "127.0.0.1");
    test.last_error_kind = (int)err->kind;
    (*counter)++;
}

/* Reads up to `most` bytes; *data may be NULL. Returns false when reading failed. */
static inline bool read_body(struct http_exchange *x, size_t piece, int64_t most, char **data,
                             int64_t *total)
{
    size_t capacity = 0, got;
    char *part = malloc(piece);
    struct error err;
    assert_non_null(part);
    for (*total = 0; *total < most; *total += (int64_t)got) {
        size_t size = most - *total < (int64_t)piece ? (size_t)(most - *total) : piece;
        if (http_stream_read(x, part, size, &got, &err) != 0) {
            note_error(x, &test.read_errors, &err);
            free(part);
            return false;
        }
        if (got == 0)
            break;
        test.read += (int64_t)got;
        if (data == NULL)
            continue;
        if (*total + (int64_t)got > (int64_t)capacity) {
            capacity = 2 * capacity + got;
            *data = realloc(*data, capacity);
        }
        memcpy(*data + *total, part, got);
    }
    free(part);
    return true;
}

static inline void begin(struct http_exchange *x, int64_t bytes)
{
    struct http_reply reply = {.status = 200, .header_count = 1};
    reply.headers[0] = (struct http_header){"Content-Type", "application/octet-stream"};
    http_stream_begin(x, &reply, bytes);
}

static inline bool write_all(struct http_exchange *x, const char *data, size_t bytes, size_t piece)
{
    struct error err;
    for (size_t at = 0; at < bytes; at += piece) {
        size_t n = bytes - at < piece ? bytes - at : piece;
        if (http_stream_write(x, str_from(data + at, n), &err) != 0) {
            note_error(x, &test.write_errors, &err);
            return false;
        }
        test.written += (int64_t)n;
    }
    return true;
}

static inline void run_echo(struct http_exchange *x)
{
    int64_t total;
    char *data = NULL;
    bool chunks = asks_for(x, "chunks");
    size_t piece = (size_t)number_in(x->target, 2);
    bool ok = read_body(x, piece, INT64_MAX, &data, &total);
    if (ok) {
        begin(x, chunks ? -1 : total);
        ok = write_all(x, data, (size_t)total, piece);
    }
    free(data);
    http_stream_end(x, ok);
}

static inline void run_count(struct http_exchange *x, bool gated)
{
    int64_t total, first = 0;
    if (gated) {
        if (!read_body(x, 1, 1, NULL, &first)) {
            http_stream_end(x, false);
            return;
        }
        test.entered++;
        while (sem_wait(&test.gate) != 0)
            continue;
    }
    if (!read_body(x, 100000, INT64_MAX, NULL, &total)) {
        http_stream_end(x, false);
        return;
    }
    reply_text(x, 200, arena_printf(x->arena, "%lld", (long long)(first + total)));
}

static inline void run_bytes(struct http_exchange *x, int64_t bytes)
{
    static const size_t pieces[] = {1, 100, 65536, 300000};
    char *data = malloc(300000);
    assert_non_null(data);
    begin(x, bytes);
    bool ok = true;
    int64_t at = 0;
    for (size_t i = 0; ok && at < bytes; i++) {
        size_t n = pieces[i % 4];
        if ((int64_t)n > bytes - at)
            n = (size_t)(bytes - at);
        fill(data, (uint64_t)at, n);
        ok = write_all(x, data, n, n);
        at += (int64_t)n;
    }
    free(data);
    http_stream_end(x, ok);
}

static inline void run_endless(struct http_exchange *x)
{
    char *data = calloc(1, 65536);
    assert_non_null(data);
    begin(x, -1);
    while (write_all(x, data, 65536, 65536))
        continue;
    free(data);
    http_stream_end(x, false);
}

static inline void run_early(struct http_exchange *x)
{
    int64_t total,
        most = asks_for(x, "early/") || asks_for(x, "begin/") ? number_in(x->target, 2) : 0;
    if (!read_body(x, 4096, most, NULL, &total)) {
        http_stream_end(x, false);
    } else if (asks_for(x, "early")) {
        reply_text(x, 403, STR("forbidden"));
    } else {
        begin(x, 5);
        http_stream_end(x, write_all(x, "begun", 5, 5));
    }
}

static inline void run_cut(struct http_exchange *x)
{
    char *data = calloc(1, 100000);
    assert_non_null(data);
    begin(x, asks_for(x, "cut/chunks") ? -1 : 200000);
    bool ok = write_all(x, data, 100000, 100000);
    free(data);
    assert_true(ok);
    http_stream_end(x, false);
}

static inline void reply_file(struct http_exchange *x)
{
    struct http_reply reply = {.status = 206, .file_fd = open(test.file, O_RDONLY | O_CLOEXEC)};
    assert_true(reply.file_fd >= 0);
    bool streamed = str_starts_with(x->target, STR("/s/"));
    reply.file_offset = number_in(x->target, streamed ? 2 : 1);
    reply.file_bytes = number_in(x->target, streamed ? 3 : 2);
    http_exchange_reply(x, &reply);
}

static inline void run_stream(void *arg)
{
    struct http_exchange *x = arg;
    if (asks_for(x, "echo") || asks_for(x, "chunks"))
        run_echo(x);
    else if (asks_for(x, "count") || asks_for(x, "gate"))
        run_count(x, asks_for(x, "gate"));
    else if (asks_for(x, "bytes"))
        run_bytes(x, number_in(x->target, 2));
    else if (asks_for(x, "endless"))
        run_endless(x);
    else if (asks_for(x, "early") || asks_for(x, "begin"))
        run_early(x);
    else if (asks_for(x, "cut"))
        run_cut(x);
    else if (asks_for(x, "file"))
        reply_file(x);
    else
        http_stream_end(x, true);
    test.done++;
}

static inline void reply_file_later(void *arg)
{
    reply_file(arg);
}

static inline void stream_head(void *arg, struct http_exchange *x)
{
    on_head(arg, x);
    x->streams = str_starts_with(x->target, STR("/s/"));
}

static inline void stream_request(void *arg, struct http_exchange *x)
{
    if (str_starts_with(x->target, STR("/file-later")))
        assert_true(work_queue_push(test.threads, reply_file_later, x));
    else if (str_starts_with(x->target, STR("/file")))
        reply_file(x);
    else
        on_request(arg, x);
}

static inline void stream_stream(void *arg, struct http_exchange *x)
{
    (void)arg;
    if (asks_for(x, "inline"))
        reply_text(x, 503, STR("slow down"));
    else
        assert_true(work_queue_push(test.threads, run_stream, x));
}

static inline struct http_server_options stream_options(void)
{
    struct http_server_options options = fixture_options();
    options.handlers.head = stream_head;
    options.handlers.request = stream_request;
    options.handlers.stream = stream_stream;
    return options;
}

static inline int start_with(const struct http_server_options *options)
{
    memset(&test, 0, sizeof(test));
    sem_init(&test.gate, 0, 0);
    test.threads = work_queue_open("stream", THREADS, 1000);
    snprintf(test.file, sizeof(test.file), "/tmp/firn-test-stream-XXXXXX");
    int fd = mkstemp(test.file);
    assert_true(fd >= 0);
    char *data = malloc(FILE_BYTES);
    assert_non_null(data);
    fill(data, 0, FILE_BYTES);
    assert_int_equal(write(fd, data, FILE_BYTES), FILE_BYTES);
    free(data);
    close(fd);
    return fixture_start_with(options);
}

static inline int start(void **state)
{
    (void)state;
    struct http_server_options options = stream_options();
    return start_with(&options);
}

static inline int stop(void **state)
{
    int result = fixture_stop(state);
    work_queue_close(test.threads);
    sem_destroy(&test.gate);
    unlink(test.file);
    assert_int_equal(metric_value(METRIC_REQUESTS_ACTIVE), 0);
    return result;
}

#endif
