"""TDX quotes and the logs that go with them: parsed by their offsets, replayed into their registers. Nothing here trusts Intel's signature.

Sources: Intel TDX DCAP quoting library, quote format 4; 0gfoundation/0g-pc-e2ee, `protocol/attest` and `protocol/SPEC.md` 4.2;
Dstack-TEE/dstack, `cc-eventlog` (events of an application).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha384
from typing import Final

from zerog.compute.protocol.errors import EvidenceError
from zerog.primitives import Address

__all__ = [
    "QUOTE_BODY_END",
    "REPORT_DATA_BYTES",
    "LogEvent",
    "ReportData",
    "TdxQuote",
    "application_event",
    "legacy_report_data",
    "model_report_data",
    "parse_report_data",
    "parse_tdx_quote",
    "replay",
    "report_data_v2",
]

REPORT_DATA_BYTES: Final = 64
REPORT_DATA_VERSION: Final = 1
REGISTER_BYTES: Final = 48
REGISTERS: Final = 4

TEE_TYPE_TDX: Final = 0x81
QUOTE_VERSION: Final = 4
TD_ATTRIBUTES: Final = 168
MRTD: Final = 184
MR_CONFIG_ID: Final = 232
RTMR: Final = (376, 424, 472, 520)
REPORT_DATA: Final = 568
QUOTE_BODY_END: Final = REPORT_DATA + REPORT_DATA_BYTES
"""Header and body of a quote; the signature and its certificates follow."""
DEBUG_BIT: Final = 1
APPLICATION_EVENT: Final = 0x08000001
"""Type of the events that an application's start leaves in the last register."""
APPLICATION_REGISTER: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TdxQuote:
    """What a quote says. Means nothing before somebody has verified the signature behind it."""

    mrtd: bytes
    mr_config_id: bytes
    registers: tuple[bytes, ...]
    """RTMR 0 to 3, 48 bytes each."""
    report_data: bytes
    is_debug: bool
    has_signature: bool
    """Whether anything follows the body that a verifier could look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """What was measured into a register, in order. `payload` is hex where a machine wrote it."""

    imr: int
    event_type: int
    digest: str
    event: str
    payload: str

    @property
    def is_authentic(self) -> bool:
        """Whether name and payload go into the digest; of the events of a machine's start the digest alone counts, and all else is talk."""
        return self.event_type == APPLICATION_EVENT and self.imr == APPLICATION_REGISTER

    def to_json(self) -> dict[str, object]:
        return {
            "imr": self.imr,
            "event_type": self.event_type,
            "digest": self.digest,
            "event": self.event,
            "event_payload": self.payload,
        }


@dataclass(frozen=True, slots=True)
class ReportData:
    """Whom a quote speaks of: the signer, and in version 2 the key that requests are encrypted to."""

    signer: Address
    encryption_public_key: bytes | None


def legacy_report_data(signer: Address) -> bytes:
    """The layout that official clients up to 0.9.0 need: the checksummed address as text."""
    return str(signer).encode().ljust(REPORT_DATA_BYTES, b"\0")


def report_data_v2(encryption_public_key: bytes, signer: Address) -> bytes:
    """The layout that clients of end-to-end encryption need."""
    if len(encryption_public_key) != 32:
        raise ValueError("an X25519 public key has 32 bytes")
    return (encryption_public_key + signer + REPORT_DATA_VERSION.to_bytes(4, "big")).ljust(REPORT_DATA_BYTES, b"\0")


def model_report_data(signer: Address, nonce: bytes) -> bytes:
    """The layout of a model's own report: who it is, then 32 bytes of the asker's choice."""
    if len(nonce) != 32:
        raise ValueError("a nonce has 32 bytes")
    return bytes(signer).ljust(32, b"\0") + nonce


def parse_report_data(data: bytes) -> ReportData:
    """Read either layout. Raises `EvidenceError`."""
    if len(data) != REPORT_DATA_BYTES:
        raise EvidenceError(f"report_data has {len(data)} bytes, not {REPORT_DATA_BYTES}")
    if data.startswith(b"0x"):
        text, rest = data[:42], data[42:]
        try:
            signer = Address.from_json(text.decode("ascii"))
        except ValueError:
            raise EvidenceError("report_data begins with 0x and names no address") from None
        if any(rest):
            raise EvidenceError("report_data has something behind the address")
        return ReportData(signer, None)
    if data[52:] != REPORT_DATA_VERSION.to_bytes(4, "big") + bytes(8):
        raise EvidenceError("report_data has a layout that is not known here")
    return ReportData(Address(data[32:52]), data[:32])


def parse_tdx_quote(quote: bytes) -> TdxQuote:
    """Read a quote of version 4. Raises `EvidenceError`."""
    if len(quote) < QUOTE_BODY_END:
        raise EvidenceError(f"the quote has {len(quote)} bytes, fewer than its body")
    version, tee_type = int.from_bytes(quote[:2], "little"), int.from_bytes(quote[4:8], "little")
    if version != QUOTE_VERSION or tee_type != TEE_TYPE_TDX:
        raise EvidenceError(f"it is no TDX quote of version {QUOTE_VERSION}")
    return TdxQuote(
        mrtd=_register(quote, MRTD),
        mr_config_id=_register(quote, MR_CONFIG_ID),
        registers=tuple(_register(quote, offset) for offset in RTMR),
        report_data=quote[REPORT_DATA:QUOTE_BODY_END],
        is_debug=bool(quote[TD_ATTRIBUTES] & DEBUG_BIT),
        has_signature=len(quote) > QUOTE_BODY_END + 4,
    )


def _register(quote: bytes, offset: int) -> bytes:
    return quote[offset : offset + REGISTER_BYTES]


def application_event(name: str, payload: bytes) -> LogEvent:
    """An event as the start of an application leaves it, with the digest that goes into the register."""
    return LogEvent(
        imr=APPLICATION_REGISTER,
        event_type=APPLICATION_EVENT,
        digest=_application_digest(APPLICATION_EVENT, name, payload).hex(),
        event=name,
        payload=payload.hex(),
    )


def _application_digest(event_type: int, name: str, payload: bytes) -> bytes:
    return sha384(event_type.to_bytes(4, "little") + b":" + name.encode() + b":" + payload).digest()


def replay(events: Iterable[LogEvent]) -> tuple[bytes, ...]:
    """The registers after these events. The digests of an application's events are computed again. Raises `EvidenceError`."""
    registers = [bytes(REGISTER_BYTES)] * REGISTERS
    for event in events:
        if not 0 <= event.imr < REGISTERS:
            raise EvidenceError(f"an event of register {event.imr}")
        registers[event.imr] = sha384(registers[event.imr] + _digest(event)).digest()
    return tuple(registers)


def _digest(event: LogEvent) -> bytes:
    try:
        digest = bytes.fromhex(event.digest)
        if event.event_type != APPLICATION_EVENT:
            return digest.ljust(REGISTER_BYTES, b"\0")
        computed = _application_digest(event.event_type, event.event, bytes.fromhex(event.payload))
    except ValueError:
        raise EvidenceError(f"the event {event.event[:40]!r} is not in hex") from None
    if digest and digest != computed:
        raise EvidenceError(f"the event {event.event[:40]!r} has the digest of another one")
    return computed
