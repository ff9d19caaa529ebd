"""Routing in virtual time: simulated model servers and clients, and the functions that choose in production."""
