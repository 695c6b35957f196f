"""Does smoothing the teacher harm the student?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsbench.analysis.evidence import DEFAULT_ALPHA, Comparison, Evidence, NothingToJudgeError, comparison
from lsbench.analysis.selection import CRITERION_TITLE
from lsbench.analysis.verdicts import ACCURACY_MARGIN
from lsbench.claims._claim import Claim

if TYPE_CHECKING:
    from lsbench.analysis.evidence import BySeed


def compare(evidence: Evidence) -> Sequence[Comparison]:
    runs, margin = evidence.runs, ACCURACY_MARGIN
    if "method.teacher" not in runs or runs["method.teacher"].isna().all():
        raise NothingToJudgeError("none of its students is done")
    is_teacher = runs["cell"].isin(runs["method.teacher"])
    teachers, alone = Evidence(runs[is_teacher]), runs[runs["method.teacher"].isna() & ~is_teacher]
    by_itself = Evidence(alone).by_seed("test_accuracy")
    plain, smoothed = (taught_by(teachers.where(alpha=alpha), evidence) for alpha in (0.0, DEFAULT_ALPHA))
    student, usual = "student's test accuracy", f"teacher with α = {DEFAULT_ALPHA:g}"
    by = f" (softening chosen by {CRITERION_TITLE})"
    return [
        Comparison(f"{student}, {usual} against 0{by}", smoothed, plain, margin, -1),
        Comparison(f"{student}, teacher with α = 0 against no teacher{by}", plain, by_itself, margin),
        Comparison(f"{student}, {usual} against no teacher{by}", smoothed, by_itself, margin),
        comparison("teacher's own test accuracy", teachers, "test_accuracy", margin),
    ]


def taught_by(teachers: Evidence, evidence: Evidence) -> "BySeed":
    """Test accuracy of the students of these teachers by seed, each at the temperature that select chooses,
    the lower one on a tie; test has no say."""
    of_these = {"method.teacher": set(teachers.runs["cell"])}
    return evidence.chosen("teacher_temperature", **of_these)["test_accuracy"].astype(float)


CLAIM = Claim(
    words="it harms distillation",
    source=(
        "Müller, Kornblith & Hinton 2019, section 5 (arXiv:1906.02629); tutorials leave it out. Shen et al. "
        "2021 (arXiv:2104.00676) find otherwise. Distillation: Hinton, Vinyals & Dean 2015 (arXiv:1503.02531)"
    ),
    measured=(
        "test accuracy of smaller students, none of them smoothed, that learn from a smoothed or a plain "
        "teacher of their own seed and split, each at the softening temperature that select chooses by NLL"
    ),
    compare=compare,
    students="students",
)
