"""What the owner of compute's contracts does on a network of our own: vouches for every signer at once, as nobody else is there who could.

On a public network the owner looks at a provider's evidence first; here every signer is that of a simulated enclave, and says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from zerog.chain.client import AnswerError, AsyncChainClient, NodeUnreachableError, ReceiptTimeoutError, RpcError
from zerog.contracts.compute import FINE_TUNING_SERVING, INFERENCE_SERVING, InferenceService
from zerog.contracts.fine_tuning import FineTuningService
from zerog.contracts.interface import Interface
from zerog.primitives import ZERO_ADDRESS, Account, Address, DecodeError
from zerog.runtime.report import report_of

__all__ = ["SignerAcknowledger"]

log = structlog.get_logger(__name__)

CHAIN_FAILURES: Final = (AnswerError, NodeUnreachableError, ReceiptTimeoutError, RpcError, DecodeError)
PAGE: Final = 50
"""Services that the contract tells at once."""


@dataclass(frozen=True, slots=True)
class SignerAcknowledger:
    """Acts for the owner of the contracts."""

    client: AsyncChainClient
    owner: Account
    inference: Address
    fine_tuning: Address

    async def acknowledge_all(self) -> int:
        """Acknowledge whoever is not yet; returns how many. What the chain refuses is logged, and tried again the next time."""
        count = 0
        try:
            for interface, contract, providers in (
                (INFERENCE_SERVING, self.inference, await self._inference_providers()),
                (FINE_TUNING_SERVING, self.fine_tuning, await self._fine_tuning_providers()),
            ):
                for provider in providers:
                    count += await self._acknowledge(interface, contract, provider)
        except CHAIN_FAILURES as error:
            log.warning("services_not_read", cause=report_of(error).cause)
        return count

    async def _acknowledge(self, interface: Interface, contract: Address, provider: Address) -> bool:
        data = interface.function("acknowledgeTEESignerByOwner").encode(bytes(provider))
        receipt = await self.client.wait_for_receipt(await self.client.send(contract, data=data, account=self.owner))
        log.info("signer_acknowledged", provider=str(provider), contract=str(contract), succeeded=receipt.succeeded)
        return receipt.succeeded

    async def _inference_providers(self) -> Sequence[Address]:
        found: list[InferenceService] = []
        total = 1
        while len(found) < total:
            data = INFERENCE_SERVING.function("getAllServices").encode(len(found), PAGE)
            page, total = InferenceService.decode_page(await self.client.call(self.inference, data))
            found += page
            if not page:
                break
        return [service.provider for service in found if not service.is_signer_acknowledged and service.params.signer != ZERO_ADDRESS]

    async def _fine_tuning_providers(self) -> Sequence[Address]:
        data = FINE_TUNING_SERVING.function("getAllServices").encode()
        return list(_unacknowledged(FineTuningService.decode_all(await self.client.call(self.fine_tuning, data))))


def _unacknowledged(services: Sequence[FineTuningService]) -> Iterator[Address]:
    for service in services:
        if not service.is_signer_acknowledged and service.signer != ZERO_ADDRESS:
            yield service.provider
