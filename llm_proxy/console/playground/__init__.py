"""What the console's playground asks: one conversation, in the form of each API, as curl and as Python."""
