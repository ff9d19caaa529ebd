"""``llm-proxy doctor``: what of this machine, its configuration and its upstreams would keep the gateway from working, each with its remedy.
The command is ``command``.
"""
