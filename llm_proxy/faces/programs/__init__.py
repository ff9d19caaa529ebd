"""The programs that people use with a gateway, and what each must be told to ask this one. Pure: ``llm-proxy client`` prints and writes
it, the console's page Clients shows it, and ``make test-apps`` runs the real programs with it.

The door is ``table``: ``PROGRAMS`` by their names, and ``told`` for whoever wants plain JSON.
"""
