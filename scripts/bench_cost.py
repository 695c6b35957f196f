"""What something costs, of the processor and of the clock, with all that it starts."""

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    cpu: float
    wall: float

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.cpu - other.cpu, self.wall - other.wall)


def now() -> Cost:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Cost(sum(u.ru_utime + u.ru_stime for u in used), time.perf_counter())


def of_command(*arguments: str) -> Cost:
    """A Python process with one thread, from its start to its end."""
    start = now()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)
    return now() - start
