"""What users owe is paid once, in order, as far as their money goes; and each receipt can be proven."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import httpx
import pytest

from tests.postgres import PostgresServer
from tests.unit.compute.provider.place import (
    LEDGER,
    LEDGER_ADDRESS,
    ONE,
    PROVIDER,
    SERVICE_NAME,
    SIGNER,
    USERS,
    WAIT_S,
    Line,
    open_place,
)
from tests.unit.compute.settlement.shop import DOMAIN, TENTH, Shop, offered, shop
from zerog.chain.client import NodeUnreachableError
from zerog.compute.protocol.receipts import InclusionProof, canonical_bytes, leaf_of, proven_place
from zerog.compute.protocol.settlement import Settlement, sign_settlement
from zerog.compute.provider.settler import NotSettledError
from zerog.primitives import Account, Hash32

pytestmark = pytest.mark.anyio
USER, OTHER, STRANGER = USERS[3:6]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/book.db"


class Ambush(Line):
    """Does something on chain right before a settlement is sent."""

    def __init__(self, act: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.act = act
        self.has_acted = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if b"eth_sendRawTransaction" in request.content and not self.has_acted:
            self.has_acted = True
            await self.act()
        return await super().handle_async_request(request)


async def test_what_is_owed_is_paid_and_every_receipt_is_proven(url: str) -> None:
    async with open_place() as place, shop(await offered(place), url) as broker:
        for user in (USER, OTHER):
            await place.fund(user, 3 * ONE)
        ids = await broker.charge(USER, [7, 0, 11, 10**17]) + await broker.charge(OTHER, [5])
        assert await broker.chain.account(USER.address) is not None
        report = await broker.settler.settle()
        view = await broker.chain.account(USER.address)
        assert view is not None
        assert view.balance_wei == await broker.balance(USER), "what was paid is not counted as locked any more"
        assert (report.transactions, report.entries, report.requests, report.unfinished) == (1, 2, 5, 0)
        assert (await broker.balance(USER), await broker.balance(OTHER)) == (3 * ONE - 10**17 - 18, 3 * ONE - 5)
        assert await broker.book.unsettled_wei(USER.address) == await broker.book.unsettled_wei(OTHER.address) == 0
        places = [await broker.check_proof(request_id) for request_id in ids]
        assert [(found.index, found.count) for found in places] == [(0, 4), (1, 4), (2, 4), (3, 4), (0, 1)]
        assert (await broker.settler.settle()).transactions == 0
        first = int(places[0].entry.nonce)
        [again] = await broker.charge(USER, [3])
        assert await broker.place_of(again) is None
        await broker.settler.settle()
        assert int((await broker.check_proof(again)).entry.nonce) > first


async def test_short_money_pays_the_first_requests_and_the_rest_when_there_is_more(path: str) -> None:
    async with open_place() as place, shop(await offered(place), path) as broker:
        await place.fund(USER, ONE)
        ids = await broker.charge(USER, [4 * TENTH, 4 * TENTH, 4 * TENTH, TENTH])
        report = await broker.settler.settle()
        assert report.requests == 2
        assert [await broker.place_of(request_id) is not None for request_id in ids] == [True, True, False, False]
        assert await broker.book.unsettled_wei(USER.address) == 5 * TENTH
        await place.fund(USER, ONE)
        await broker.settler.settle()
        assert await broker.book.unsettled_wei(USER.address) == 5 * TENTH, "he is left alone until an event tells of his money"
        broker.settler._note_change(USER.address)
        await broker.settler.settle()
        assert await broker.book.unsettled_wei(USER.address) == 0
        assert await broker.paid(USER) == 13 * TENTH
        for request_id in ids:
            await broker.check_proof(request_id)


async def test_money_that_goes_between_preview_and_block_pays_a_part_and_the_rest_is_claimed_once(path: str) -> None:
    async with open_place() as place:
        await offered(place)
        await place.fund(USER, 3 * ONE)
        retrieve = ([PROVIDER.address], SERVICE_NAME)
        await place.send(USER, LEDGER_ADDRESS, LEDGER, "retrieveFund", *retrieve)
        await place.send(USER, LEDGER_ADDRESS, LEDGER, "transferFund", PROVIDER.address, SERVICE_NAME, ONE)
        await place.client.request("evm_increaseTime", 3_700)

        async def take_the_refund() -> None:
            await place.send(USER, LEDGER_ADDRESS, LEDGER, "retrieveFund", *retrieve)

        async with shop(place, path, line=Ambush(take_the_refund)) as broker:
            ids = await broker.charge(USER, [4 * TENTH] * 5)
            assert (await broker.settler.settle()).requests == 5
            assert await broker.balance(USER) == 0
            assert await broker.book.unsettled_wei(USER.address) == ONE
            found = [await broker.place_of(request_id) for request_id in ids]
            assert [None if each is None else each.paid for each in found] == [None, None, str(2 * TENTH), None, None]
            assert [each is not None for each in found] == [True, True, True, False, False]
            await place.fund(USER, 3 * TENTH + ONE)
            broker.settler._note_change(USER.address)
            await broker.settler.settle()
            assert await broker.book.unsettled_wei(USER.address) == 0
            assert await broker.paid(USER) == 20 * TENTH
            assert await broker.balance(USER) == 3 * TENTH
            for request_id in ids:
                await broker.check_proof(request_id)
            parted = await broker.check_proof(ids[2])
            [rest] = parted.remainders
            assert rest.settlement is not None
            assert (rest.remainder.paid, rest.remainder.amount, rest.remainder.after_nonce) == (
                str(2 * TENTH), str(2 * TENTH), parted.entry.nonce
            )  # fmt: skip
            assert leaf_of(canonical_bytes(rest.remainder)) == rest.leaf
            place_of_rest = rest.settlement
            proof = InclusionProof(index=place_of_rest.index, count=place_of_rest.count, proof=place_of_rest.proof)
            assert proven_place(rest.leaf, int(rest.remainder.amount), proof).root == place_of_rest.entry.requests_hash
            assert (proof.index, proof.count, place_of_rest.entry.total_fee) == (0, 3, str(10 * TENTH))


async def test_a_nonce_that_somebody_used_is_passed_over(path: str) -> None:
    async with open_place() as place, shop(await offered(place), path) as broker:
        await place.fund(USER, ONE)
        foreign = Settlement(user=USER.address, provider=PROVIDER.address, total_fee_wei=1, requests_hash=Hash32(bytes(32)), nonce=2**70)
        await place.serving(PROVIDER, "settleFeesWithTEE", [sign_settlement(foreign, DOMAIN, SIGNER.private_key).to_abi()])
        [request_id] = await broker.charge(USER, [7])
        await broker.settler.settle()
        assert int((await broker.check_proof(request_id)).entry.nonce) == 2**70 + 1


async def test_a_nonce_that_is_used_at_the_last_moment_is_signed_anew(path: str) -> None:
    async with open_place() as place:
        await offered(place)
        await place.fund(USER, ONE)
        foreign = Settlement(user=USER.address, provider=PROVIDER.address, total_fee_wei=1, requests_hash=Hash32(bytes(32)), nonce=2**70)

        async def settle_elsewhere() -> None:
            """It also takes the account's number from the transaction that is about to be sent."""
            await place.serving(PROVIDER, "settleFeesWithTEE", [sign_settlement(foreign, DOMAIN, SIGNER.private_key).to_abi()])

        async with shop(place, path, line=Ambush(settle_elsewhere)) as broker:
            [request_id] = await broker.charge(USER, [7])
            await broker.settler.settle()
            assert await broker.book.unsettled_wei(USER.address) == 0
            assert int((await broker.check_proof(request_id)).entry.nonce) == 2**70 + 1
            assert await broker.paid(USER) == 8


async def test_nothing_is_settled_or_lost_before_the_owner_vouches_for_the_signer(path: str) -> None:
    async with open_place() as place, shop(await offered(place, acknowledged=False), path) as broker:
        await place.fund(USER, ONE)
        [request_id] = await broker.charge(USER, [7])
        with pytest.raises(NotSettledError, match="not acknowledged"):
            await broker.settler.settle()
        await place.acknowledge()
        await broker.settler.settle()
        await broker.check_proof(request_id)


async def test_whoever_has_no_account_is_left_alone_and_holds_nobody_up(path: str) -> None:
    async with open_place() as place, shop(await offered(place), path) as broker:
        await place.fund(USER, ONE)
        await broker.charge(STRANGER, [7])
        [request_id] = await broker.charge(USER, [7])
        assert (await broker.settler.settle()).entries == 1
        await broker.check_proof(request_id)
        assert await broker.book.unsettled_wei(STRANGER.address) == 7
        await place.fund(STRANGER, ONE)
        broker.clock.ahead_s += 3_700
        assert (await broker.settler.settle()).entries == 1
        assert await broker.book.unsettled_wei(STRANGER.address) == 0


async def test_only_those_at_risk_are_settled_early(path: str) -> None:
    async with open_place() as place, shop(await offered(place), path) as broker:
        for user in (USER, OTHER, STRANGER):
            await place.fund(user, 2 * ONE)
        await place.send(OTHER, LEDGER_ADDRESS, LEDGER, "retrieveFund", [PROVIDER.address], SERVICE_NAME)
        for user in (USER, OTHER):
            await broker.charge(user, [7])
        await broker.charge(STRANGER, [30 * 10**6])
        assert (await broker.settler.settle(everything=False)).entries == 2
        assert await broker.book.unsettled_wei(USER.address) == 7
        assert (await broker.settler.settle()).entries == 1


async def test_a_chain_that_is_away_holds_settlements_back_and_loses_none(path: str) -> None:
    async with open_place() as place, shop(await offered(place), path) as broker:
        await place.fund(USER, ONE)
        ids = await broker.charge(USER, [7, 8])
        broker.line.is_cut = True
        with pytest.raises(NodeUnreachableError):
            await broker.settler.settle()
        broker.line.is_cut = False
        await broker.settler.settle()
        for request_id in ids:
            await broker.check_proof(request_id)
        assert await broker.paid(USER) == 15


async def test_a_chain_that_goes_back_is_paid_on_again(path: str) -> None:
    async with open_place() as place, shop(await offered(place), path) as broker:
        await place.fund(USER, ONE)
        snapshot = await place.client.request("evm_snapshot")
        ids = await broker.charge(USER, [7, 8])
        await broker.settler.settle()
        [later] = await broker.charge(USER, [9])
        await broker.settler.settle()
        await place.client.request("evm_revert", snapshot)
        assert await broker.balance(USER) == ONE
        await place.client.request("evm_mine")
        await broker.settler.settle()
        assert await broker.book.unsettled_wei(USER.address) == 0
        assert await broker.balance(USER) == ONE - 24
        for request_id in [*ids, later]:
            await broker.check_proof(request_id)


async def test_a_chain_thirty_days_ahead_is_settled_on_as_before(path: str) -> None:
    async with open_place() as place, shop(await offered(place), path) as broker:
        await place.fund(USER, ONE)
        await place.client.request("evm_increaseTime", 30 * 86_400)
        [request_id] = await broker.charge(USER, [7])
        await broker.settler.settle()
        await broker.check_proof(request_id)


async def test_a_provider_that_stops_settles_everything_first(path: str) -> None:
    async with open_place() as place, shop(await offered(place), path) as broker:
        await place.fund(USER, ONE)
        async with anyio.create_task_group() as group:
            await group.start(broker.settler.run)
            with anyio.fail_after(WAIT_S):
                while broker.settler.status()["settlings"] == 0:  # noqa: ASYNC110 - it counts, and tells nobody.
                    await anyio.sleep(0.002)
            [request_id] = await broker.charge(USER, [7])
            group.cancel_scope.cancel()
        await broker.check_proof(request_id)
        assert broker.settler.trouble is None


async def settle_all(broker: Shop) -> None:
    """As two brokers do that come together by chance: whoever may not settle tries again."""
    with anyio.fail_after(WAIT_S):
        while (await broker.settler.settle()).is_elsewhere:  # noqa: ASYNC110 - the other broker tells nobody.
            await anyio.sleep(0.002)


async def test_two_brokers_on_one_book_settle_each_request_once(postgres: PostgresServer) -> None:
    users, url = USERS[3:6], postgres.url()
    async with open_place() as place, shop(await offered(place), url) as one, shop(place, url, broker_id="b") as two:
        for user in users:
            await place.fund(user, ONE)
        ids: list[str] = []

        async def bill(broker: Shop, user: Account) -> None:
            for _ in range(2):
                ids.extend(await broker.charge(user, [3, 4]))
                await settle_all(broker)

        async with anyio.create_task_group() as group:
            for user in users:
                group.start_soon(bill, one, user)
                group.start_soon(bill, two, user)
        for user in users:
            assert await one.book.unsettled_wei(user.address) == 0
            assert await one.paid(user) == 28
        assert len(ids) == 24
        for request_id in ids:
            await two.check_proof(request_id)
