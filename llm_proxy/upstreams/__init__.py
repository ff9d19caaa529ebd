"""The upstreams' side: from a call as a value to bytes on a connection and back. ``http_client`` is the door."""
