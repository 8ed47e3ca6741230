/* ISO 8601 dates and times: a strict check by cutting text from the left.
 *
 * Rules: every function that takes `rest` consumes what it accepts and nothing when it fails. */
#include "iceberg/iso_time.h"

#include <assert.h>
#include <stdint.h>

/* Exactly `digits` digits. */
static bool take_number(struct str *rest, size_t digits, int *out)
{
    int value = 0;

    if (rest->len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (rest->ptr[i] < '0' || rest->ptr[i] > '9')
            return false;
        value = value * 10 + (rest->ptr[i] - '0');
    }
    *rest = str_skip(*rest, digits);
    *out = value;
    return true;
}

static bool take_char(struct str *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    *rest = str_skip(*rest, 1);
    return true;
}

static size_t count_digits(struct str text)
{
    size_t count = 0;

    while (count < text.len && text.ptr[count] >= '0' && text.ptr[count] <= '9')
        count++;
    return count;
}

static bool take_year(struct str *rest, int *year)
{
    struct str at = *rest;
    bool minus = take_char(&at, '-');
    bool plus = !minus && take_char(&at, '+');
    size_t digits = count_digits(at);

    if (digits < 4 || digits > 6 || (plus && digits == 4) || (digits > 4 && !plus && !minus) ||
        !take_number(&at, digits, year))
        return false;
    *year = minus ? -*year : *year;
    *rest = at;
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    assert(month >= 1 && month <= 12);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Days from 1970-01-01, counting years from March so that the leap day is a year's last. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static bool take_date(struct str *rest, int64_t *days)
{
    struct str at = *rest;
    int year, month, day;

    if (!take_year(&at, &year) || !take_char(&at, '-') || !take_number(&at, 2, &month) ||
        !take_char(&at, '-') || !take_number(&at, 2, &day) || month < 1 || month > 12 || day < 1 ||
        day > days_of_month(year, month))
        return false;
    *days = days_since_epoch(year, month, day);
    *rest = at;
    return true;
}

/* The fraction of a second, behind its point. */
static bool take_fraction(struct str *rest, int digits_max)
{
    size_t digits = count_digits(*rest);

    if (digits < 1 || digits > (size_t)digits_max)
        return false;
    *rest = str_skip(*rest, digits);
    return true;
}

static bool take_time(struct str *rest, int digits_max)
{
    struct str at = *rest;
    int hour, minute, second;

    if (!take_number(&at, 2, &hour) || hour > 23 || !take_char(&at, ':') ||
        !take_number(&at, 2, &minute) || minute > 59)
        return false;
    if (take_char(&at, ':')) {
        if (!take_number(&at, 2, &second) || second > 59)
            return false;
        if (take_char(&at, '.') && !take_fraction(&at, digits_max))
            return false;
    }
    *rest = at;
    return true;
}

bool iso_is_date(struct str text)
{
    int64_t days;

    return take_date(&text, &days) && text.len == 0;
}

bool iso_is_time(struct str text)
{
    return take_time(&text, 6) && text.len == 0;
}

static bool take_timestamp(struct str *rest, int digits)
{
    int64_t per_day = digits == 9 ? 86400000000000 : 86400000000;
    struct str at = *rest;
    int64_t days;

    assert(digits == 6 || digits == 9);
    /* Whole days only: the last, partial day at each end of the range is given up. */
    if (!take_date(&at, &days) || days >= INT64_MAX / per_day || days < INT64_MIN / per_day ||
        !take_char(&at, 'T') || !take_time(&at, digits))
        return false;
    *rest = at;
    return true;
}

bool iso_is_timestamp(struct str text, int digits)
{
    return take_timestamp(&text, digits) && text.len == 0;
}

bool iso_is_timestamptz(struct str text, int digits)
{
    return take_timestamp(&text, digits) && str_equal(text, STR("+00:00"));
}
