"""The parts of the log: how a line looks, and the thread that writes it. ``log.py`` is the door."""
