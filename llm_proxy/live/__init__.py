"""The configuration and the prompts as they are now: read, judged, watched, replaced as one snapshot."""
