"""The bill of an answer: its receipt and the signed text, ready to be written down."""

from collections.abc import Sequence
from typing import Final

from zerog.compute.protocol.attestation import Enclave
from zerog.compute.protocol.fees import Fee, Usage
from zerog.compute.protocol.receipts import RECEIPT_VERSION, EngineIdentity, Receipt, canonical_bytes, leaf_of, sign_receipt
from zerog.compute.protocol.signing import answer_text, images_text, sign_text
from zerog.compute.provider.book import Charge
from zerog.compute.provider.engines import EngineIdentity as Computed
from zerog.compute.provider.orders import Order
from zerog.primitives import Address, Hash32
from zerog.runtime.clock import Clock

__all__ = ["Billing"]


class Billing:
    """Makes out the bills of one provider, and signs them with its enclave's key."""

    def __init__(self, provider: Address, chain_id: int, enclave: Enclave, clock: Clock) -> None:
        self._provider: Final = provider
        self._chain_id: Final = chain_id
        self._signer: Final = enclave.signer
        self._clock: Final = clock

    def charge(self, order: Order, usage: Usage, fee: Fee, response_sha256: bytes, images: Sequence[bytes], computed: Computed) -> Charge:
        """What goes into the books for an answer, and what `computed` it. `images` are the hashes of its pictures, if pictures are what
        was asked for."""
        text = _signed_text(order, response_sha256, images)
        now_ms = int(self._clock.unix_s() * 1000)
        receipt = self._receipt(order, usage, fee, response_sha256, text, now_ms, computed)
        content = canonical_bytes(receipt)
        leaf = leaf_of(content)
        key = self._signer.private_key
        return Charge(
            request_id=order.key,
            user=order.user,
            fee_wei=fee.total_wei,
            receipt=content,
            leaf=leaf,
            receipt_signature=sign_receipt(leaf, key),
            signed_text=text,
            text_signature=sign_text(text, key),
            signing_address=self._signer.address,
            created_at_ms=now_ms,
        )

    def _receipt(self, order: Order, usage: Usage, fee: Fee, response_sha256: bytes, text: str, now_ms: int, computed: Computed) -> Receipt:
        return Receipt(
            version=RECEIPT_VERSION,
            id=order.key,
            chain_id=self._chain_id,
            provider=self._provider,
            user=order.user,
            service_type=order.model.service_type.value,
            model=order.model.id,
            request_sha256=Hash32(order.request_sha256),
            response_sha256=Hash32(response_sha256),
            signed_text=text,
            usage=usage,
            created_at_ms=now_ms,
            signer=self._signer.address,
            engine=EngineIdentity(
                name=computed.name,
                version=computed.version,
                note=computed.note,
                model_sha256=computed.model_sha256,
                parameters=None if computed.parameters is None else dict(computed.parameters),
            ),
            **Receipt.fees(fee),
        )


def _signed_text(order: Order, response_sha256: bytes, images: Sequence[bytes]) -> str:
    if order.sealer is not None:
        return order.sealer.text()
    return images_text(order.request_sha256, images) if images else answer_text(order.request_sha256, response_sha256)
