/* Page tokens: the last name of the page before, spelled so that it means nothing to clients. A
 * name and not an offset: changes between two pages neither skip nor repeat what stays. A token
 * belongs to one kind of list; it holds nothing secret and needs no state here. Threads: no state.
 */
#ifndef SERVER_PAGE_TOKEN_H
#define SERVER_PAGE_TOKEN_H

#include "base/arena.h"
#include "base/error.h"

enum page_kind {
    PAGE_OF_NAMESPACES = 'n',
    PAGE_OF_TABLES = 't',
    PAGE_OF_VIEWS = 'v',
    PAGE_OF_FUNCTIONS = 'f'
};

/* Never empty: an empty token would make some clients ask for ever (contract/rest.md 1.5). */
struct str page_token_make(enum page_kind kind, struct str last_name, struct arena *arena);

/* Errors: ERR_BAD_REQUEST. */
MUST_USE int page_token_read(struct str token, enum page_kind kind, struct arena *arena,
                             struct str *last_name, struct error *err);

#endif
