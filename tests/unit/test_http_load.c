/* The HTTP front with many connections and threads, and its orderly end. */
#include "tests/unit/http_fixture.h"

#include <pthread.h>

#include "base/metric.h"

#define HOST "Host: localhost\r\n"
#define CONNECTIONS_MAX 600

/* Opens so many connections, sends on all before any answer is read, and reads all answers: so many
 * are ready at the same time. */
static void ask_at_once(int count, int rounds, const char *request, const char *body)
{
    static int fds[CONNECTIONS_MAX];
    assert_true(count <= CONNECTIONS_MAX);
    for (int i = 0; i < count; i++)
        fds[i] = client_open();
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < count; i++)
            client_send(fds[i], request);
        for (int i = 0; i < count; i++) {
            struct answer a = client_read_answer(fds[i], false);
            assert_int_equal(a.status, 200);
            assert_string_equal(a.body, body);
            free(a.body);
        }
    }
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

static int start_one_loop(void **state)
{
    (void)state;
    struct http_server_options options = fixture_options();
    options.loops = 1;
    return fixture_start_with(&options);
}

/* The library's own epoll loop stalls when exactly 128·k connections are ready. */
static void multiples_of_128_connections_do_not_stall(void **state)
{
    (void)state;
    static const int counts[] = {127, 128, 129, 255, 256, 257, 300, 384, 512};
    int total = 0;
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        ask_at_once(counts[i], 3, "GET /hello HTTP/1.1\r\n" HOST "\r\n", "hello");
        ask_at_once(counts[i], 3, "POST /thread HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi",
                    "hi");
        total += 6 * counts[i];
    }
    wait_for_count(&fixture.finished_sent, total);
    for (int i = 0; i < 500 && metric_value(METRIC_CONNECTIONS) > 0; i++)
        pause_ms(10);
    assert_int_equal(metric_value(METRIC_CONNECTIONS), 0);
    assert_int_equal(metric_value(METRIC_REQUESTS_ACTIVE), 0);
    assert_int_equal(http_server_active(fixture.server), 0);
}

#define CLIENTS 16
#define REQUESTS_EACH 200

static void *run_client(void *arg)
{
    unsigned int seed = (unsigned int)(uintptr_t)arg;
    int fd = client_open();
    for (int i = 0; i < REQUESTS_EACH; i++) {
        char request[256], body[64];
        int kind = rand_r(&seed) % 4;
        snprintf(body, sizeof(body), "%08x", (unsigned int)rand_r(&seed));
        snprintf(request, sizeof(request),
                 "POST /%s HTTP/1.1\r\n" HOST "Content-Length: 8\r\n\r\n%s",
                 kind == 0 ? "echo" : "thread", body);
        struct answer a = client_ask(fd, request);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, body);
        free(a.body);
        if (kind == 1) { /* leave while a request is on its way */
            client_send(fd, request);
            close(fd);
            fd = client_open();
        }
    }
    close(fd);
    return NULL;
}

static void threads_and_vanishing_clients(void **state)
{
    (void)state;
    pthread_t threads[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_client, (void *)(i + 1)), 0);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 500 && http_server_active(fixture.server) > 0; i++)
        pause_ms(10);
    assert_int_equal(http_server_active(fixture.server), 0);
    assert_int_equal(fixture.finished_sent + fixture.finished_unsent, fixture.heads);
    assert_true(fixture.finished_sent >= CLIENTS * REQUESTS_EACH);
}

static int start_few_connections(void **state)
{
    (void)state;
    struct http_server_options options = fixture_options();
    options.loops = 1;
    options.connections_max = 4;
    return fixture_start_with(&options);
}

static void connections_beyond_the_limit_wait(void **state)
{
    (void)state;
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = client_open();
        client_send(fds[i], "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    }
    for (int i = 0; i < 8; i++) {
        struct answer a = client_read_answer(fds[i], false);
        assert_int_equal(a.status, 200);
        free(a.body);
        assert_true(metric_value(METRIC_CONNECTIONS) <= 4);
        close(fds[i]);
    }
}

static void drain_stop_listening_stop(void **state)
{
    (void)state;
    int idle = client_open(), busy = client_open();
    struct answer a = client_ask(idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_false(a.closed);
    free(a.body);
    client_send(busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for_count(&fixture.requests, 2);
    http_server_drain(fixture.server);
    int fresh = client_open(); /* still accepting */
    a = client_ask(fresh, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 200);
    assert_true(a.closed);
    free(a.body);
    close(fresh);
    a = client_ask(idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_true(a.closed);
    free(a.body);
    close(idle);
    int queued = client_open(); /* in the kernel's queue or accepted: served either way */
    client_send(queued, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    uint16_t port = http_server_port(fixture.server);
    http_server_stop_listening(fixture.server);
    a = client_read_answer(queued, false);
    assert_int_equal(a.status, 200);
    free(a.body);
    close(queued);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int refused = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(refused, (struct sockaddr *)&address, sizeof(address)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(refused);
    wait_for_count(&fixture.finished_sent, 4);
    assert_int_equal(http_server_active(fixture.server), 1);
    fixture_release_held();
    http_server_stop(fixture.server); /* gives the reply time to leave */
    fixture.server = NULL;
    a = client_read_answer(busy, false);
    assert_string_equal(a.body, "held");
    assert_true(a.closed);
    free(a.body);
    close(busy);
    assert_int_equal(fixture.finished_sent, 5);
}

static void stop_closes_what_is_open(void **state)
{
    (void)state;
    int idle = client_open(), head = client_open(), body = client_open();
    client_send(head, "GET /hel");
    client_send(body, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab");
    wait_for_count(&fixture.heads, 1);
    http_server_stop(fixture.server);
    fixture.server = NULL;
    char byte;
    assert_true(recv(idle, &byte, 1, 0) <= 0);
    assert_true(recv(head, &byte, 1, 0) <= 0);
    assert_true(recv(body, &byte, 1, 0) <= 0);
    close(idle);
    close(head);
    close(body);
    assert_int_equal(fixture.finished_unsent, 1);
}

static void a_port_in_use_is_an_error(void **state)
{
    (void)state;
    struct http_server_options options = fixture_options();
    struct http_server *second;
    struct error err;
    options.port = http_server_port(fixture.server);
    for (options.loops = 1; options.loops <= 2; options.loops++) {
        assert_int_equal(http_server_start(&options, &second, &err), -1);
        assert_int_equal(err.kind, ERR_UNAVAILABLE);
        assert_non_null(strstr(err.message, "127.0.0.1"));
    }
    options.address = "localhost";
    assert_int_equal(http_server_start(&options, &second, &err), -1);
    assert_int_equal(err.kind, ERR_ILLEGAL_ARGUMENT);
}

static void a_restart_gets_the_same_port(void **state)
{
    struct http_server_options options = fixture_options();
    options.port = http_server_port(fixture.server);
    assert_int_equal(ask_status("GET /close HTTP/1.1\r\n" HOST "\r\n"), 200);
    fixture_stop(state);
    assert_int_equal(fixture_start_with(&options), 0);
    assert_int_equal(http_server_port(fixture.server), options.port);
    assert_int_equal(ask_status("GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_start, fixture_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(multiples_of_128_connections_do_not_stall, start_one_loop,
                                        fixture_stop),
        CASE(threads_and_vanishing_clients),
        cmocka_unit_test_setup_teardown(connections_beyond_the_limit_wait, start_few_connections,
                                        fixture_stop),
        CASE(drain_stop_listening_stop),
        CASE(stop_closes_what_is_open),
        CASE(a_port_in_use_is_an_error),
        CASE(a_restart_gets_the_same_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
