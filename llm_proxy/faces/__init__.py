"""The dialects that clients speak besides the canonical one: requests that are read, faces that are written."""
