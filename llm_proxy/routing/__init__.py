"""Which upstream serves a request. Pure."""
