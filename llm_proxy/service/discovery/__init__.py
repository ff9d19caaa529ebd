"""Which model servers run on this machine, as long as nobody has configured any. ``discovery`` is the door."""
