"""A chain in this process with the contracts of compute on it, and those who meet there: owner, provider and users."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

import anyio
import httpx

from zerog.chain.client import AsyncChainClient
from zerog.chain.node.chain import network_accounts
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.contracts import Interface, load_interface
from zerog.contracts.compute import INFERENCE_SERVING, ServiceParams
from zerog.networks import own_network, predeployed, role_account
from zerog.primitives import Account, Address, Wei, encode_data

ONE: Final = 10**18
LOCK_S: Final = 3_600
NETWORK: Final = own_network()
GENESIS = NETWORK.genesis
assert GENESIS is not None
PROVIDER, OWNER = (role_account(GENESIS.mnemonic, "compute", index) for index in (0, 1))
USERS: Final = network_accounts(NETWORK)
SIGNER: Final = Account.from_private_key(bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe512961708279b7e1a8d7d7a3c2b9e3"))
LEDGER: Final = load_interface("compute", "LedgerManager")
LEDGER_ADDRESS: Final = NETWORK.addresses["ledger_manager"]
SERVING_ADDRESS: Final = NETWORK.addresses["inference_serving"]
SERVICE_NAME: Final = "inference-v1.0"
WAIT_S: Final = 15.0
"""More than anything here takes; who waits longer has found a fault."""


def offer(**changes: Any) -> ServiceParams:
    """A service as providers offer it."""
    values: dict[str, Any] = {
        "service_type": "chatbot",
        "url": "http://127.0.0.1:9000",
        "model": "a-model",
        "verifiability": "TeeML",
        "input_price_wei": Wei(10),
        "output_price_wei": Wei(20),
        "additional_info": "{}",
        "signer": SIGNER.address,
    }
    return ServiceParams(**(values | changes))


@dataclass
class Line(httpx.AsyncBaseTransport):
    """The network between a role and the chain's node: it counts calls, and can be cut."""

    is_cut: bool = False
    methods: list[str] = field(default_factory=list)
    _wire: httpx.AsyncHTTPTransport = field(default_factory=httpx.AsyncHTTPTransport)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_cut:
            raise httpx.ConnectError("the line is cut", request=request)
        self.methods.append(request.content.split(b'"method":"', 1)[1].split(b'"', 1)[0].decode())
        return await self._wire.handle_async_request(request)

    async def aclose(self) -> None:
        await self._wire.aclose()


class Place:
    """A running chain and its contracts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = AsyncChainClient(url)

    async def set_up(self) -> Self:
        """Put the contracts in place, unless the network has begun with them."""
        for address in (LEDGER_ADDRESS, SERVING_ADDRESS):
            if not await self.client.code(address):
                code = predeployed(own_network())[address].code
                await self.client.request("hardhat_setCode", encode_data(address), encode_data(code))
        initialized = LEDGER.function("initialized")
        if not initialized.decode_result(await self.client.call(LEDGER_ADDRESS, initialized.encode()))[0]:
            await self.send(OWNER, LEDGER_ADDRESS, LEDGER, "initialize", OWNER.address)
            await self.send(OWNER, SERVING_ADDRESS, INFERENCE_SERVING, "initialize", LOCK_S, LEDGER_ADDRESS, OWNER.address)
            await self.send(OWNER, LEDGER_ADDRESS, LEDGER, "registerService", "inference", "v1.0", SERVING_ADDRESS, "Inference")
        return self

    async def send(
        self, account: Account, to: Address, interface: Interface, name: str, *arguments: Any, value_wei: int = 0
    ) -> ReceiptAnswer:
        data = interface.function(name).encode(*arguments)
        receipt = await self.client.wait_for_receipt(await self.client.send(to, value_wei=value_wei, data=data, account=account))
        assert receipt.succeeded
        return receipt

    async def fund(self, user: Account, amount_wei: int, provider: Address = PROVIDER.address) -> None:
        """Move money from a user's wallet into his account with the provider."""
        await self.send(user, LEDGER_ADDRESS, LEDGER, "depositFund", value_wei=max(amount_wei, 3 * ONE))
        await self.send(user, LEDGER_ADDRESS, LEDGER, "transferFund", provider, SERVICE_NAME, amount_wei)

    async def serving(self, account: Account, name: str, *arguments: Any, value_wei: int = 0) -> ReceiptAnswer:
        """Call the contract of inference."""
        return await self.send(account, SERVING_ADDRESS, INFERENCE_SERVING, name, *arguments, value_wei=value_wei)

    async def acknowledge(self, provider: Address = PROVIDER.address) -> None:
        """As the contract's owner does after having looked at the provider's evidence."""
        await self.serving(OWNER, "acknowledgeTEESignerByOwner", provider)


@asynccontextmanager
async def open_place(**changes: Any) -> AsyncIterator[Place]:
    """A place of its own, whose blocks come on demand."""
    async with anyio.create_task_group() as roles:
        url = await roles.start(ChainNode(ChainNodeSettings(**({"rpc_port": 0} | changes)), NETWORK).run)
        place = Place(str(url))
        try:
            yield await place.set_up()
        finally:
            with anyio.CancelScope(shield=True):
                await place.client.close()
            roles.cancel_scope.cancel()
