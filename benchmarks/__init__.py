"""What the gateway costs, measured beside a direct call and beside a compiled router; see README.md in this folder."""
