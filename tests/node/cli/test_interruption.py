import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from node.cli import interruption
from node.cli.exit_status import Interrupted
from node.cli.interruption import run


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def signal_soon(number: signal.Signals) -> None:
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)


def test_a_result_comes_back() -> None:
    async def main() -> int:
        return 42

    assert run(main()) == 42


def test_an_error_flies() -> None:
    async def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(main())


def test_it_runs_on_uvloop_where_there_is_one() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> bool:
        return isinstance(asyncio.get_running_loop(), uvloop.Loop)

    assert run(main())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("resumable", [True, False])
def test_a_signal_lets_the_command_put_things_away(number: signal.Signals, resumable: bool) -> None:
    put_away = []

    async def main() -> None:
        signal_soon(number)
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            put_away.append(True)

    with pytest.raises(Interrupted) as interrupted:
        run(main(), resumable=resumable)
    assert interrupted.value.resumable is resumable
    assert put_away == [True]


def test_a_cancellation_that_is_no_signal_stays_one() -> None:
    async def main() -> None:
        async with asyncio.timeout(0):
            await asyncio.sleep(3600)

    with pytest.raises(TimeoutError):
        run(main())


def test_f13_a_goodbye_that_takes_too_long_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "PATIENCE", 0.01)

    async def main() -> None:
        signal_soon(signal.SIGTERM)
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(3600)

    with pytest.raises(Interrupted):
        run(main())


def test_f13_one_that_does_not_end_at_all_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(interruption, "PATIENCE", 0.01)
    monkeypatch.setattr(interruption, "LAST_SECOND", 0.01)
    gone = []
    monkeypatch.setattr(os, "_exit", lambda code: (codes.append(code), gone[0].set()))

    async def main() -> None:
        gone.append(asyncio.Event())
        signal_soon(signal.SIGINT)
        while not gone[0].is_set():
            try:
                await gone[0].wait()
            except asyncio.CancelledError:
                continue

    run(main())
    assert codes == [130]


def test_a_second_signal_ends_at_once_but_an_echo_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        signal_soon(signal.SIGINT)
        try:
            await done
        except asyncio.CancelledError:
            signal_soon(signal.SIGINT)
            await asyncio.sleep(0.01)
            assert codes == []
            monkeypatch.setattr(interruption, "ECHO", 0.0)
            signal_soon(signal.SIGINT)
            await asyncio.sleep(0.01)
            raise

    with pytest.raises(Interrupted):
        run(main())
    assert codes == [130]
