"""One process or several: workers, what they share, signals, and what each says of itself to the others."""
