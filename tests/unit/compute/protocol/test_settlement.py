"""Settlements: the official digest and signature, and which requests the money covers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.compute.protocol.vectors import PROVIDER, SIGNER, USER
from zerog.compute.protocol.settlement import (
    Settlement,
    SettlementError,
    domain_separator,
    largest_prefix,
    next_nonce,
    paid_of,
    paid_parts,
    recover_settlement_signer,
    settlement_digest,
    sign_settlement,
    struct_hash,
)
from zerog.primitives import Address, Hash32

CONTRACT = Address(bytes.fromhex("0165878A594ca255338adfa4d48449f69242Eb8F"))
DOMAIN = domain_separator(31337, CONTRACT)
SETTLEMENT = Settlement(
    user=USER.address, provider=PROVIDER, total_fee_wei=7000, requests_hash=Hash32(b"\x11" * 32), nonce=17_000_000_000_000_000
)
SIGNATURE = bytes.fromhex(
    "d03914ea7e81f33f84af8c142d61634672e1b910f42edef0baab36203d6f5337339da49324ac69b0b876a2aa172cba75259646a8b9a0aecd7a188333d263863d1c"
)
amounts = st.lists(st.integers(0, 50), max_size=20)


def test_a_settlement_is_signed_as_ethers_does() -> None:
    assert bytes.fromhex("a907dc2533af4263d8de8b56adc9778afb1a339941e807a12b2def4d10d6292b") == DOMAIN
    assert struct_hash(SETTLEMENT).hex() == "55153f630627cbb4712a484997b898dc8c3dab365fe766458b07536c3e255b93"
    assert settlement_digest(SETTLEMENT, DOMAIN).hex() == "f737f563d7b91cee27fac69c3a2997816cabaa4e1fae5677ff4b44f9414078c4"
    signed = sign_settlement(SETTLEMENT, DOMAIN, SIGNER.private_key)
    assert signed.signature == SIGNATURE
    assert recover_settlement_signer(signed, DOMAIN) == SIGNER.address


@pytest.mark.parametrize(
    "change",
    [{"user": PROVIDER}, {"provider": USER.address}, {"total_fee_wei": 7001}, {"requests_hash": Hash32(bytes(32))}, {"nonce": 1}],
)
def test_no_member_of_a_signed_settlement_can_be_another(change: dict[str, object]) -> None:
    signed = sign_settlement(SETTLEMENT, DOMAIN, SIGNER.private_key)
    assert recover_settlement_signer(replace(signed, **change), DOMAIN) != SIGNER.address  # type: ignore[arg-type]  # Each fits its member.
    assert recover_settlement_signer(signed, domain_separator(31338, CONTRACT)) != SIGNER.address
    assert recover_settlement_signer(signed, domain_separator(31337, PROVIDER)) != SIGNER.address


@pytest.mark.parametrize("signature", [b"", SIGNATURE[:-1], SIGNATURE[:64] + b"\0", b"\xff" * 64 + b"\x1b"])
def test_signatures_of_nobody_are_refused(signature: bytes) -> None:
    signed = sign_settlement(SETTLEMENT, DOMAIN, SIGNER.private_key)
    with pytest.raises(SettlementError):
        recover_settlement_signer(replace(signed, signature=signature), DOMAIN)


@given(amounts, st.integers(0, 1000))
def test_the_largest_prefix_is_covered_and_one_more_is_not(rows: list[int], money: int) -> None:
    count = largest_prefix(rows, money)
    assert sum(rows[:count]) <= money
    assert count == len(rows) or sum(rows[: count + 1]) > money


@given(amounts, st.integers(0, 1000))
def test_a_payment_is_divided_without_a_rest(rows: list[int], money: int) -> None:
    paid = min(money, sum(rows))
    covered, part = paid_parts(rows, paid)
    assert sum(rows[:covered]) + part == paid
    assert part == 0 or part < rows[covered]


@given(amounts, st.integers(0, 1000))
def test_seen_from_one_request_the_rule_is_the_same(rows: list[int], money: int) -> None:
    paid = min(money, sum(rows))
    covered, part = paid_parts(rows, paid)
    seen = [paid_of(amount, before_wei=sum(rows[:index]), settled_wei=paid) for index, amount in enumerate(rows)]
    assert seen == [*rows[:covered], part, *[0] * len(rows)][: len(rows)]


def test_a_contract_does_not_pay_more_than_was_asked() -> None:
    with pytest.raises(SettlementError, match="3 wei more"):
        paid_parts([5, 5], 13)


def test_nonces_follow_the_time_and_always_grow() -> None:
    assert next_nonce(1_700_000_000, last=0) == 17_000_000_000_000_000
    assert next_nonce(1_700_000_000, last=17_000_000_000_000_000) == 17_000_000_000_000_001
    assert next_nonce(5, last=2**80) == 2**80 + 1
