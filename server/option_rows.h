/* The rows of the table of options, for options.c and its tests. */
#ifndef SERVER_OPTION_ROWS_H
#define SERVER_OPTION_ROWS_H

#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_TEXT,   /* const char * */
    OPTION_NUMBER, /* int64_t */
    OPTION_BOOL,   /* bool: true or false */
    OPTION_CHOICE, /* int: index into the choices */
};

#define OPTION_SECRET 1u /* never printed */

struct option_row {
    const char *name; /* as in a flag: max-body-bytes */
    enum option_type type;
    size_t offset;             /* into struct options */
    const char *default_value; /* as it would be written */
    int64_t min, max;          /* numbers; of a text its bytes */
    const char *unit;          /* numbers: "bytes", "ms", "loops", …; choices: "a|b" */
    const char *help;          /* one line */
    unsigned int flags;
};

extern const struct option_row option_rows[];
extern const size_t option_row_count;

#endif
