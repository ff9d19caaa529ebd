"""The parts of the prompt directory: its files, their texts and their earlier versions. ``library`` is the door."""
