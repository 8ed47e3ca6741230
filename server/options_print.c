/* Options for people: the help, and all values as a config file. Always holds: of a secret no value
 * is shown. */
#include "server/option_rows.h"
#include "server/options.h"

#include <stdio.h>

void options_write_help(struct buf *out)
{
    buf_add_cstr(out, "Usage: firn serve [--config FILE] [--name VALUE | --name=VALUE]...\n\n");
    for (size_t i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        char flag[128];
        snprintf(flag, sizeof(flag), "--%s %s", row->name,
                 row->type == OPTION_BOOL ? "true|false" : row->unit);
        buf_add_format(out, "  %-44s %s", flag, row->help);
        if (row->default_value[0] != '\0')
            buf_add_format(out, " (%s)", row->default_value);
        buf_add_char(out, '\n');
    }
    buf_add_cstr(out, "\n"
                      "  --config FILE      read `name = value` lines\n"
                      "  --print-options    show every value and where it came from, and exit\n"
                      "  --version          show the version and exit\n"
                      "  --help             show this and exit\n\n"
                      "Every option can also be set in the environment: FIRN_MAX_BODY_BYTES for\n"
                      "--max-body-bytes. Order: defaults, config file, environment, flags.\n"
                      "Sizes in bytes may end in KiB, MiB or GiB.\n");
}

static void write_value(const struct option_row *row, const void *field, struct buf *out)
{
    struct str choice = STR_NONE, rest = str_cstr(row->unit);
    if ((row->flags & OPTION_SECRET) != 0) {
        buf_add_cstr(out, "***");
        return;
    }
    switch (row->type) {
    case OPTION_TEXT:
        buf_add_cstr(out, *(const char *const *)field);
        break;
    case OPTION_NUMBER:
        buf_add_int64(out, *(const int64_t *)field);
        break;
    case OPTION_BOOL:
        buf_add_cstr(out, *(const bool *)field ? "true" : "false");
        break;
    case OPTION_CHOICE:
        for (int i = 0; i <= *(const int *)field; i++)
            choice = str_cut(&rest, '|');
        buf_add(out, choice);
        break;
    }
}

void options_write(const struct options *options, struct buf *out)
{
    static const char *const sources[] = {"default", "file", "environment", "flag"};
    for (size_t i = 0; i < option_row_count; i++) {
        size_t start = out->len;
        buf_add_format(out, "%s = ", option_rows[i].name);
        write_value(&option_rows[i], (const char *)options + option_rows[i].offset, out);
        do
            buf_add_char(out, ' ');
        while (out->len - start < 44 && !out->overflowed);
        buf_add_format(out, "# %s\n", sources[options->sources[i]]);
    }
}
