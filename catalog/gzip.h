/* Gzip of whole texts, for metadata files and replies. Threads: no state. */
#ifndef CATALOG_GZIP_H
#define CATALOG_GZIP_H

#include "base/buf.h"

/* Appends; fast rather than small. False: the ceiling of `out` is too low. */
bool gzip_deflate(struct str plain, struct buf *out);

/* Appends. What is inflated is bounded by the ceiling of `out` and by the ratio to what was packed,
 * so that a small file cannot become a large one. False: not gzip, cut short, or too large. */
bool gzip_inflate(struct str packed, struct buf *out);

#endif
