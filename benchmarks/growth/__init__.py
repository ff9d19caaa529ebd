"""How what the gateway costs grows with what it has to do: measured, kept as JSON, drawn."""
