"""Anthropic's Messages API as clients speak it: requests read, answers written."""
