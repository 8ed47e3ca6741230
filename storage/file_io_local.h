/* file_io on a local directory. Every path is opened with openat2 beneath the root's descriptor: no
 * symlink, magic link or '..' can lead out, regular files only (contract/reliability.md L11). Needs
 * Linux 5.6.
 * A write goes to a temporary name in the same directory, is fsynced, given its name (over another
 * file only in FILE_REPLACE), and the directory is fsynced. Readers have a descriptor for sendfile.
 * Uploads lie in <root>/.firn-uploads, which no location leads to and nothing lists. A condition
 * (if_match) holds among the writers of this process. */
#ifndef STORAGE_FILE_IO_LOCAL_H
#define STORAGE_FILE_IO_LOCAL_H

#include "storage/file_io.h"

/* How temporary names begin. A crash may leave some behind; file_io_list shows them,
 * file_io_page does not, and nobody can write such names. */
#define FILE_IO_LOCAL_TEMPORARY ".firn-write-"

/* `root` is a canonical file: location; the directory is made when missing (mode 0755).
 * Errors: ERR_ILLEGAL_ARGUMENT, ERR_UNAVAILABLE. */
MUST_USE int file_io_local_open(struct str root, struct file_io **out, struct error *err);

/* Is it the location of a temporary file? Safe to remove when older than any running write. */
bool file_io_local_is_temporary(struct str location);

#endif
