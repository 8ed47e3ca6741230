/* What the files of the command line share with each other and nobody else. */
#ifndef SERVER_CLI_PRIVATE_H
#define SERVER_CLI_PRIVATE_H

#include "server/cli.h"
#include "server/cli_http.h"
#include "storage/storage_options.h"

struct cli_command {
    const char *noun, *verb, *name;
    const char *location;         /* of a warehouse that is created */
    const char *data_dir, *uri;   /* where; NULL: not given */
    const char *credential_file;  /* for a server that wants tokens; NULL: none */
    bool is_admin;                /* of a principal that is created */
    const char *warehouse;        /* of a function or key; NULL: the default one */
    const char *prefix, *expires; /* of a key; NULL: all of the warehouse, the usual time */
    bool write;
    const char *metadata_location,
        *metadata_file; /* of a function that is registered: one of both */
    bool overwrite;     /* … though there is one of that name */
    /* of a warehouse that is created */
    const char *access;
    bool skip_scope_check;
    struct { /* of a secret the file that it stands in; NULL: not given */
#define X(member, name, secret) const char *member;
        STORAGE_OPTIONS(X)
#undef X
    } storage;
};

/* What can be done with things of one kind, in the directory of a catalog or through a server. */
struct cli_noun {
    const char *name;
    const char *verbs;  /* "list create drop" */
    bool lists_by_name; /* list takes the name of what they are in */
    bool is_nameless;   /* create takes no name */
    int (*on_catalog)(struct catalog *catalog, const struct caller *caller,
                      const struct cli_command *command, struct arena *arena, struct error *err);
    int (*over_http)(const struct cli_http *http, const struct cli_command *command,
                     struct error *err);
};

extern const struct cli_noun cli_warehouse; /* cli_warehouse.c */
extern const struct cli_noun cli_principal; /* cli_principal.c */
extern const struct cli_noun cli_function;  /* cli_function.c */
extern const struct cli_noun cli_key;       /* cli_key.c */

#endif
