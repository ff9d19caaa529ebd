"""The parts of the registry: how files become a snapshot, how a reload ends, and what is kept of it.

``registry.py`` is the door.
"""
