"""The official SDK moves money: ledgers, sub-accounts and refunds, on the chain ids that it knows and on one that it does not."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import pytest

from tests.interop.compute.network import LEDGER, OG, SERVING, Market, new_account, running_market
from tests.interop.compute.sdk import SdkFailureError, integer
from zerog.contracts.compute import SettlementStatus
from zerog.networks import own_network
from zerog.primitives import Account

OTHER_CHAIN_ID: Final = 4242
LOCK_S: Final = 3600
SERVICE: Final = "inference-v1.0"
LEDGER_CONTRACT: Final = "ledger.ledger.ledgerContract"
"""Where the SDK keeps the contract, as ethers has it."""
SERVING_CONTRACT: Final = "inference.requestProcessor.contract"
SETTLEMENT: Final = {
    "TEESettlement": [
        {"name": name, "type": kind}
        for name, kind in (
            ("requestsHash", "bytes32"),
            ("nonce", "uint256"),
            ("provider", "address"),
            ("user", "address"),
            ("totalFee", "uint256"),
        )
    ]
}
"""What a provider's signer signs, in the form of EIP-712 that ethers takes."""

Scenario = Callable[[Market], None]


def refusal(market: Market, account_call: Callable[[], object]) -> str:
    """What the SDK says when it refuses, or tells that a contract did."""
    with pytest.raises(SdkFailureError) as refused:
        account_call()
    return str(refused.value)


def ledger_opens_once_with_three_tokens(market: Market) -> None:
    broker = market.broker()
    assert "3" in refusal(market, lambda: broker.call("ledger.addLedger", 2))
    broker.call("ledger.addLedger", 3)
    ledger = broker.call("ledger.getLedger")
    assert (ledger["availableBalance"], ledger["totalBalance"]) == (str(3 * OG), str(3 * OG))
    assert "Account already exists" in refusal(market, lambda: broker.call("ledger.addLedger", 3))


def deposits_may_open_a_ledger_for_another(market: Market) -> None:
    broker, other = market.broker(), market.user()
    broker.call("ledger.addLedger", 3)
    broker.call("ledger.depositFund", 10)
    assert broker.call("ledger.getLedger")["availableBalance"] == str(13 * OG)
    broker.call("ledger.depositFundFor", str(other.address), 3)
    assert market.broker(other).call("ledger.getLedger")["totalBalance"] == str(3 * OG)


def sub_account_begins_with_one_token(market: Market) -> None:
    user, provider = market.user(), str(market.offer().address)
    broker = market.broker(user)
    broker.call("ledger.addLedger", 5)
    too_little = refusal(market, lambda: broker.call("ledger.transferFund", provider, "inference", integer(OG // 2)))
    assert "MinimumDepositRequired" in too_little
    broker.call("ledger.transferFund", provider, "inference", integer(OG))
    account = broker.call("inference.getAccount", provider)
    assert (account["balance"], account["acknowledged"], account["generation"]) == (str(OG), True, "0")
    assert broker.call("ledger.getLedger")["availableBalance"] == str(4 * OG)


def money_comes_back_after_the_lock(market: Market) -> None:
    user, provider = market.user(), str(market.offer().address)
    broker = market.broker(user)
    broker.call("ledger.addLedger", 5)
    broker.call("ledger.transferFund", provider, "inference", integer(2 * OG))
    broker.call("ledger.retrieveFund", "inference")
    assert market.sdk.broker(user).call("inference.getAccount", provider)["pendingRefund"] == str(2 * OG)
    market.pass_time(LOCK_S + 1)
    broker.call("ledger.retrieveFund", "inference")
    assert broker.call("ledger.getLedger")["availableBalance"] == str(5 * OG)


def transfer_takes_from_what_was_to_come_back(market: Market) -> None:
    user, provider = market.user(), str(market.offer().address)
    broker = market.broker(user)
    broker.call("ledger.addLedger", 5)
    broker.call("ledger.transferFund", provider, "inference", integer(2 * OG))
    broker.call("ledger.retrieveFund", "inference")
    broker.call("ledger.transferFund", provider, "inference", integer(OG))
    account = market.sdk.broker(user).call("inference.getAccount", provider)
    assert (account["balance"], account["pendingRefund"]) == (str(2 * OG), str(OG))
    assert broker.call("ledger.getLedger")["availableBalance"] == str(3 * OG)


def refund_leaves_nothing_or_enough(market: Market) -> None:
    user = market.user()
    broker = market.broker(user)
    broker.call("ledger.addLedger", 13)
    assert "MinimumDepositRequired" in refusal(market, lambda: broker.call("ledger.refund", 11))
    broker.call("ledger.refund", 10)
    broker.call(f"{LEDGER_CONTRACT}.sendTx", "refund", [integer(3 * OG)], {})  # By ethers, to the last wei.
    assert "LedgerNotExists" in refusal(market, lambda: broker.call("ledger.getLedger"))


def twenty_one_sub_accounts_are_retrieved_one_by_one(market: Market) -> None:
    user, providers = market.user(), [new_account().address for _ in range(21)]
    market.send(user, "ledger_manager", LEDGER, "addLedger", "", value_wei=30 * OG)
    for provider in providers:
        market.send(user, "ledger_manager", LEDGER, "transferFund", provider, SERVICE, OG)
    broker = market.broker(user)
    assert "Too many providers specified" in refusal(market, lambda: broker.call("ledger.retrieveFund", "inference"))
    broker.call("ledger.retrieveFundFromProvider", "inference", str(providers[20]))
    assert broker.call("inference.getAccount", str(providers[20]))["pendingRefund"] == str(OG)


def acknowledging_from_nothing_makes_an_account(market: Market) -> None:
    user, provider = market.user(), str(market.offer().address)
    broker = market.broker(user)
    broker.call("ledger.addLedger", 3)
    before = market.chain.nonce(user.address)
    broker.call("inference.acknowledgeProviderSigner", provider)
    assert market.chain.nonce(user.address) == before + 2
    account = broker.call("inference.getAccount", provider)
    assert (account["acknowledged"], account["balance"]) == (True, str(OG))


def services_come_in_pages_and_unknown_signers_are_left_out(market: Market) -> None:
    known = {str(market.offer(model=f"model-{number}").address) for number in range(52)}
    unknown = str(market.offer(acknowledged=False).address)
    broker = market.sdk.read_only()

    def listed(*include_unacknowledged: bool) -> set[str]:
        pages = (broker.call("inference.listService", offset, 50, *include_unacknowledged) for offset in (0, 50, 100))
        return {service["provider"].lower() for page in pages for service in page}

    assert {address.lower() for address in known} <= listed()
    assert unknown.lower() not in listed()
    assert unknown.lower() in listed(True)
    assert len(broker.call("inference.listService", 0, 50, True)) == 50


@dataclass(frozen=True, slots=True)
class Settling:
    """A provider that settles by the SDK's own contract, with entries that ethers signs."""

    market: Market
    provider: Account
    signer: Account

    def entry(self, user: Account, nonce: int, fee_wei: int, *, by: Account | None = None, provider: Account | None = None) -> list[object]:
        """An entry of `settleFeesWithTEE`, signed by the service's signer unless another is named."""
        value: dict[str, object] = {
            "user": str(user.address),
            "provider": str((provider or self.provider).address),
            "totalFee": integer(fee_wei),
            "requestsHash": "0x" + "11" * 32,
            "nonce": integer(nonce),
        }
        domain = {
            "name": "0G Inference Serving",
            "version": "1",
            "chainId": self.market.network.chain_id,
            "verifyingContract": str(self.market.address("inference_serving")),
        }
        signer = self.market.broker(by or self.signer)
        return [*value.values(), signer.call(f"{SERVING_CONTRACT}.signer.signTypedData", domain, SETTLEMENT, value)]

    def statuses(self, *entries: list[object]) -> list[int]:
        """What the contract would return."""
        broker = self.market.broker(self.provider)
        return [int(status) for status in broker.call(f"{SERVING_CONTRACT}.serving.settleFeesWithTEE.staticCall", entries)]

    def settle(self, *entries: list[object]) -> None:
        self.market.broker(self.provider).call(f"{SERVING_CONTRACT}.sendTx", "settleFeesWithTEE", [entries], {})


def settlements_are_paid_once_and_refused_by_their_first_fault(market: Market) -> None:
    user, signer, stranger = market.user(), new_account(), new_account()
    provider = market.offer(signer=signer.address)
    market.fund(user, provider.address, 2 * OG)
    settling = Settling(market, provider, signer)
    paid, next_one = settling.entry(user, 100, OG // 2), settling.entry(user, 101, OG // 2)
    assert settling.statuses(paid) == [SettlementStatus.SUCCESS]
    settling.settle(paid)
    assert [event.amount_wei for event in market.spent(user)] == [OG // 2]
    assert settling.statuses(paid, next_one) == [SettlementStatus.INVALID_NONCE, SettlementStatus.SUCCESS]
    assert isinstance(next_one[-1], str)
    bare = f"{next_one[-1][:-2]}{int(next_one[-1][-2:], 16) - 27:02x}"  # v is 0 or 1, and not 27 or 28.
    assert settling.statuses(
        settling.entry(user, 101, OG // 2, by=stranger),
        [*next_one[:-1], bare],
        settling.entry(stranger, 1, 1),
        settling.entry(user, 101, 1, provider=market.offer(signer=signer.address)),
    ) == [
        SettlementStatus.INVALID_SIGNATURE,
        SettlementStatus.INVALID_SIGNATURE,
        SettlementStatus.INVALID_SIGNATURE,  # Nobody has an account under this name.
        SettlementStatus.PROVIDER_MISMATCH,
    ]
    settling.settle(paid, settling.entry(user, 102, 2 * OG))
    results = [(event.status, event.unsettled_wei) for event in market.settled(user)]
    assert results == [(SettlementStatus.SUCCESS, 0), (SettlementStatus.INVALID_NONCE, OG // 2), (SettlementStatus.PARTIAL, OG // 2)]
    assert market.account(user, provider.address).balance_wei == 0
    market.send(market.owner, "inference_serving", SERVING, "revokeTEESignerAcknowledgement", provider.address)
    assert settling.statuses(settling.entry(user, 103, 1)) == [SettlementStatus.NO_TEE_SIGNER]


SCENARIOS: Final[tuple[Scenario, ...]] = (
    ledger_opens_once_with_three_tokens,
    deposits_may_open_a_ledger_for_another,
    sub_account_begins_with_one_token,
    money_comes_back_after_the_lock,
    transfer_takes_from_what_was_to_come_back,
    refund_leaves_nothing_or_enough,
    twenty_one_sub_accounts_are_retrieved_one_by_one,
    acknowledging_from_nothing_makes_an_account,
    services_come_in_pages_and_unknown_signers_are_left_out,
    settlements_are_paid_once_and_refused_by_their_first_fault,
)


@pytest.fixture(scope="module", params=["31337", "another chain id"])
def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[Scenario, "Future[None]"]]:
    """All scenarios at work side by side, each with users of its own: the SDK rests a second before each transaction."""
    other = request.param != "31337"
    network = own_network(chain_id=OTHER_CHAIN_ID) if other else own_network()
    words = ("--chain-id", str(OTHER_CHAIN_ID)) if other else ()
    with running_market(tmp_path_factory.mktemp("market"), network, *words) as market, ThreadPoolExecutor(len(SCENARIOS)) as workers:
        yield {scenario: workers.submit(scenario, market) for scenario in SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_money_moves_as_the_official_sdk_expects(begun: Mapping[Scenario, "Future[None]"], scenario: Scenario) -> None:
    begun[scenario].result()
