"""Configurations of other programs as ours, with a report of every field: a module for each source, which is pure, and ``SOURCES`` in ``sources``."""
