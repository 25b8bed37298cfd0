"""A swarm on virtual time: the event loop, the network and the disk, simulated.

async def main(network):
    server, client = network.host("server"), network.host("client", latency=0.05)
    ...

simulation.run(main, seed=1)
"""

from simulation.errors import Deadlock, SimulationError
from simulation.event_loop import SimulatedEventLoop
from simulation.host import Host, current_host
from simulation.network import Network
from simulation.runner import run

__all__ = [
    "Deadlock",
    "Host",
    "Network",
    "SimulatedEventLoop",
    "SimulationError",
    "current_host",
    "run",
]
