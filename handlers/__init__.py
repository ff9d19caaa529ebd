"""Tornado request handlers: one file for each family of endpoints, on what stands in ``base``."""
