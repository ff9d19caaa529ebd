"""What is counted and timed: the table of names (``families``), where the numbers lie (``shared_values``), who adds to them
(``meter``), and how they are told (``page``, ``inside``)."""
