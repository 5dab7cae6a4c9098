"""A chain with the contracts of compute, users who have something to spend, and the official SDK that is told its URL alone."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final

from websockets.sync.client import connect

from tests.interop.compute.sdk import Broker, Sdk, running_sdk
from tests.interop.node import running_node
from zerog.chain.client import ChainClient
from zerog.contracts.compute import (
    INFERENCE_SERVING,
    LEDGER_MANAGER,
    FundSpent,
    InferenceAccount,
    InferenceService,
    LedgerAccount,
    SettlementResult,
)
from zerog.contracts.interface import AbiValue, Interface
from zerog.networks import NetworkParams, role_account
from zerog.primitives import Account, Address, Hash32, decode_data

__all__ = ["OG", "Market", "new_account", "running_market"]

OG: Final = 10**18
"""Wei of a token of 0G."""
STAKE: Final = 100 * OG
PURSE: Final = 10_000 * OG
WAIT_S_MAX: Final = 30
"""More than anything takes that a test waits for."""
SERVING: Final = INFERENCE_SERVING
LEDGER: Final = LEDGER_MANAGER


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
        self,
        url: str = "http://127.0.0.1:9",
        *,
        model: str = "model",
        verifiability: str = "TeeML",
        signer: Address | None = None,
        acknowledged: bool = True,
    ) -> Account:
        """A new provider with a chat service on chain; its signer is nobody that is known, unless it is named."""
        provider = self.user()
        params = ("chatbot", url, model, verifiability, 1000, 2000, "{}", signer or new_account().address)
        self.send(provider, "inference_serving", SERVING, "addOrUpdateService", params, value_wei=STAKE)
        if acknowledged:
            self.acknowledge(provider.address)
        return provider

    def acknowledge(self, provider: Address) -> None:
        """As the contracts' owner, who accepts a provider's signer."""
        self.send(self.owner, "inference_serving", SERVING, "acknowledgeTEESignerByOwner", provider)

    def service(self, provider: Address) -> InferenceService | None:
        """A service as it stands on chain, if it does."""
        if not self.read("inference_serving", SERVING, "serviceExists", provider):
            return None
        return InferenceService.decode(self.chain.call(self.address("inference_serving"), SERVING.function("getService").encode(provider)))

    def send(self, by: Account, contract: str, interface: Interface, name: str, *arguments: AbiValue, value_wei: int = 0) -> None:
        """A transaction that must succeed."""
        data = interface.function(name).encode(*arguments)
        with self.turn:
            sent = self.chain.send(self.address(contract), value_wei=value_wei, data=data, account=by)
            assert self.chain.wait_for_receipt(sent).succeeded

    def read(self, contract: str, interface: Interface, name: str, *arguments: AbiValue) -> Any:
        """What a view returns."""
        function = interface.function(name)
        values = function.decode_result(self.chain.call(self.address(contract), function.encode(*arguments)))
        return values[0] if len(values) == 1 else values

    def fund(self, user: Account, provider: Address, amount_wei: int = 3 * OG) -> None:
        """Open a ledger and a sub-account by plain transactions, which is quicker than by the SDK."""
        self.send(user, "ledger_manager", LEDGER, "depositFund", value_wei=max(3 * OG, amount_wei))
        self.send(user, "ledger_manager", LEDGER, "transferFund", provider, "inference-v1.0", amount_wei)

    def account(self, user: Account, provider: Address) -> InferenceAccount:
        """A sub-account."""
        asked = SERVING.function("getAccount").encode(user.address, provider)
        return InferenceAccount.decode(self.chain.call(self.address("inference_serving"), asked))

    def ledger(self, user: Account) -> LedgerAccount:
        """What a user has deposited."""
        return LedgerAccount.decode(self.chain.call(self.address("ledger_manager"), LEDGER.function("getLedger").encode(user.address)))

    def spent(self, user: Account) -> list[FundSpent]:
        """What was taken of a user's money, in order."""
        return [FundSpent.decode(topics, data) for topics, data in self._told(FundSpent.TOPIC, user)]

    def settled(self, user: Account) -> list[SettlementResult]:
        """What became of the settlements for a user, in order."""
        return [SettlementResult.decode(topics, data) for topics, data in self._told(SettlementResult.TOPIC, user)]

    def _told(self, topic: Hash32, user: Account) -> list[tuple[list[Hash32], bytes]]:
        topics = [f"0x{topic.hex()}", "0x" + (bytes(12) + user.address).hex()]
        logs: Any = self.chain.request("eth_getLogs", {"fromBlock": "0x0", "topics": topics})
        return [([Hash32(decode_data(topic)) for topic in log["topics"]], decode_data(log["data"])) for log in logs]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Look again at each block until it is so."""
        deadline_s = time.monotonic() + WAIT_S_MAX
        with connect(self.chain_url.replace("http", "ws", 1)) as blocks:
            blocks.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}))
            while not condition():
                blocks.recv(timeout=max(0.0, deadline_s - time.monotonic()))

    def pass_time(self, seconds: int) -> None:
        """The next block is so much later."""
        self.chain.request("evm_increaseTime", hex(seconds))
        self.chain.request("evm_mine")


@contextmanager
def running_market(folder: Path, network: NetworkParams, *words: str) -> Iterator[Market]:
    """A chain of `network`, which `words` tell `zerog chain run` to make."""
    with running_node(folder, *words) as url, ChainClient(url) as chain, running_sdk(url, folder) as sdk:
        yield Market(network, chain, url, sdk)
