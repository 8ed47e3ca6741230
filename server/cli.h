/* The command line beside `firn serve`: help, version, and the management of warehouses and
 * principals, which works on a data directory nobody owns or, over HTTP, through the server that
 * owns it. */
#ifndef SERVER_CLI_H
#define SERVER_CLI_H

#include "catalog/catalog.h"

#define FIRN_VERSION "0.1.0"

/* What only main.c knows: which metastore lies in a data directory. */
struct cli_backend {
    /* The owner text of the running process that owns the directory (NULL: the default one), or
     * STR_NONE. */
    int (*owner)(const char *data_dir, struct arena *arena, struct str *owner, struct error *err);
    /* Opens and closes the catalog of a directory nobody owns. One at a time. */
    int (*open)(const char *data_dir, struct catalog **out, struct error *err);
    void (*close)(void);
};

#define EXIT_USAGE 2

/* argv[0] is the program. Returns the exit code. */
int cli_run(int argc, char **argv, const struct cli_backend *backend);

#endif
