/* Answers that carry a table, with what their client is told of reaching its files: the server's
 * half of catalog/delegation.h, which knows who asks, what he asked for and under which address. */
#ifndef SERVER_DELEGATE_H
#define SERVER_DELEGATE_H

#include "catalog/delegation.h"
#include "server/request.h"

/* Reads X-Iceberg-Access-Delegation: a list at commas, on any number of header lines, in any order;
 * words that nobody knows are passed over. On the loop's thread, in head(). */
void delegate_read_header(struct request *req);

/* scheme://host[:port] under which the client reached us: the option public-uri, else http and the
 * request's Host when that is one. STR_NONE: not known. */
struct str delegate_public_uri(struct request *req);

/* Does the warehouse sign requests of clients? */
bool delegate_signs(const struct warehouse *warehouse);

/* For a table that the request's principal may read, as its metadata is now. */
struct delegation_request delegate_request(struct request *req, const struct object_version *table);

/* The reply of a load; a HANDLER_… result. Takes the reference, whatever it is. `refs_only`:
 * snapshots=refs. Answers If-None-Match. */
int delegate_load(struct request *req, struct response *res, struct object_version *table,
                  bool refs_only, struct error *err);

/* The reply of what made a name: it stands whether or not access can be given, and an answer
 * without keys says less than an error would. `staged`: nothing was made yet, so an error may be
 * told. Takes the reference. */
int delegate_made(struct request *req, struct response *res, struct object_version *table,
                  bool staged, struct error *err);

/* The same for the answer to what is asked a second time: access is given only while the table is
 * still the one that has the name, for its place may be another's by now. Blocks. */
int delegate_again(struct request *req, struct response *res, struct object_version *table,
                   struct error *err);

#endif
