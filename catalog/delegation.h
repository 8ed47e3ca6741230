/* What an answer that carries a table tells its client of reaching the files: by the warehouse's
 * access and what the client asked for, `config`, `storage-credentials` and `remote-signing-config`
 * of the answer (contract/rest.md 13; contract/clients.md A6-A8, 28; contract/reliability.md 3.2).
 *
 * | access  | asked: nothing | vended-credentials | remote-signing | both |
 * |---------|----------------|--------------------|----------------|------|
 * | direct  | place          | place              | place          | place |
 * | vend    | keys           | keys               | signatures     | keys |
 * | sign    | signatures     | signer's place     | signatures     | signatures |
 * | gateway | keys           | keys               | keys           | keys |
 *
 * "Signer's place": without s3.remote-signing-enabled, which makes clients fail that cannot sign
 * (iceberg-go) and ask for keys of everybody; PyIceberg asks so, too, and signs without it.
 *
 * Callers have checked who asks and that the table's places are its own: keys come last.
 * Threads: from any. */
#ifndef CATALOG_DELEGATION_H
#define CATALOG_DELEGATION_H

#include "catalog/gateway_key.h"
#include "catalog/object_version.h"
#include "catalog/warehouse.h"

struct delegation_settings { /* of the process */
    const struct gateway_keys *gateway_keys;
    const struct clock *clock;
    int64_t key_lifetime_ms;
};

struct delegation_request {
    const struct delegation_settings *settings;
    struct warehouse *warehouse;
    const struct object_version *table; /* also a staged one */
    bool wants_keys, wants_signatures;  /* what the client asked for; neither: the policy decides */
    bool may_write;
    struct str principal;
    int64_t until_ms;      /* keys end then at the latest; INT64_MAX: no such end */
    struct str public_uri; /* of this server, as clients reach it; no slash at its end */
    struct str table_path; /* "v1/wh/namespaces/a/tables/t": relative to it */
};

enum delegation_kind {
    DELEGATION_NONE,  /* nothing to tell: the answer is as it is in memory */
    DELEGATION_PLACE, /* where, and nothing secret */
    DELEGATION_KEYS,
    DELEGATION_SIGNATURES,
    DELEGATION_SIGNER, /* the signer's place */
};

enum delegation_kind delegation_kind(const struct delegation_request *request);
/* Does making it wait for the store? */
bool delegation_blocks(const struct delegation_request *request);

/* The tag of an answer with delegation (quoted; NULL for DELEGATION_NONE), from the tag of the
 * document alone: another one for other rights, another kind, another place, other settings, and
 * in the second half of the life of keys, so that a 304 never outlives them. No key is made.
 * Errors: those of the store's settings. */
MUST_USE int delegation_etag(const struct delegation_request *request, const char *document_etag,
                             struct arena *arena, const char **out, struct error *err);

/* Appends what stands behind the document in a load result, as object_version_write_opening leaves
 * it: `,"config":{…},…}`. *secret: it holds keys. Errors: ERR_BAD_REQUEST (no public URI, where one
 * is needed), ERR_FORBIDDEN (a place that is not the table's), those of file_io_vend. */
MUST_USE int delegation_write(const struct delegation_request *request, struct arena *arena,
                              struct buf *out, bool *secret, struct error *err);

/* The answer of loadCredentials: {"storage-credentials":[…]}, empty where no keys are given. */
MUST_USE int delegation_write_credentials(const struct delegation_request *request,
                                          struct arena *arena, struct buf *out, struct error *err);

/* The places of the table's files, and those that nobody may write: the metadata files that the
 * table stands on and stood on lately. Errors: ERR_FORBIDDEN. */
MUST_USE int delegation_scope(const struct warehouse *warehouse, const struct object_version *table,
                              bool write, struct str principal, struct arena *arena,
                              struct file_scope *out, struct error *err);

#endif
