"""The dialects that clients speak besides the canonical one: a form that is read, a face that is written."""
