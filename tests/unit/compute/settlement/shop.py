"""A provider without its routes: a book on disk, a chain in this process, and what lies between them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import anyio

from tests.unit.compute.book.making import ShiftedClock
from tests.unit.compute.provider.place import ONE, PROVIDER, SERVING_ADDRESS, SIGNER, WAIT_S, Line, Place, offer
from zerog.chain.client import AsyncChainClient
from zerog.chain.protocol.logs import LogCriteria
from zerog.compute.protocol.fees import Fee, Usage
from zerog.compute.protocol.receipts import (
    EngineIdentity,
    InclusionProof,
    Receipt,
    canonical_bytes,
    leaf_of,
    proven_place,
    read_receipt,
    sign_receipt,
)
from zerog.compute.protocol.settlement import SettlementData, domain_separator, recover_settlement_signer
from zerog.compute.protocol.signing import sign_text
from zerog.compute.provider.book import Book, Charge
from zerog.compute.provider.book.proofs import SettlementProofs
from zerog.compute.provider.chain import ProviderChain
from zerog.compute.provider.settler import Settler, SettlerOptions
from zerog.compute.wire.provider import SettlementPlace
from zerog.contracts.compute import INFERENCE_SERVING, InferenceAccount, SettlementResult
from zerog.primitives import Account, Address, Hash32, Wei

CHAIN_ID: Final = 31337
TENTH: Final = ONE // 10
DOMAIN: Final = domain_separator(CHAIN_ID, SERVING_ADDRESS)


def charge_for(user: Address, fee_wei: int, request_id: str | None = None) -> Charge:
    """A charge with its true papers."""
    request_id = request_id or str(uuid4())
    text = f"{'11' * 32}:{'22' * 32}"
    receipt = Receipt(
        version=1,
        id=request_id,
        chain_id=CHAIN_ID,
        provider=PROVIDER.address,
        user=user,
        service_type="chatbot",
        model="a-model",
        request_sha256=Hash32(b"\x11" * 32),
        response_sha256=Hash32(b"\x22" * 32),
        signed_text=text,
        usage=Usage(prompt_tokens=1, completion_tokens=1),
        **Receipt.fees(Fee(Wei(0), Wei(fee_wei))),
        created_at_ms=1_700_000_000_000,
        signer=SIGNER.address,
        engine=EngineIdentity(name="test", version="1"),
    )
    data = canonical_bytes(receipt)
    leaf = leaf_of(data)
    return Charge(
        request_id=request_id,
        user=user,
        fee_wei=fee_wei,
        receipt=data,
        leaf=leaf,
        receipt_signature=sign_receipt(leaf, SIGNER.private_key),
        signed_text=text,
        text_signature=sign_text(text, SIGNER.private_key),
        signing_address=SIGNER.address,
        created_at_ms=receipt.created_at_ms,
    )


@dataclass
class Shop:
    """One broker."""

    place: Place
    line: Line
    book: Book
    chain: ProviderChain
    settler: Settler
    clock: ShiftedClock

    async def charge(self, user: Account, fees: Sequence[int]) -> list[str]:
        """Bill requests; returns their ids."""
        charges = [charge_for(user.address, fee) for fee in fees]
        for charge in charges:
            await self.book.charge(charge)
        return [charge.request_id for charge in charges]

    async def place_of(self, request_id: str) -> SettlementPlace | None:
        proofs = SettlementProofs(self.book, provider=PROVIDER.address, contract=SERVING_ADDRESS)
        return await proofs.place_of(request_id)

    async def balance(self, user: Account) -> int:
        """What is left of a user's money with the provider."""
        answer = await self.chain.call(INFERENCE_SERVING.function("getAccount").encode(user.address, PROVIDER.address))
        return InferenceAccount.decode(answer).balance_wei

    async def paid(self, user: Account) -> int:
        """What all settlements on chain have taken from a user, by the contract's events."""
        results = await settled_events(self.place)
        return sum(total - event.unsettled_wei for event, total in results if event.user == user.address and event.status in (0, 1))

    async def check_proof(self, request_id: str) -> SettlementPlace:
        """The place of a receipt, held against the chain by everything that a user can recompute."""
        place, stored = await self.place_of(request_id), await self.book.receipt(request_id)
        assert place is not None
        assert stored is not None
        proof = InclusionProof(index=place.index, count=place.count, proof=place.proof)
        proven = proven_place(leaf_of(stored.receipt), int(read_receipt(stored.receipt).fee), proof)
        assert (proven.root, str(proven.total_wei)) == (place.entry.requests_hash, place.entry.total_fee)
        entry = SettlementData(
            user=place.entry.user,
            provider=place.entry.provider,
            total_fee_wei=Wei(int(place.entry.total_fee)),
            requests_hash=place.entry.requests_hash,
            nonce=int(place.entry.nonce),
            signature=bytes(place.entry.signature),
        )
        assert recover_settlement_signer(entry, DOMAIN) == SIGNER.address
        receipt = await self.place.client.receipt(place.transaction_hash)
        assert receipt is not None
        assert (receipt.succeeded, receipt.block_number) == (True, place.block_number)
        assert entry.to_abi() in (await called_with(self.place, place.transaction_hash))
        return place


async def called_with(place: Place, transaction_hash: Hash32) -> list[tuple[object, ...]]:
    """The entries that a transaction of settlement carries."""
    found = await place.client.request("eth_getTransactionByHash", str(transaction_hash))
    assert isinstance(found, dict)
    data = bytes.fromhex(str(found["input"])[2:])
    [entries] = INFERENCE_SERVING.function("settleFeesWithTEE").decode_call(data)
    return [tuple(entry) for entry in entries]


async def settled_events(place: Place) -> list[tuple[SettlementResult, int]]:
    """Each result that the contract ever told of, with the total of its entry."""
    logs = await place.client.logs(LogCriteria((SERVING_ADDRESS,), ((SettlementResult.TOPIC,),)))
    results = []
    for log in logs:
        event = SettlementResult.decode(log.topics, log.data)
        entries = await called_with(place, log.transaction_hash)
        results.append((event, next(int(str(entry[2])) for entry in entries if entry[0] == event.user)))
    return results


async def open_shop(
    place: Place, url: str, *, broker_id: str = "a", clock: ShiftedClock | None = None, book: Book | None = None, line: Line | None = None
) -> Shop:
    """A broker as it starts. Nobody follows the chain for it: what it needs to know it asks."""
    clock = clock or ShiftedClock()
    line = line or Line()
    book = book or await Book.open(url, broker_id=broker_id, clock=clock)
    chain = ProviderChain(AsyncChainClient(place.url, transport=line), PROVIDER, SERVING_ADDRESS, chain_id=CHAIN_ID, clock=clock)
    settler = Settler(book, chain, SIGNER, clock, SettlerOptions(force_s=0.05, check_s=0.05))
    return Shop(place, line, book, chain, settler, clock)


@asynccontextmanager
async def shop(place: Place, url: str, **changes: object) -> AsyncIterator[Shop]:
    opened = await open_shop(place, url, **changes)  # type: ignore[arg-type]  # As `open_shop` has them.
    try:
        yield opened
    finally:
        with anyio.CancelScope(shield=True), anyio.fail_after(WAIT_S):
            await opened.book.aclose()
            await opened.chain.client.close()


async def offered(place: Place, *, acknowledged: bool = True) -> Place:
    """Stand in for the start of a provider: its service is on chain."""
    await place.serving(PROVIDER, "addOrUpdateService", offer().to_abi(), value_wei=100 * ONE)
    if acknowledged:
        await place.acknowledge()
    return place
