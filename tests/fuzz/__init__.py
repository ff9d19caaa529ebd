"""Every decoder, face, adapter and reader, fed with bytes that nobody thought of: ``make fuzz``, or
``python -m tests.fuzz --seconds 60 --only sse``. What was found lies in ``tests/data/fuzz`` and is tried in each run of the
suite."""
