"""One profile for property tests: the same examples every time, and no deadline on a busy machine."""

from hypothesis import settings

settings.register_profile("everswarm", derandomize=True, deadline=None, database=None)
settings.load_profile("everswarm")
