"""How files become a snapshot, how a reload ends, and what is kept of it. ``registry`` is the door."""
