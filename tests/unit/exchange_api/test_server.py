"""What the socket must be like for answers to come at once."""

import socket

from executors.exchange.api import ExchangeApp
from executors.exchange.server import ExchangeServer
from executors.exchange.wallets import wallets_of
from tests.tools.simloop import LoopClock, SimLoop


def test_the_socket_names_its_protocol() -> None:
    """Otherwise asyncio leaves Nagle's algorithm on: 44 ms per post instead of 0.5."""
    loop = SimLoop(1)
    server = ExchangeServer(ExchangeApp(LoopClock(loop)))
    try:
        assert server._socket.proto == socket.IPPROTO_TCP
        assert server.base.startswith("http://127.0.0.1:")
    finally:
        server._socket.close()
        loop.close()


def test_wallets_of_a_key_are_the_ones_its_client_derives() -> None:
    """Money in another wallet than the client's would be out of its reach."""
    assert wallets_of("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A") == (
        "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
        "0x6Cd089333445c89b55B7693c6009DCc229613738",
        "0x75F00B003FBBBA193FABEB06284c3187a4C1232E",
        "0x8154deDBDAAA46c07453E47b5b6C0Ff60B8542b9",
    )
