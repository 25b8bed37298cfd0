"""A machine on the simulated internet: addresses, an access line, ports, and its state."""

import enum
import errno
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from simulation.errors import SimulationError
from simulation.link import Link
from simulation.ports import LOOPBACK4, LOOPBACK6, Ports, is_ipv6

if TYPE_CHECKING:
    from simulation.datagram import DatagramTransport
    from simulation.network import Network
    from simulation.server import Listener

_T = TypeVar("_T")

EPOCH = 1_767_225_600.0
"""Unix seconds at virtual time 0: 2026-01-01 00:00 UTC, so that replays show the same dates."""

_stack: ContextVar[tuple["Host", ...]] = ContextVar("everswarm_hosts", default=())


def current_host() -> "Host":
    """The host the running code is on. Raises SimulationError when it is on none."""
    stack = _stack.get()
    if not stack:
        raise SimulationError(
            "this code runs on no host: give local_addr an address of a host,"
            " or run it with host.run(...) or inside `with host:`"
        )
    return stack[-1]


class State(enum.Enum):
    """What the rest of the internet sees of a host."""

    RUNNING = "running"
    FROZEN = "frozen"  # SIGSTOP: the kernel accepts and buffers, the program never answers
    REFUSING = "refusing"  # RST to every SYN, "port unreachable" to every datagram
    SILENT = "silent"  # black hole: nothing gets in or out
    KILLED = "killed"  # SIGKILL: the program is gone, the kernel answers with RST
    LOST = "lost"  # power cut: the program is gone and nothing answers


class Endpoint(Protocol):
    """An open socket of a host: a transport or a listener."""

    def host_killed(self) -> None:
        """The program is gone: close at once, saying nothing to the network but RST."""

    def host_resumed(self) -> None:
        """The program runs again: send what was written meanwhile."""


class Host:
    """Made by `Network.host`. Rates, delays and losses may be changed at any time.

    up, down:  Link, `rate` in bytes/s
    latency:   seconds from the host to the middle of the internet, one way
    jitter:    seconds; up to this much is added to each delay, uniformly
    loss:      probability that a datagram is lost on this host's side; a stream segment is
               retransmitted instead, which delays it
    clock_offset: seconds by which this host's wall clock is wrong
    """

    def __init__(self, network: "Network", number: int, name: str, addresses: list[str]) -> None:
        self.network = network
        self.number = number
        self.name = name
        self.addresses = addresses
        self.up = Link()
        self.down = Link()
        self.latency = 0.0
        self.jitter = 0.0
        self.loss = 0.0
        self.clock_offset = 0.0
        self.rng: Random = network.random(f"host {name}")
        self.state = State.RUNNING
        self.frozen = self.silent = self.refusing = self.dead = False  # `state` for hot paths
        self.tcp: Ports[Listener] = Ports()
        self.udp: Ports[DatagramTransport] = Ports()
        self.endpoints: dict[Endpoint, None] = {}
        self._held: list[tuple[Context, Callable[..., object], tuple[Any, ...]]] = []

    def __repr__(self) -> str:
        return f"<Host {self.name} {' '.join(self.addresses)} {self.state.value}>"

    @property
    def address(self) -> str:
        """The first address (IPv4 unless the host was given IPv6 only)."""
        return self.addresses[0]

    def clock(self) -> float:
        """This host's wall clock: Unix seconds."""
        return EPOCH + self.network.scheduler.time() + self.clock_offset

    # Running programs

    async def run(self, program: Coroutine[Any, Any, _T]) -> _T:
        """Awaits `program` as a program of this host, and so every task it starts."""
        with self:
            return await program

    def __enter__(self) -> "Host":
        _stack.set((*_stack.get(), self))
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _stack.set(_stack.get()[:-1])

    # Faults

    def kill(self, *, silent: bool = False) -> None:
        """Ends the program: its sockets die, its peers see RST, or nothing when `silent`.

        Here the program's sockets see ConnectionAbortedError. Whoever started its tasks cancels
        them; until then they can open no socket (ENETDOWN), and nothing they do is seen.
        """
        self._enter(State.LOST if silent else State.KILLED)
        for endpoint in list(self.endpoints):
            endpoint.host_killed()
        self.tcp.clear()
        self.udp.clear()

    def boot(self) -> None:
        """After `kill`: the machine is back, no program runs, and no port is bound."""
        self._enter(State.RUNNING)

    def freeze(self) -> None:
        """SIGSTOP as the network sees it, until `restore`.

        Connections to listeners complete, data fills the receive window, nothing is answered.
        The program's timers go on (its tasks are not stopped): what it writes to streams leaves
        on `restore`, the datagrams it sends meanwhile vanish.
        """
        self._enter(State.FROZEN)

    def refuse(self) -> None:
        """New connections and datagrams are refused, until `restore`; old connections live."""
        self._enter(State.REFUSING)

    def blackhole(self) -> None:
        """No packet gets in or out, until `restore`; streams go on then if it is not too late."""
        self._enter(State.SILENT)

    def restore(self) -> None:
        """Ends `freeze`, `refuse` or `blackhole`."""
        if self.dead:
            raise SimulationError(f"{self.name} was killed: boot() it, then start a program")
        self._enter(State.RUNNING)

    def _enter(self, state: State) -> None:
        was_frozen = self.frozen
        self.state = state
        self.frozen = state is State.FROZEN
        self.refusing = state is State.REFUSING
        self.silent = state in (State.SILENT, State.LOST)
        self.dead = state in (State.KILLED, State.LOST)
        self.network.record_fault(f"{self.name} {state.value}")
        if was_frozen and not self.frozen:
            self._thaw()
        self.network.retry_stalled()

    def hold(self, context: Context, callback: Callable[..., object], *args: Any) -> None:
        """Keeps a delivery for a frozen program; `restore` makes it."""
        self._held.append((context, callback, args))

    def _thaw(self) -> None:
        held, self._held = self._held, []
        for context, callback, args in held:
            self.network.scheduler.call_soon(callback, *args, context=context)
        for endpoint in list(self.endpoints):
            endpoint.host_resumed()

    # Sockets

    def open(self, endpoint: Endpoint) -> None:
        """Registers a socket. Raises OSError (ENETDOWN) on a killed host."""
        self.check_alive()
        self.endpoints[endpoint] = None

    def close(self, endpoint: Endpoint) -> None:
        self.endpoints.pop(endpoint, None)

    def check_alive(self) -> None:
        if self.dead:
            raise OSError(errno.ENETDOWN, f"{self.name} was killed")

    def source_address(self, remote: str) -> str:
        """Which of this host's addresses talks to `remote`. Raises OSError (ENETUNREACH)."""
        if remote in (LOOPBACK4, LOOPBACK6):
            return remote
        for address in self.addresses:
            if is_ipv6(address) == is_ipv6(remote):
                return address
        raise OSError(errno.ENETUNREACH, f"{self.name} has no address to reach {remote} from")
