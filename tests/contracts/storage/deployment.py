"""Flow, market and reward on a running chain, as tests of storage contracts use them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from web3.contract import Contract
from web3.types import RPCResponse

from tests.contracts.storage.model import heights, node_roots, pattern
from tests.interop.web3py.common import Context, artefact, deploy, write
from zerog.contracts.storage import FLOW, Submission, SubmissionNode, Submit, submit_call
from zerog.primitives import Address, Hash32, Wei, decode_data

PRICE_WEI = Wei(10)
RELEASE_S = 12 * 31 * 86400
PRICING_CHUNK_SECTORS = 1 << 25
GAS = 10_000_000


@dataclass(frozen=True, slots=True)
class Storage:
    """The contracts, and who may do what: `admin` set them up."""

    context: Context
    flow: Contract
    market: Contract
    reward: Contract
    admin: LocalAccount
    miner: LocalAccount
    """Stands for the contract that checks proofs of storage."""
    foundation: LocalAccount
    user: LocalAccount

    def send(self, by: LocalAccount, to: Contract, data: bytes, value: int = 0, *, succeeds: bool = True) -> dict[str, Any]:
        """The receipt of a transaction that the node signs."""
        request = {"from": by.address, "to": to.address, "data": "0x" + data.hex(), "value": hex(value), "gas": hex(GAS)}
        receipt: dict[str, Any] = self.context.send("eth_getTransactionReceipt", self.context.send("eth_sendTransaction", request))
        assert int(receipt["status"], 16) == succeeds, receipt
        return receipt

    def submit(self, submission: Submission, value: int | None = None) -> Submit:
        """Submit by the user, at exactly the price unless told otherwise, and return the event."""
        paid = submission.sectors * PRICE_WEI if value is None else value
        receipt = self.send(self.user, self.flow, submit_call(submission, Address(decode_data(self.user.address))), paid)
        [event] = submit_events(receipt)
        return event

    def read(
        self, data: bytes, *, to: Contract | None = None, by: LocalAccount | None = None, value: int = 0, gas: int | None = None
    ) -> bytes:
        """What a call returns that leaves no trace. Raises `RevertedError`."""
        target = (to or self.flow).address
        request = {"from": (by or self.user).address, "to": target, "data": "0x" + data.hex(), "value": hex(value)}
        if gas is not None:
            request["gas"] = hex(gas)
        response: RPCResponse = self.context.bare.provider.make_request("eth_call", [request, "latest"])  # type: ignore[arg-type]
        if "error" in response:
            raise RevertedError(response["error"])
        return decode_data(str(response["result"]))

    def flow_root(self, tx_seq: int) -> bytes:
        """Root of the flow right after a submission."""
        return self.read(FLOW.function("getFlowRootByTxSeq").encode(tx_seq))

    def balance(self, holder: Contract | LocalAccount) -> int:
        return self.context.w3.eth.get_balance(holder.address)


class RevertedError(Exception):
    """A call that reverted, with its text and its data."""

    def __init__(self, error: Any) -> None:
        super().__init__(error["message"])
        self.data = decode_data(error["data"])


def deploy_storage(
    context: Context,
    *,
    price: int = PRICE_WEI,
    blocks_per_epoch: int = 10**9,
    deploy_delay: int = 0,
    release_s: int = RELEASE_S,
    pricing_chunk_sectors: int = PRICING_CHUNK_SECTORS,
    mine: str | None = None,
) -> Storage:
    """Deploy and set up all three; the clock of epochs practically stands unless told otherwise."""
    admin, miner, foundation, user = context.accounts[1:5]
    flow = deploy(context, admin, artefact("storage/Flow"), deploy_delay, pricing_chunk_sectors)
    market = deploy(context, admin, artefact("storage/FixedPrice"))
    reward = deploy(context, admin, artefact("storage/ChunkLinearReward"), release_s, pricing_chunk_sectors)
    write(context, admin, reward, "initialize", market.address, mine or miner.address, foundation.address)
    write(context, admin, market, "initialize", price, flow.address, reward.address)
    write(context, admin, flow, "initialize", market.address, blocks_per_epoch)
    return Storage(context, flow, market, reward, admin, miner, foundation, user)


def pattern_file(size: int) -> Submission:
    """The submission of a file of the golden vectors."""
    return submission_of(size, zip(node_roots(pattern(size)), heights(size), strict=True))


def submission_of(size: int, nodes: Iterable[tuple[bytes, int]], tags: bytes = b"") -> Submission:
    return Submission(size_bytes=size, tags=tags, nodes=tuple(SubmissionNode(Hash32(root), height) for root, height in nodes))


def submit_events(receipt: dict[str, Any]) -> list[Submit]:
    """The `Submit` events of a transaction, in their order."""
    logs = [([decode_data(topic) for topic in log["topics"]], decode_data(log["data"])) for log in receipt["logs"]]
    return [Submit.decode(topics, data) for topics, data in logs if topics[0] == Submit.TOPIC]
