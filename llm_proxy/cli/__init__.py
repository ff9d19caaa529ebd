"""The commands of ``llm-proxy`` besides ``serve``."""
