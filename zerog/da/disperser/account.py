"""The disperser's account on chain: prices, gas, signed transactions, and what became of them."""

from dataclasses import dataclass
from typing import Any, Final

import anyio
import structlog

from zerog._kernel import keccak256
from zerog.chain.client import RpcError
from zerog.chain.client.draft import sign_transaction
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.contracts.da_refusals import da_refusal
from zerog.da.client.chain import DaChain
from zerog.da.disperser.store import Sending
from zerog.primitives import Account, Data, DecodeError, Hash32, Quantity

__all__ = ["ChainAccount", "Fees", "words_of"]

log = structlog.get_logger(__name__)

CALL_S_MAX: Final = 20.0
GAS_ROOM_PERCENT: Final = 130
"""Of the estimate. Source: 0glabs/0g-da-client, disperser/batcher/transactor (gas × 1.3)."""
GAS_ROOM: Final = 300_000
"""Beside that: the block that takes the transaction may be the first of a round of sampling or of an epoch, which the estimate was not."""
BUMP_PERCENT: Final = 125
"""Nodes take a replacement that pays at least a tenth more. Source: ethereum/go-ethereum, core/txpool (price bump)."""
KNOWN_TEXTS: Final = ("already known", "already imported", "nonce too low", "underpriced")
"""A node that says so has this transaction, or one in its place. Source: ethereum/go-ethereum, core/txpool/errors.go."""


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers for its gas, in wei."""

    base_wei: int
    tip_wei: int

    def raised(self, times: int) -> "Fees":
        """Enough to take the place of a transaction that was raised once less."""
        base_wei, tip_wei = self.base_wei, self.tip_wei
        for _ in range(times):
            base_wei, tip_wei = -(-base_wei * BUMP_PERCENT // 100), -(-tip_wei * BUMP_PERCENT // 100) + 1
        return Fees(base_wei, tip_wei)


class ChainAccount:
    """Signs for one account, to the entrance contract. All calls raise the chain's failures."""

    def __init__(self, chain: DaChain, account: Account) -> None:
        self.chain: Final = chain
        self.account: Final = account

    async def nonce(self, block: str) -> int:
        """The account's next number, after what is in blocks (`latest`) or on its way (`pending`)."""
        with anyio.fail_after(CALL_S_MAX):
            return int(await self.chain.client.nonce(self.account.address, block))

    async def fees(self) -> Fees:
        """What the next blocks ask."""
        with anyio.fail_after(CALL_S_MAX):
            head = await self.chain.client.block()
            tip = Quantity.from_json(await self.chain.client.request("eth_maxPriorityFeePerGas"))
        return Fees(0 if head is None else int(head.base_fee_per_gas), int(tip))

    async def gas(self, data: bytes, value_wei: int) -> int:
        """What a call of the entrance may take. Raises `RpcError` where it would fail."""
        with anyio.fail_after(CALL_S_MAX):
            needed = await self.chain.client.estimate_gas(self.account.address, self.chain.entrance, value_wei=value_wei, data=data)
        return needed * GAS_ROOM_PERCENT // 100 + GAS_ROOM

    def sign(self, data: bytes, *, nonce: int, gas_limit: int, value_wei: int, fees: Fees) -> Sending:
        """A signed call of the entrance."""
        raw = sign_transaction(
            self.account,
            chain_id=self.chain.chain_id,
            nonce=nonce,
            gas_limit=gas_limit,
            base_fee_wei=fees.base_wei,
            tip_wei=fees.tip_wei,
            to=self.chain.entrance,
            value_wei=value_wei,
            data=data,
        )
        return Sending(Hash32(keccak256(raw)), nonce, raw)

    async def send(self, sending: Sending) -> None:
        """Hand a transaction to the node. One that it has already, or that it has another for, is looked for by its receipt."""
        try:
            with anyio.fail_after(CALL_S_MAX):
                await self.chain.client.send_raw(sending.raw)
        except RpcError as error:
            if not any(known in error.message for known in KNOWN_TEXTS):
                raise
            log.info("transaction_not_taken", transaction=str(sending.hash), cause=error.message)

    async def receipt(self, transaction_hash: Hash32) -> ReceiptAnswer | None:
        """What a transaction did, `None` while it is in no block."""
        with anyio.fail_after(CALL_S_MAX):
            return await self.chain.client.receipt(transaction_hash)


def words_of(error: RpcError) -> str:
    """Why a call would fail: the contract's own words where the node has them."""
    data: Any = error.data.get("data") if isinstance(error.data, dict) else error.data
    if isinstance(data, str):
        try:
            refusal = da_refusal(Data.from_json(data))
        except (ValueError, DecodeError):
            refusal = None
        if refusal is not None:
            return str(refusal)
    return error.message
