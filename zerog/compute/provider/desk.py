"""What all routes of a provider share: its books, engines, limits and keys."""

import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog

from zerog.compute.protocol.attestation import Enclave
from zerog.compute.protocol.errors import ComputeError
from zerog.compute.provider.auth import Authenticator
from zerog.compute.provider.billing import Billing
from zerog.compute.provider.book import Book
from zerog.compute.provider.catalogue import Catalogue
from zerog.compute.provider.engines import EngineChoice
from zerog.compute.provider.limits import Limits
from zerog.compute.provider.pictures import PictureRules
from zerog.primitives import Address
from zerog.runtime.clock import Clock
from zerog.runtime.gate import Gate

__all__ = ["Desk", "KeySource", "Tally"]

KEY_BYTES: Final = 16
KEYS_AT_ONCE: Final = 64
GIVE_BACK_S: Final = 5.0

log = structlog.get_logger(__name__)


class KeySource:
    """Names that nobody can guess: whoever knows one may read the answer's signature and receipt. UUIDs of version 4 (RFC 9562)."""

    def __init__(self, dice: Callable[[int], bytes] = secrets.token_bytes) -> None:
        """`dice` is asked for many names at once: one call of the system takes as long as a small chat's other work."""
        self._dice: Final = dice
        self._rest = ""

    def __call__(self) -> str:
        """A new name."""
        if not self._rest:
            self._rest = self._dice(KEY_BYTES * KEYS_AT_ONCE).hex()
        drawn, self._rest = self._rest[: 2 * KEY_BYTES], self._rest[2 * KEY_BYTES :]
        variant = "89ab"[int(drawn[16], 16) & 3]
        return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{variant}{drawn[17:20]}-{drawn[20:]}"


@dataclass(slots=True)
class Tally:
    """What was answered since the start."""

    charged: int = 0
    refused: int = 0
    broken_off: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    fees_wei: int = 0


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One provider's."""

    address: Address
    address_header: bytes
    catalogue: Catalogue
    limits: Limits
    authenticator: Authenticator
    book: Book
    engines: EngineChoice
    billing: Billing
    clock: Clock
    is_acknowledged: Callable[[], Awaitable[bool]]
    """Whether the owner of the contract vouches for the signer, so that what is charged can be settled."""
    settlement_of: Callable[[str], Awaitable[Mapping[str, object] | None]]
    """The settlement on chain that a receipt is part of, with the proof that it is."""
    enclave: Enclave
    trust: Mapping[str, object]
    """What `/v1/models` says of each model beside its price: who vouches for its answers."""
    public_url: Callable[[], str]
    """Where clients reach this provider, without a slash at its end."""
    jobs_waiting_max: int
    picture_rules: PictureRules
    new_key: Callable[[], str] = field(default_factory=KeySource)
    gate: Gate = field(default_factory=Gate)
    """Closed while a copy of the provider's state is made: charged requests wait."""
    tally: Tally = field(default_factory=Tally)
    set_aside: set[str] = field(default_factory=set)
    """What could not be given back yet, because the books were away."""
    under_way: dict[str, anyio.Event | None] = field(default_factory=dict)
    """Answers that are not yet charged, with who waits for their signature."""

    async def give_back(self, key: str, seconds: float) -> None:
        """Give back what was set aside for an answer that costs nothing. If the books do not take it now, it is tried again later."""
        try:
            with anyio.fail_after(seconds):
                await self.book.release(key)
        except (ComputeError, TimeoutError) as error:
            log.warning("money_not_given_back", key=key, cause=str(error))
            self.set_aside.add(key)

    async def run_giving_back(self) -> None:
        """Try again and again what could not be given back, until cancelled."""
        while True:
            await anyio.sleep(GIVE_BACK_S)
            for key in tuple(self.set_aside):
                self.set_aside.discard(key)
                await self.give_back(key, GIVE_BACK_S)

    @contextmanager
    def keeping(self, key: str) -> Iterator[None]:
        """Let those wait who ask for the signature of an answer that is under way."""
        self.under_way[key] = None
        try:
            yield
        finally:
            waiting = self.under_way.pop(key)
            if waiting is not None:
                waiting.set()

    async def wait_for(self, key: str, seconds: float) -> None:
        """Return once the answer `key` has ended, or at once if it is not under way."""
        if key not in self.under_way:
            return
        waiting = self.under_way[key]
        if waiting is None:
            waiting = self.under_way[key] = anyio.Event()
        with anyio.move_on_after(seconds):
            await waiting.wait()
