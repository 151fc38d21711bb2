"""How torch's threads wait for each other, chosen before torch loads.

A thread that spins while it waits is back at once, but holds a core that another process may need: beside a busy process a training step
then takes many times longer. A thread that sleeps leaves the core to others, but waking it costs a third of an idle machine's speed.
`benchmarks/busy.py` measures both. The choice changes no result: as many threads share the same work.
"""

import os
import time
from pathlib import Path

VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
PROCESSOR_TIMES = Path("/proc/stat")


def choose_waiting(environment=os.environ):
    """Let waiting threads spin for some microseconds where the other cores are idle, else let them sleep. A user's own choice stands."""
    if not any(name in environment for name in VARIABLES):
        environment.update({"OMP_WAIT_POLICY": "PASSIVE"} if busy_cores() > 0.3 else {"GOMP_SPINCOUNT": "1000"})


def busy_cores(seconds=0.1) -> float:
    """How many cores other processes keep busy, over so many seconds of our own sleep; infinity where the system does not say."""
    try:
        before = _processor_times()
        time.sleep(seconds)
        idle, total = (after - earlier for earlier, after in zip(before, _processor_times()))
    except (OSError, ValueError):
        return float("inf")
    return (1 - idle / max(total, 1)) * (os.cpu_count() or 1)


def _processor_times():
    """(idle, all) ticks of all cores so far: the first line of /proc/stat, its fourth and fifth number the idle ones (proc(5))."""
    user, nice, system, idle, waiting, *others = map(int, PROCESSOR_TIMES.read_text().split("\n", 1)[0].split()[1:9])
    return idle + waiting, user + nice + system + idle + waiting + sum(others)
