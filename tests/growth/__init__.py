"""What a stranger sends costs in proportion to its length: see ``tests.support.growth``."""
