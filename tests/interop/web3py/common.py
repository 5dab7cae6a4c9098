"""What the chapters of the web3.py scenario share: accounts, artefacts, and how a contract's errors are decoded."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import decode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ABI, HexStr
from eth_utils.abi import abi_to_signature, filter_abi_by_type, function_abi_to_4byte_selector, get_abi_input_types
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.middleware import SignAndSendRawMiddlewareBuilder
from web3.types import RPCEndpoint, TxParams, TxReceipt, Wei

CONTRACTS = Path(__file__).parents[3] / "contracts"
MNEMONIC = "test test test test test test test test test test test junk"
MULTICALL3 = Web3.to_checksum_address("0xca11bde05977b3631167028862be2a173976ca11")
GAS_PRICE = Wei(20 * 10**9)


@dataclass(frozen=True, slots=True)
class Context:
    """A connection that signs with ten local accounts, and one that leaves signing to the node."""

    url: str
    w3: Web3
    bare: Web3
    accounts: tuple[LocalAccount, ...]

    def send(self, method: str, *params: object) -> Any:
        """The answer of a method as it is, also of those that web3.py has no name for; the node signs what is to be signed."""
        return self.bare.manager.request_blocking(RPCEndpoint(method), list(params))


Chapter = Callable[[Context], Mapping[str, object]]


def connect(url: str) -> Context:
    """Connect to a node; nothing is retried, so that each failure is seen."""
    Account.enable_unaudited_hdwallet_features()
    accounts = tuple(Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}") for index in range(10))
    signing, bare = (Web3(HTTPProvider(url, exception_retry_configuration=None)) for _ in range(2))
    signing.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(list(accounts)), layer=0)
    return Context(url, signing, bare, accounts)


def artefact(name: str) -> dict[str, Any]:
    """What the compiler made of one contract, such as `testing/Counter`."""
    loaded: dict[str, Any] = json.loads((CONTRACTS / f"{name}.json").read_text())
    return loaded


COUNTER = artefact("testing/Counter")


def deploy(context: Context, account: LocalAccount, compiled: Mapping[str, Any], *args: object, value: int = 0) -> Contract:
    """Deploy a contract and wait until it stands there."""
    factory = context.w3.eth.contract(abi=compiled["abi"], bytecode=compiled["bytecode"])
    transaction = factory.constructor(*args).transact({"from": account.address, "value": Wei(value)})
    receipt = context.w3.eth.wait_for_transaction_receipt(transaction, poll_latency=0.02)
    assert receipt["contractAddress"] is not None
    return context.w3.eth.contract(address=receipt["contractAddress"], abi=compiled["abi"])


def write(context: Context, account: LocalAccount, contract: Contract, name: str, *args: object, **extra: Any) -> TxReceipt:
    """Send a call of a contract and wait for its receipt."""
    transaction = TxParams({"from": account.address, **extra})  # type: ignore[typeddict-item]
    sent = contract.functions[name](*args).transact(transaction)
    return context.w3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)


def sign(account: LocalAccount, request: Mapping[str, Any]) -> bytes:
    """The raw bytes of a signed transaction."""
    return bytes(account.sign_transaction({**request}).raw_transaction)


def decode_error(abi: ABI, data: object) -> tuple[str, tuple[object, ...]]:
    """Name and arguments of the custom error in revert data."""
    assert isinstance(data, str), data
    raw = bytes.fromhex(data.removeprefix("0x"))
    for element in filter_abi_by_type("error", abi):
        if function_abi_to_4byte_selector(element) == raw[:4]:
            return abi_to_signature(element).split("(")[0], decode(get_abi_input_types(element), raw[4:])
    raise AssertionError(f"no error of this ABI: {data}")


def as_hex(data: bytes) -> HexStr:
    """Hexadecimal with its prefix."""
    return HexStr("0x" + bytes(data).hex())
