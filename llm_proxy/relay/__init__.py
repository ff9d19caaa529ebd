"""One call to an upstream, and one answer to a client made of it."""
