"""Options that several commands take, written once."""

import inspect
from collections.abc import Callable
from functools import wraps


def takes(
    parameter: str, build: Callable[..., object]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command with the options of `build` in place of its parameter, which is what `build` makes.

    typer reads the options off the signature that the command then shows (PEP 362).
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters
        shared = inspect.signature(build).parameters

        @wraps(command)
        def with_options(**values: object) -> None:
            given = {name: values.pop(name) for name in shared}
            command(**{parameter: build(**given)}, **values)

        options = [each for name, each in own.items() if name != parameter]
        signature = inspect.Signature([*options, *shared.values()])
        vars(with_options)["__signature__"] = signature
        return with_options

    return decorate
