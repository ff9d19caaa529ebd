"""New settings merged into a file of another program, whose comments and layout stay. The door is ``merge``."""
