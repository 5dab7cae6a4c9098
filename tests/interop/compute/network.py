"""A chain with the contracts of compute, users who have something to spend, and the official SDK that is told its URL alone."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final

from tests.interop.compute.sdk import Broker, Sdk, running_sdk
from tests.interop.node import running_node
from zerog.chain.client import ChainClient
from zerog.contracts.interface import AbiValue, Interface, load_interface
from zerog.networks import NetworkParams, role_account
from zerog.primitives import Account, Address

__all__ = ["OG", "Market", "new_account", "running_market"]

OG: Final = 10**18
"""Wei of a token of 0G."""
STAKE: Final = 100 * OG
PURSE: Final = 10_000 * OG
SERVING: Final = load_interface("compute", "InferenceServing")
LEDGER: Final = load_interface("compute", "LedgerManager")


def new_account() -> Account:
    """A key that nobody has used."""
    return Account.from_private_key(secrets.token_bytes(32))


@dataclass(frozen=True, slots=True)
class Market:
    """What the tests do beside the SDK, by plain transactions."""

    network: NetworkParams
    chain: ChainClient
    chain_url: str
    sdk: Sdk
    turn: Lock = field(default_factory=Lock)
    """One transaction at a time, since scenarios share the owner's account."""

    def user(self) -> Account:
        """A new account with 10,000 tokens."""
        account = new_account()
        self.chain.request("hardhat_setBalance", str(account.address), hex(PURSE))
        return account

    def broker(self, account: Account | None = None) -> Broker:
        """The SDK as a user has it, a new one unless it is named."""
        return self.sdk.broker(account or self.user())

    @property
    def owner(self) -> Account:
        """Who owns the contracts."""
        assert self.network.genesis is not None
        return role_account(self.network.genesis.mnemonic, "compute", 1)

    def address(self, name: str) -> Address:
        """Of `ledger_manager` and its like."""
        return self.network.addresses[name]

    def offer(
        self, url: str = "http://127.0.0.1:9", *, model: str = "model", verifiability: str = "TeeML", acknowledged: bool = True
    ) -> Account:
        """A new provider with a chat service on chain."""
        provider, signer = self.user(), new_account()
        params = ("chatbot", url, model, verifiability, 1000, 2000, "{}", signer.address)
        self.send(provider, "inference_serving", SERVING, "addOrUpdateService", params, value_wei=STAKE)
        if acknowledged:
            self.send(self.owner, "inference_serving", SERVING, "acknowledgeTEESignerByOwner", provider.address)
        return provider

    def send(self, by: Account, contract: str, interface: Interface, name: str, *arguments: AbiValue, value_wei: int = 0) -> None:
        """A transaction that must succeed."""
        data = interface.function(name).encode(*arguments)
        with self.turn:
            sent = self.chain.send(by, self.address(contract), value_wei=value_wei, data=data)
            assert self.chain.wait_for_receipt(sent).succeeded

    def read(self, contract: str, interface: Interface, name: str, *arguments: AbiValue) -> Any:
        """What a view returns."""
        function = interface.function(name)
        values = function.decode_result(self.chain.call(self.address(contract), function.encode(*arguments)))
        return values[0] if len(values) == 1 else values

    def pass_time(self, seconds: int) -> None:
        """The next block is so much later."""
        self.chain.request("evm_increaseTime", hex(seconds))
        self.chain.request("evm_mine")


@contextmanager
def running_market(folder: Path, network: NetworkParams, *words: str) -> Iterator[Market]:
    """A chain of `network`, which `words` tell `zerog chain run` to make."""
    with running_node(folder, *words) as url, ChainClient(url) as chain, running_sdk(url, folder) as sdk:
        yield Market(network, chain, url, sdk)
