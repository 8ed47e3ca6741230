/* Tests of base/log: lines are caught by standing a file in for stderr. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/raw_json.h"

static struct arena *arena;
static FILE *caught;
static int real_stderr;

static int catch_begin(void **state)
{
    (void)state;
    caught = tmpfile();
    fflush(stderr);
    real_stderr = dup(STDERR_FILENO);
    dup2(fileno(caught), STDERR_FILENO);
    return 0;
}

static int catch_end(void **state)
{
    (void)state;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    fclose(caught);
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    return 0;
}

/* Everything that was logged since the last call. */
static struct str take_lines(void)
{
    size_t bytes = (size_t)lseek(fileno(caught), 0, SEEK_END);
    char *text = arena_alloc(arena, bytes + 1);
    assert_int_equal(pread(fileno(caught), text, bytes, 0), bytes);
    assert_int_equal(ftruncate(fileno(caught), 0), 0);
    lseek(fileno(caught), 0, SEEK_SET);
    return str_from(text, bytes);
}

/* The one line, without its newline and without the time, which is checked for its shape. */
static struct str take_line(void)
{
    struct str lines = take_lines();
    struct str line = str_cut(&lines, '\n');
    assert_non_null(lines.ptr);
    assert_int_equal(lines.len, 0);
    bool json = line.ptr[0] == '{';
    line = str_skip(line, strlen(json ? "{\"time\":\"" : "time="));
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    assert_true(line.len > sizeof(shape));
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        if (shape[i] == 'd')
            assert_in_range(line.ptr[i], '0', '9');
        else
            assert_int_equal(line.ptr[i], shape[i]);
    }
    return str_skip(line, sizeof(shape) - 1 + (json ? 2 : 1));
}

static void writes_text(void **state)
{
    (void)state;
    log_info("ready");
    assert_str(take_line(), "level=info msg=ready");
    log_warn("two %s", "words");
    assert_str(take_line(), "level=warn msg=\"two words\"");
    log_error("a=b");
    assert_str(take_line(), "level=error msg=\"a=b\"");
    log_info("%s", "");
    assert_str(take_line(), "level=info msg=\"\"");
}

static void holds_lines(void **state)
{
    (void)state;
    char room[200];
    log_hold(room, sizeof(room));
    log_info("one");
    log_info("two");
    assert_int_equal(take_lines().len, 0);
    log_warn("three"); /* is not held, and what is held comes before it */
    struct str lines = take_lines();
    const char *const words[] = {"msg=one", "msg=two", "msg=three"};
    for (size_t i = 0; i < 3; i++)
        assert_true(str_ends_with(str_cut(&lines, '\n'), str_cstr(words[i])));
    assert_int_equal(lines.len, 0);
    for (int i = 0; i < 5; i++) /* more than there is room for */
        log_info("%d", i);
    assert_true(take_lines().len > 0);
    log_release();
    assert_true(str_ends_with(take_line(), STR("msg=4")));
    log_info("five");
    assert_str(take_line(), "level=info msg=five");
}

static void writes_json(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_info("a \"b\"");
    assert_str(take_line(), "\"level\":\"info\",\"msg\":\"a \\\"b\\\"\"}");
}

static void writes_fields(void **state)
{
    (void)state;
    const struct log_field fields[] = {
        {"path", STR("/v1/a b"), 0}, {"status", STR_NONE, -200}, {"none", STR(""), 7}};
    log_fields(LOG_LEVEL_INFO, "request", fields, 3);
    assert_str(take_line(), "level=info event=request path=\"/v1/a b\" status=-200 none=\"\"");
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_fields(LOG_LEVEL_INFO, "request", fields, 3);
    assert_str(take_line(), "\"level\":\"info\",\"event\":\"request\",\"path\":\"/v1/a b\","
                            "\"status\":-200,\"none\":\"\"}");
}

static void levels_are_honoured(void **state)
{
    (void)state;
    log_debug("no");
    assert_int_equal(take_lines().len, 0);
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    log_warn("no");
    log_fields(LOG_LEVEL_INFO, "no", NULL, 0);
    assert_int_equal(take_lines().len, 0);
    assert_false(log_enabled(LOG_LEVEL_WARN));
    log_setup(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    log_debug("yes");
    assert_str(take_line(), "level=debug msg=yes");
}

static void one_event_is_one_line(void **state)
{
    (void)state;
    static const char hostile[] = "a\nlevel=error\r\x1B[2J\x7F\\\"\xC2\x9B\xE2\x80\xA8\xFF\xC3\xA4";
    log_info("%s", hostile);
    assert_str(take_line(),
               "level=info msg=\"a\\nlevel=error\\u000d\\u001b[2J\\u007f\\\\\\\"\\u009b\\u2028"
               "\\xff\xC3\xA4\"");
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    const struct log_field field = {"name", str_from(hostile, sizeof(hostile)), 0}; /* with NUL */
    log_fields(LOG_LEVEL_INFO, "x", &field, 1);
    assert_str(take_line(),
               "\"level\":\"info\",\"event\":\"x\",\"name\":\"a\\nlevel=error\\u000d\\u001b[2J"
               "\\u007f\\\\\\\"\\u009b\\u2028\\ufffd\xC3\xA4\\u0000\"}");
}

/* Long values and many fields: still one line of bounded length, in JSON still well-formed. */
static void lines_are_bounded(void **state)
{
    (void)state;
    static const char *const parts[] = {"x", "\x01", "\xFF", "\xF0\x9F\x98\x80", "\n", "y z"};
    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        log_setup(LOG_LEVEL_INFO, (enum log_format)format);
        for (size_t p = 0; p < COUNT_OF(parts); p++) {
            for (size_t shift = 0; shift < 12; shift++) {
                char text[5000];
                size_t len = shift;
                memset(text, 'x', shift);
                for (; len + strlen(parts[p]) <= sizeof(text); len += strlen(parts[p]))
                    memcpy(text + len, parts[p], strlen(parts[p]));
                struct log_field fields[40];
                for (size_t i = 0; i < COUNT_OF(fields); i++)
                    fields[i] = (struct log_field){"field", str_from(text, len), 0};
                log_fields(LOG_LEVEL_INFO, "x", fields, shift % 2 == 0 ? 1 : COUNT_OF(fields));
                struct str line = take_lines();
                assert_in_range(line.len, 2000, 8192);
                assert_ptr_equal(memchr(line.ptr, '\n', line.len), line.ptr + line.len - 1);
                assert_true(str_is_utf8(line));
                if (format == LOG_FORMAT_JSON) {
                    assert_int_equal(line.ptr[line.len - 2], '}');
                    assert_null(memmem(line.ptr, line.len, "\x01", 1));
                }
            }
        }
    }
}

/* The same, seen by the JSON checker; each field has its own name there. */
static void bounded_json_is_json(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    for (size_t len = 780; len < 830; len++) {
        char text[900];
        struct log_field fields[COUNT_OF(names)];
        memset(text, 'x', len);
        for (size_t i = 0; i < COUNT_OF(names); i++)
            fields[i] = (struct log_field){names[i], str_from(text, len), 0};
        log_fields(LOG_LEVEL_INFO, "x", fields, COUNT_OF(fields));
        struct str value;
        struct error err = {0};
        if (raw_json_check(take_lines(), &value, &err) != 0)
            fail_msg("%s", err.message);
    }
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 500; i++)
        log_info("thread %d line %d and some text to make it longer", *(int *)arg, i);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    pthread_t threads[4];
    int numbers[4];
    for (int i = 0; i < 4; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, log_many, &numbers[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct str lines = take_lines();
    int count = 0;
    while (lines.len > 0) {
        struct str line = str_cut(&lines, '\n');
        assert_true(str_starts_with(line, STR("time=")));
        assert_true(str_ends_with(line, STR("some text to make it longer\"")));
        count++;
    }
    assert_int_equal(count, 2000);
}

static void fatal_aborts(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        log_fatal("the end: %d", 7);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(str_contains(take_lines(), STR("level=error msg=\"the end: 7\"")));
}

#define CATCHING(test) cmocka_unit_test_setup_teardown(test, catch_begin, catch_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATCHING(writes_text),
        CATCHING(holds_lines),
        CATCHING(writes_json),
        CATCHING(writes_fields),
        CATCHING(levels_are_honoured),
        CATCHING(one_event_is_one_line),
        CATCHING(lines_are_bounded),
        CATCHING(bounded_json_is_json),
        CATCHING(lines_of_threads_do_not_mix),
        CATCHING(fatal_aborts),
    };
    arena = arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
