"""The core of llm-proxy-api: configuration, relaying and errors. It knows no vendor by name."""

__version__ = "0.1.0"
