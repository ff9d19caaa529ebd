"""A long mixed load with faults on the real program: ``make soak``, or ``python -m tests.soak --minutes 60``."""
