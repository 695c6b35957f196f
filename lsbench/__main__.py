"""`python -m lsbench` is the command `lsbench`."""

import sys

from lsbench.cli import main

sys.exit(main())
