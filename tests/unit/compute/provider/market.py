"""A market as both of its sides see it: a chain, a model's server, whole providers on HTTP, and buyers who keep what proves their side.

`agree` is what every fault ends with: from his own notes, the provider's routes and the chain a buyer knows which of his requests were
charged, and the provider's books know the same.
"""

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import msgspec
from anyio import to_thread
from sqlalchemy import Connection

from tests.unit.compute.provider.place import ONE, PROVIDER, SERVING_ADDRESS, WAIT_S, Place, open_place
from tests.unit.compute.provider.stage import token_of
from tests.unit.compute.provider.test_role import running
from zerog.chain.client import ChainClient
from zerog.chain.client.connections import trust_of
from zerog.chain.protocol.logs import LogCriteria
from zerog.compute.client import ComputeClient, Verdict
from zerog.compute.protocol.receipts import InclusionProof, canonical_bytes, leaf_of, proven_place, recover_receipt_signer
from zerog.compute.protocol.settlement import PAYING
from zerog.compute.protocol.signing import sha256_hash
from zerog.compute.provider.book import Book, StoredReceipt, lock_accounts
from zerog.compute.provider.service import ComputeProvider
from zerog.compute.wire.answer_file import AnswerFile, SavedRequest, SavedResponse
from zerog.compute.wire.provider import ReceiptAnswer, SignatureAnswer, SignedReceipt
from zerog.contracts.compute import INFERENCE_SERVING, InferenceAccount, InferenceService, SettlementData, SettlementResult
from zerog.primitives import Account, Address, Hash32, decode_hook, encode_quantity
from zerog.testing.upstream import Upstream, serve_upstream

__all__ = ["CHAT_PATH", "MODEL", "Attempt", "Buyer", "Market", "agree", "client_of", "open_market", "until", "until_here", "wants"]

MODEL: Final = "llama"
CHAT_PATH: Final = "/v1/proxy/chat/completions"
DONE: Final = b"data: [DONE]\n\n"
LOOK_S: Final = 0.01
PAGE_ROWS: Final = 500


@dataclass
class Attempt:
    """One request as its user saw it."""

    body: bytes
    status: int | None = None
    """`None` where not even the head of an answer came."""
    key: str | None = None
    content_type: str = ""
    received: bytearray = field(default_factory=bytearray)
    has_ended: bool = False
    """Whether the answer came to the end that its framing announced."""

    def begin(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.key = response.headers.get("zg-res-key")
        self.content_type = response.headers["content-type"].partition(";")[0]

    @property
    def is_whole(self) -> bool:
        """Whether the user has what he paid for: an answer to its end."""
        is_done = self.content_type != "text/event-stream" or self.received.endswith(DONE)
        return self.status == 200 and self.has_ended and is_done

    @property
    def error(self) -> Any:
        """What the provider said went wrong: of a stream that broke off, in its last event."""
        return msgspec.json.decode(bytes(self.received).strip().rpartition(b"data: ")[2])["error"]


class _Page(msgspec.Struct):
    receipts: list[SignedReceipt]
    next_cursor: int | None


class Buyer:
    """A user with money at the provider, and what he keeps: what he asked, and what came back."""

    def __init__(self, place: Place, account: Account, deposited_wei: int) -> None:
        self.place = place
        self.account: Final = account
        self.deposited_wei = deposited_wei
        self.attempts: Final[list[Attempt]] = []

    @property
    def address(self) -> Address:
        return self.account.address

    def headers(self, **changes: Any) -> dict[str, str]:
        """A good token, or one with `changes`."""
        return token_of(self.account, provider=PROVIDER, **changes)

    def attempt(self, **changes: Any) -> Attempt:
        """A request that nobody has made before."""
        words = f"Question {len(self.attempts)} of {self.address}"
        chat = {"model": MODEL, "messages": [{"role": "user", "content": words}], "max_tokens": 16}
        attempt = Attempt(msgspec.json.encode({**chat, **changes}))
        self.attempts.append(attempt)
        return attempt

    async def ask(
        self, http: httpx.AsyncClient, *, headers: dict[str, str] | None = None, leave_after: bytes | None = None, **changes: Any
    ) -> Attempt:
        """Chat, and read to the end, or until `leave_after` has come."""
        attempt = self.attempt(**changes)
        sent = {"content-type": "application/json", **(self.headers() if headers is None else headers)}
        try:
            async with http.stream("POST", CHAT_PATH, content=attempt.body, headers=sent) as response:
                attempt.begin(response)
                async for piece in response.aiter_raw():
                    attempt.received += piece
                    if leave_after is not None and leave_after in attempt.received:
                        return attempt
            attempt.has_ended = True
        except httpx.TransportError:
            pass  # The connection ended: the attempt says how far it came.
        return attempt

    async def charged(self, http: httpx.AsyncClient) -> dict[Hash32, SignedReceipt]:
        """The receipts that the provider has for him, by the hash of what was asked: no two are for the same request."""
        found: dict[Hash32, SignedReceipt] = {}
        cursor = ""
        while True:
            answer = await http.get(f"/v1/receipts?limit={PAGE_ROWS}{cursor}", headers=self.headers())
            assert answer.status_code == 200, answer.text
            page = msgspec.json.decode(answer.content, type=_Page, dec_hook=decode_hook)
            for signed in page.receipts:
                assert signed.receipt.request_sha256 not in found, "a request is charged once"
                assert leaf_of(canonical_bytes(signed.receipt)) == signed.leaf
                assert recover_receipt_signer(signed.leaf, signed.signature) == signed.receipt.signer
                found[signed.receipt.request_sha256] = signed
            if page.next_cursor is None:
                return found
            cursor = f"&cursor={page.next_cursor}"

    async def owed_wei(self, http: httpx.AsyncClient) -> int:
        answer = await http.get(f"/v1/user/{self.address}/unsettledfee", headers=self.headers())
        assert answer.status_code == 200, answer.text
        return int(answer.json()["unsettledFee"])

    async def balance_wei(self) -> int:
        """What the contract says is left."""
        call = INFERENCE_SERVING.function("getAccount").encode(self.address, PROVIDER.address)
        return InferenceAccount.decode(await self.place.client.call(SERVING_ADDRESS, call)).balance_wei

    async def receipt(self, http: httpx.AsyncClient, key: str) -> ReceiptAnswer | None:
        """By its route, which needs no token; `None` if there is none."""
        answer = await http.get(f"/v1/receipts/{key}")
        assert answer.status_code in (200, 404), answer.text
        return msgspec.json.decode(answer.content, type=ReceiptAnswer, dec_hook=decode_hook) if answer.status_code == 200 else None

    async def saved(self, http: httpx.AsyncClient, attempt: Attempt) -> AnswerFile:
        """A whole answer as it is kept in a file, with what proves it."""
        assert attempt.key is not None
        signature = await http.get(f"/v1/proxy/signature/{attempt.key}")
        receipt = await self.receipt(http, attempt.key)
        assert receipt is not None
        service = InferenceService.decode(
            await self.place.client.call(SERVING_ADDRESS, INFERENCE_SERVING.function("getService").encode(PROVIDER.address))
        )
        received = bytes(attempt.received)
        return AnswerFile(
            chain_id=31337,
            contract=SERVING_ADDRESS,
            provider=PROVIDER.address,
            url=service.params.url,
            model=MODEL,
            request=SavedRequest(path=CHAT_PATH, content_type="application/json", body=attempt.body, sha256=sha256_hash(attempt.body)),
            response=SavedResponse(status=200, content_type=attempt.content_type, body=received, sha256=sha256_hash(received)),
            signature=msgspec.json.decode(signature.content, type=SignatureAnswer, dec_hook=decode_hook),
            receipt=receipt.signed,
            settlement=receipt.settlement,
        )

    async def verdict(self, http: httpx.AsyncClient, attempt: Attempt) -> Verdict:
        """What his saved answer proves, with the chain alone. Raises `AnswerRefutedError`."""
        return await self.check(await self.saved(http, attempt))

    async def check(self, file: AnswerFile) -> Verdict:
        """What a file proves, with the chain alone. Raises `AnswerRefutedError`."""
        return await to_thread.run_sync(verify, self.place.url, file.to_bytes())


def verify(chain_url: str, content: bytes) -> Verdict:
    with ChainClient(chain_url) as chain, ComputeClient(chain=chain) as client:
        return client.verify(content)


@dataclass
class Market:
    """A chain, a model's server and one provider between them, and the way to it."""

    place: Place
    upstream: Upstream
    provider: ComputeProvider
    http: httpx.AsyncClient

    @property
    def book(self) -> Book:
        return self.provider.running.desk.book

    async def buyer(self, amount_wei: int = 2 * ONE) -> Buyer:
        return await wants(self.place, amount_wei)

    async def settle(self) -> None:
        assert (await self.provider.running.settler.settle()).unfinished == 0

    async def agree(self, *buyers: Buyer, settled: bool = True) -> Counter[Address]:
        """Settle, and see that both sides tell the same; how many requests each buyer was charged for."""
        if settled:
            await self.settle()
        return await agree(self.place, self.http, self.book, buyers, settled=settled)


async def wants(place: Place, amount_wei: int = 2 * ONE, account: Account | None = None) -> Buyer:
    """Somebody new, or `account`, with so much money at the provider."""
    account = account or Account.from_private_key(secrets.token_bytes(32))
    await place.client.request("hardhat_setBalance", str(account.address), encode_quantity(100 * ONE))
    await place.fund(account, amount_wei)
    return Buyer(place, account, amount_wei)


def client_of(url: str) -> httpx.AsyncClient:
    """For any number of requests at once."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    return httpx.AsyncClient(base_url=url, timeout=60, limits=limits, trust_env=False, verify=trust_of(url))


async def until_here(fits: Callable[[], bool], seconds: float = WAIT_S) -> None:
    """Wait for something that happens in this process, and tells nobody."""

    async def look() -> bool:
        await anyio.lowlevel.checkpoint()
        return fits()

    await until(look, seconds)


async def until(fits: Callable[[], Awaitable[bool]], seconds: float = WAIT_S) -> None:
    """Ask again and again until it is so."""
    with anyio.fail_after(seconds):
        while not await fits():  # noqa: ASYNC110 - see above.
            await anyio.sleep(LOOK_S)


@asynccontextmanager
async def open_market(folder: Path, *, place: Place | None = None, **settings: Any) -> AsyncIterator[Market]:
    """A provider that stands on chain with an acknowledged signer; `place` if its chain is there already."""
    if place is None:
        async with open_place() as own, open_market(folder, place=own, **settings) as market:
            yield market
        return
    async with serve_upstream() as upstream:
        values = {"engine": (upstream.url,), "model": MODEL, "upstream_model": "scripted", "concurrent": 0, "concurrent_per_user": 0}
        async with running(place, folder, **{**values, **settings}) as (provider, narrow):
            await acknowledged(place, narrow)
            async with client_of(str(provider.url)) as http:
                yield Market(place, upstream, provider, http)


async def acknowledged(place: Place, http: httpx.AsyncClient) -> None:
    """Wait until the provider's service stands on chain, vouch for its signer, and wait until the provider knows."""

    async def is_registered() -> bool:
        call = INFERENCE_SERVING.function("serviceExists").encode(PROVIDER.address)
        [found] = INFERENCE_SERVING.function("serviceExists").decode_result(await place.client.call(SERVING_ADDRESS, call))
        return bool(found)

    async def is_ready() -> bool:
        return (await http.get("/readyz")).status_code == 200

    await until(is_registered)
    await place.acknowledge()
    await until(is_ready)


async def agree(
    place: Place, http: httpx.AsyncClient, book: Book, buyers: Sequence[Buyer], *, settled: bool, samples: int = 2
) -> Counter[Address]:
    """Hold both sides' words against each other and the chain. Returns how many requests each buyer was charged for.

    With `settled` nothing is owed any more. The proofs of `samples` answers a buyer are checked to the last hash; the rest by sums.
    """
    paid = await paid_on_chain(place)
    counts: Counter[Address] = Counter()
    for buyer in buyers:
        charged = await buyer.charged(http)
        await _check_attempts(buyer, http, charged)
        fees_wei = sum(int(signed.receipt.fee) for signed in charged.values())
        owed_wei = await buyer.owed_wei(http)
        assert owed_wei + paid[buyer.address] == fees_wei
        assert await buyer.balance_wei() == buyer.deposited_wei - paid[buyer.address] >= 0
        assert (owed_wei == 0) or not settled
        await _check_book(book, buyer, charged, owed_wei)
        if settled:
            for signed in list(charged.values())[:samples]:
                await _check_settlement(buyer, http, signed)
            for attempt in [attempt for attempt in buyer.attempts if attempt.is_whole][:samples]:
                verdict = await buyer.verdict(http, attempt)
                assert verdict.settled is not None
                assert verdict.settled.is_whole
        counts[buyer.address] = len(charged)
    return counts


async def _check_attempts(buyer: Buyer, http: httpx.AsyncClient, charged: dict[Hash32, SignedReceipt]) -> None:
    """What came back, and whether it was charged, fit together."""
    asked = {sha256_hash(attempt.body): attempt for attempt in buyer.attempts}
    assert len(asked) == len(buyer.attempts)
    assert charged.keys() <= asked.keys(), "nothing is charged that nobody asked"
    looked = 0
    for digest, attempt in asked.items():
        signed = charged.get(digest)
        if attempt.is_whole:
            assert signed is not None, "a whole answer was charged before its end was sent"
            assert (signed.receipt.id, signed.receipt.response_sha256) == (attempt.key, sha256_hash(bytes(attempt.received)))
        if attempt.status not in (None, 200):
            assert signed is None, "a refused request costs nothing"
        key = attempt.key if signed is None else signed.receipt.id
        if key is None or (attempt.is_whole and looked > 3):
            continue
        looked += 1
        expected = 404 if signed is None else 200
        for path in (f"/v1/receipts/{key}", f"/v1/proxy/signature/{key}"):
            assert (await http.get(path)).status_code == expected


async def _check_book(book: Book, buyer: Buyer, charged: dict[Hash32, SignedReceipt], owed_wei: int) -> None:
    """The provider's own account of it."""
    rows: list[StoredReceipt] = []
    cursor = None
    while True:
        page = await book.receipts(buyer.address, cursor, PAGE_ROWS)
        rows += page.rows
        cursor = page.next_cursor
        if cursor is None:
            break
    assert Counter(row.request_id for row in rows) == Counter(signed.receipt.id for signed in charged.values())
    assert sum(row.fee_wei for row in rows) == sum(int(signed.receipt.fee) for signed in charged.values())

    def read(connection: Connection) -> tuple[int, int]:
        account = lock_accounts(connection, [buyer.address])[buyer.address]
        return account.unsettled_wei, account.reserved_wei

    assert await book.write(read) == (owed_wei, 0)


async def _check_settlement(buyer: Buyer, http: httpx.AsyncClient, signed: SignedReceipt) -> None:
    """A receipt leads to the root of an entry that was carried by a transaction of the contract."""
    told = await buyer.receipt(http, signed.receipt.id)
    assert told is not None
    assert told.signed == signed
    settlement = told.settlement
    assert settlement is not None
    proof = InclusionProof(index=settlement.index, count=settlement.count, proof=settlement.proof)
    proven = proven_place(signed.leaf, int(signed.receipt.fee), proof)
    assert (proven.root, proven.total_wei) == (settlement.entry.requests_hash, int(settlement.entry.total_fee))
    entry = (await entries_of(buyer.place, settlement.transaction_hash))[buyer.address]
    assert (entry.requests_hash, entry.total_fee_wei) == (settlement.entry.requests_hash, int(settlement.entry.total_fee))


async def entries_of(place: Place, transaction_hash: Hash32) -> dict[Address, SettlementData]:
    """What a transaction of settlement carries, by user."""
    found: Any = await place.client.request("eth_getTransactionByHash", str(transaction_hash))
    [rows] = INFERENCE_SERVING.function("settleFeesWithTEE").decode_call(bytes.fromhex(found["input"][2:]))
    entries = [SettlementData.from_abi(row) for row in rows]
    return {entry.user: entry for entry in entries}


async def paid_on_chain(place: Place) -> Counter[Address]:
    """What settlements have taken from each user, by the contract's events and the transactions that made them."""
    logs = await place.client.logs(LogCriteria((SERVING_ADDRESS,), ((SettlementResult.TOPIC,),)))
    entries: dict[Hash32, dict[Address, SettlementData]] = {}
    paid: Counter[Address] = Counter()
    for log in logs:
        result = SettlementResult.decode(log.topics, log.data)
        if log.transaction_hash not in entries:
            entries[log.transaction_hash] = await entries_of(place, log.transaction_hash)
        if result.status in PAYING:
            paid[result.user] += entries[log.transaction_hash][result.user].total_fee_wei - result.unsettled_wei
    return paid
