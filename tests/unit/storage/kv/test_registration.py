"""Who asks a node to follow a stream has signed for it, as EIP-712 says; held against an independent implementation."""

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from zerog.primitives import Address, Hash32
from zerog.storage.kv.errors import ParameterRefusedError
from zerog.storage.kv.registration import check_registration
from zerog.storage.protocol.registration import REGISTER_TYPE_HASH

PRIVATE_KEY = "0x" + "17" * 32
WALLET = Address.from_json(Account.from_key(PRIVATE_KEY).address)
STREAM = Hash32(bytes(30) + b"\xf2\xbd")


def signed(chain_id: int, stream: Hash32 = STREAM, purpose: str = "register-stream") -> bytes:
    message = encode_typed_data(
        domain_data={"name": "0G Storage Scan", "version": "1", "chainId": chain_id},
        message_types={
            "RegisterStream": [
                {"name": "purpose", "type": "string"},
                {"name": "wallet", "type": "address"},
                {"name": "streamId", "type": "bytes32"},
            ]
        },
        message_data={"purpose": purpose, "wallet": str(WALLET), "streamId": stream},
    )
    return bytes(Account.sign_message(message, PRIVATE_KEY).signature)


def register(chain_id: int, stream: Hash32, *, of_chain: int | None = None) -> tuple[str, str, str]:
    """Parameters of `admin_addStream`; signed for another chain with `of_chain`."""
    return str(stream), str(WALLET), "0x" + signed(of_chain or chain_id, stream).hex()


def test_the_type_is_the_official_one() -> None:
    assert REGISTER_TYPE_HASH.hex() == "dcb8363f0199fe625494efc940449c5eaba1d2e70694cd36e7195722de72b021"


@pytest.mark.parametrize("chain_id", [1, 31337, 16602, 2**63])
def test_a_signature_of_the_wallet_is_taken(chain_id: int) -> None:
    check_registration(chain_id, WALLET, STREAM, signed(chain_id))


@pytest.mark.parametrize(
    ("signature", "cause"),
    [
        (signed(2), "it is not of"),
        (signed(1, Hash32(bytes(32))), "it is not of"),
        (signed(1, purpose="unregister-stream"), "it is not of"),
        (signed(1)[:-1], "65 bytes"),
        (b"", "65 bytes"),
        (bytes(65), ""),
        (signed(1)[:64] + b"\x55", ""),
    ],
)
def test_any_other_is_refused_as_a_parameter(signature: bytes, cause: str) -> None:
    with pytest.raises(ParameterRefusedError) as refused:
        check_registration(1, WALLET, STREAM, signature)
    assert (refused.value.rpc_code, str(refused.value)) == (-32602, "Invalid params: signature")
    assert cause in refused.value.rpc_data
