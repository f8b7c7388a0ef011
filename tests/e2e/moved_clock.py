"""A server's clock that is the test's own."""

import subprocess
import time

#: Moves a program's clock: seconds are added to the time of day, and nothing else is changed.
CLOCK = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static long offset_s;
__attribute__((constructor)) static void start(void) { offset_s = atol(getenv("CLOCK_OFFSET_S")); }
int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset_s;
    return failed;
}
"""


class MovedClock:
    """The library that moves it, built in a directory of the test's."""

    def __init__(self, directory):
        source, self.library = directory / "clock.c", directory / "clock.so"
        source.write_text(CLOCK)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", self.library, source], check=True)

    def to(self, then):
        """Variables of a server that is started now and believes that it is then."""
        return {"LD_PRELOAD": str(self.library), "CLOCK_OFFSET_S": "%d" % (then.timestamp() - time.time())}
