"""The endpoints of the console, below ``/console``. What they show is worked out in ``llm_proxy.console``."""
