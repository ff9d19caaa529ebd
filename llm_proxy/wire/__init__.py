"""Values and codecs that every room may use: the canonical chat types, calls, server-sent events, strict JSON."""
