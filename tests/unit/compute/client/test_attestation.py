"""Fetching evidence: a provider may lie, be slow, answer too much or nothing, and the client says which."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import httpx
import pytest
from anyio import Event

from tests.unit.compute.protocol.vectors import SIGNER, USER
from zerog.compute.client.attestation import EvidenceUnavailableError, check_enclave, fetch_evidence, verified_encryption_key
from zerog.compute.protocol.attestation import SimulatedEnclave, quote_body
from zerog.compute.protocol.errors import EvidenceError, SimulatedEvidenceError
from zerog.compute.protocol.evidence import EVIDENCE_BYTES_MAX, Assurance

ENCLAVE = SimulatedEnclave.from_keys(SIGNER, bytes(range(32)), version="0.1.0")
URL = "http://provider.test"
Message: TypeAlias = MutableMapping[str, Any]

pytestmark = pytest.mark.anyio


async def provider(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """Answers as the path says."""
    path, legacy = scope["path"], b"legacy=true" in scope["query_string"]
    if path == "/slow/v1/quote":
        await Event().wait()
    answers = {
        "/v1/quote": (200, quote_body(ENCLAVE, legacy=legacy)),
        "/only-legacy/v1/quote": (200, quote_body(ENCLAVE)),
        "/long/v1/quote": (200, b" " * (EVIDENCE_BYTES_MAX + 1)),
        "/broken/v1/quote": (200, b"<html>"),
    }
    status, body = answers.get(path, (404, b""))
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


def http() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(provider))


async def test_simulated_evidence_counts_as_such_and_only_if_asked() -> None:
    async with http() as client:
        with pytest.raises(SimulatedEvidenceError):
            await check_enclave(URL, SIGNER.address, http=client)
        verdict = await check_enclave(URL + "/", SIGNER.address, http=client, accept_simulated=True)
        assert verdict.assurance is Assurance.MOCK
        with pytest.raises(EvidenceError, match="stands on chain"):
            await check_enclave(URL, USER.address, http=client, accept_simulated=True)


async def test_the_key_for_encryption_comes_out_of_evidence_alone() -> None:
    async with http() as client:
        key = await verified_encryption_key(URL, SIGNER.address, http=client, accept_simulated=True)
        assert (key.public_key, key.signer) == (ENCLAVE.encryption_public_key, SIGNER.address)
        with pytest.raises(SimulatedEvidenceError):
            await verified_encryption_key(URL, SIGNER.address, http=client)
        with pytest.raises(EvidenceError, match="no key"):
            await verified_encryption_key(URL + "/only-legacy", SIGNER.address, http=client, accept_simulated=True)


@pytest.mark.parametrize(("path", "cause"), [("/missing", "answers 404"), ("/long", "more than"), ("/slow", "within 0.05 s")])
async def test_what_a_provider_does_not_give_is_told(path: str, cause: str) -> None:
    async with http() as client:
        with pytest.raises(EvidenceUnavailableError, match=cause):
            await fetch_evidence(URL + path, http=client, seconds_max=0.05 if path == "/slow" else 15)


async def test_what_is_no_evidence_is_refused() -> None:
    async with http() as client:
        with pytest.raises(EvidenceError, match="no JSON"):
            await check_enclave(URL + "/broken", SIGNER.address, http=client)


async def test_nobody_there_is_told_too() -> None:
    async with httpx.AsyncClient() as client:
        for url in ("http://127.0.0.1:1", "ftp://provider.test", "http://[", ""):
            with pytest.raises(EvidenceUnavailableError):
                await fetch_evidence(url, http=client)
