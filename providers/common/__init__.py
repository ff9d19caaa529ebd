"""What several adapters share. Pure, and it knows no vendor."""
