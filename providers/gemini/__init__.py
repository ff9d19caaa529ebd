"""The dialect of Google's Gemini API. Its door is ``provider``."""
