/* Principals: who may ask for tokens. There are few; all are in memory, as the metastore has one
 * owner. A struct principal is immutable but for `ended` and stays valid until catalog_close: it
 * ends when it is dropped or gets another secret, and then a newer one may stand for it.
 *
 * A secret is 256 random bits, told once, and kept as its SHA-256 only: with that many bits a slow
 * hash would protect nothing (contract/reliability.md A06). */
#ifndef CATALOG_PRINCIPALS_H
#define CATALOG_PRINCIPALS_H

#include "catalog/catalog.h"

struct principal {
    int64_t id, version; /* together they name one secret of one principal, for ever */
    struct str name, client_id;
    struct sha256 secret_digest;
    bool is_admin;
    int64_t created_ms;
    _Atomic bool ended;
    struct principal *next;
};

/* What its owner needs to get tokens. Never kept, never logged. */
struct credential {
    struct str client_id, secret;
};

/* A name is 1 to 128 characters of [A-Za-z0-9_.@-] that begin with a letter or digit, and none of
 * those that history uses for nobody (anonymous, operator, firn). Blocks.
 * Errors: ERR_ILLEGAL_ARGUMENT, ERR_ALREADY_EXISTS. */
MUST_USE int catalog_principal_create(struct catalog *catalog, const struct caller *caller,
                                      struct str name, bool is_admin, struct arena *arena,
                                      struct credential *out, struct error *err);
/* A new secret; the old one and every token got with it end. Blocks.
 * Errors: ERR_NO_SUCH_PRINCIPAL. */
MUST_USE int catalog_principal_rotate(struct catalog *catalog, const struct caller *caller,
                                      struct str name, struct arena *arena, struct credential *out,
                                      struct error *err);
/* It, its secret and its tokens end. Blocks. Errors: ERR_NO_SUCH_PRINCIPAL. */
MUST_USE int catalog_principal_drop(struct catalog *catalog, const struct caller *caller,
                                    struct str name, struct error *err);

/* All that have not ended, by name. No I/O, no lock. */
void catalog_principal_list(struct catalog *catalog, struct arena *arena,
                            const struct principal ***out, size_t *count);

/* NULL when that version has ended. No I/O, no lock. */
const struct principal *catalog_principal_find(struct catalog *catalog, int64_t id,
                                               int64_t version);

/* NULL when there is no such client or the secret is another; the work does not tell which, nor
 * where the secrets differ. No I/O, no lock. */
const struct principal *catalog_principal_authenticate(struct catalog *catalog,
                                                       struct str client_id, struct str secret);

/* The keys that tokens are signed with, newest first, at least one: it is made when there is none.
 * Blocks. */
MUST_USE int catalog_signing_keys(struct catalog *catalog, struct arena *arena,
                                  struct signing_key_row **out, size_t *count, struct error *err);

#endif
