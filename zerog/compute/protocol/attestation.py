"""Evidence that a signer's key lives in an enclave: how it is given, read and judged; and what a simulated enclave gives instead.

A simulated enclave proves nothing, and everything that it gives says so: the quote's first bytes, members of the JSON, the text of the
deployment, the name of the image. The official client looks at none of these (it checks the signer and the hash of the deployment alone);
`verify_evidence` refuses such evidence unless told otherwise.

Sources: npm `@0gfoundation/0g-compute-ts-sdk` 0.9.0 (`verifyService`); 0gfoundation/0g-serving-broker, `api/common/tee`;
0gfoundation/0g-pc-e2ee, `protocol/SPEC.md` 4.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Protocol

from zerog._kernel import x25519_key_pair
from zerog.compute.protocol.additional_info import SIMULATED_IMAGE
from zerog.compute.protocol.constants import SIGNING_ALGORITHM
from zerog.compute.protocol.quotes import (
    MR_CONFIG_ID,
    QUOTE_BODY_END,
    REPORT_DATA,
    RTMR,
    LogEvent,
    application_event,
    legacy_report_data,
    model_report_data,
    replay,
    report_data_v2,
)
from zerog.primitives import Account

__all__ = [
    "SIMULATED_MARK",
    "SIMULATED_WARNING",
    "Enclave",
    "Evidence",
    "SimulatedEnclave",
    "model_report_body",
    "parse_nonce",
    "quote_body",
]

SIMULATED_MARK: Final = b"SIMULATED-NOT-A-TEE"
"""How the quote of a simulated enclave begins: no processor makes such a one."""
SIMULATED_WARNING: Final = (
    "SIMULATED: this provider runs in no trusted execution environment. Its operator can read every request and sign any answer."
)
ASSURANCE_MOCK: Final = "mock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an enclave says of itself, as its agent gives it."""

    quote: bytes
    report_data: bytes
    events: tuple[LogEvent, ...]
    compose_text: str
    """The deployment: what the hash in the event `compose-hash` is over."""
    registers: tuple[bytes, ...]
    mrtd: bytes
    vm_config: dict[str, object] = field(default_factory=dict)
    is_simulated: bool = False

    def tcb_info(self) -> dict[str, object]:
        """What was measured, in the shape of dstack."""
        registers = {f"rtmr{index}": register.hex() for index, register in enumerate(self.registers)}
        info: dict[str, object] = {
            "mrtd": self.mrtd.hex(),
            **registers,
            "app_compose": self.compose_text,
            "compose_hash": sha256(self.compose_text.encode()).hexdigest(),
            "device_id": "",
            "event_log": [event.to_json() for event in self.events],
        }
        return {**info, **_labels()} if self.is_simulated else info

    def to_json(self) -> dict[str, object]:
        """The members of `/v1/quote`; event log, configuration and measurements are JSON in a string."""
        labels = _labels() if self.is_simulated else {}
        return {
            **labels,
            "quote": self.quote.hex(),
            "event_log": _compact([event.to_json() for event in self.events]),
            "report_data": base64.b64encode(self.report_data).decode(),
            "vm_config": _compact({**self.vm_config, **labels}),
            "tcb_info": _compact(self.tcb_info()),
        }


class Enclave(Protocol):
    """Where the keys of a provider live. A real one asks the agent of its host, which takes time: call `quote` from a thread."""

    @property
    def signer(self) -> Account:
        """Signs answers and settlements; its address stands on chain."""

    @property
    def encryption_key(self) -> bytes:
        """X25519 private key (32 bytes) that requests are encrypted to."""

    @property
    def encryption_public_key(self) -> bytes: ...

    @property
    def is_simulated(self) -> bool: ...

    def quote(self, report_data: bytes) -> Evidence:
        """Evidence that this enclave knows `report_data` (64 bytes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedEnclave:
    """Keys of an ordinary process, and evidence that says so everywhere."""

    signer: Account
    encryption_key: bytes = field(repr=False)
    encryption_public_key: bytes
    version: str
    is_simulated: bool = field(default=True, init=False)

    @classmethod
    def from_keys(cls, signer: Account, encryption_seed: bytes, *, version: str) -> "SimulatedEnclave":
        """`encryption_seed`: 32 random bytes, kept as safely as the signer's key."""
        private_key, public_key = x25519_key_pair(encryption_seed)
        return cls(signer=signer, encryption_key=private_key, encryption_public_key=public_key, version=version)

    def quote(self, report_data: bytes) -> Evidence:
        compose = simulated_compose(self.version)
        digest = sha256(compose.encode()).digest()
        events = (
            application_event("system-preparing", b""),
            application_event("app-id", digest[:20]),
            application_event("compose-hash", digest),
            application_event("simulated", SIMULATED_MARK),
            application_event("system-ready", b""),
        )
        registers = replay(events)
        return Evidence(
            quote=_simulated_quote(registers, digest, report_data),
            report_data=report_data,
            events=events,
            compose_text=compose,
            registers=registers,
            mrtd=bytes(48),
            is_simulated=True,
        )


def simulated_compose(version: str) -> str:
    """The deployment of a simulated enclave: it begins with a comment that there is none."""
    return (
        f"# {SIMULATED_MARK.decode()}: nothing was measured; this text stands where a real deployment would.\n"
        "services:\n"
        "  zerog-compute:\n"
        f"    image: {SIMULATED_IMAGE}:{version}\n"
        "    command: zerog compute run\n"
    )


def _simulated_quote(registers: Sequence[bytes], compose_hash: bytes, report_data: bytes) -> bytes:
    """Shaped as a real one from the configuration on, so that tools can show it; its head is no quote's."""
    quote = bytearray(SIMULATED_MARK.ljust(QUOTE_BODY_END, b"\0"))
    quote[MR_CONFIG_ID : MR_CONFIG_ID + 33] = b"\1" + compose_hash
    for offset, register in zip(RTMR, registers, strict=True):
        quote[offset : offset + len(register)] = register
    quote[REPORT_DATA:QUOTE_BODY_END] = report_data
    return bytes(quote)


def _labels() -> dict[str, object]:
    return {"simulated": True, "assurance": ASSURANCE_MOCK, "warning": SIMULATED_WARNING}


def quote_body(enclave: Enclave, *, legacy: bool = True) -> bytes:
    """What `GET /v1/quote` answers: with `legacy` the layout for the official SDK, without it the one for end-to-end encryption."""
    signer = enclave.signer.address
    report_data = legacy_report_data(signer) if legacy else report_data_v2(enclave.encryption_public_key, signer)
    return _compact(enclave.quote(report_data).to_json()).encode()


def model_report_body(enclave: Enclave, nonce: bytes) -> bytes:
    """What `GET /v1/proxy/attestation/report` answers: evidence that binds the signer and the asker's `nonce` (32 bytes)."""
    signer = enclave.signer.address
    evidence = enclave.quote(model_report_data(signer, nonce))
    members = evidence.to_json()
    compose_hash = sha256(evidence.compose_text.encode()).hexdigest()
    report = {
        **members,
        "signing_address": str(signer),
        "signing_algo": SIGNING_ALGORITHM,
        "request_nonce": nonce.hex(),
        "intel_quote": members["quote"],
        "info": {"tcb_info": evidence.tcb_info(), "compose_hash": compose_hash, "app_id": compose_hash[:40]},
    }
    return _compact({**report, "all_attestations": [report]}).encode()


def parse_nonce(text: str | None) -> bytes | None:
    """The `nonce` of a query: 64 hex digits. `None` if it is not one."""
    try:
        nonce = binascii.unhexlify(text or "")
    except ValueError:
        return None
    return nonce if len(nonce) == 32 else None


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
