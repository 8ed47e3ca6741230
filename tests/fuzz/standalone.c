/* Runs a fuzz target over files instead of mutations: each file once, so that what ever broke a
 * target is a test from then on. Directories are read whole, not their folders. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>

#define INPUT_BYTES_MAX ((size_t)64 << 20)

static size_t run_count;

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    struct buf input = BUF_INIT(INPUT_BYTES_MAX);
    char block[65536];
    for (size_t n; (n = fread(block, 1, sizeof(block), file)) > 0;)
        buf_add(&input, str_from(block, n));
    fclose(file);
    /* said before, so that a crash is known by it */
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput((const uint8_t *)(input.ptr == NULL ? "" : input.ptr), input.len);
    buf_free(&input);
    run_count++;
    return 0;
}

static int run_path(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return run_file(path);
    int result = 0;
    struct arena *arena = arena_new();
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_type == DT_REG &&
            run_file(arena_printf(arena, "%s/%s", path, entry->d_name).ptr) != 0)
            result = -1;
    arena_free(arena);
    closedir(directory);
    return result;
}

int main(int argc, char **argv)
{
    int result = 0;
    for (int i = 1; i < argc; i++)
        if (run_path(argv[i]) != 0)
            result = -1;
    if (result != 0 || run_count == 0)
        return 1;
    printf("[  PASSED  ] %zu test(s).\n", run_count); /* counted like the tests beside it */
    return 0;
}
