"""Magnet links: whatever is accepted is printed as a link that means the same."""

from formats.magnet import MagnetError, parse_magnet

_V1 = "xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
_V2 = "xt=urn:btmh:1220caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e"

SEEDS: list[bytes] = [
    f"magnet:?{_V1}&dn=a+name%20here&tr=udp%3A%2F%2Ft.example%3A1&tr.1=http://u.example/".encode(),
    f"magnet:?{_V1}&{_V2}&x.pe=1.2.3.4:6881&x.pe=[::1]:6882&x.pe=host.example:1".encode(),
    b"magnet:?xt=urn:btih:YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK&so=0,2,4,6-8&xl=12345",
    f"magnet:?{_V1}&ws=http%3A%2F%2Fseed.example%2F&dn=%ff%00%e2%80%ae".encode(),
]


def execute(data: bytes) -> None:
    """Parse one link."""
    try:
        magnet = parse_magnet(data.decode(errors="surrogateescape"))
    except MagnetError:
        return
    assert parse_magnet(str(magnet)) == magnet
    assert len(magnet.info_hash) == 20
