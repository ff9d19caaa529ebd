"""A model on a real socket that speaks as each vendor does and refuses what that vendor refuses."""
