"""Sequential decisions: a protocol's questions at each of its looks, from the stored runs."""

import math
from dataclasses import dataclass

from lsbench.analysis.differences import Side, compare
from lsbench.analysis.results import SweepResults
from lsbench.analysis.sequential import SLIM, Design
from lsbench.analysis.stats import Paired
from lsbench.analysis.verdicts import BY_METRIC, Question
from lsbench.store.protocols import Protocol

OPEN, HOPELESS, UNSETTLED = "open", "hopeless", "not settled"


@dataclass(frozen=True)
class Look:
    """A question at a look: the difference of the pairs so far, half of its interval that is valid there, and
    the state: a verdict, `OPEN`, `HOPELESS` (more seeds would hardly settle it, since the test rows' part of
    the variance stays), or `UNSETTLED` at the last look."""

    pairs: int
    difference: Paired
    half_width: float
    state: str

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.difference.diff - self.half_width

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.difference.diff + self.half_width


@dataclass(frozen=True)
class Outcome:
    """A question with its looks, up to the one that ended it."""

    question: Question
    looks: tuple[Look, ...]

    @property
    def state(self) -> str:
        """The state at the last look; open before the first."""
        return self.looks[-1].state if self.looks else OPEN


@dataclass(frozen=True)
class Decision:
    """The outcomes of a protocol's questions, from ``runs`` stored runs of its two cells."""

    protocol: Protocol
    outcomes: tuple[Outcome, ...]
    runs: int

    @property
    def is_open(self) -> bool:
        """True while another look might settle a question."""
        return any(outcome.state == OPEN for outcome in self.outcomes)


def decide(protocol: Protocol, results: SweepResults) -> Decision:
    """Judge the looks whose runs are all stored."""
    values = {cell: results.values.get(cell, {}) for cell in protocol.cells}
    records = [record for record in results.records if record["cell"] in values]
    launched = {cell: {record["seed"] for record in records if record["cell"] == cell} for cell in values}
    complete = [
        look for look in protocol.looks if all(seeds >= set(range(look)) for seeds in launched.values())
    ]
    design = Design(protocol.looks, math.nan, protocol.levels, protocol.fixed_pairs)
    outcomes = []
    for metric in protocol.questions:
        question, looks = BY_METRIC[metric], []
        for index, pairs in enumerate(complete):
            plain, smoothed = (
                Side(
                    {seed: run for seed, run in values[cell].items() if seed < pairs},
                    results.scores.of_cell(cell),
                )
                for cell in protocol.cells
            )
            difference, _, _ = compare(smoothed, plain, metric, metric)
            looks.append(_look(design, index, difference, question))
            if looks[-1].state != OPEN:
                break
        outcomes.append(Outcome(question, tuple(looks)))
    return Decision(protocol, tuple(outcomes), len(records))


def _look(design: Design, index: int, difference: Paired, question: Question) -> Look:
    state = design.word(index, difference, question.margin, question.better)
    if not state and index == len(design.looks) - 1:
        state = UNSETTLED
    elif not state and design.chance(index, difference, question.margin) < SLIM:
        state = HOPELESS
    half = design.half_width(index, difference)
    return Look(design.looks[index], difference, half, state or OPEN)
