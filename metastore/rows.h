/* The rows of the metastore, as callers see them. Texts are views: the caller's when written, in
 * the caller's arena when read. "Opaque" is what only the layers above understand. */
#ifndef METASTORE_ROWS_H
#define METASTORE_ROWS_H

#include "base/digest.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

/* The properties of a namespace that appears because one below it was created. */
#define NAMESPACE_EMPTY_PROPERTIES "{}"

enum object_kind { OBJECT_TABLE = 1, OBJECT_VIEW = 2, OBJECT_FUNCTION = 3 };

struct warehouse_row {
    int64_t id;
    struct str name;
    struct str location; /* canonical root, no trailing slash */
    struct str options;  /* opaque */
};

struct namespace_row {
    int64_t id;
    struct str key;        /* levels joined by U+001F */
    struct str properties; /* opaque */
    int64_t version;       /* counts up with every change of the properties */
};

struct object_row {
    int64_t id; /* never reused: a recreated name has another id */
    enum object_kind kind;
    int64_t warehouse_id;
    struct str namespace_key;
    struct str name;
    struct str uuid;
    struct str metadata_location;
    struct str location; /* canonical place of the object's files: for the overlap test */
    int64_t version;     /* counts up with every change of the pointer; 1 when created */
};

/* Who asks for a place, of a reservation's keepers (metastore.h, struct change). */
struct place_claim {
    int64_t own_id;          /* of the object's row; 0: there is none yet */
    struct str uuid, holder; /* as a change brings them; STR_NONE: none */
};

enum place_state { PLACE_FREE, PLACE_TAKEN, PLACE_RESERVED };

/* One row per mutation: the commit chain, the audit trail, and the answer to "did it land?". */
struct history_row {
    size_t change_index;   /* the change of this set it tells of */
    const char *operation; /* operation id: "updateTable", "createNamespace", … */
    struct str commit_id;  /* uuid, unique */
    struct str request_id, principal, client; /* who asked */
    struct sha256 request_digest;
    struct str detail; /* opaque: what the operation wants remembered, e.g. the new name */
    int64_t time_ms;
    /* filled by reads; on writing they are taken from the change */
    int64_t sequence, object_id, version;
    struct str namespace_key, name, uuid, parent_location, metadata_location;
    int64_t warehouse_id;
};

struct idempotency_row {
    struct str key;               /* as sent */
    struct sha256 binding;        /* digest over principal, method, path and body */
    int status;                   /* of the answer */
    struct str kind;              /* error kind name for an error answer, else empty */
    struct str body;              /* small answers and error messages; empty when rebuilt */
    struct str metadata_location; /* table answers: the document to rebuild it from */
    int64_t warehouse_id;
    int64_t created_ms, expires_ms;
};

struct job_row { /* durable work for the sweeper */
    int64_t id;
    struct str kind;    /* "purge-table", "remove-file", … */
    struct str payload; /* opaque */
    int64_t warehouse_id;
    int64_t created_ms, not_before_ms;
    int64_t attempts;
};

struct principal_row { /* somebody who may ask for tokens */
    int64_t id;        /* never reused */
    struct str name;
    struct str client_id;        /* unique, also over time */
    struct sha256 secret_digest; /* of the secret, which is kept nowhere */
    bool is_admin;
    int64_t version; /* counts up when the secret changes; 1 when created */
    int64_t created_ms;
};

#define SIGNING_KEY_BYTES 32

struct signing_key_row { /* what tokens are signed with */
    int64_t id;
    uint8_t bytes[SIGNING_KEY_BYTES];
    int64_t created_ms;
};

struct report_row { /* a metrics report, as received */
    int64_t sequence;
    int64_t warehouse_id;
    struct str namespace_key, name;
    struct str body;
    int64_t time_ms;
};

/* ---- what reads ask with, and lists of names --------------------------------------------------
 */

struct page_request { /* keyset: rows after `after` in byte order */
    struct str after; /* STR_NONE: from the start */
    size_t limit;     /* 0 = all */
};

struct name_list {
    struct str *names; /* namespace keys, or object names */
    size_t count;
    bool more; /* rows remain after the last one */
};

struct object_name {
    int64_t warehouse_id;
    struct str namespace_key, name;
    enum object_kind kind; /* 0: a table or view */
};

#endif
