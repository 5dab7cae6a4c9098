"""The client against a running provider: money goes where it is told, no further than the limits, and every chat is paid once."""

import time
from pathlib import Path

import anyio
import pytest

from tests.unit.compute.client.conftest import Shop, open_shop
from tests.unit.compute.provider.place import LOCK_S, ONE, PROVIDER, WAIT_S
from zerog.chain.client import ChainClient
from zerog.compute.client import (
    AsyncComputeClient,
    ChatOptions,
    ComputeClient,
    KeyMissingError,
    Limits,
    Message,
    Money,
    ProviderNotAllowedError,
    ProviderRefusedError,
    ServiceUnknownError,
    ServiceUnusableError,
    SpendLimitError,
    Wallet,
)
from zerog.compute.client.connection import ProviderConnection
from zerog.compute.client.keys import KeyNumberError
from zerog.compute.protocol.errors import InsufficientBalanceError
from zerog.compute.wire.provider import UnsettledFeeAnswer
from zerog.contracts.compute_refusals import ComputeCallRefusedError
from zerog.primitives import Account, Address

NOBODY = Address(b"\x01" * 20)
SHORT = ChatOptions(max_tokens=32)


def total_wei(money: Money) -> int:
    """Everything, after the graph was held together."""
    if money.ledger is None:
        assert money.providers == ()
        return money.wallet_wei
    assert money.ledger.locked_wei == sum(item.balance_wei for item in money.providers)
    assert money.ledger.total_wei == money.ledger.available_wei + money.ledger.locked_wei
    for item in money.providers:
        assert item.balance_wei == item.locked_wei + item.pending_refund_wei
        assert item.pending_refund_wei == sum(refund.amount_wei for refund in item.refunds)
    return money.wallet_wei + money.ledger.total_wei


def refusal_of_key(connection: ProviderConnection, path: str, key: str) -> ProviderRefusedError:
    """What the provider says of a revoked key, once it has seen the block that revokes it."""
    ends_s = time.monotonic() + WAIT_S
    while time.monotonic() < ends_s:
        try:
            connection.get(path, UnsettledFeeAnswer, key=key)
        except ProviderRefusedError as error:
            return error
    raise AssertionError("the key still opens")


def test_a_chat_from_nothing_funds_pays_and_proves(shop: Shop, user: Account, tmp_path: Path) -> None:
    with shop.client(user, tmp_path) as client:
        before = total_wei(client.money())
        with client.chat("Say hello.", options=SHORT) as stream:
            pieces = list(stream)
            answer = stream.answer
        assert len(pieces) > 1, "the words come one after the other"
        assert answer.text == "".join(pieces) != ""
        assert answer.fee_wei
        assert answer.fee_wei > 0
        money = client.money()
        assert [item.provider for item in money.providers] == [PROVIDER.address]
        assert money.providers[0].unsettled_wei == answer.fee_wei
        shop.settle()
        after = client.money()
        assert after.providers[0].unsettled_wei == 0
        assert after.providers[0].balance_wei == money.providers[0].balance_wei - answer.fee_wei
        assert before - total_wei(after) > answer.fee_wei, "gas was paid as well"
        assert client.wallet is not None
        assert client.wallet.spent_today("request") == answer.fee_wei
        assert client.wallet.spent_today("transfer") == money.providers[0].balance_wei


def test_an_answer_in_one_piece_is_the_same(shop: Shop, user: Account) -> None:
    messages = [Message("system", "Be brief."), Message("user", "Say hello.")]
    with shop.client(user) as client:
        whole = client.ask(messages, options=ChatOptions(max_tokens=32, stream=False, seed=7, temperature=0.0))
        assert whole.file.response.content_type == "application/json"
        assert whole.text
        assert client.verify(whole.file).fee_wei == whole.fee_wei
        streamed = client.ask(messages, options=ChatOptions(max_tokens=32, seed=7, temperature=0.0))
        assert streamed.text == whole.text
        assert b"[DONE]" in streamed.file.response.body


def test_services_are_listed_when_they_can_be_paid(tmp_path: Path) -> None:
    with open_shop(tmp_path / "provider", acknowledge=False) as shop, shop.client(None) as client:
        assert client.services() == []
        [service] = client.services(unusable=True)
        assert service.provider == PROVIDER.address
        with pytest.raises(ServiceUnusableError):
            client.choose(provider=PROVIDER.address)
        with pytest.raises(ServiceUnknownError):
            client.choose()
        shop.portal.call(shop.place.acknowledge, PROVIDER.address)
        assert client.services() == [client.service(PROVIDER.address)]
        assert [model.id for model in client.models(PROVIDER.address)] == [service.params.model]
        with pytest.raises(ServiceUnknownError):
            client.service(NOBODY)
        with pytest.raises(ServiceUnknownError, match="another"):
            client.choose(model="another")
        with pytest.raises(KeyMissingError):
            client.ask("?")


def test_money_goes_there_and_comes_back(shop: Shop, user: Account) -> None:
    with shop.client(user) as client:
        assert client.money().ledger is None
        with pytest.raises(ComputeCallRefusedError, match="MinimumDepositRequired"):
            client.deposit(2 * ONE)
        client.deposit(5 * ONE)
        with pytest.raises(ComputeCallRefusedError, match="MinimumDepositRequired"):
            client.transfer(PROVIDER.address, ONE // 2)
        client.transfer(PROVIDER.address, 2 * ONE)
        total_wei(client.money())

        asked_back = client.retrieve()
        assert (asked_back.returned_wei, asked_back.waiting_wei, asked_back.lock_time_s) == (0, 2 * ONE, LOCK_S)
        money = client.money()
        total_wei(money)
        [refund] = money.providers[0].refunds
        assert refund.refundable_at_s == money.chain_time_s + LOCK_S
        assert money.providers[0].locked_wei == 0
        assert client.retrieve([PROVIDER.address]).returned_wei == 0, "it is too early"

        shop.pass_time(LOCK_S + 1)
        assert client.retrieve().returned_wei == 2 * ONE
        with pytest.raises(ComputeCallRefusedError, match="MinimumDepositRequired"):
            client.refund(3 * ONE)
        assert client.refund() == 5 * ONE
        money = client.money()
        assert money.ledger is None
        with pytest.raises(ComputeCallRefusedError, match="LedgerNotExists"):
            client.refund(ONE)


def test_without_leave_to_fund_nothing_moves(shop: Shop, user: Account) -> None:
    with shop.client(user) as client:
        before = client.market.chain.nonce(user.address)
        with pytest.raises(InsufficientBalanceError):
            client.ask("?", options=SHORT, fund=False)
        assert client.market.chain.nonce(user.address) == before


def test_keys_have_numbers_of_their_own_and_can_be_revoked(shop: Shop, user: Account, tmp_path: Path) -> None:
    with shop.client(user, tmp_path) as client:
        with pytest.raises(InsufficientBalanceError):
            client.create_key(PROVIDER.address)
        client.ask("?", options=SHORT)
        first, second = client.create_key(PROVIDER.address), client.create_key(PROVIDER.address, lifetime_s=3600)
        assert (first.token_id, second.token_id) == (0, 1), "the official client gives both the same number"
        assert first.expires_at_ms == 0 != second.expires_at_ms
        owed = f"/v1/user/{user.address}/unsettledfee"
        with ProviderConnection(client.service(PROVIDER.address).params.url, shop.place.url) as connection:
            for key in (first, second):
                connection.get(owed, UnsettledFeeAnswer, key=key.key)
            client.revoke_key(PROVIDER.address, first.token_id)
            assert refusal_of_key(connection, owed, first.key).status == 401
            connection.get(owed, UnsettledFeeAnswer, key=second.key)
            assert client.create_key(PROVIDER.address).token_id == 2
            for number in (0, -1, 255):
                with pytest.raises(KeyNumberError):
                    client.create_key(PROVIDER.address, token_id=number)
            client.revoke_all_keys(PROVIDER.address)
            assert refusal_of_key(connection, owed, second.key).status == 401
        assert client.create_key(PROVIDER.address).generation == 1
        client.ask("?", options=SHORT)


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        (Limits(per_call_wei=ONE), SpendLimitError),
        (Limits(per_day_wei=ONE), SpendLimitError),
        (Limits(per_call_wei=1000), SpendLimitError),
        (Limits(providers=(NOBODY,)), ProviderNotAllowedError),
    ],
    ids=["a call", "a day", "a request", "another provider"],
)
def test_limits_hold_before_anything_is_signed(shop: Shop, user: Account, tmp_path: Path, limits: Limits, error: type[Exception]) -> None:
    with shop.client(user, tmp_path) as client:
        client.deposit(5 * ONE)
        assert client.wallet is not None
        client.wallet.set_limits(limits)
        before = client.market.chain.nonce(user.address)
        with pytest.raises(error):
            client.ask("?", provider=PROVIDER.address, options=SHORT)
        with pytest.raises(error):
            client.transfer(PROVIDER.address, 2 * ONE)
        assert client.market.chain.nonce(user.address) == before
        assert (client.wallet.spent_today("transfer"), client.wallet.spent_today("request")) == (0, 0)


def test_what_was_refused_does_not_count(shop: Shop, user: Account, tmp_path: Path) -> None:
    with shop.client(user, tmp_path) as client:
        client.deposit(3 * ONE)
        with pytest.raises(ComputeCallRefusedError):
            client.transfer(PROVIDER.address, 4 * ONE)
        assert client.wallet is not None
        assert client.wallet.spent_today("transfer") == 0
        with pytest.raises(ProviderRefusedError):
            client.ask("?", options=ChatOptions(further=(("messages", "no list"),)))
        assert client.wallet.spent_today("request") == 0


def test_a_listener_who_leaves_early_pays_and_counts_the_most(shop: Shop, user: Account, tmp_path: Path) -> None:
    with shop.client(user, tmp_path) as client:
        with client.chat("Say hello.", options=SHORT) as stream:
            next(iter(stream))
            request_id = stream.request_id
        assert client.wallet is not None
        counted = client.wallet.spent_today("request")
        signed = shop.portal.call(shop.provider.running.desk.wait_for, request_id, 10.0)
        assert signed is None
        receipt = shop.portal.call(shop.provider.running.desk.book.receipt, request_id)
        assert receipt is not None
        assert 0 < int(client.money().providers[0].unsettled_wei or 0) <= counted


@pytest.mark.anyio
async def test_the_asynchronous_twin_does_the_same(shop: Shop, user: Account, tmp_path: Path) -> None:
    with ChainClient(shop.place.url) as chain:
        async with AsyncComputeClient(chain=chain, account=user, wallet=Wallet(tmp_path)) as client:
            assert [service.provider for service in await client.services()] == [PROVIDER.address]
            with anyio.fail_after(30):
                async with client.chat("Say hello.", options=SHORT) as stream:
                    text = "".join([piece async for piece in stream])
                    answer = await stream.answer()
            assert answer.text == text
            assert (await client.verify(answer.file)).request_id == stream.request_id
            assert (await client.money()).providers[0].unsettled_wei == answer.fee_wei


def test_two_clients_share_one_wallet(shop: Shop, user: Account, tmp_path: Path) -> None:
    with shop.client(user, tmp_path) as one, shop.client(user, tmp_path) as other:
        assert isinstance(other, ComputeClient)
        fees = [client.ask("?", options=SHORT).fee_wei or 0 for client in (one, other)]
        assert Wallet(tmp_path).spent_today("request") == sum(fees)
