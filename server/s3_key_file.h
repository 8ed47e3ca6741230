/* Keys of the gateway that an operator wrote into a file: lines of
 *
 *     access key id : secret : warehouse : prefix : r|rw
 *
 * without the spaces. Warehouse "*" is every one that is served here; the prefix is empty or ends
 * in
 * '/'. Blank lines and those that begin with '#' are passed over.
 * Threads: immutable after it was opened. */
#ifndef SERVER_S3_KEY_FILE_H
#define SERVER_S3_KEY_FILE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct s3_file_key {
    struct str access_key_id, secret, warehouse, prefix;
    bool write;
};

struct s3_key_file {
    struct arena *arena;
    struct s3_file_key *keys;
    size_t count;
};

/* Errors: ERR_ILLEGAL_ARGUMENT: names the line, never what stands in it; the file is readable or
 * writable for everybody. */
MUST_USE int s3_key_file_parse(struct str text, struct s3_key_file **out, struct error *err);
MUST_USE int s3_key_file_open(const char *path, struct s3_key_file **out, struct error *err);
void s3_key_file_close(struct s3_key_file *file);

/* NULL: none of that id. */
const struct s3_file_key *s3_key_file_find(const struct s3_key_file *file,
                                           struct str access_key_id);

#endif
