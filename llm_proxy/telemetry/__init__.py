"""What the service tells of itself: the log (``log`` is the door), the access record, a process's report."""
