"""A real language model in one command: llama.cpp's server and a small model, from Python packages. ``process`` runs it,
``install`` gets it."""
