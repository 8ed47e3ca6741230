/* Dates and times of ISO 8601 as defaults spell them; checked, not converted.
 * Threads: no state. */
#ifndef ICEBERG_ISO_TIME_H
#define ICEBERG_ISO_TIME_H

#include "base/str.h"

/* [+-]YYYY-MM-DD of the proleptic Gregorian calendar. Four digits of year; five or six need a sign,
 * and '+' needs more than four. */
bool iso_is_date(struct str text);

bool iso_is_time(struct str text); /* HH:MM[:SS[.1 to 6 digits]] */

/* Date, 'T', time with at most `digits` (6 or 9) digits of a second, and nothing behind it; within
 * what an int64 count of that unit since 1970 can hold. */
bool iso_is_timestamp(struct str text, int digits);
bool iso_is_timestamptz(struct str text, int digits); /* the same, then +00:00 */

#endif
