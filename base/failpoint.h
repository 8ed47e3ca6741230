/* Named places where a test makes the program die, fail or wait. Compiled in only with
 * -DFIRN_FAILPOINTS (make's failpoint, asan, ubsan and tsan variants); in a release FAILPOINT is
 * nothing and no name is in the binary.
 *
 * Set by FIRN_FAILPOINTS in the environment: "name=crash[@N]", "name=error[@N]",
 * "name=sleep:MS[@N]", several separated by ','. With @N it fires on the Nth passing only.
 * crash is _exit(137) without any clean-up, as kill -9. */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

#include <stdbool.h>

#ifdef FIRN_FAILPOINTS
bool failpoint_hit(const char *name); /* true when the place must fail; crash does not return */
#define FAILPOINT(name) failpoint_hit(name)
#else
#define FAILPOINT(name) false
#endif

#endif
