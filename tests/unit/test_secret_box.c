/* Sealed secrets: what was sealed is opened again with its key and for its purpose, else not. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/secret_box.h"

static struct arena *arena;
static char dir[64];
static struct error err;

static const struct secret_key KEY = {.bytes = {1, 2, 3}}, OTHER = {.bytes = {1, 2, 4}};

static const char *path_of(const char *name)
{
    return arena_printf(arena, "%s/%s", dir, name).ptr;
}

static void what_was_sealed_is_opened(void **state)
{
    (void)state;
    char text[300];
    memset(text, 's', sizeof(text));
    for (size_t len = 0; len < sizeof(text); len += 7) {
        struct str got;
        struct str sealed =
            secret_seal(&KEY, STR("lake"), str_from(text, len), &random_system, arena);
        assert_true(secret_open(&KEY, STR("lake"), sealed, arena, &got));
        assert_int_equal(got.len, len);
        assert_memory_equal(got.ptr, text, len);
    }
}

static void no_two_seals_are_alike(void **state)
{
    (void)state;
    struct str a = secret_seal(&KEY, STR("lake"), STR("s3cr3t"), &random_system, arena);
    struct str b = secret_seal(&KEY, STR("lake"), STR("s3cr3t"), &random_system, arena);
    assert_false(str_equal(a, b));
    assert_false(str_contains(a, STR("s3cr3t")));
}

static void another_key_name_or_text_opens_nothing(void **state)
{
    (void)state;
    struct str got, sealed = secret_seal(&KEY, STR("lake"), STR("s3cr3t"), &random_system, arena);
    assert_false(secret_open(&OTHER, STR("lake"), sealed, arena, &got));
    assert_false(secret_open(&KEY, STR("lake2"), sealed, arena, &got));
    for (size_t i = 0; i < sealed.len; i++) {
        struct str changed = arena_str(arena, sealed);
        char *at = (char *)(uintptr_t)changed.ptr + i;
        *at = *at == 'A' ? 'B' : 'A';
        assert_false(secret_open(&KEY, STR("lake"), changed, arena, &got));
        changed.len = i;
        assert_false(secret_open(&KEY, STR("lake"), changed, arena, &got));
    }
}

static void the_key_file_is_made_once(void **state)
{
    (void)state;
    struct secret_key made, read, again;
    struct stat status;
    bool found;
    const char *path = path_of("secret.key");
    assert_int_equal(secret_key_read(path, &read, &found, &err), 0);
    assert_false(found);
    assert_int_equal(secret_key_make(path, &random_system, &made, &err), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(secret_key_read(path, &read, &found, &err), 0);
    assert_true(found);
    assert_memory_equal(&made, &read, sizeof(made));
    assert_int_equal(secret_key_make(path, &random_system, &again, &err), 0);
    assert_memory_equal(&made, &again, sizeof(made)); /* the first one stays */
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "short\n", "not base64 at all, is it, not at all",
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    struct secret_key key;
    bool found;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const char *path = arena_printf(arena, "%s/bad%zu", dir, i).ptr;
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(texts[i], file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(secret_key_read(path, &key, &found, &err), -1);
        assert_int_equal(err.kind, ERR_ILLEGAL_ARGUMENT);
    }
    assert_int_equal(secret_key_make(path_of("no/such/dir"), &random_system, &key, &err), -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
}

static int setup(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    (void)snprintf(dir, sizeof(dir), "/tmp/firn-secret-XXXXXX");
    assert_non_null(mkdtemp(dir));
    arena = arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sealed_is_opened),
        cmocka_unit_test(no_two_seals_are_alike),
        cmocka_unit_test(another_key_name_or_text_opens_nothing),
        cmocka_unit_test(the_key_file_is_made_once),
        cmocka_unit_test(what_is_no_key_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
