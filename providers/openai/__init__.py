"""OpenAI's dialect, which is the canonical one. Its door is ``provider``."""
