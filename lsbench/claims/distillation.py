"""Claim: smoothing the teacher harms the student."""

from collections.abc import Sequence

from lsbench.analysis.by_seed import BySeed, NothingToJudgeError, metric_of
from lsbench.analysis.evidence import DEFAULT_ALPHA, Comparison, Evidence, comparison
from lsbench.analysis.selection import CRITERION_TITLE
from lsbench.analysis.verdicts import ACCURACY_MARGIN
from lsbench.claims._claim import Claim


def compare(evidence: Evidence) -> Sequence[Comparison]:
    runs = evidence.runs
    if "method.teacher" not in runs or runs["method.teacher"].isna().all():
        raise NothingToJudgeError("none of its students is done")
    is_teacher = runs["cell"].isin(runs["method.teacher"])
    teachers, alone = Evidence(runs[is_teacher]), Evidence(runs[runs["method.teacher"].isna() & ~is_teacher])
    no_teacher = alone.by_seed("test_accuracy")
    plain, smoothed = (taught_by(teachers.where(alpha=alpha), evidence) for alpha in (0.0, DEFAULT_ALPHA))
    student, teacher = "student's test accuracy", f"teacher with α = {DEFAULT_ALPHA:g}"
    by = f" (softening chosen by {CRITERION_TITLE})"
    margin = ACCURACY_MARGIN
    return [
        Comparison(f"{student}, {teacher} against 0{by}", smoothed, plain, margin, -1),
        Comparison(f"{student}, teacher with α = 0 against no teacher{by}", plain, no_teacher, margin),
        Comparison(f"{student}, {teacher} against no teacher{by}", smoothed, no_teacher, margin),
        comparison("teacher's own test accuracy", teachers, "test_accuracy", margin),
    ]


def taught_by(teachers: Evidence, evidence: Evidence) -> BySeed:
    """Test accuracy by seed of the students of these teachers, each at the temperature that select chooses,
    the lower of equal ones; test results have no influence."""
    students = {"method.teacher": set(teachers.runs["cell"])}
    return metric_of(evidence.chosen("teacher_temperature", **students), "test_accuracy")


CLAIM = Claim(
    words="it harms distillation",
    source=(
        "Müller, Kornblith & Hinton 2019, section 5 (arXiv:1906.02629); tutorials omit it. Shen et al. 2021 "
        "(arXiv:2104.00676) find the opposite. Distillation: Hinton, Vinyals & Dean 2015 (arXiv:1503.02531)"
    ),
    measured=(
        "test accuracy of smaller students, none of them smoothed, distilled from a smoothed or a plain "
        "teacher of the same seed and split, each at the softening temperature that select chooses by NLL"
    ),
    compare=compare,
    students="students",
)
