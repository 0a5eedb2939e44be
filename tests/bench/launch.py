"""Runs a program and writes to a descriptor what that took: `FD PROGRAM ARGUMENT...`.

Between the benchmark and what it measures, because Linux counts what a process held before exec
among its peak memory: this holds a few MiB, the benchmark more than some tools. One line: seconds
of wall time, of user and of system time, peak RSS in bytes, exit code.
"""

import os
import resource
import sys
import time

_MAXRSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024  # getrusage(2)


def main(descriptor: int, command: list[str]) -> None:
    """Run, wait, write."""
    os.set_inheritable(descriptor, False)
    started = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status = os.waitpid(child, 0)
    wall = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = usage.ru_maxrss * _MAXRSS_UNIT_BYTES
    code = os.waitstatus_to_exitcode(status)
    os.write(descriptor, f"{wall} {usage.ru_utime} {usage.ru_stime} {peak} {code}\n".encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
