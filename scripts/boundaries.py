"""Write lsbench/analysis/boundaries.csv: the constants of the sequential designs that `lsbench decide` uses.

    python scripts/boundaries.py                  # some minutes

For `sequential.LOOKS` up to each of them and 1 to QUESTIONS questions, from the simulation whose number of
paths and seed stand in lsbench/analysis/sequential.py.
"""

import argparse

from lsbench.analysis.sequential import LEVEL, LOOKS, TABLE, simulate
from lsbench.store.files import write_atomically

QUESTIONS = 6


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    lines = ["looks,questions,constant,fixed_pairs"]
    for last in range(1, len(LOOKS) + 1):
        looks = LOOKS[:last]
        for questions in range(1, QUESTIONS + 1):
            constant, fixed_pairs = simulate(looks, LEVEL / questions)
            lines.append(f"{' '.join(map(str, looks))},{questions},{constant:.6g},{fixed_pairs}")
            print(lines[-1], flush=True)
    write_atomically(TABLE, ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
