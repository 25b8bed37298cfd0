"""The stand-in for a socket: enough for what libraries ask."""

import socket

from simulation.socket_info import SocketInfo


def test_addresses_and_options():
    info = SocketInfo(socket.SOCK_STREAM, local=("2600::1", 80), remote=("2600::2", 90))
    assert (info.family, info.type) == (socket.AF_INET6, socket.SOCK_STREAM)
    assert info.getsockname() == ("2600::1", 80, 0, 0)
    assert info.getpeername() == ("2600::2", 90, 0, 0)
    assert info.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
    info.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    assert info.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert info.fileno() == -1


def test_a_listening_socket_has_no_peer():
    info = SocketInfo(socket.SOCK_STREAM, local=("20.0.1.1", 80))
    assert info.family == socket.AF_INET
    assert info.getpeername() is None
