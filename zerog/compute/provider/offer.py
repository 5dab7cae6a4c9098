"""What a provider says of itself on chain and in its list of models."""

from zerog.compute.protocol.additional_info import SIMULATED_IMAGE, AdditionalInfo
from zerog.compute.protocol.attestation import Enclave
from zerog.compute.provider.catalogue import Catalogue
from zerog.compute.provider.engines import EngineIdentity
from zerog.contracts.compute import ServiceParams
from zerog.primitives import Wei

__all__ = ["VERIFIABILITY", "offer_of", "trust_of", "weights_of"]

VERIFIABILITY = "TeeML"
"""The one word for which the official client asks for signatures that this provider can give."""


def offer_of(
    catalogue: Catalogue, enclave: Enclave, url: str, engine: EngineIdentity, *, indexer: str | None = None, disperser: str | None = None
) -> ServiceParams:
    """The service as it stands on chain: the first model, which `engine` computes, at prices that no model goes beyond.

    `indexer` and `disperser` have the leaves of its settlements.
    """
    first, ceiling = catalogue.first, catalogue.ceiling()
    info = AdditionalInfo(
        image_name=SIMULATED_IMAGE if enclave.is_simulated else "",
        is_simulated=enclave.is_simulated,
        tiers=ceiling.tiers,
        cache_divisor=ceiling.cache_divisor,
        multi_model=catalogue.is_multiple,
        model_sha256=engine.model_sha256,
        model_root=engine.model_root,
        receipts_indexer=indexer or "",
        receipts_disperser=disperser or "",
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


def weights_of(engine: EngineIdentity) -> dict[str, object]:
    """What `/v1/models` says of a model whose file is known, so that anybody can fetch it and replay answers."""
    if engine.model_sha256 is None:
        return {}
    known = {"sha256": str(engine.model_sha256), "engine": engine.name, "engine_version": engine.version}
    root = {} if engine.model_root is None else {"storage_root": str(engine.model_root)}
    return {"weights": {**known, **root, **(engine.details or {})}}
