"""What a simulation reports about the program it ran."""

from formats.errors import EverswarmError


class SimulationError(EverswarmError):
    """The program broke a rule that every scenario checks; the sentence names the culprit."""


class Deadlock(SimulationError):
    """Nothing is scheduled and nothing is under way, yet somebody waits."""
