/* Metadata files: the document as bytes in storage, plain or gzip by name (contract/rest.md 4.10).
 * A file is written once, create-only and durable, and never changed. */
#ifndef CATALOG_METADATA_FILE_H
#define CATALOG_METADATA_FILE_H

#include "base/buf.h"
#include "storage/file_io.h"

/* Appends the document, inflated when the name says gzip. Errors: those of file_io_read;
 * ERR_ILLEGAL_ARGUMENT (not gzip, or too large when inflated). */
MUST_USE int metadata_file_read(struct file_io *io, struct str location, struct buf *out,
                                struct error *err);

/* Errors: those of file_io_write_new. */
MUST_USE int metadata_file_write(struct file_io *io, struct str location, struct str document,
                                 struct error *err);

#endif
