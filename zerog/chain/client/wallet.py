"""The wallet: limits that everything which costs money is held to before it is signed, what went out today, and a key that is kept here.

Limits hold for each pocket that money leaves by itself: the account, by transactions with their gas; the ledger of compute, by transfers
to providers; and what lies with a provider, by fees of requests. The same coin passes all three, so their sums are never added up.
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

from zerog.chain.client.errors import ProviderNotAllowedError, RecipientNotAllowedError, SpendLimitError, WalletError
from zerog.primitives import Account, Address, Data, SignatureError, decode_hook
from zerog.runtime.files import make_private_folder, write_atomically

__all__ = ["DEFAULT_LIMITS", "KeyRecord", "Kind", "Limits", "Spending", "Wallet", "default_folder"]

FOLDER_VARIABLE: Final = "ZEROG_WALLET"
ETHER: Final = 10**18
DAY_S: Final = 86_400

Kind = Literal["transaction", "transfer", "request"]
"""A pocket that money leaves: the account, the ledger of compute, or the account with a provider."""
_Content = TypeVar("_Content")
WORDS: Final[dict[Kind, str]] = {"transaction": "a transaction", "transfer": "a transfer to a provider", "request": "a request"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may go out. `None` is no limit, an empty list allows everybody."""

    per_call_wei: int | None = None
    """Of one transaction (its value and the most that its gas can cost), of one transfer to a provider, and of the most that one request
    can cost."""
    per_day_wei: int | None = None
    """Of all transactions of a day (UTC), of all transfers to providers, and of all fees of requests: each of these sums by itself."""
    recipients: tuple[Address, ...] = ()
    """Accounts and contracts that transactions may go to. Where there are some, no contract can be created."""
    providers: tuple[Address, ...] = ()
    """Who may be paid for compute."""


DEFAULT_LIMITS: Final = Limits(per_call_wei=5 * ETHER, per_day_wei=25 * ETHER)
"""Of what is paid for compute, until the user sets others: enough to try several providers, not enough to empty a wallet in a day."""


class _LimitsFile(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts are text, since JSON's numbers end before 25 0G."""

    per_call_wei: str | None = None
    per_day_wei: str | None = None
    recipients: tuple[Address, ...] = ()
    providers: tuple[Address, ...] = ()

    @classmethod
    def of(cls, limits: Limits) -> "_LimitsFile":
        return cls(
            per_call_wei=None if limits.per_call_wei is None else str(limits.per_call_wei),
            per_day_wei=None if limits.per_day_wei is None else str(limits.per_day_wei),
            recipients=limits.recipients,
            providers=limits.providers,
        )

    def limits(self) -> Limits:
        """Raises `ValueError` for an amount that is none."""
        return Limits(
            per_call_wei=None if self.per_call_wei is None else int(self.per_call_wei),
            per_day_wei=None if self.per_day_wei is None else int(self.per_day_wei),
            recipients=self.recipients,
            providers=self.providers,
        )


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
    transaction: str = "0"
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
    fixed: Limits | None = None
    """Limits that hold here whatever the folder says."""

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
        """Those that are fixed, were set, or else the default ones."""
        if self.fixed is not None:
            return self.fixed
        found = self._read("limits.json", _LimitsFile)
        try:
            return DEFAULT_LIMITS if found is None else found.limits()
        except ValueError as error:
            raise WalletError(self.folder / "limits.json", str(error)) from None

    def set_limits(self, limits: Limits) -> None:
        """From the next signature on."""
        with self._locked():
            write_atomically(self.folder / "limits.json", msgspec.json.encode(_LimitsFile.of(limits), enc_hook=str))

    def check_provider(self, provider: Address) -> None:
        """Raises `ProviderNotAllowedError`."""
        allowed = self.limits().providers
        if allowed and provider not in allowed:
            raise ProviderNotAllowedError(provider)

    def check_recipient(self, recipient: bytes | None) -> None:
        """Whether a transaction may go there; `None` creates a contract. Raises `RecipientNotAllowedError`."""
        allowed = self.limits().recipients
        if allowed and recipient not in allowed:
            raise RecipientNotAllowedError(None if recipient is None else Address(recipient))

    def begin(self, kind: Kind, recipient: bytes | None, amount_wei: int) -> "Spending":
        """Count an amount before it is signed for. It counts until `Spending.settle` says what it was in the end.

        Raises `SpendLimitError`, `ProviderNotAllowedError`, `RecipientNotAllowedError`.
        """
        if kind == "transaction":
            self.check_recipient(recipient)
        elif recipient is not None:
            self.check_provider(Address(recipient))
        limits = self.limits()
        if limits.per_call_wei is not None and amount_wei > limits.per_call_wei:
            raise SpendLimitError(WORDS[kind], amount_wei, limits.per_call_wei, None)
        day = self._count(kind, self._day(), amount_wei, limits)
        return Spending(amount_wei, amount_wei, lambda change_wei: self._count(kind, day, change_wei, None))

    @contextmanager
    def spending(self, kind: Kind, recipient: Address, amount_wei: int) -> Iterator["Spending"]:
        """Count an amount before it is signed for. What is not taken back counts, also when the work inside fails. Raises as `begin`."""
        spending = self.begin(kind, recipient, amount_wei)
        try:
            yield spending
        finally:
            spending.settle()

    def spent_today(self, kind: Kind) -> int:
        """Wei of today, with what is under way."""
        spent = self._read("spent.json", _Spent)
        return self._amount(spent, kind) if spent is not None and spent.day == self._day_of(spent, self._day()) else 0

    def _count(self, kind: Kind, day: int, amount_wei: int, limits: Limits | None) -> int:
        """The day that it counts for. Without `limits` it corrects what was counted for `day`."""
        with self._locked():
            spent = self._read("spent.json", _Spent)
            today = self._day_of(spent, day) if limits is not None else day
            if spent is None or spent.day != today:
                if spent is not None and spent.day > today and limits is None:
                    return today  # It is tomorrow, and yesterday's sum is gone.
                spent = _Spent(day=today)
            before_wei = self._amount(spent, kind)
            if limits is not None and limits.per_day_wei is not None and before_wei + amount_wei > limits.per_day_wei:
                raise SpendLimitError(WORDS[kind], amount_wei, limits.per_day_wei, before_wei)
            setattr(spent, kind, str(max(before_wei + amount_wei, 0)))
            write_atomically(self.folder / "spent.json", msgspec.json.encode(spent))
            return today

    def _amount(self, spent: _Spent, kind: Kind) -> int:
        try:
            return int(getattr(spent, kind))
        except ValueError as error:
            raise WalletError(self.folder / "spent.json", str(error)) from None

    def _day(self) -> int:
        return int(self.clock() // DAY_S)

    @staticmethod
    def _day_of(spent: _Spent | None, day: int) -> int:
        """Around midnight programs whose clocks differ share the later day: else each would begin a new sum for the other."""
        return spent.day if spent is not None and spent.day == day + 1 else day

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
    counted_wei: int = 0
    correct: Callable[[int], object] = field(default=lambda _change_wei: None, repr=False)
    """Adds to what is counted."""

    def settle(self, wei: int | None = None) -> None:
        """Let so much count, or what `wei` was set to. May be called again."""
        if wei is not None:
            self.wei = wei
        change_wei, self.counted_wei = self.wei - self.counted_wei, self.wei
        if change_wei:
            self.correct(change_wei)
