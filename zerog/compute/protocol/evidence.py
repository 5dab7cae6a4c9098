"""Judging evidence: reads what `/v1/quote` answers, holds it against what stands on chain, and says what it proves and what not.

The signature of a quote, back to Intel's root and against its lists of broken platforms, is a verifier's to check that is handed in
(`QuoteVerifier`); without one a real quote proves nothing but its form.

Sources: as of `attestation.py`; the checks are those of dstack's verifier, 0.5.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import Final, TypeAlias

from zerog.compute.protocol.attestation import SIMULATED_MARK
from zerog.compute.protocol.errors import EvidenceError, SimulatedEvidenceError
from zerog.compute.protocol.quotes import LogEvent, ReportData, TdxQuote, parse_report_data, parse_tdx_quote, replay
from zerog.primitives import Address, is_nested_deeper

__all__ = ["EVIDENCE_BYTES_MAX", "Assurance", "EvidenceVerdict", "QuoteVerifier", "verify_evidence"]

EVIDENCE_BYTES_MAX: Final = 4 << 20
"""Longest evidence that is looked at; real ones have some 100 KB."""
NESTING_MAX: Final = 16
EVENTS_MAX: Final = 10_000

QuoteVerifier: TypeAlias = Callable[[bytes], None]
"""Checks a quote's signature back to Intel's root; raises `EvidenceError` when it does not hold."""


class Assurance(StrEnum):
    """How much evidence proves."""

    MOCK = "mock"
    """A simulated enclave: nothing."""
    FORM = "form"
    """A real quote whose signature nobody has verified: nothing yet."""
    TDX = "tdx"
    """A quote that a processor signed, of this deployment and this signer."""

    def is_at_least(self, other: "Assurance") -> bool:
        """Whether it proves no less."""
        return list(Assurance).index(self) >= list(Assurance).index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceVerdict:
    """What evidence says, how far it can be believed, and what it leaves open."""

    assurance: Assurance
    signer: Address
    encryption_public_key: bytes | None
    compose_hash: bytes
    proven: tuple[str, ...]
    not_proven: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    quote: bytes
    report_data: bytes
    events: tuple[LogEvent, ...]
    compose_text: str
    is_simulated: bool


def verify_evidence(
    body: bytes, *, signer: Address, accept_simulated: bool = False, quote_verifier: QuoteVerifier | None = None
) -> EvidenceVerdict:
    """Judge the answer of `/v1/quote` for a service whose signer on chain is `signer`.

    Raises `SimulatedEvidenceError` for a simulated enclave unless `accept_simulated`, `EvidenceError` for what does not hold together.
    """
    parsed = _parse(body)
    if parsed.is_simulated and not accept_simulated:
        raise SimulatedEvidenceError("it is of a simulated enclave, which is none")
    bound = parse_report_data(parsed.report_data)
    if bound.signer != signer:
        raise EvidenceError(f"it speaks of the signer {bound.signer}, and {signer} stands on chain")
    compose_hash = _compose_hash(parsed)
    if parsed.is_simulated:
        return _simulated_verdict(bound, compose_hash)
    quote = parse_tdx_quote(parsed.quote)
    _check_quote(quote, parsed, compose_hash)
    if quote_verifier is not None:
        quote_verifier(parsed.quote)
    return _real_verdict(bound, compose_hash, is_verified=quote_verifier is not None)


def _simulated_verdict(bound: ReportData, compose_hash: bytes) -> EvidenceVerdict:
    return EvidenceVerdict(
        assurance=Assurance.MOCK,
        signer=bound.signer,
        encryption_public_key=bound.encryption_public_key,
        compose_hash=compose_hash,
        proven=(),
        not_proven=(
            "that the signer's key is in an enclave: the provider says itself that there is none",
            "which program and which model answer",
            "that the operator cannot read requests",
        ),
    )


_SIGNATURE_OPEN: Final = "the quote's signature: no verifier of Intel's certificates was given"


def _real_verdict(bound: ReportData, compose_hash: bytes, *, is_verified: bool) -> EvidenceVerdict:
    held = (
        "the quote names this signer",
        "the log of events leads to the quote's registers",
        "the deployment is the one that was measured",
    )
    return EvidenceVerdict(
        assurance=Assurance.TDX if is_verified else Assurance.FORM,
        signer=bound.signer,
        encryption_public_key=bound.encryption_public_key,
        compose_hash=compose_hash,
        proven=("the quote is signed by a TDX processor", *held) if is_verified else (),
        not_proven=(
            *(() if is_verified else (_SIGNATURE_OPEN,)),
            "that the deployment's images are what their names say",
            "which model answers",
        ),
    )


def _check_quote(quote: TdxQuote, parsed: _Parsed, compose_hash: bytes) -> None:
    if quote.is_debug:
        raise EvidenceError("the enclave runs in debug mode; its operator can look inside")
    if not compare_digest(quote.report_data, parsed.report_data):
        raise EvidenceError("report_data is not the quote's")
    for index, (computed, measured) in enumerate(zip(replay(parsed.events), quote.registers, strict=True)):
        if computed != measured:
            raise EvidenceError(f"the log of events does not lead to the quote's register {index}")
    if any(quote.mr_config_id) and quote.mr_config_id[:33] != b"\1" + compose_hash:
        raise EvidenceError("the quote's configuration is of another deployment")


def _compose_hash(parsed: _Parsed) -> bytes:
    """What the deployment's text hashes to, if the log says the same in an event that no other can be made to look like."""
    digest = sha256(parsed.compose_text.encode()).digest()
    logged = [event.payload for event in parsed.events if event.event == "compose-hash" and event.is_authentic]
    if logged != [digest.hex()]:
        raise EvidenceError("the log of events has another deployment, several or none")
    return digest


def _parse(body: bytes) -> _Parsed:
    members = _object(_load(body, "the body"), "the body")
    tcb_info = _object(_embedded(members.get("tcb_info"), "tcb_info"), "tcb_info")
    try:
        quote = bytes.fromhex(_text(members, "quote"))
        report_data = base64.b64decode(_text(members, "report_data"), validate=True)
    except (ValueError, binascii.Error):
        raise EvidenceError("quote or report_data is not encoded as it should be") from None
    compose = _text(tcb_info, "app_compose")
    labelled = members.get("simulated", False) is not False or tcb_info.get("simulated", False) is not False
    return _Parsed(
        quote=quote,
        report_data=report_data,
        events=_events(_embedded(members.get("event_log"), "event_log")),
        compose_text=compose,
        is_simulated=labelled or quote.startswith(SIMULATED_MARK) or SIMULATED_MARK.decode() in compose,
    )


def _events(value: object) -> tuple[LogEvent, ...]:
    if not isinstance(value, list) or len(value) > EVENTS_MAX:
        raise EvidenceError("event_log is no array, or too long a one")
    return tuple(_event(_object(item, "an event")) for item in value)


def _event(members: Mapping[str, object]) -> LogEvent:
    imr, event_type = members.get("imr"), members.get("event_type")
    if type(imr) is not int or type(event_type) is not int or not 0 <= event_type < 2**32:
        raise EvidenceError("an event without a register or a type")
    return LogEvent(
        imr=imr,
        event_type=event_type,
        digest=_text(members, "digest"),
        event=_text(members, "event"),
        payload=_text(members, "event_payload"),
    )


def _embedded(value: object, name: str) -> object:
    """Official providers give JSON in a string, some give it as it is."""
    return _load(_encoded(value, name), name) if isinstance(value, str) else value


def _load(text: bytes, name: str) -> object:
    if len(text) > EVIDENCE_BYTES_MAX or is_nested_deeper(text, NESTING_MAX):
        raise EvidenceError(f"{name} is too long or too deeply nested")
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        raise EvidenceError(f"{name} is no JSON") from None
    return value


def _object(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise EvidenceError(f"{name} is no JSON object")
    return value


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise EvidenceError(f"{name} is missing, or no text")
    _encoded(value, name)
    return value


def _encoded(value: str, name: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise EvidenceError(f"{name} is no text of Unicode") from None
