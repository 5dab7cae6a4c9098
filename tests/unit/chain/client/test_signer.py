"""A key with limits: what it signs, what it counts, and that nothing gets past it."""

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import given, settings
from hypothesis import strategies as st

from zerog import networks
from zerog.chain.client import (
    AsyncChainClient,
    ChainClient,
    Limits,
    RecipientNotAllowedError,
    RpcError,
    Signer,
    SigningRefusedError,
    SpendLimitError,
    Wallet,
)
from zerog.chain.client.wallet import Spending
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.primitives import Account, Address, encode_quantity

LOCAL = networks.load("local")
SHOP, ELSEWHERE = Address(b"\x05" * 20), Address(b"\x06" * 20)
GWEI = 10**9
ONE = 10**18
DAY_S = 86_400


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    node = ChainNode(ChainNodeSettings(rpc_port=0), LOCAL)
    with start_blocking_portal() as portal:
        future, url = portal.start_task(node.run)
        yield url
        future.cancel()


@pytest.fixture
def client(url: str) -> Iterator[ChainClient]:
    with ChainClient(url) as client:
        yield client


def make_signer(client: ChainClient, folder: Path, limits: Limits) -> Signer:
    """Somebody with a full account whom no test has met."""
    account = Account.from_private_key(secrets.token_bytes(32))
    client.request("hardhat_setBalance", str(account.address), encode_quantity(100 * ONE))
    return Signer(account, limits, folder)


def test_a_transaction_counts_with_its_gas_first_the_most_and_then_what_it_was(client: ChainClient, tmp_path: Path) -> None:
    signer = make_signer(client, tmp_path, Limits(per_day_wei=ONE))
    sent = client.send(SHOP, value_wei=1000, account=signer)
    most_wei = signer.spent_today("transaction")
    receipt = client.wait_for_receipt(sent)
    spent_wei = signer.spent_today("transaction")
    assert spent_wei == 100 * ONE - client.balance(signer.address) == 1000 + receipt.gas_used * receipt.effective_gas_price < most_wei
    assert Signer(signer.account, folder=tmp_path).spent_today("transaction") == spent_wei, "another program sees the same sum"
    assert client.receipt(sent) == receipt
    assert signer.spent_today("transaction") == spent_wei, "a second look corrects nothing"


def test_a_transaction_that_fails_counts_with_its_gas_alone(client: ChainClient, tmp_path: Path) -> None:
    signer = make_signer(client, tmp_path, Limits(per_day_wei=ONE))
    sent = client.send(None, value_wei=1000, data=b"\xfe", gas_limit=100_000, account=signer)
    receipt = client.wait_for_receipt(sent)
    assert not receipt.succeeded
    assert signer.spent_today("transaction") == receipt.gas_used * receipt.effective_gas_price == 100 * ONE - client.balance(signer.address)


@pytest.mark.anyio
async def test_nothing_is_signed_beyond_a_limit(client: ChainClient, url: str, tmp_path: Path) -> None:
    signer = make_signer(client, tmp_path, Limits(per_call_wei=ONE, per_day_wei=2 * ONE, recipients=(SHOP,)))
    with pytest.raises(SpendLimitError, match=r"a transaction of up to 1\.\d+ 0G is above the limit of 1 0G a call") as caught:
        client.send(SHOP, value_wei=ONE, account=signer)
    assert (caught.value.limit_wei, caught.value.spent_wei) == (ONE, None)
    assert caught.value.amount_wei > ONE, "gas is part of it"
    for recipient in (ELSEWHERE, None):
        with pytest.raises(RecipientNotAllowedError):
            client.send(recipient, account=signer)
    async with AsyncChainClient(url, account=signer) as same:
        await same.wait_for_receipt(await same.send(SHOP, value_wei=ONE - ONE // 1000))
        await same.wait_for_receipt(await same.send(SHOP, value_wei=ONE - ONE // 1000))
        with pytest.raises(SpendLimitError, match=r"today's 1\.99\d+ 0G are above the limit of 2 0G a day") as caught:
            await same.send(SHOP, value_wei=ONE // 100)
        with pytest.raises(RecipientNotAllowedError):
            await same.send(ELSEWHERE)
    assert caught.value.spent_wei is not None
    assert client.nonce(signer.address) == 2


def test_what_the_node_refuses_does_not_count(client: ChainClient, tmp_path: Path) -> None:
    signer = make_signer(client, tmp_path, Limits(per_day_wei=1000 * ONE))
    with pytest.raises(RpcError, match="insufficient funds"):
        client.send(SHOP, value_wei=101 * ONE, gas_limit=21_000, account=signer)
    assert signer.spent_today("transaction") == 0


def test_many_threads_with_a_client_each_do_not_spend_more_than_the_limit(url: str, client: ChainClient, tmp_path: Path) -> None:
    limit_wei = ONE // 10
    signer = make_signer(client, tmp_path, Limits(per_day_wei=limit_wei))
    turn = threading.Lock()

    def spend(number: int) -> int:
        with ChainClient(url) as mine:
            for _ in range(20):
                try:
                    with turn:  # Of the nonce alone: what is looked at is the limit.
                        sent = mine.send(SHOP, value_wei=ONE // 100 + number, account=signer)
                    mine.wait_for_receipt(sent)
                except SpendLimitError:
                    return 1
        return 0

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(spend, range(4))) == 4, "in the end everybody is refused"
    gone_wei = 100 * ONE - client.balance(signer.address)
    assert limit_wei - 3 * ONE // 100 < gone_wei == signer.spent_today("transaction") <= limit_wei


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0 * DAY_S

    def __call__(self) -> float:
        return self.now_s


AMOUNTS = st.integers(0, 120)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("spend"), AMOUNTS, st.integers(0, 100)),
        st.tuples(st.just("begin"), AMOUNTS, st.just(0)),
        st.tuples(st.just("settle"), st.integers(0, 5), st.integers(0, 100)),
        st.tuples(st.just("pass time"), st.integers(0, DAY_S), st.just(0)),
        st.tuples(st.just("go back"), st.integers(0, 60), st.just(0)),
    ),
    max_size=40,
)


@given(steps=STEPS, per_call=st.integers(0, 100), per_day=st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_calls_lets_more_go_out_than_a_day_allows(steps: list[tuple[str, int, int]], per_call: int, per_day: int) -> None:
    with TemporaryDirectory() as folder:
        clock = Clock()
        wallet = Wallet(Path(folder), clock, Limits(per_call_wei=per_call, per_day_wei=per_day))
        let_out: dict[int, int] = {}
        """By the day, the most that is out."""
        under_way: list[tuple[int, int, Spending]] = []
        counted = 0
        """The day that was counted for last: it stays when a clock goes back over midnight."""
        for what, amount, share in steps:
            today = int(clock.now_s // DAY_S)
            today = counted if counted == today + 1 else today
            match what:
                case "pass time":
                    clock.now_s += amount
                case "go back":
                    clock.now_s -= amount
                case "settle" if amount < len(under_way):
                    day, wei, spending = under_way.pop(amount)
                    spending.settle(wei * share // 100)
                    let_out[day] = let_out.get(day, 0) - wei + wei * share // 100
                case "spend" | "begin":
                    try:
                        begun = wallet.begin("transaction", SHOP, amount)
                    except SigningRefusedError:
                        assert amount > per_call or let_out.get(today, 0) + amount > per_day, "nothing is refused that may go out"
                        continue
                    assert amount <= per_call
                    counted = today
                    let_out[today] = let_out.get(today, 0) + amount
                    if what == "begin":
                        under_way.append((today, amount, begun))
                    else:
                        begun.settle(amount * share // 100)
                        let_out[today] += amount * share // 100 - amount
            assert all(0 <= wei <= per_day for wei in let_out.values())
