/* What every C test includes: cmocka with the headers it needs, and checks for our own types. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

/* The bytes of `s` are those of the C string. Shows both when they are not. */
#define assert_str(s, expected)                                                             \
    do {                                                                                    \
        struct str assert_str_got = (s);                                                    \
        if (!str_equal_cstr(assert_str_got, (expected)))                                    \
            fail_msg("got \"%.*s\", expected \"%s\"", STR_ARG(assert_str_got), (expected)); \
    } while (0)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
