"""Does smoothing the teacher harm the student?"""

from collections.abc import Sequence

from lsbench.claims._claim import USUAL, Claim, Comparison, Evidence, comparison
from lsbench.report.verdicts import ACCURACY_MARGIN


def compare(evidence: Evidence) -> Sequence[Comparison]:
    runs = evidence.runs
    teachers = runs["cell"].isin(runs["method.teacher"])
    untaught = Evidence(runs[runs["method.teacher"].isna() & ~teachers])
    alone = untaught.by_seed("test_accuracy")
    cells = runs[teachers].groupby("alpha")["cell"].first()
    plain, smoothed = (
        evidence.by_seed("test_accuracy", **{"method.teacher": cells.get(alpha)}) for alpha in (0.0, USUAL)
    )
    student, margin = "student's test accuracy", ACCURACY_MARGIN
    usual = f"teacher with α = {USUAL:g}"
    return [
        Comparison(f"{student}, {usual} against 0", smoothed, plain, margin, -1),
        Comparison(f"{student}, teacher with α = 0 against no teacher", plain, alone, margin),
        Comparison(f"{student}, {usual} against no teacher", smoothed, alone, margin),
        comparison("teacher's own test accuracy", Evidence(runs[teachers]), "test_accuracy", margin),
    ]


CLAIM = Claim(
    words="it harms distillation",
    source=(
        "Müller, Kornblith & Hinton 2019, section 5 (arXiv:1906.02629); tutorials leave it out. Shen et al. "
        "2021 (arXiv:2104.00676) find otherwise. Distillation: Hinton, Vinyals & Dean 2015 (arXiv:1503.02531)"
    ),
    measured=(
        "test accuracy of smaller students, none smoothed, that learn from a smoothed and from a plain "
        "teacher of their own seed and split, at one temperature for both"
    ),
    compare=compare,
    students="students",
)
