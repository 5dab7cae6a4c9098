"""W0G: each method, event and error, and that it never owes more than it holds, whatever the order of calls."""

from collections import defaultdict
from collections.abc import Iterator

import pytest
from eth_account.signers.local import LocalAccount
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import ContractCustomError
from web3.types import EventData, TxParams, TxReceipt, Wei

from tests.interop.web3py.common import MULTICALL3, Context, artefact, as_hex, decode_error, deploy, write
from zerog.networks import load

COMPILED = artefact("chain/W0G")
ADDRESS = Web3.to_checksum_address(load("local").addresses["w0g"])
INFINITE = 2**256 - 1


@pytest.fixture
def token(context: Context) -> Iterator[Contract]:
    """W0G as the genesis has it; what a test does to it is undone."""
    snapshot = context.send("evm_snapshot")
    yield context.w3.eth.contract(address=ADDRESS, abi=COMPILED["abi"])
    assert context.send("evm_revert", snapshot) is True


@pytest.fixture
def holder(context: Context, token: Contract) -> LocalAccount:
    """An account that has wrapped 1,000 wei."""
    account = context.accounts[8]
    write(context, account, token, "deposit", value=1000)
    return account


def events(token: Contract, receipt: TxReceipt) -> list[tuple[str, dict[str, object]]]:
    """Name and arguments of what the token told in a transaction."""
    decoded: list[EventData] = []
    for name in ("Deposit", "Withdrawal", "Transfer", "Approval"):
        event = token.events[name]()
        decoded += [event.process_log(log) for log in receipt["logs"] if as_hex(log["topics"][0]) == event.topic]
    return [(event["event"], dict(event["args"])) for event in sorted(decoded, key=lambda event: event["logIndex"])]


def test_the_genesis_holds_exactly_the_compiled_code_and_no_storage(context: Context, token: Contract) -> None:
    assert as_hex(context.w3.eth.get_code(ADDRESS)) == COMPILED["deployedBytecode"]
    assert [context.w3.eth.get_storage_at(ADDRESS, slot) for slot in range(4)] == [bytes(32)] * 4
    assert token.functions.totalSupply().call() == 0


def test_it_is_named_as_wallets_show_it(token: Contract) -> None:
    assert token.functions.name().call() == "Wrapped 0G"
    assert token.functions.symbol().call() == "W0G"
    assert token.functions.decimals().call() == 18


@pytest.mark.parametrize("plain", [False, True], ids=["deposit", "plain transfer"])
def test_what_is_sent_is_wrapped_for_its_sender(context: Context, token: Contract, plain: bool) -> None:
    account = context.accounts[8]
    if plain:
        sent = context.w3.eth.send_transaction(TxParams({"from": account.address, "to": ADDRESS, "value": Wei(70), "gas": 100_000}))
        receipt = context.w3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
    else:
        receipt = write(context, account, token, "deposit", value=70)
    assert events(token, receipt) == [("Deposit", {"dst": account.address, "wad": 70})]
    assert token.functions.balanceOf(account.address).call() == token.functions.totalSupply().call() == 70


def test_a_withdrawal_pays_native_tokens_out(context: Context, token: Contract, holder: LocalAccount) -> None:
    before = context.w3.eth.get_balance(holder.address)
    receipt = write(context, holder, token, "withdraw", 400)
    assert events(token, receipt) == [("Withdrawal", {"src": holder.address, "wad": 400})]
    assert context.w3.eth.get_balance(holder.address) == before + 400 - receipt["gasUsed"] * receipt["effectiveGasPrice"]
    assert token.functions.totalSupply().call() == 600


def test_more_than_the_balance_is_neither_paid_nor_moved(context: Context, token: Contract, holder: LocalAccount) -> None:
    other = context.accounts[9].address
    ask = token.functions
    for call in (ask.withdraw(1001), ask.transfer(other, 1001), ask.transferFrom(holder.address, other, 1001)):
        with pytest.raises(ContractCustomError) as failure:
            call.call({"from": holder.address})
        assert decode_error(token.abi, failure.value.data) == ("ERC20InsufficientBalance", (holder.address.lower(), 1000, 1001))


def test_a_transfer_moves_tokens_and_returns_true(context: Context, token: Contract, holder: LocalAccount) -> None:
    other = context.accounts[9].address
    assert token.functions.transfer(other, 300).call({"from": holder.address}) is True
    receipt = write(context, holder, token, "transfer", other, 300)
    assert events(token, receipt) == [("Transfer", {"src": holder.address, "dst": other, "wad": 300})]
    write(context, holder, token, "transfer", holder.address, 700)
    assert [token.functions.balanceOf(account).call() for account in (holder.address, other)] == [700, 300]


def test_an_allowance_is_used_up_unless_it_is_the_highest(context: Context, token: Contract, holder: LocalAccount) -> None:
    spender = context.accounts[9]
    pair = (holder.address, spender.address)
    receipt = write(context, holder, token, "approve", spender.address, 250)
    assert events(token, receipt) == [("Approval", {"src": holder.address, "guy": spender.address, "wad": 250})]
    write(context, spender, token, "transferFrom", holder.address, spender.address, 200)
    assert token.functions.allowance(*pair).call() == 50
    with pytest.raises(ContractCustomError) as failure:
        token.functions.transferFrom(holder.address, spender.address, 51).call({"from": spender.address})
    assert decode_error(token.abi, failure.value.data) == ("ERC20InsufficientAllowance", (spender.address.lower(), 50, 51))

    write(context, holder, token, "approve", spender.address, INFINITE)
    write(context, spender, token, "transferFrom", holder.address, spender.address, 500)
    assert token.functions.allowance(*pair).call() == INFINITE
    assert token.functions.balanceOf(spender.address).call() == 700


def test_a_withdrawal_that_asks_again_while_it_is_paid_gets_nothing_more(context: Context, token: Contract, holder: LocalAccount) -> None:
    attacker = deploy(context, holder, artefact("testing/WithdrawalReenterer"), ADDRESS)
    assert write(context, holder, attacker, "attack", value=500)["status"] == 1
    assert attacker.functions.payments().call() == 1
    assert attacker.functions.reentered().call() is False
    assert context.w3.eth.get_balance(attacker.address) == 500
    assert token.functions.totalSupply().call() == 1000


def test_a_withdrawal_that_is_refused_changes_nothing(context: Context, token: Contract, holder: LocalAccount) -> None:
    refuser = deploy(context, holder, artefact("testing/WithdrawalReenterer"), ADDRESS)
    with pytest.raises(ContractCustomError) as failure:
        refuser.functions.refuse().call({"from": holder.address, "value": Wei(500)})
    assert decode_error(token.abi, failure.value.data) == ("WithdrawalRefused", (refuser.address.lower(), 500))
    assert write(context, holder, refuser, "refuse", value=500, gas=300_000)["status"] == 0
    assert token.functions.totalSupply().call() == 1000


PEOPLE = st.integers(min_value=6, max_value=9)
AMOUNTS = st.integers(min_value=0, max_value=60)


class Sequences(RuleBasedStateMachine):
    """Random calls by four accounts beside a model that keeps two dictionaries."""

    context: Context

    def __init__(self) -> None:
        super().__init__()
        self.token = self.context.w3.eth.contract(address=ADDRESS, abi=COMPILED["abi"])
        self.multicall = self.context.w3.eth.contract(address=MULTICALL3, abi=artefact("chain/Multicall3")["abi"])
        self.balances: dict[str, int] = defaultdict(int)
        self.allowances: dict[tuple[str, str], int] = defaultdict(int)

    @initialize()
    def begin(self) -> None:
        self.snapshot = self.context.send("evm_snapshot")

    def teardown(self) -> None:
        assert self.context.send("evm_revert", self.snapshot) is True

    def send(self, by: int, name: str, *args: object, succeeds: bool = True, value: int = 0) -> None:
        """By the node's own keys, which spares what a client asks before it signs."""
        data = self.token.encode_abi(name, args)
        request = {"from": self.address(by), "to": ADDRESS, "data": data, "value": hex(value), "gas": hex(120_000)}
        receipt = self.context.send("eth_getTransactionReceipt", self.context.send("eth_sendTransaction", request))
        assert int(receipt["status"], 16) == succeeds, (name, args)

    def address(self, person: int) -> str:
        return self.context.accounts[person].address

    @rule(by=PEOPLE, amount=AMOUNTS)
    def deposit(self, by: int, amount: int) -> None:
        self.send(by, "deposit", value=amount)
        self.balances[self.address(by)] += amount

    @rule(by=PEOPLE, amount=AMOUNTS)
    def withdraw(self, by: int, amount: int) -> None:
        covered = self.balances[self.address(by)] >= amount
        self.send(by, "withdraw", amount, succeeds=covered)
        if covered:
            self.balances[self.address(by)] -= amount

    @rule(by=PEOPLE, spender=PEOPLE, amount=st.one_of(AMOUNTS, st.just(INFINITE)))
    def approve(self, by: int, spender: int, amount: int) -> None:
        self.send(by, "approve", self.address(spender), amount)
        self.allowances[self.address(by), self.address(spender)] = amount

    @rule(by=PEOPLE, src=PEOPLE, dst=PEOPLE, amount=AMOUNTS)
    def transfer(self, by: int, src: int, dst: int, amount: int) -> None:
        pair, own = (self.address(src), self.address(by)), src == by
        allowed = own or self.allowances[pair] >= amount
        covered = self.balances[pair[0]] >= amount
        self.send(by, "transferFrom", self.address(src), self.address(dst), amount, succeeds=allowed and covered)
        if not (allowed and covered):
            return
        self.balances[self.address(src)] -= amount
        self.balances[self.address(dst)] += amount
        if not own and self.allowances[pair] != INFINITE:
            self.allowances[pair] -= amount

    @invariant()
    def supply_is_what_it_holds_and_what_it_owes(self) -> None:
        expected: dict[tuple[str, tuple[str, ...]], int] = {("totalSupply", ()): self.context.w3.eth.get_balance(ADDRESS)}
        expected |= {("balanceOf", (account,)): balance for account, balance in self.balances.items()}
        expected |= {("allowance", pair): amount for pair, amount in self.allowances.items()}
        calls = [(ADDRESS, self.token.encode_abi(name, arguments)) for name, arguments in expected]
        _, answers = self.multicall.functions.aggregate(calls).call()
        assert [int.from_bytes(answer) for answer in answers] == list(expected.values())
        assert expected["totalSupply", ()] == sum(self.balances.values())


def test_no_sequence_of_calls_makes_it_owe_more_than_it_holds(context: Context) -> None:
    machine = type("SequencesOnThisChain", (Sequences,), {"context": context})
    run_state_machine_as_test(machine, settings=settings(max_examples=10, stateful_step_count=15, deadline=None))
