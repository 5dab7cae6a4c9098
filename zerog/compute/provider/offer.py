"""What a provider says of itself on chain and in its list of models."""

from zerog.compute.protocol.additional_info import SIMULATED_IMAGE, AdditionalInfo
from zerog.compute.protocol.attestation import Enclave
from zerog.compute.provider.catalogue import Catalogue
from zerog.contracts.compute import ServiceParams
from zerog.primitives import Wei

__all__ = ["VERIFIABILITY", "offer_of", "trust_of"]

VERIFIABILITY = "TeeML"
"""The one word for which the official client asks for signatures that this provider can give."""


def offer_of(catalogue: Catalogue, enclave: Enclave, url: str) -> ServiceParams:
    """The service as it stands on chain: the first model, at prices that no model goes beyond."""
    first, ceiling = catalogue.first, catalogue.ceiling()
    info = AdditionalInfo(
        image_name=SIMULATED_IMAGE if enclave.is_simulated else "",
        is_simulated=enclave.is_simulated,
        tiers=ceiling.tiers,
        cache_divisor=ceiling.cache_divisor,
        multi_model=catalogue.is_multiple,
    )
    return ServiceParams(
        service_type=first.service_type.value,
        url=url,
        model=first.id,
        verifiability=VERIFIABILITY,
        input_price_wei=Wei(ceiling.input_wei),
        output_price_wei=Wei(ceiling.output_wei),
        additional_info=info.to_json(),
        signer=enclave.signer.address,
    )


def trust_of(enclave: Enclave) -> dict[str, object]:
    """What `/v1/models` says of every model: who vouches for its answers, and that nobody does where the enclave is simulated."""
    return {
        "verifiability": VERIFIABILITY,
        "tee_attested": not enclave.is_simulated,
        "tee_verifier": "dstack",
        "provider_type": "decentralized",
        **({"tee_type": "simulated", "simulated": True} if enclave.is_simulated else {"tee_type": "tdx"}),
    }
