/* The table of storage options as rows. */
#include "storage/storage_options.h"

#include <stddef.h>

const struct storage_option storage_option_rows[] = {
#define X(member, name, secret) {name, offsetof(struct storage_options, member), secret},
    STORAGE_OPTIONS(X)
#undef X
};
const size_t storage_option_count = sizeof(storage_option_rows) / sizeof(storage_option_rows[0]);

const struct storage_option *storage_option_find(struct str name)
{
    for (size_t i = 0; i < storage_option_count; i++)
        if (str_equal_cstr(name, storage_option_rows[i].name))
            return &storage_option_rows[i];
    return NULL;
}

struct str storage_option_get(const struct storage_options *options,
                              const struct storage_option *option)
{
    return *(const struct str *)((const char *)options + option->offset);
}

void storage_option_set(struct storage_options *options, const struct storage_option *option,
                        struct str value)
{
    *(struct str *)((char *)options + option->offset) = value;
}

bool storage_options_any(const struct storage_options *options)
{
    for (size_t i = 0; i < storage_option_count; i++)
        if (storage_option_get(options, &storage_option_rows[i]).ptr != NULL)
            return true;
    return false;
}
