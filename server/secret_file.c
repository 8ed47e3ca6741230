/* Reading a secret's file. Always holds: no part of the secret goes into an error. */
#include "server/secret_file.h"

#include <errno.h>
#include <stdio.h>

#define LINE_BYTES_MAX ((size_t)16 << 10)

int secret_file_read(const char *path, struct arena *arena, struct str *out, struct error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    if (file == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot read the file of a secret: %s: %s",
                         path, strerror(errno));
    char *line = arena_alloc(arena, LINE_BYTES_MAX + 2);
    bool got = fgets(line, (int)LINE_BYTES_MAX + 2, file) != NULL;
    if (!is_stdin)
        fclose(file);
    size_t len = got ? strcspn(line, "\r\n") : 0;
    if (len == 0 || len > LINE_BYTES_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "The first line of a secret's file is empty or too long: %s", path);
    *out = str_from(line, len);
    return 0;
}
