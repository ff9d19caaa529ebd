"""What the console shows, worked out: deciding code, and the little that a process keeps for it. Who asks is ``handlers.console``'s."""
