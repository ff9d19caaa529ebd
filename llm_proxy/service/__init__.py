"""The process and its workers: parts that begin and end, sockets, signals, shared memory. ``server`` is the door."""
