"""The parts of the loader of models-config.json: rows, checks, places, and what differs. ``loader`` is the door."""
