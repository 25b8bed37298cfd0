"""The clock, the order of things, names, and stock asyncio and aiohttp on top."""

import asyncio
import signal

import aiohttp
import pytest
from aiohttp import web

import simulation
from simulation import Deadlock, Network, SimulationError


def now() -> float:
    return asyncio.get_running_loop().time()


def test_the_clock_starts_at_zero_and_jumps_to_the_next_timer():
    async def main(network: Network) -> list[float]:
        times = [now()]
        await asyncio.sleep(3_600)
        times.append(now())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.25):
                await asyncio.Event().wait()
        times.append(now())
        return times

    assert simulation.run(main, seed=0) == [0.0, 3_600.0, 3_600.25]


def test_timers_beyond_a_day_come_at_their_time():
    async def main(network: Network) -> float:
        await asyncio.sleep(400_000)
        return now()

    assert simulation.run(main, seed=0) == 400_000.0


def test_a_deadlock_names_who_waits():
    async def waits_for_ever() -> None:
        await asyncio.Event().wait()

    async def main(network: Network) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(waits_for_ever(), name="the sleeper")

    with pytest.raises(Deadlock, match=r"2 tasks wait: .*the sleeper \(.*waits_for_ever\)"):
        simulation.run(main, seed=0)


def test_a_live_lock_is_noticed():
    async def main(network: Network) -> None:
        await asyncio.sleep(5)
        while True:
            await asyncio.sleep(0)

    with pytest.raises(SimulationError, match=r"time stands still at 5.0"):
        simulation.run(main, seed=0)


def test_deliveries_of_one_instant_keep_their_order_and_precede_timers():
    order: list[object] = []

    async def main(network: Network) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, simulation.SimulatedEventLoop)
        loop.call_at(1.0, order.append, "timer")
        for number in range(50):
            loop.deliver_at(1.0, order.append, number, context=network.context)
        await asyncio.sleep(2)

    simulation.run(main, seed=0)
    assert order == [*range(50), "timer"]


def test_signal_handlers_and_threadsafe_calls_do_no_harm():
    async def main(network: Network) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, print)
        assert loop.remove_signal_handler(signal.SIGTERM) is False
        future = loop.create_future()
        loop.call_soon_threadsafe(future.set_result, None)
        await future

    simulation.run(main, seed=0)


async def greet(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(0.01)
    return web.json_response({"you": request.remote, "sent": len(await request.read())})


async def serve(host: simulation.Host) -> web.AppRunner:
    app = web.Application()
    app.router.add_route("*", "/", greet)
    with host:
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, host.address, 80).start()
    return runner


def test_stock_aiohttp_client_and_server_spend_an_hour_together():
    async def main(network: Network) -> None:
        server = network.host("tracker.example", latency=0.02)
        client = network.host("client", latency=0.03)
        runner = await serve(server)
        assert runner.addresses == [(server.address, 80)]

        async def requests() -> None:
            async with aiohttp.ClientSession() as session:
                for _ in range(1_000):
                    start = now()
                    async with session.get("http://tracker.example/") as response:
                        assert await response.json() == {"you": client.address, "sent": 0}
                    assert now() - start < 0.35
                    await asyncio.sleep(3.6)
                async with session.post("http://tracker.example/", data=bytes(900_000)) as response:
                    assert (await response.json())["sent"] == 900_000

        await client.run(requests())
        await runner.cleanup()
        assert 3_600 < now() < 3_800

    simulation.run(main, seed=0)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("refuse", aiohttp.ClientConnectorError),
        ("blackhole", aiohttp.ConnectionTimeoutError),
        ("freeze", aiohttp.ServerTimeoutError),
        ("kill", aiohttp.ClientConnectorError),
    ],
)
def test_stock_aiohttp_client_meets_a_broken_server(fault: str, error: type[Exception]):
    async def main(network: Network) -> None:
        server, client = network.host("server"), network.host("client")
        runner = await serve(server)
        timeout = aiohttp.ClientTimeout(sock_connect=10, sock_read=15)
        getattr(server, fault)()
        with client:
            async with aiohttp.ClientSession(timeout=timeout) as session:
                with pytest.raises(error):
                    await session.get(f"http://{server.address}/")
        assert now() < 16
        if fault == "freeze":
            server.restore()
        await runner.cleanup()

    simulation.run(main, seed=0)


def test_tls_and_ready_made_sockets_are_refused():
    async def main(network: Network) -> None:
        loop = asyncio.get_running_loop()
        for call in (
            loop.create_connection(asyncio.Protocol, "20.0.0.1", 443, ssl=True),
            loop.create_server(asyncio.Protocol, "20.0.0.1", 443, ssl=True),
        ):
            with pytest.raises(NotImplementedError):
                await call

    simulation.run(main, seed=0)


def test_code_on_no_host_is_told_how_to_get_one():
    async def main(network: Network) -> None:
        with pytest.raises(SimulationError, match=r"runs on no host: give local_addr"):
            await asyncio.open_connection(network.host().address, 1)

    simulation.run(main, seed=0)
