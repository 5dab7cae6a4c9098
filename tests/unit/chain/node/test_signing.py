"""Signatures by unlocked accounts, held against an independent library."""

import json

from eth_account import Account as OtherLibrary
from eth_account.messages import encode_defunct, encode_typed_data

from tests.unit.chain.node.conftest import ACCOUNTS, Running, text
from zerog._kernel import decode_transaction

SIGNER = ACCOUNTS[3]
TYPED = {
    "types": {
        "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "chainId", "type": "uint256"}],
        "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
        "Mail": [{"name": "from", "type": "Person"}, {"name": "amounts", "type": "uint256[]"}, {"name": "body", "type": "bytes"}],
    },
    "primaryType": "Mail",
    "domain": {"name": "Post", "chainId": 31337},
    "message": {"from": {"name": "Ada", "wallet": "0x" + "11" * 20}, "amounts": [1, 2**200], "body": "0x1234"},
}


def test_messages_are_signed_as_other_libraries_sign_them(chain: Running) -> None:
    for message in (b"", b"hello", bytes(range(256))):
        expected = text(OtherLibrary.sign_message(encode_defunct(message), SIGNER.private_key).signature)
        assert chain.rpc("eth_sign", text(SIGNER.address), text(message)) == expected
        assert chain.rpc("personal_sign", text(message), text(SIGNER.address)) == expected


def test_typed_documents_are_signed_as_other_libraries_sign_them(chain: Running) -> None:
    expected = text(OtherLibrary.sign_message(encode_typed_data(full_message=TYPED), SIGNER.private_key).signature)
    assert chain.rpc("eth_signTypedData_v4", text(SIGNER.address), TYPED) == expected
    assert chain.rpc("eth_signTypedData_v4", text(SIGNER.address), json.dumps(TYPED)) == expected


def test_a_signed_transaction_is_not_sent(chain: Running) -> None:
    nonce = chain.nonce(SIGNER)
    raw = chain.rpc("eth_signTransaction", {"from": text(SIGNER.address), "to": text(ACCOUNTS[4].address), "value": "0x5"})
    decoded = decode_transaction(bytes.fromhex(raw[2:]))
    assert (decoded.sender, decoded.value, decoded.nonce) == (SIGNER.address, 5, nonce)
    assert chain.nonce(SIGNER) == nonce
    assert chain.rpc("eth_getTransactionReceipt", chain.rpc("eth_sendRawTransaction", raw))["status"] == "0x1"


def test_nobody_signs_for_a_stranger(chain: Running) -> None:
    stranger = "0x" + "99" * 20
    for method, params in (
        ("eth_sign", [stranger, "0x00"]),
        ("personal_sign", ["0x00", stranger]),
        ("eth_signTypedData_v4", [stranger, TYPED]),
        ("eth_signTransaction", [{"from": stranger, "to": stranger}]),
    ):
        refused = chain.refusal(method, *params)
        assert refused.code == -32000
        assert refused.message.startswith("unknown account 0x9999")


def test_the_accounts_are_the_well_known_ten(chain: Running) -> None:
    assert chain.rpc("eth_accounts") == chain.rpc("eth_requestAccounts") == [text(account.address) for account in ACCOUNTS]
