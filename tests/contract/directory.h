/* Directories of tests. */
#ifndef TESTS_CONTRACT_DIRECTORY_H
#define TESTS_CONTRACT_DIRECTORY_H

#include <ftw.h>
#include <stdio.h>

static inline int directory_remove_entry(const char *path, const struct stat *stat, int type,
                                         struct FTW *at)
{
    (void)stat;
    (void)type;
    return at->level == 0 ? 0 : remove(path);
}

/* Removes what is in it; symlinks are removed, not followed. */
static inline void directory_empty(const char *path)
{
    (void)nftw(path, directory_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
