"""Options that several commands take are written once."""

import inspect

from node.cli.shared_options import takes


def pair(*, left: int = 1, right: int) -> tuple[int, int]:
    return left, right


def test_the_options_of_the_builder_stand_in_for_the_parameter() -> None:
    got: list[tuple[str, tuple[int, int]]] = []

    @takes("both", pair)
    def command(name: str, *, both: tuple[int, int]) -> None:
        """What it does."""
        got.append((name, both))

    command(name="n", left=3, right=4)
    assert got == [("n", (3, 4))]
    assert list(inspect.signature(command).parameters) == ["name", "left", "right"]
    assert inspect.signature(command).parameters["left"].default == 1
    assert command.__doc__ == "What it does."


def test_two_builders_may_share_a_command() -> None:
    got: list[object] = []

    def one(*, a: int = 0) -> str:
        return f"a{a}"

    def two(*, b: int = 0) -> str:
        return f"b{b}"

    @takes("first", one)
    @takes("second", two)
    def command(*, first: str, second: str) -> None:
        got.extend((first, second))

    command(a=1, b=2)
    assert got == ["a1", "b2"]
