"""Code that all benchmarks share: their options, the cost of their processes, and the files they write.

Benchmark NAME writes NAME.csv (a row per measurement), NAME.json (how it was made) and NAME.md (to quote).
"""

import argparse
import csv
import json
import os
import platform
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from lsbench.store.provenance import provenance

COLUMNS = ("model", "strategy", "threads", "members", "what", "median", "min", "max", "unit", "goal", "ok")


def parser(description: str | None, turns: int, devices: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The options of every benchmark; --device if it runs on one of ``devices``, the first by default."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--turns", "--repeats", type=int, default=turns, help=f"turns to time (default {turns})"
    )
    options.add_argument(
        "--quick", action="store_true", help="one turn of little work; its figures mean nothing"
    )
    options.add_argument("--out", type=Path, default=Path("results/benchmarks"), help="default: %(default)s")
    if devices:
        options.add_argument("--device", choices=sorted(devices), default=devices[0])
    return options


@dataclass(frozen=True)
class Cost:
    """Seconds of processor and of wall-clock time."""

    cpu: float
    wall: float

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.cpu - other.cpu, self.wall - other.wall)


def now() -> Cost:
    """The cost so far, of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Cost(sum(usage.ru_utime + usage.ru_stime for usage in used), time.perf_counter())


def cost_of_python(*arguments: str) -> Cost:
    """The cost of a Python process with one thread, from its start to its end."""
    start = now()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)
    return now() - start


@dataclass(frozen=True)
class Row:
    """One figure: its median, minimum and maximum over turns. ``goal`` is a lower bound, or an upper bound if
    ``at_most``; ``ok`` is whether the median meets it."""

    what: str
    median: float
    min: float
    max: float
    unit: str
    model: str = ""
    strategy: str = ""
    threads: int | None = None
    members: int | None = None
    goal: float | None = None
    at_most: bool = False
    ok: bool | None = None

    def __post_init__(self) -> None:
        if self.ok is None and self.goal is not None:
            met = self.median <= self.goal if self.at_most else self.median >= self.goal
            object.__setattr__(self, "ok", met)


def spread(values: Sequence[float], prefix: str = "") -> dict[str, float]:
    """Median, minimum and maximum; with ``prefix`` "us" as us, us_min and us_max."""
    names = (prefix, f"{prefix}_min", f"{prefix}_max") if prefix else ("median", "min", "max")
    return dict(zip(names, (median(values), min(values), max(values)), strict=True))


def interval(row: Mapping[str, Any], name: str, form: str) -> str:
    """The `spread` of ``name`` in ``row`` as median [minimum, maximum], each formatted by ``form``."""
    return f"{row[name]:{form}} [{row[f'{name}_min']:{form}}, {row[f'{name}_max']:{form}}]"


def table(titles: str, rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table. ``titles`` are separated by " | "; a final colon aligns a column to the right."""
    columns = titles.split(" | ")
    lines = [
        [title.rstrip(":") for title in columns],
        ["---:" if title.endswith(":") else "---" for title in columns],
        *rows,
    ]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def write(folder: Path, name: str, rows: Sequence[Row]) -> None:
    """Write the three files of benchmark ``name`` and print its tables."""
    tidy = [{column: value for column, value in asdict(row).items() if column in COLUMNS} for row in rows]
    print(write_files(folder, name, tidy, _tables(rows)), flush=True)


def write_files(
    folder: Path, name: str, rows: Sequence[Mapping[str, object]], text: Sequence[str], device: str = ""
) -> str:
    """Write ``rows`` as NAME.csv, how they were made as NAME.json, and the lines ``text`` as NAME.md, below a
    line with the command. Returns the content of NAME.md."""
    folder.mkdir(parents=True, exist_ok=True)
    made = provenance() | {
        "command": shlex.join(["python", *sys.argv]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        # Of the last quarter of an hour; if it is above the number of cores, wall times are too long.
        "load": round(os.getloadavg()[2], 1),
        "python": platform.python_version(),
    }
    if device:
        made["device"] = device
    with (folder / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (folder / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n")
    commit, dash, dirty = str(made["git_sha"]).partition("-")
    machine = ", ".join([*([device] if device else []), made["cpu"], f"{made['cores']} cores"])
    first = (
        f"`{made['command']}`, {made['date'][:10]}, {machine} (load {made['load']}), torch {made['torch']}, "
        f"lsbench {made['lsbench']} at {commit[:10]}{dash}{dirty}."
    )
    content = "\n".join([first, *text, ""])
    (folder / f"{name}.md").write_text(content)
    return content


def _tables(rows: Sequence[Row]) -> list[str]:
    """The figures with their goals, then the measurements of each strategy that they were made from."""
    met = {None: "", True: "yes", False: "no"}
    figures = [(row.what, _measured(row), _goal(row), met[row.ok]) for row in rows if not row.strategy]
    measurements = [
        (row.model, row.strategy, row.threads, row.members or "", row.what, _measured(row))
        for row in rows
        if row.strategy
    ]
    lines = ["Medians over interleaved turns, with minimum and maximum.", ""]
    lines += table("figure | measured: | goal: | met", figures)
    if measurements:
        titles = "model | strategy | threads: | members: | seconds or % | measured:"
        lines += ["", *table(titles, measurements)]
    return lines


def _measured(row: Row) -> str:
    form = ".2f" if row.unit in ("%", "points") else ".3g"
    shown = f"{row.median:{form}} {row.unit}"
    return f"{shown} [{row.min:{form}}, {row.max:{form}}]" if row.min < row.max else shown


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    if row.unit == "points":
        return "0 in the interval"
    return f"{'≤' if row.at_most else '≥'} {row.goal:g}"


def _cpu() -> str:
    """The processor's name, if the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
