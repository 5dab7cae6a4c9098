"""Questions to a node that serves a foreign chain, each with what the executable specification says that the answer is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import rlp  # type: ignore[import-untyped]

from tests.ledger.foreign_chain import COUNTER, GETTER, BlockFacts, ForeignChain
from zerog._kernel import keccak256

__all__ = ["Question", "questions"]

HEADER_FIELDS: Final = (
    "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom", "difficulty", "number", "gasLimit",
    "gasUsed", "timestamp", "extraData", "mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas",
    "parentBeaconBlockRoot", "requestsHash",
)  # fmt: skip
"""In the order of their RLP. Sources: Ethereum yellow paper, section 4.4; EIP-1559, 4895, 4844, 4788, 7685."""
QUANTITIES: Final = {
    "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """One call, what of its answer counts, and what that must be."""

    method: str
    parameters: tuple[object, ...]
    expected: object
    part: Sequence[str | int] = ()
    """The way to what counts."""

    def found(self, answer: Any) -> object:
        """What counts of an answer."""
        for step in self.part:
            answer = answer.get(step) if isinstance(answer, dict) else answer[step]
        return answer


def text(value: bytes) -> str:
    return "0x" + value.hex()


def questions(chain: ForeignChain, raw_blocks: Sequence[bytes]) -> Iterator[Question]:
    """About the chain as a whole, and about the last block of each fork."""
    head = chain.blocks[-1]
    chain_id = chain.genesis["config"]["chainId"]
    yield Question("eth_blockNumber", (), hex(head.number))
    yield Question("eth_chainId", (), hex(chain_id))
    yield Question("net_version", (), str(chain_id))
    yield Question("eth_syncing", (), False)
    yield Question("eth_accounts", (), [])
    for tag, block_hash in {"latest": head.hash, "safe": head.hash, "finalized": head.hash, "earliest": chain.genesis_hash}.items():
        yield Question("eth_getBlockByNumber", (tag, False), block_hash, ("hash",))
    yield Question("eth_getBlockByNumber", (hex(head.number + 1), False), None)
    counted = {"fromBlock": "0x0", "toBlock": "latest", "address": text(COUNTER)}
    logs = [log for block in chain.blocks for receipt in block.receipts for log in receipt.logs if log["address"] == text(COUNTER)]
    for index, log in enumerate(logs):
        yield Question("eth_getLogs", (counted,), log["topics"], (index, "topics"))
    for index, block in enumerate(chain.blocks):
        if index + 1 == len(chain.blocks) or chain.blocks[index + 1].fork != block.fork:
            yield from about(block, raw_blocks[index], chain.blocks[index - 1].hash)


def about(block: BlockFacts, raw: bytes, parent_hash: str) -> Iterator[Question]:
    """Header, body, receipts, logs, traces and state of one block."""
    height = hex(block.number)
    header, transactions, uncles, *further = rlp.decode(raw)
    assert uncles == []
    assert len(transactions) == len(block.receipts)
    fields = {name: as_json(name, value) for name, value in zip(HEADER_FIELDS, header, strict=False)}
    for method, name in (("Block", height), ("Header", height), ("Block", block.hash), ("Header", block.hash)):
        full = (False,) if method == "Block" else ()
        by = "Hash" if name == block.hash else "Number"
        for field, value in ({"hash": block.hash} | fields).items():
            yield Question(f"eth_get{method}By{by}", (name, *full), value, (field,))
    yield Question("eth_getBlockByNumber", (height, False), block.state_root, ("stateRoot",))
    yield Question("eth_getBlockByNumber", (height, False), parent_hash, ("parentHash",))
    yield Question("eth_getBlockByNumber", (height, False), hex(len(raw)), ("size",))
    yield Question("eth_getBlockByNumber", (height, False), hex(block.difficulty), ("difficulty",))
    yield Question("eth_getBlockByNumber", (height, False), [receipt.hash for receipt in block.receipts], ("transactions",))
    withdrawals = [
        dict(zip(("index", "validatorIndex", "address", "amount"), map(as_withdrawn, range(4), item), strict=True))
        for items in further
        for item in items
    ]
    yield Question("eth_getBlockByNumber", (height, False), withdrawals if further else None, ("withdrawals",))
    for name, by in ((height, "Number"), (block.hash, "Hash")):
        yield Question(f"eth_getBlockTransactionCountBy{by}", (name,), hex(len(transactions)))
        yield Question(f"eth_getUncleCountByBlock{by}", (name,), "0x0")
    yield Question("debug_getRawBlock", (height,), text(raw))
    yield Question("debug_getRawHeader", (height,), text(rlp.encode(header)))
    yield from about_transactions(block, [item if isinstance(item, bytes) else rlp.encode(item) for item in transactions])
    yield from about_state(block)


def as_json(name: str, value: bytes) -> str:
    return hex(int.from_bytes(value, "big")) if name in QUANTITIES else text(value)


def as_withdrawn(place: int, value: bytes) -> str:
    return text(value) if place == 2 else hex(int.from_bytes(value, "big"))


def about_transactions(block: BlockFacts, raw: Sequence[bytes]) -> Iterator[Question]:
    height, used_before, log_index = hex(block.number), 0, 0
    used = []
    for index, receipt in enumerate(block.receipts):
        used.append(hex(receipt.cumulative_gas_used - used_before))
        used_before = receipt.cumulative_gas_used
        place: dict[str, object] = {"blockHash": block.hash, "blockNumber": height, "transactionIndex": hex(index), "hash": receipt.hash}
        for field, value in place.items():
            yield Question("eth_getTransactionByHash", (receipt.hash,), value, (field,))
            yield Question("eth_getTransactionByBlockNumberAndIndex", (height, hex(index)), value, (field,))
            yield Question("eth_getTransactionByBlockHashAndIndex", (block.hash, hex(index)), value, (field,))
        yield Question("debug_getRawTransaction", (receipt.hash,), text(raw[index]))
        yield Question("eth_getRawTransactionByBlockNumberAndIndex", (height, hex(index)), text(raw[index]))
        assert text(keccak256(raw[index])) == receipt.hash
        outcome: dict[str, object] = {
            "cumulativeGasUsed": hex(receipt.cumulative_gas_used),
            "gasUsed": used[index],
            "root": receipt.root,
            "status": None if receipt.succeeded is None else hex(receipt.succeeded),
            "transactionIndex": hex(index),
        }
        for field, value in outcome.items():
            yield Question("eth_getTransactionReceipt", (receipt.hash,), value, (field,))
            yield Question("eth_getBlockReceipts", (height,), value, (index, field))
        for offset, log in enumerate(receipt.logs):
            placed: dict[str, object] = log | {"logIndex": hex(log_index), "transactionHash": receipt.hash}
            for field, value in placed.items():
                yield Question("eth_getTransactionReceipt", (receipt.hash,), value, ("logs", offset, field))
                yield Question("eth_getLogs", ({"blockHash": block.hash},), value, (log_index, field))
                yield Question("eth_getLogs", ({"fromBlock": height, "toBlock": height},), value, (log_index, field))
            log_index += 1
    for index, gas in enumerate(used):
        yield Question("debug_traceBlockByNumber", (height, {"tracer": "callTracer"}), gas, (index, "result", "gasUsed"))
        yield Question("debug_traceBlockByHash", (block.hash,), int(gas, 16), (index, "result", "gas"))


def about_state(block: BlockFacts) -> Iterator[Question]:
    height, by_hash = hex(block.number), {"blockHash": block.hash}
    assert block.facts is not None
    for address, (nonce, balance, _) in block.facts.accounts.items():
        for at in (height, by_hash):
            yield Question("eth_getTransactionCount", (address, at), hex(nonce))
            yield Question("eth_getBalance", (address, at), hex(balance))
    for address, slot, value in block.facts.slots:
        yield Question("eth_getStorageAt", (address, slot, height), f"0x{value:064x}")
        yield Question("eth_getStorageValues", ({address: [slot]}, height), f"0x{value:064x}", (address, 0))
        if address == text(GETTER):
            yield Question("eth_call", ({"to": address, "data": slot}, height), f"0x{value:064x}")
