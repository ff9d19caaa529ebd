"""The console: its endpoints and its files."""
