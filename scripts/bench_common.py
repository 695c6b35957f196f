"""What benchmark NAME leaves: NAME.csv (tidy), NAME.json (how it was made), NAME.md (to be quoted)."""

import csv
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from lsbench.store.provenance import provenance


@dataclass(frozen=True)
class Row:
    """One figure: its median, min and max over turns. ``goal`` is a least value, or a greatest one where
    ``least`` is off; ``ok`` says whether the median reaches it."""

    what: str
    median: float
    min: float
    max: float
    unit: str
    model: str = ""
    way: str = ""
    threads: int | None = None
    members: int | None = None
    goal: float | None = None
    least: bool = True
    ok: bool | None = None

    def __post_init__(self) -> None:
        if self.ok is None and self.goal is not None:
            met = self.median >= self.goal if self.least else self.median <= self.goal
            object.__setattr__(self, "ok", met)


COLUMNS = ("model", "way", "threads", "members", "what", "median", "min", "max", "unit", "goal", "ok")


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": median(values), "min": min(values), "max": max(values)}


def write(folder: str | Path, name: str, rows: Sequence[Row], command: str) -> None:
    """Write the three files of benchmark ``name`` and print the table."""
    tidy = [{column: value for column, value in asdict(row).items() if column in COLUMNS} for row in rows]
    print(write_files(folder, name, tidy, _markdown(rows), command=command), flush=True)


def write_files(
    folder: str | Path,
    name: str,
    rows: Sequence[Mapping[str, object]],
    table: Sequence[str],
    *,
    command: str,
    device: str = "",
) -> str:
    """Write ``rows`` as NAME.csv, how they were made as NAME.json, and ``table`` below it as NAME.md, whose
    text is returned."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    made = provenance() | {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        # Of the last quarter of an hour; above the cores, walls are long.
        "load": round(os.getloadavg()[2], 1),
        "python": platform.python_version(),
        **({"device": device} if device else {}),
    }
    with (place / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (place / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n")
    text = "\n".join([_made_by(made), *table, ""])
    (place / f"{name}.md").write_text(text)
    return text


def _made_by(made: Mapping[str, object]) -> str:
    where = f"{made['device']}, " if "device" in made else ""
    return (
        f"`{made['command']}`, {str(made['date'])[:10]}, {where}{made['cpu']}, {made['cores']} cores "
        f"(load {made['load']}), torch {made['torch']}, "
        f"lsbench {made['lsbench']} at {_short(str(made['git_sha']))}."
    )


def _markdown(rows: Sequence[Row]) -> list[str]:
    """The ratios with their goals, then what they were made from."""
    judged = [row for row in rows if not row.way]
    measured = [row for row in rows if row.way]
    lines = [
        "Medians over interleaved turns, with the least and the greatest.",
        "",
        "| figure | measured | goal | met |",
        "| --- | ---: | ---: | --- |",
        *(f"| {row.what} | {_shown(row)} | {_goal(row)} | {_met(row)} |" for row in judged),
    ]
    return [*lines, *(_ways(measured) if measured else [])]


def _ways(rows: Sequence[Row]) -> list[str]:
    """The table of what each way took."""
    return [
        "",
        "| model | way | threads | members | seconds or % | measured |",
        "| --- | --- | ---: | ---: | --- | ---: |",
        *(
            f"| {row.model} | {row.way} | {row.threads} | {row.members or ''} | {row.what} | {_shown(row)} |"
            for row in rows
        ),
    ]


def _short(sha: str) -> str:
    commit, dash, changes = sha.partition("-")
    return commit[:10] + dash + changes


def _shown(row: Row) -> str:
    places = ".2f" if row.unit in ("%", "points") else ".3g"
    centre, low, high = (f"{value:{places}}" for value in (row.median, row.min, row.max))
    return f"{centre} {row.unit}" + (f" [{low}, {high}]" if row.min < row.max else "")


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    if row.unit == "points":
        return "0 in the interval"
    return f"{'≥' if row.least else '≤'} {row.goal:g}"


def _met(row: Row) -> str:
    return {None: "", True: "yes", False: "no"}[row.ok]


def _cpu() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
