"""`eth_getProof`: what stands in the state of a block, with the way to it from the block's state root."""

from functools import partial

from anyio import to_thread

from zerog._kernel import Executed, keccak256
from zerog.chain.node.chain import Chain, State, kept
from zerog.chain.node.soon import now
from zerog.chain.protocol.constants import PROOF_BLOCKS, STORAGE_VALUES_MAX
from zerog.chain.protocol.errors import LimitExceededError, ProofWindowError
from zerog.chain.protocol.tags import Tag
from zerog.chain.wire.blocks import LATEST, BlockId
from zerog.chain.wire.numbers import ProofSlot
from zerog.primitives import Address, Data, Quantity
from zerog.runtime.jsonrpc import Namespace

__all__ = ["eth"]

eth = Namespace("eth")

EMPTY_CODE_HASH = keccak256(b"")
EMPTY_TRIE_ROOT = keccak256(b"\x80")


@eth.method("getProof")
async def get_proof(chain: Chain, address: Address, slots: list[ProofSlot], block: BlockId = LATEST) -> dict[str, object]:
    """An account and slots of it, proved or proved absent. Source: EIP-1186.

    Edits that no block carries yet are in no state root: `latest` proves the newest block without them, `pending` the next one with them.
    """
    if len(slots) > STORAGE_VALUES_MAX:
        raise LimitExceededError(f"too many slots (max {STORAGE_VALUES_MAX})")
    state = await _state(chain, block)
    prove = partial(chain.ledger.prove, address, slots)
    account, nodes, proved = await to_thread.run_sync(partial(kept, prove, state), limiter=chain.call_threads)
    nonce, balance, code_hash, storage_root = account or (0, 0, EMPTY_CODE_HASH, EMPTY_TRIE_ROOT)
    return {
        "address": Data(address),
        "accountProof": [Data(node) for node in nodes],
        "balance": Quantity(balance),
        "codeHash": Data(code_hash),
        "nonce": Quantity(nonce),
        "storageHash": Data(storage_root),
        "storageProof": [
            {"key": slot.given, "value": Quantity(value), "proof": [Data(node) for node in way]}
            for slot, (value, way) in zip(slots, proved, strict=True)
        ],
    }


async def _state(chain: Chain, block: BlockId) -> State:
    """Raises `HeaderNotFoundError`, `ProofWindowError`."""
    if block.selector is Tag.PENDING and not chain.producer.is_closed:
        executed: Executed = await now(chain.producer.pending())
        return executed
    number = chain.number(block.selector)
    if number is not None and number < chain.head_number - PROOF_BLOCKS:
        raise ProofWindowError(number, chain.head_number - PROOF_BLOCKS)
    return number
