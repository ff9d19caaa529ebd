"""Ollama's native API as clients speak it: requests read, answers written."""
