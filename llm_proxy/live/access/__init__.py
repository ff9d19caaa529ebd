"""``access.json``: what it may hold, what it means, and how an edit of it is told. ``loader`` is the door."""
