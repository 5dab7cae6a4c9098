"""Transactions against eth-account, and bytes that must be refused."""

import json
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from zerog._kernel import DecodeError, SignatureError, Transaction, address_of, decode_transaction, keccak256, transaction_json

PRIVATE_KEY = b"\x46" * 32
GWEI = 10**9
RECIPIENT = b"\x35" * 20
SLOT = b"\2" * 32


def as_hex(data: bytes) -> str:
    return "0x" + data.hex()


def authorization() -> Any:
    return Account.sign_authorization({"chainId": 1, "address": as_hex(b"\7" * 20), "nonce": 5}, PRIVATE_KEY)


def theirs(kind: int) -> bytes:
    """What eth-account makes of the transaction of this type."""
    fields: dict[str, Any] = {"nonce": 9, "gas": 100_000, "to": as_hex(RECIPIENT), "value": 10**18, "data": "0x010203", "chainId": 1}
    if kind in (0, 1):
        fields["gasPrice"] = 20 * GWEI
    else:
        fields |= {"maxFeePerGas": 20 * GWEI, "maxPriorityFeePerGas": 3}
    if kind > 0:
        fields |= {"type": kind, "accessList": [{"address": as_hex(b"\1" * 20), "storageKeys": [as_hex(SLOT)]}]}
    if kind == 4:
        fields["authorizationList"] = [authorization()]
    return bytes(Account.sign_transaction(fields, PRIVATE_KEY).raw_transaction)


def ours(kind: int) -> Transaction:
    signed = authorization()
    return Transaction(
        kind=kind,
        chain_id=1,
        nonce=9,
        gas_limit=100_000,
        max_fee_per_gas=20 * GWEI,
        max_priority_fee_per_gas=3 if kind in (2, 4) else None,
        to=RECIPIENT,
        value=10**18,
        data=b"\1\2\3",
        access_list=[(b"\1" * 20, [SLOT])] if kind > 0 else (),
        authorization_list=[(1, b"\7" * 20, 5, signed.y_parity, signed.r, signed.s)] if kind == 4 else (),
    )


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_signed_bytes_agree_with_eth_account(kind: int) -> None:
    assert ours(kind).sign(PRIVATE_KEY) == theirs(kind)


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_what_eth_account_signs_is_read(kind: int) -> None:
    raw = theirs(kind)
    decoded = decode_transaction(raw)
    assert decoded.hash == keccak256(raw)
    assert decoded.sender == address_of(PRIVATE_KEY)
    assert (decoded.kind, decoded.chain_id, decoded.nonce, decoded.gas_limit) == (kind, 1, 9, 100_000)
    assert (decoded.max_fee_per_gas, decoded.max_priority_fee_per_gas) == (20 * GWEI, 3 if kind in (2, 4) else None)
    assert (decoded.to, decoded.value, decoded.data) == (RECIPIENT, 10**18, b"\1\2\3")


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_a_pending_transaction_has_the_members_of_its_type(kind: int) -> None:
    pending = json.loads(transaction_json(theirs(kind)))
    common = {"blockHash", "blockNumber", "transactionIndex", "hash", "from", "to", "type", "nonce", "gas", "gasPrice", "value", "input"}
    expected = common | {"chainId", "v", "r", "s"}
    if kind > 0:
        expected |= {"accessList", "yParity"}
    if kind > 1:
        expected |= {"maxFeePerGas", "maxPriorityFeePerGas"}
    if kind == 4:
        expected |= {"authorizationList"}
    assert set(pending) == expected
    assert pending["blockHash"] is pending["blockNumber"] is pending["transactionIndex"] is None
    assert (pending["type"], pending["nonce"], pending["value"]) == (hex(kind), "0x9", hex(10**18))


def test_a_creation_has_no_recipient() -> None:
    raw = Transaction(kind=0, chain_id=None, nonce=0, gas_limit=60_000, max_fee_per_gas=1).sign(PRIVATE_KEY)
    decoded = decode_transaction(raw)
    assert (decoded.to, decoded.chain_id, decoded.data) == (None, None, b"")
    assert json.loads(transaction_json(raw))["to"] is None


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_an_impersonated_sender_is_refused_as_a_signature(kind: int) -> None:
    raw = ours(kind).impersonate(b"\xee" * 20)
    for read in (decode_transaction, transaction_json):
        with pytest.raises(SignatureError):
            read(raw)


def test_fields_must_fit_the_type() -> None:
    with pytest.raises(DecodeError):
        Transaction(kind=3, chain_id=1, nonce=0, gas_limit=0, max_fee_per_gas=0)
    with pytest.raises(DecodeError):
        Transaction(kind=2, chain_id=None, nonce=0, gas_limit=0, max_fee_per_gas=0)
    with pytest.raises(DecodeError):
        Transaction(kind=4, chain_id=1, nonce=0, gas_limit=0, max_fee_per_gas=0)
    with pytest.raises(OverflowError):
        Transaction(kind=0, chain_id=1, nonce=2**64, gas_limit=0, max_fee_per_gas=0)
    with pytest.raises(OverflowError):
        Transaction(kind=0, chain_id=1, nonce=0, gas_limit=0, max_fee_per_gas=0, value=2**256)
    with pytest.raises(OverflowError):
        Transaction(kind=0, chain_id=1, nonce=0, gas_limit=0, max_fee_per_gas=0, value=-1)
    with pytest.raises(ValueError, match="20 bytes"):
        Transaction(kind=0, chain_id=1, nonce=0, gas_limit=0, max_fee_per_gas=0, to=b"\1")


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"", "typed transaction too short"),
        (b"\2", "typed transaction too short"),
        (b"\5\xc0", "transaction type 5 not supported"),
        (b"\xc0", "rlp: too few elements"),
        (b"\xf8\x6b", "rlp: value size exceeds available input length"),
        (b"\x80", "rlp: expected input list"),
    ],
)
def test_faults_have_geths_words(raw: bytes, detail: str) -> None:
    with pytest.raises(DecodeError, match=detail):
        decode_transaction(raw)


@given(st.sampled_from([0, 1, 2, 4]), st.integers(0, 400), st.integers(0, 255))
def test_damaged_bytes_never_pass_for_the_same_transaction(kind: int, position: int, byte: int) -> None:
    raw = bytearray(theirs(kind))
    position %= len(raw)
    changed = raw[position] != byte
    raw[position] = byte
    try:
        decoded = decode_transaction(bytes(raw))
    except (DecodeError, SignatureError):
        assert changed
    else:
        assert (decoded.sender == address_of(PRIVATE_KEY)) is not changed
