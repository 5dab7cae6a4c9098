"""`eth_simulateV1`: blocks of calls on top of a state, of which nothing is kept."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
from anyio import to_thread

from zerog._kernel import AccountOverride, BlockOverride, CallRequest, SimulationRefusal
from zerog.chain.node.chain import Chain, State, kept
from zerog.chain.node.soon import now
from zerog.chain.protocol.constants import CALL_GAS_MAX
from zerog.chain.protocol.errors import HeaderNotFoundError, LimitExceededError
from zerog.chain.protocol.reverts import revert_message
from zerog.chain.protocol.simulation import BLOCKS_BACK_MAX, Place, SimulationError, in_order, refusal_of_call
from zerog.chain.protocol.tags import Tag
from zerog.chain.wire.blocks import LATEST, BlockId
from zerog.chain.wire.overrides import BlockOverrideObject, account_overrides, simulated_block_override
from zerog.chain.wire.simulation import BlockStateCalls, SimulationPayload
from zerog.chain.wire.transactions import call_request
from zerog.primitives import Data, InvalidParametersError
from zerog.runtime.jsonrpc import Namespace

__all__ = ["eth"]

eth = Namespace("eth")

REVERTED_CODE: Final = 3
HALTED_CODE: Final = -32015
TIMED_OUT_CODE: Final = -32016
BLOCK_GAS_CODE: Final = -38015

Block = tuple[BlockOverride, list[AccountOverride], list[CallRequest]]
Outcome = tuple[str, bytes, int, int, str, bytes]


@eth.method("simulateV1")
async def simulate_v1(chain: Chain, payload: SimulationPayload, block: BlockId = LATEST) -> list[msgspec.Raw]:
    """Simulate blocks; answers each with what became of its calls. Source: ethereum/execution-apis, src/eth/execute.yaml."""
    if not payload.block_state_calls:
        raise InvalidParametersError("empty input")
    state, number, timestamp = await _base(chain, block)
    wanted = payload.block_state_calls
    overrides = [one.block_overrides or BlockOverrideObject() for one in wanted]
    places = in_order([(one.number, one.time) for one in overrides], number, timestamp)
    blocks = [_block(place, wanted, chain.settings.call_time_s) for place in places]
    simulate = partial(
        chain.ledger.simulate,
        blocks,
        trace_transfers=payload.trace_transfers,
        validation=payload.validation,
        full_transactions=payload.return_full_transactions,
        gas_cap=CALL_GAS_MAX,
        time_limit_s=chain.settings.call_time_s,
    )
    simulated = await to_thread.run_sync(partial(kept, simulate, state), limiter=chain.call_threads)
    if isinstance(simulated, SimulationRefusal):
        raise _refusal(simulated, chain.settings.call_time_s)
    return [_with_calls(json, calls) for json, calls in simulated]


async def _base(chain: Chain, block: BlockId) -> tuple[State, int, int]:
    """The state to begin with, and number and time of its block. Raises `HeaderNotFoundError`, `LimitExceededError`."""
    if block.selector is Tag.PENDING and not chain.producer.is_closed:
        executed = await now(chain.producer.pending())
        return executed, executed.summary.number, executed.summary.timestamp
    number = chain.number(block.selector)
    summary = None if number is None else chain.ledger.block(number)
    if summary is None:
        raise HeaderNotFoundError
    if summary.number < chain.head_number - BLOCKS_BACK_MAX:
        raise LimitExceededError(f"a simulation begins at most {BLOCKS_BACK_MAX} blocks before the newest")
    return summary.number, summary.number, summary.timestamp


def _block(place: Place, wanted: list[BlockStateCalls], time_limit_s: float) -> Block:
    """For the kernel."""
    one = BlockStateCalls() if place.index is None else wanted[place.index]
    override = simulated_block_override(one.block_overrides or BlockOverrideObject(), place.number, place.timestamp)
    calls = [call_request(call, time_limit_s=time_limit_s) for call in one.calls or ()]
    return override, account_overrides(one.state_overrides), calls


def _with_calls(block: bytes, calls: Sequence[Outcome]) -> msgspec.Raw:
    return msgspec.Raw(block[:-1] + b',"calls":[' + b",".join(map(_call, calls)) + b"]}")


def _call(outcome: Outcome) -> bytes:
    status, output, gas_used, gas_used_max, halt, logs = outcome
    answer: dict[str, object] = {
        "returnData": str(Data(output if status == "success" else b"")),
        "logs": msgspec.Raw(logs),
        "gasUsed": hex(gas_used),
        "maxUsedGas": hex(gas_used_max),
        "status": hex(status == "success"),
    }
    match status:
        case "revert":
            answer["error"] = {"message": revert_message(output), "code": REVERTED_CODE, "data": str(Data(output))}
        case "halt":
            answer["error"] = {"message": halt, "code": HALTED_CODE}
    return msgspec.json.encode(answer)


def _refusal(refusal: SimulationRefusal, time_limit_s: float) -> SimulationError:
    if refusal.kind == "call" and refusal.rejection is not None:
        return refusal_of_call(refusal.rejection, sender=refusal.sender, gas_limit=refusal.gas_limit)
    if refusal.kind == "block_gas":
        return SimulationError(f"block gas limit reached: {refusal.gas_used} >= {refusal.gas_limit}", BLOCK_GAS_CODE)
    return SimulationError(f"execution aborted (timeout = {time_limit_s:g}s)", TIMED_OUT_CODE)
