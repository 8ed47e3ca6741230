/* file_io on an S3 store, or one that speaks its protocol (Ceph, MinIO, OSS by its compatible
 * endpoint): s3:// and oss:// roots.
 * Create-only writes are single PUTs with If-None-Match: * and Content-MD5, the one condition that
 * all stores keep. Streams of unknown or large size are uploaded in parts; their conditions hold at
 * completion where the store checks them there, and are looked up before in any case. */
#ifndef STORAGE_FILE_IO_S3_H
#define STORAGE_FILE_IO_S3_H

#include "storage/storage_options.h"

/* `root` is a canonical s3: or oss: location; options and context are described in
 * storage_options.h; the texts are copied. Nothing is sent yet.
 * Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int file_io_s3_open(struct str root, const struct storage_options *options,
                             const struct storage_context *context, struct file_io **out,
                             struct error *err);

#endif
