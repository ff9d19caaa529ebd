"""What both sides of the network share: names, TLS, time limits, and what can go wrong with a socket."""
