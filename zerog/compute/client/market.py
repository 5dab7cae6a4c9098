"""Reading the marketplace from chain: services, ledgers, and accounts with providers."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from zerog.chain.client import ChainClient, RpcError
from zerog.compute.client.errors import ServiceUnknownError
from zerog.compute.protocol.additional_info import AdditionalInfo
from zerog.compute.protocol.errors import AdditionalInfoError
from zerog.contracts.compute import (
    INFERENCE_SERVING,
    LEDGER_MANAGER,
    InferenceAccount,
    InferenceService,
    LedgerAccount,
    RegisteredService,
)
from zerog.contracts.compute_refusals import ComputeCallRefusedError, compute_refusal
from zerog.contracts.interface import AbiValue, Function
from zerog.networks import load, own_network, public_name
from zerog.primitives import Address, Data, DecodeError, Hash32, Wei
from zerog.primitives.errors import RefusalError

__all__ = ["Contracts", "Market", "Weights", "contracts_of", "refusal_of", "weights_of"]

PAGE: Final = 50
"""Entries that the contract lists at most in one call."""
LOCAL: Final = "local"
FALLBACK: Final = "galileo"
"""Where the official clients look on a chain that they do not know."""


@dataclass(frozen=True, slots=True)
class Contracts:
    """Where the contracts of the marketplace stand."""

    ledger: Address
    serving: Address


@dataclass(frozen=True, slots=True)
class Weights:
    """The file that a service's model is, as it says on chain."""

    sha256: Hash32
    root: Hash32 | None
    """In 0G Storage."""


def weights_of(service: InferenceService) -> Weights | None:
    """`None` where the service does not name it."""
    try:
        info = AdditionalInfo.from_json(service.params.additional_info)
    except AdditionalInfoError:
        return None
    return None if info.model_sha256 is None else Weights(info.model_sha256, info.model_root)


def contracts_of(chain_id: int) -> Contracts:
    """Their addresses by the chain id, as the official compute SDK chooses them."""
    name = LOCAL if chain_id == load(LOCAL).chain_id else public_name(chain_id) or FALLBACK
    addresses = load(name).addresses
    return Contracts(addresses["ledger_manager"], addresses["inference_serving"])


def refusal_of(error: RpcError) -> RefusalError:
    """What the contract meant, if the node's error carries it; else the node's own words."""
    if isinstance(error.data, str):
        try:
            return compute_refusal(Data.from_json(error.data)) or error
        except (ValueError, DecodeError):
            return error
    return error


class Market:
    """The contracts of one chain. Every method raises what `ChainClient` does, and `ComputeCallRefusedError`."""

    def __init__(self, chain: ChainClient, contracts: Contracts | None = None) -> None:
        """`contracts` if they stand elsewhere than the chain id says."""
        self.chain: Final = chain
        self._given: Final = contracts

    @cached_property
    def chain_id(self) -> int:
        """Of the chain."""
        return int(self.chain.chain_id())

    @cached_property
    def contracts(self) -> Contracts:
        """Where the contracts stand."""
        return self._given or contracts_of(self.chain_id)

    @cached_property
    def flow(self) -> Address:
        """Where files are submitted; a chain that nobody knows is one of our own."""
        name = public_name(self.chain_id)
        return (own_network(chain_id=self.chain_id) if name is None else load(name)).addresses["flow"]

    @cached_property
    def service_name(self) -> str:
        """What the ledger calls the serving contract, such as `inference-v1.0`."""
        data = self._call(self.contracts.ledger, LEDGER_MANAGER.function("getServiceInfo"), self.contracts.serving)
        return RegisteredService.decode(data).full_name

    @cached_property
    def lock_time_s(self) -> int:
        """How long money asked back stays with a provider."""
        return self._number(self.contracts.serving, INFERENCE_SERVING.function("lockTime"))

    @cached_property
    def ledger_min_wei(self) -> Wei:
        """A ledger begins with at least as much, and keeps at least as much or nothing."""
        return Wei(self._number(self.contracts.ledger, LEDGER_MANAGER.function("MIN_ACCOUNT_BALANCE")))

    @cached_property
    def transfer_min_wei(self) -> Wei:
        """An account with a provider begins with at least as much."""
        return Wei(self._number(self.contracts.ledger, LEDGER_MANAGER.function("MIN_TRANSFER_AMOUNT")))

    def services(self) -> Iterator[InferenceService]:
        """All services, also those that cannot be paid yet."""
        function, offset, total = INFERENCE_SERVING.function("getAllServices"), 0, 1
        while offset < total:
            page, total = InferenceService.decode_page(self._call(self.contracts.serving, function, offset, PAGE))
            yield from page
            if not page:
                return
            offset += len(page)

    def service(self, provider: Address) -> InferenceService:
        """Raises `ServiceUnknownError`."""
        found = self.find_service(provider)
        if found is None:
            raise ServiceUnknownError(f"of provider {provider}")
        return found

    def find_service(self, provider: Address) -> InferenceService | None:
        """The service of a provider, if it has one."""
        data = self._ask(self.contracts.serving, INFERENCE_SERVING.function("getService"), "ServiceNotExist", provider)
        return None if data is None else InferenceService.decode(data)

    def account(self, user: Address, provider: Address) -> InferenceAccount | None:
        """What a user has with a provider."""
        data = self._ask(self.contracts.serving, INFERENCE_SERVING.function("getAccount"), "AccountNotExists", user, provider)
        return None if data is None else InferenceAccount.decode(data)

    def accounts(self, user: Address) -> Iterator[InferenceAccount]:
        """What a user has with all providers."""
        function, offset, total = INFERENCE_SERVING.function("getAccountsByUser"), 0, 1
        while offset < total:
            page, total = InferenceAccount.decode_page(self._call(self.contracts.serving, function, user, offset, PAGE))
            yield from page
            if not page:
                return
            offset += len(page)

    def ledger(self, user: Address) -> LedgerAccount | None:
        """A user's pooled deposit."""
        data = self._ask(self.contracts.ledger, LEDGER_MANAGER.function("getLedger"), "LedgerNotExists", user)
        return None if data is None else LedgerAccount.decode(data)

    def _ask(self, to: Address, function: Function, absent: str, *arguments: AbiValue) -> bytes | None:
        """What a view returns, or `None` where the contract says that there is no such thing."""
        try:
            return self._call(to, function, *arguments)
        except ComputeCallRefusedError as error:
            if error.name == absent:
                return None
            raise

    def _number(self, to: Address, function: Function) -> int:
        [number] = function.decode_result(self._call(to, function))
        return int(number)

    def _call(self, to: Address, function: Function, *arguments: AbiValue) -> bytes:
        try:
            return self.chain.call(to, function.encode(*arguments))
        except RpcError as error:
            raise refusal_of(error) from error
