"""How answers are read as vendors write them, before a face of another dialect writes them again."""
