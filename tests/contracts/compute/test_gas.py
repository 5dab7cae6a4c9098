"""What calls cost, at most. The official byte code takes 393,000 to 444,000 units for a new sub-account and 212,000 for a first refund."""

import pytest

from tests.contracts.compute.market import ETHER, INFERENCE, LEDGER, SERVING, STAKE, Market, Offer, Settlement


@pytest.mark.parametrize("info", ["", "x" * 31], ids=["no text", "a short text"])
def test_a_new_sub_account_costs_less_than_290_000(market: Market, info: str) -> None:
    market.send(market.user, LEDGER, "addLedger", info, value=9 * ETHER)
    for provider in (market.provider, market.other):
        assert market.transfer(market.user, provider, ETHER).gas_used < 290_000


def test_a_sub_account_with_a_known_provider_costs_less_than_another(market: Market) -> None:
    market.fund(market.other, market.provider, ETHER)
    market.send(market.user, LEDGER, "addLedger", "", value=9 * ETHER)
    assert market.transfer(market.user, market.provider, ETHER).gas_used < 240_000


def test_a_first_refund_costs_less_than_190_000(market: Market) -> None:
    market.fund(market.user, market.provider, ETHER)
    assert market.retrieve(market.user, market.provider).gas_used < 90_000


def test_everything_else_costs_less_than_the_official_contracts(market: Market) -> None:
    """Figures of the official byte code on a local EVM: 172, 94, 81, 342, 83, 45 and 152 thousand."""
    provider, entry = market.provider, Settlement(market.user.address, market.provider.address, 7000, 1)
    used = {
        "addLedger": market.send(market.user, LEDGER, "addLedger", "", value=9 * ETHER).gas_used,
        "first transfer": market.transfer(market.user, provider, ETHER).gas_used,
        "top-up": market.transfer(market.user, provider, ETHER).gas_used,
        "transfer of nothing": market.transfer(market.user, provider, 0).gas_used,
        "new service": market.send(provider, SERVING, "addOrUpdateService", Offer().parameters(), value=STAKE).gas_used,
        "new price": market.send(provider, SERVING, "addOrUpdateService", Offer(input_price=11).parameters()).gas_used,
        "acceptance": market.send(market.owner, SERVING, "acknowledgeTEESignerByOwner", provider.address).gas_used,
        "settlement": market.send(provider, SERVING, "settleFeesWithTEE", [entry.signed()]).gas_used,
    }
    limits = (115, 265, 62, 49, 290, 63, 33, 98)
    assert {name: gas for (name, gas), limit in zip(used.items(), limits, strict=True) if gas > 1000 * limit} == {}


def test_a_last_account_costs_no_more_among_many(market: Market) -> None:
    market.send(market.user, LEDGER, "addLedger", "", value=60 * ETHER)
    costs = [
        market.send(market.user, LEDGER, "transferFund", b"\x09" * 19 + bytes([index]), INFERENCE, ETHER).gas_used for index in range(50)
    ]
    assert max(costs[1:]) <= costs[0]
