"""The dialect of Anthropic's Messages API. Its door is ``provider``."""
