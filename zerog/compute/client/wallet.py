"""The wallet: a key that is made and kept here if none is given, and the limits that every signature which costs money is held to.

Limits are enforced before anything is signed. They hold for each kind of spending by itself: money moved to providers, and fees of
requests, which are paid out of money that was moved before.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from zerog.compute.client.errors import ProviderNotAllowedError, SpendLimitError, WalletError
from zerog.primitives import Account, Address, Data, SignatureError, decode_hook
from zerog.runtime.files import make_private_folder, write_atomically

__all__ = ["DEFAULT_LIMITS", "KeyRecord", "Limits", "Spending", "Wallet", "default_folder"]

FOLDER_VARIABLE: Final = "ZEROG_WALLET"
ETHER: Final = 10**18
DAY_S: Final = 86_400

Kind = Literal["transfer", "request"]
_Content = TypeVar("_Content")
WORDS: Final[dict[Kind, str]] = {"transfer": "a transfer to a provider", "request": "a request"}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the wallet lets go out. `None` is no limit."""

    per_call_wei: str | None = None
    """Of one transfer to a provider, and of the highest fee of one request."""
    per_day_wei: str | None = None
    """Of all transfers of a day (UTC), and of all fees of a day."""
    providers: tuple[Address, ...] = ()
    """Who may be paid; everybody if nobody is named."""


DEFAULT_LIMITS: Final = Limits(per_call_wei=str(5 * ETHER), per_day_wei=str(25 * ETHER))
"""Until the user sets others: enough to try several providers, not enough to empty a wallet in an afternoon."""


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An API key that was made here. The key itself is not kept."""

    chain_id: int
    user: Address
    provider: Address
    token_id: int
    generation: int
    created_at_ms: int
    expires_at_ms: int
    """0 for never."""


class _Spent(msgspec.Struct, kw_only=True):
    """What went out on one day, in wei by kind."""

    day: int
    transfer: str = "0"
    request: str = "0"


def default_folder() -> Path:
    """Where the wallet of public networks lies: not in a network's folder, which a reset removes."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "zerog" / "wallet"


@dataclass(frozen=True, slots=True)
class Wallet:
    """One folder, mode 0700. Nothing is made or read before it is asked for; programs that share it take turns. Raises `WalletError`."""

    folder: Path
    clock: Callable[[], float] = field(default=time.time)
    """Seconds since 1970."""

    # ---- the key -------------------------------------------------------------------------------------------------

    def account(self) -> Account:
        """The account whose key lies here; made at the first call."""
        path = self.folder / "key"
        with self._locked():
            if not path.exists():
                write_atomically(path, b"0x" + secrets.token_bytes(32).hex().encode() + b"\n")
            try:
                return Account.from_private_key(Data.from_json(path.read_text("ascii").strip()))
            except (OSError, UnicodeDecodeError, ValueError, SignatureError) as error:
                raise WalletError(path, f"this is no key ({type(error).__name__})") from None

    # ---- limits --------------------------------------------------------------------------------------------------

    def limits(self) -> Limits:
        """Those that were set, or the default ones."""
        return self._read("limits.json", Limits) or DEFAULT_LIMITS

    def set_limits(self, limits: Limits) -> None:
        """From the next signature on."""
        with self._locked():
            write_atomically(self.folder / "limits.json", msgspec.json.encode(limits, enc_hook=str))

    def check_provider(self, provider: Address) -> None:
        """Raises `ProviderNotAllowedError`."""
        allowed = self.limits().providers
        if allowed and provider not in allowed:
            raise ProviderNotAllowedError(provider)

    @contextmanager
    def spending(self, kind: Kind, provider: Address, amount_wei: int) -> Iterator["Spending"]:
        """Count an amount before it is signed for. What is not taken back counts, also when the work inside fails.

        Raises `SpendLimitError`, `ProviderNotAllowedError`.
        """
        self.check_provider(provider)
        limits = self.limits()
        if limits.per_call_wei is not None and amount_wei > int(limits.per_call_wei):
            raise SpendLimitError(WORDS[kind], amount_wei, int(limits.per_call_wei), None)
        day = self._day()
        self._count(kind, day, amount_wei, None if limits.per_day_wei is None else int(limits.per_day_wei))
        spending = Spending(amount_wei)
        try:
            yield spending
        finally:
            if spending.wei != amount_wei:
                self._count(kind, day, spending.wei - amount_wei, None)

    def spent_today(self, kind: Kind) -> int:
        """Wei of today, with what is under way."""
        spent = self._read("spent.json", _Spent)
        return int(getattr(spent, kind)) if spent is not None and spent.day == self._day() else 0

    def _count(self, kind: Kind, day: int, amount_wei: int, limit_wei: int | None) -> None:
        with self._locked():
            spent = self._read("spent.json", _Spent)
            if spent is None or spent.day != day:
                if spent is not None and spent.day > day and limit_wei is None:
                    return  # It is tomorrow, and yesterday's sum is gone.
                spent = _Spent(day=day)
            before_wei = int(getattr(spent, kind))
            if limit_wei is not None and before_wei + amount_wei > limit_wei:
                raise SpendLimitError(WORDS[kind], amount_wei, limit_wei, before_wei)
            setattr(spent, kind, str(max(before_wei + amount_wei, 0)))
            write_atomically(self.folder / "spent.json", msgspec.json.encode(spent))

    def _day(self) -> int:
        return int(self.clock() // DAY_S)

    # ---- keys for programs ---------------------------------------------------------------------------------------

    def key_records(self) -> list[KeyRecord]:
        """All that were made here."""
        return self._read("api-keys.json", list[KeyRecord]) or []

    def add_key_record(self, record: KeyRecord) -> None:
        """Remember that a key was made, so that the next one gets another number."""
        with self._locked():
            records = [*self.key_records(), record]
            write_atomically(self.folder / "api-keys.json", msgspec.json.encode(records, enc_hook=str))

    # ---- files ---------------------------------------------------------------------------------------------------

    def _read(self, name: str, kind: type[_Content]) -> _Content | None:
        path = self.folder / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind, dec_hook=decode_hook)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise WalletError(path, str(error)) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One program at a time; none holds it longer than a file takes to write."""
        try:
            make_private_folder(self.folder)
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise WalletError(self.folder, error.strerror or str(error)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


@dataclass(slots=True)
class Spending:
    """An amount that is counted. Set `wei` to what it was in the end."""

    wei: int
