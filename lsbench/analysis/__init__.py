"""From records to tables, choices and verdicts, computed without torch."""
