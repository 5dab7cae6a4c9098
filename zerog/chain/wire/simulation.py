"""What `eth_simulateV1` takes. Source: ethereum/execution-apis, src/schemas/execute.yaml (EthSimulatePayload)."""

import msgspec

from zerog.chain.wire.overrides import BlockOverrideObject, StateOverrides
from zerog.chain.wire.transactions import TransactionObject

__all__ = ["BlockStateCalls", "SimulationPayload"]


class BlockStateCalls(msgspec.Struct, frozen=True, rename="camel"):
    """One block to simulate, or several where its number leaves a gap."""

    block_overrides: BlockOverrideObject | None = None
    state_overrides: StateOverrides | None = None
    calls: list[TransactionObject] | None = None


class SimulationPayload(msgspec.Struct, frozen=True, rename="camel"):
    """Blocks to simulate, and how."""

    block_state_calls: list[BlockStateCalls] | None = None
    trace_transfers: bool = False
    validation: bool = False
    return_full_transactions: bool = False
