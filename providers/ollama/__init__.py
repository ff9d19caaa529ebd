"""The dialect of Ollama's native API. Its door is ``provider``."""
