"""What endpoints are built on. The endpoints themselves stand beside this package and in ``handlers.faces``."""
