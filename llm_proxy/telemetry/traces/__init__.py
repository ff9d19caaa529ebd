"""Traces: what is sent (``span``, ``attributes``), of which requests (``sampling``), where to (``options``), and how
(``exporter``)."""
