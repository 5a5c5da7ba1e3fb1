"""`python -m tests.benchmarks.cost COMMAND…`: run the command, and print its cost as JSON.

It is a separate process that loads almost nothing, because a child's peak memory includes its
parent's.
"""

from __future__ import annotations

import json
import os
import sys
import time

if __name__ == "__main__":
    began = time.perf_counter()
    silence = os.open(os.devnull, os.O_WRONLY)
    to_silence = [(os.POSIX_SPAWN_DUP2, silence, 1), (os.POSIX_SPAWN_DUP2, silence, 2)]
    pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=to_silence)
    _, status, used = os.wait4(pid, 0)
    cost = {
        "seconds": time.perf_counter() - began,
        "cpu": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss / 1024,
        "code": os.waitstatus_to_exitcode(status),
    }
    sys.stdout.write(json.dumps(cost))
