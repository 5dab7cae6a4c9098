"""An ERC-20 token on a node, and signed transfers of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.connection import Connection, RpcFailedError
from benchmarks.measurements import fund
from benchmarks.transfers import Sender, sender, sign_call, transaction_hashes
from zerog._kernel import abi_decode, abi_encode, keccak256

__all__ = ["balance_call", "balance_of", "deploy_token", "recipients", "sign_token_transfers", "transfer_call"]

ARTEFACT: Final = Path(__file__).parents[1] / "contracts/testing/Token.json"
DEPLOYER_NUMBER: Final = 1_000_000
"""A sender that no flow uses."""
SUPPLY: Final = 10**27
SHARE: Final = 10**24
"""What each sender has before the flow."""
DEPLOY_GAS: Final = 3_000_000
TRANSFER_GAS: Final = 60_000
TRANSFER: Final = keccak256(b"transfer(address,uint256)")[:4]
BALANCE_OF: Final = keccak256(b"balanceOf(address)")[:4]


def deploy_token(connection: Connection, senders: Sequence[Sender]) -> bytes:
    """Address of a new token of which each of `senders` holds a share; they are funded with ether as well."""
    deployer = sender(DEPLOYER_NUMBER)
    fund(connection, [deployer, *senders])
    bytecode = bytes.fromhex(json.loads(ARTEFACT.read_text())["bytecode"][2:])
    creation = bytecode + abi_encode(["string", "string", "uint256"], ["Bench", "BNCH", SUPPLY])
    receipt = send(connection, sign_call(deployer, nonce=0, to=None, gas_limit=DEPLOY_GAS, data=creation))
    token = bytes.fromhex(str(receipt["contractAddress"])[2:])
    for index, each in enumerate(senders):
        call = transfer_call(each.address, SHARE)
        send(connection, sign_call(deployer, nonce=1 + index, to=token, gas_limit=TRANSFER_GAS, data=call))
    return token


def send(connection: Connection, signed: bytes) -> dict[str, object]:
    """Send one transaction and return its receipt, which says success."""
    connection.call("eth_sendRawTransaction", "0x" + signed.hex())
    return connection.wait_for_receipt(transaction_hashes([signed])[0])


def transfer_call(to: bytes, value: int) -> bytes:
    """Input of `transfer`."""
    return TRANSFER + abi_encode(["address", "uint256"], [to, value])


def recipients(count: int) -> list[bytes]:
    """Addresses that nobody has a key for."""
    return [keccak256(b"zerog benchmark holder %d" % number)[12:] for number in range(count)]


def sign_token_transfers(token: bytes, senders: Sequence[Sender], count: int, to: Sequence[bytes]) -> list[bytes]:
    """Sign `count` transfers of one unit, the senders in turn, each from nonce 0, to the addresses in turn."""
    return [
        sign_call(
            senders[index % len(senders)],
            nonce=index // len(senders),
            to=token,
            gas_limit=TRANSFER_GAS,
            data=transfer_call(to[index % len(to)], 1),
        )
        for index in range(count)
    ]


def balance_call(token: bytes, holder: bytes) -> dict[str, str]:
    """The call object that asks what `holder` has."""
    return {"to": "0x" + token.hex(), "data": "0x" + (BALANCE_OF + abi_encode(["address"], [holder])).hex()}


def balance_of(connection: Connection, token: bytes, holder: bytes) -> int:
    """What `holder` has of the token, now."""
    answer = connection.call("eth_call", balance_call(token, holder), "latest")
    (balance,) = abi_decode(["uint256"], bytes.fromhex(str(answer)[2:]))
    if not isinstance(balance, int):
        raise RpcFailedError(f"balanceOf gave {answer}")
    return balance
