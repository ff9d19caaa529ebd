"""The parts of the watcher: what tells of a change, what can fail there, and when to look. ``watcher`` is the door."""
