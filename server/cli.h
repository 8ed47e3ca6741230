/* The command line beside `firn serve`: help, version, and the management of warehouses, which
 * works on a data directory nobody owns or, over HTTP, through the server that owns it. */
#ifndef SERVER_CLI_H
#define SERVER_CLI_H

#include "catalog/catalog.h"

#define FIRN_VERSION "0.1.0"

/* What only main.c knows: which metastore lies in a data directory. */
struct cli_backend {
    /* The address of the running server that owns the directory, or STR_NONE. */
    struct str (*owner)(const char *data_dir, struct arena *arena);
    /* Opens and closes the catalog of a directory nobody owns. One at a time. */
    int (*open)(const char *data_dir, struct catalog **out, struct error *err);
    void (*close)(void);
    const char *data_dir; /* the default one */
};

#define EXIT_USAGE 2

/* argv[0] is the program. Returns the exit code. */
int cli_run(int argc, char **argv, const struct cli_backend *backend);

#endif
