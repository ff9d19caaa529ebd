"""The parts of the loader of models-config.json: rows, checks, places, and what differs. ``config.py`` is the door."""
