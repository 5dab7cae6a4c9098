"""Asking a provider for its evidence, within limits, and judging it."""

from dataclasses import dataclass
from typing import Final

from anyio import fail_after

from zerog.compute.protocol.e2ee import PublishedKey
from zerog.compute.protocol.errors import EvidenceError
from zerog.compute.protocol.evidence import EVIDENCE_BYTES_MAX, EvidenceVerdict, QuoteVerifier, verify_evidence
from zerog.primitives import Address
from zerog.runtime.outgoing import httpx

__all__ = ["EvidenceUnavailableError", "check_enclave", "fetch_evidence", "verified_encryption_key"]

EVIDENCE_SECONDS_MAX: Final = 15.0
"""From the first byte of the request to the last of the answer."""
STATUS_OK: Final = 200


@dataclass(eq=False)
class EvidenceUnavailableError(EvidenceError):
    """A provider that gives no evidence, too much of it, or too slowly."""

    cause: str

    code = "evidence_unavailable"
    remedy = "ask again later, or use another provider"
    http_status = 502

    def __str__(self) -> str:
        return f"no evidence: {self.cause}"


async def check_enclave(
    service_url: str,
    signer: Address,
    *,
    http: httpx.AsyncClient,
    legacy: bool = True,
    accept_simulated: bool = False,
    quote_verifier: QuoteVerifier | None = None,
    seconds_max: float = EVIDENCE_SECONDS_MAX,
) -> EvidenceVerdict:
    """Fetch and judge the evidence of a service whose signer on chain is `signer`; with `legacy` false, of the key for encryption too.

    Raises `EvidenceUnavailableError`, `SimulatedEvidenceError` unless `accept_simulated`, and `EvidenceError`.
    """
    body = await fetch_evidence(service_url, http=http, legacy=legacy, seconds_max=seconds_max)
    return verify_evidence(body, signer=signer, accept_simulated=accept_simulated, quote_verifier=quote_verifier)


async def verified_encryption_key(
    service_url: str,
    signer: Address,
    *,
    http: httpx.AsyncClient,
    accept_simulated: bool = False,
    quote_verifier: QuoteVerifier | None = None,
) -> PublishedKey:
    """The key to seal requests to, taken out of evidence and from nowhere else. Raises as `check_enclave` does."""
    verdict = await check_enclave(
        service_url, signer, http=http, legacy=False, accept_simulated=accept_simulated, quote_verifier=quote_verifier
    )
    if verdict.encryption_public_key is None:
        raise EvidenceError("it names no key for encryption")
    return PublishedKey(verdict.encryption_public_key, verdict.signer)


async def fetch_evidence(
    service_url: str, *, http: httpx.AsyncClient, legacy: bool = True, seconds_max: float = EVIDENCE_SECONDS_MAX
) -> bytes:
    """What `GET {service_url}/v1/quote` answers, unjudged. Raises `EvidenceUnavailableError`."""
    url = f"{service_url.rstrip('/')}/v1/quote"
    body = bytearray()
    try:
        with fail_after(seconds_max):
            async with http.stream("GET", url, params={"legacy": "true" if legacy else "false"}) as answer:
                if answer.status_code != STATUS_OK:
                    raise EvidenceUnavailableError(f"{url} answers {answer.status_code}")
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > EVIDENCE_BYTES_MAX:
                        raise EvidenceUnavailableError(f"{url} answers more than {EVIDENCE_BYTES_MAX} bytes")
    except TimeoutError:
        raise EvidenceUnavailableError(f"{url} does not answer within {seconds_max:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise EvidenceUnavailableError(f"{url}: {str(error) or type(error).__name__}") from None
    return bytes(body)
