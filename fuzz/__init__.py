"""Fuzzing of every parser that meets strangers: `python -m fuzz [TARGET]... --runs N`."""
