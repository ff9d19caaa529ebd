"""The parts of the transport: from a call as a value to bytes on a connection and back.

``transport.py`` is the door: nothing outside of it and of ``upstream.py`` calls what stands here.
"""
