"""Tornado request handlers, one file for each family of endpoints."""
