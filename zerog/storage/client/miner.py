"""The miner of one storage node, as its operator talks to it: on the node's admin port."""

from typing import Final, Self, TypeVar

import msgspec

from zerog.primitives import decode_hook
from zerog.storage.client.calls import Call
from zerog.storage.client.connection import HttpServer, PeerLimits
from zerog.storage.client.rpc import run_call
from zerog.storage.wire.mining import MinerForecast, MinerRewards, MinerStatus, MinerWithdrawal

__all__ = ["MinerClient"]

T = TypeVar("T")


class MinerClient:
    """Every method raises `PeerUnreachableError`, `PeerAnswerError`, `PeerStatusError` or `PeerRefusedError` when it fails."""

    def __init__(self, url: str, limits: PeerLimits | None = None) -> None:
        """`url` is that of the node's `admin_*` methods."""
        self._server: Final = HttpServer(url, limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._server.close()

    def start(self) -> bool:
        """Let it mine."""
        return self._ask("miner_start", bool)

    def stop(self) -> bool:
        """Let it mine no more."""
        return self._ask("miner_stop", bool)

    def set_start_position(self, sector: int) -> bool:
        """Let it search from a sector of the flow on."""
        return self._ask("miner_setStartPosition", bool, sector)

    def status(self) -> MinerStatus:
        """What it does and did."""
        return self._ask("miner_getStatus", MinerStatus)

    def rewards(self) -> MinerRewards:
        """What it earned."""
        return self._ask("miner_getRewards", MinerRewards)

    def withdraw(self) -> MinerWithdrawal:
        """Have that paid out."""
        return self._ask("miner_withdraw", MinerWithdrawal)

    def forecast(self) -> MinerForecast:
        """What it may earn."""
        return self._ask("miner_getForecast", MinerForecast)

    def _ask(self, method: str, kind: type[T], *params: object) -> T:
        return run_call(self._server, Call(method, params, msgspec.json.Decoder(kind, dec_hook=decode_hook)))
