"""The order of simulated blocks, and the words and codes for simulations that fail.

Sources: ethereum/execution-apis, src/eth/execute.yaml; ethereum/go-ethereum, internal/ethapi/simulate.go and errors.go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from zerog._kernel import Rejection
from zerog.chain.protocol.errors import ChainError, LimitExceededError
from zerog.chain.protocol.pool_errors import call_text

__all__ = ["BLOCKS_BACK_MAX", "SECONDS_BETWEEN_BLOCKS", "SIMULATED_BLOCKS_MAX", "Place", "SimulationError", "in_order", "refusal_of_call"]

SIMULATED_BLOCKS_MAX: Final = 256
"""Longest chain that one request simulates, gaps included. Source: ethereum/go-ethereum, internal/ethapi/simulate.go."""
SECONDS_BETWEEN_BLOCKS: Final = 12
"""How much later a simulated block is than the one before, unless somebody says otherwise. Source: same."""

BLOCKS_BACK_MAX: Final = 10_000
"""How far below the newest block a simulation may begin: its state is made anew over the blocks between."""

CODES: Final[Mapping[str, int]] = {
    "nonce_too_low": -38010,
    "nonce_too_high": -38011,
    "fee_cap_below_base_fee": -38012,
    "intrinsic_gas": -38013,
    "floor_gas": -38013,
    "insufficient_funds": -38014,
    "precompile_moved_to_itself": -38022,
    "sender_has_code": -38024,
    "initcode_too_large": -38025,
    "tip_above_fee_cap": -32602,
    "fees_before_london": -32000,
    "not_a_precompile": -32000,
    "already_overridden": -32000,
    "bad_encoding": -32602,
}
"""JSON-RPC codes by kind of rejection; any other is -32603."""
OTHER_CODE: Final = -32603


@dataclass(eq=False)
class SimulationError(ChainError):
    """A simulation that cannot be made, with one of the codes that the specification has for it."""

    cause: str
    rpc_code: int

    code = "simulation_refused"
    remedy = "change what the message names"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, slots=True)
class Place:
    """Where a simulated block stands."""

    number: int
    timestamp: int
    """Seconds."""
    index: int | None
    """Which of the wanted blocks it is; none for one that fills a gap."""


def in_order(wanted: Sequence[tuple[int | None, int | None]], base_number: int, base_timestamp: int) -> list[Place]:
    """The places of blocks with these numbers and times (seconds), on top of a base; gaps between numbers are filled with empty blocks.

    Raises `SimulationError` when numbers or times do not grow, `LimitExceededError` when there are too many.
    """
    places: list[Place] = []
    number, time = base_number, base_timestamp
    for index, (wanted_number, wanted_time) in enumerate(wanted):
        following = number + 1 if wanted_number is None else wanted_number
        if following <= number:
            raise SimulationError(f"block numbers must be in order: {following} <= {number}", -38020)
        if following - base_number > SIMULATED_BLOCKS_MAX:
            raise LimitExceededError("too many blocks")
        for gap in range(number + 1, following):
            time += SECONDS_BETWEEN_BLOCKS
            places.append(Place(gap, time, None))
        if wanted_time is not None and wanted_time <= time:
            raise SimulationError(f"block timestamps must be in order: {wanted_time} <= {time}", -38021)
        number, time = following, time + SECONDS_BETWEEN_BLOCKS if wanted_time is None else wanted_time
        places.append(Place(number, time, index))
    return places


def refusal_of_call(rejection: Rejection, *, sender: bytes, gas_limit: int) -> SimulationError:
    """The error for a call that could not begin; it ends the whole simulation."""
    return SimulationError(call_text(rejection, sender=sender, supplied_gas=gas_limit), CODES.get(rejection.kind, OTHER_CODE))
