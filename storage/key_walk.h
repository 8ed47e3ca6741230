/* Pages of keys in byte order, over a store that has directories: what file_io_page promises, made
 * of a function that names what is in one directory. A page costs the names of the directories that
 * it touches, never a whole tree; memory is bounded by the page's limit times the depth.
 * Threads: a walk is one call; a source may be used by many. */
#ifndef STORAGE_KEY_WALK_H
#define STORAGE_KEY_WALK_H

#include "storage/file_stream.h"

struct key_name {
    struct str name; /* of one component */
    bool is_directory;
    const struct file_stat *stat; /* NULL: asked for by `stat` when it is needed */
};
/* false: enough. */
typedef bool key_name_fn(void *arg, const struct key_name *name);

/* What of a directory is of interest: a hint, more may be told. A name's key is the name itself,
 * with a '/' after it for a directory: so files and directories are in byte order of whole keys. */
struct key_range {
    struct str after;  /* keys greater than this */
    struct str prefix; /* names beginning so */
};

struct key_source {
    /* What is in the directory: "" is the root, else it ends in '/'. Whatever is hidden, or has no
     * valid location, is left out. A missing directory, or one that is none, is empty. */
    int (*names)(void *arg, struct str directory, const struct key_range *range, key_name_fn *fn,
                 void *fn_arg, struct error *err);
    int (*stat)(void *arg, struct str key, bool *found, struct file_stat *out, struct error *err);
    bool sorted; /* names come in byte order of names (without any '/') */
    void *arg;
};

/* Entries live in the arena. Errors are the source's. */
MUST_USE int key_walk_page(const struct key_source *source, const struct file_page_request *request,
                           struct arena *arena, struct file_page *out, struct error *err);

#endif
