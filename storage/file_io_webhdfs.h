/* file_io on HDFS, by WebHDFS (a namenode, or HttpFS). Roots are hdfs://<authority>/path, where the
 * authority only names the file system: where it is reached is the option `endpoint`
 * (http(s)://host:port; empty: http://<the authority's host>:9870). Simple authentication by
 * `user`, or a `delegation-token`; nobody is impersonated. Locations of another authority are
 * ERR_FORBIDDEN, names with ':' ERR_ILLEGAL_ARGUMENT: HDFS has none.
 *
 * A file is written under a temporary name in <root>/.firn-uploads, which no location leads to, its
 * length is compared, and it gets its name by a rename that never overwrites unless asked to. A
 * rename whose reply was lost is resolved by looking: a file keeps its id. A condition (if_match)
 * holds among the writers of this process.
 * Redirects to a datanode are followed to http and https only, never from https to http, and carry
 * nothing but what the namenode put into them.
 * Deadlines: 10 s for a question, asked three times when that changes nothing; transfers as long as
 * bytes flow. */
#ifndef STORAGE_FILE_IO_WEBHDFS_H
#define STORAGE_FILE_IO_WEBHDFS_H

#include "storage/file_io.h"
#include "storage/storage_options.h"

/* Touches no network. Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int file_io_webhdfs_open(struct str root, const struct storage_options *options,
                                  const struct storage_context *context, struct file_io **out,
                                  struct error *err);

#endif
