"""`everswarm tracker`: the tiny tracker alone."""

from typing import Annotated

import typer

from node.cli import options
from node.cli.addresses import HostPort, parse_listen

Listen = Annotated[
    HostPort | None,
    typer.Option(
        metavar="ADDR:PORT",
        parser=options.reads(parse_listen),
        help="Where to listen. By itself: 0.0.0.0:6969, or any free port with :0.",
    ),
]
Udp = Annotated[
    HostPort | None,
    typer.Option(
        metavar="ADDR:PORT",
        parser=options.reads(parse_listen),
        help="Serve the same torrents by UDP, too. By itself: HTTP only.",
    ),
]
Interval = Annotated[
    int,
    typer.Option(metavar="SECONDS", min=10, help="How often peers are asked to announce."),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(metavar="INFO_HASH", help="Serve only this torrent. Repeatable."),
]
TrustedProxy = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDR", help="Believe X-Forwarded-For from this address. Repeatable."),
]


def tracker(
    listen: Listen = None,
    *,
    udp: Udp = None,
    interval: Interval = 1800,
    allow: Allow = None,
    trusted_proxy: TrustedProxy = None,
    json: options.Json = False,
    log_level: options.Log = options.LogLevel.WARNING,
) -> None:
    """Run a tracker until Ctrl-C. The first line on stdout is its announce URL; UDP's is next."""
    from node.cli.interruption import run
    from node.cli.tracking import run_tracker

    run(
        run_tracker(
            listen or HostPort("0.0.0.0", 6969),  # noqa: S104 - a tracker is there for everybody
            udp=udp,
            interval=interval,
            allow=allow or (),
            trusted_proxies=trusted_proxy or (),
            json=json,
            log_level=log_level,
        )
    )
