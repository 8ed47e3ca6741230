/* file_io under another name: a warehouse that engines reach through the gateway has locations
 * below s3://<warehouse>, while its files lie below file:///…, s3://bucket/prefix or
 * hdfs://…. Everything of storage/file_io.h and file_stream.h is passed on with its locations
 * mapped, and what comes back (listings, messages of errors) is mapped again: whoever uses it sees
 * logical locations only. Keys of pages and ids of uploads are the inner ones' own.
 * storage/access.h is not passed on: clients have no business at the inner place, their keys are
 * the gateway's. */
#ifndef STORAGE_FILE_IO_MAPPED_H
#define STORAGE_FILE_IO_MAPPED_H

#include "storage/file_io.h"

/* Both roots are canonical locations. On success `inner`, opened at `inner_root`, is owned: closed
 * with *out. On failure it stays the caller's. Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int file_io_mapped_open(struct str root, struct str inner_root, struct file_io *inner,
                                 struct file_io **out, struct error *err);

#endif
