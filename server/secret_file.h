/* Secrets that a person gives: the first line of a file, or of the standard input. Never an
 * argument or a variable: those can be read by others. */
#ifndef SERVER_SECRET_FILE_H
#define SERVER_SECRET_FILE_H

#include "base/arena.h"
#include "base/error.h"

/* "-" is the standard input. Errors: ERR_ILLEGAL_ARGUMENT (cannot be read, or the line is empty or
 * longer than 16 KiB). */
MUST_USE int secret_file_read(const char *path, struct arena *arena, struct str *out,
                              struct error *err);

#endif
