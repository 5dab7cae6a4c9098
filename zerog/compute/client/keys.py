"""Session tokens and API keys of one user: made here without the chain, and revoked on it."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from zerog.chain.client.wallet import KeyRecord, Wallet
from zerog.compute.client.errors import ComputeError
from zerog.compute.protocol.constants import EPHEMERAL_LIFETIME_MS_MAX, EPHEMERAL_TOKEN_ID, PERSISTENT_TOKEN_ID_MAX
from zerog.compute.protocol.tokens import SessionToken, free_token_id, make_api_key
from zerog.contracts.compute import InferenceAccount
from zerog.primitives import Account, Address

__all__ = ["ApiKey", "KeyNumberError", "Keys"]

RENEW_BEFORE_MS: Final = 60 * 60 * 1000
"""A session is made anew so long before it ends."""
NONCE_LENGTH: Final = 32


@dataclass(eq=False)
class KeyNumberError(ComputeError):
    """A number for a key that cannot be, or none that is free."""

    cause: str

    code = "key_number"
    remedy = f"give a number from 0 to {PERSISTENT_TOKEN_ID_MAX} that is not revoked, or revoke all keys to begin anew"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for programs that know OpenAI's API: it lets them spend what is locked with the provider, until it ends or is revoked."""

    key: str
    """`app-sk-…`, to keep secret."""
    provider: Address
    token_id: int
    """What it is revoked by."""
    generation: int
    expires_at_ms: int
    """0 for never."""


class Keys:
    """Makes tokens with one account's key."""

    def __init__(self, account: Account, chain_id: int, wallet: Wallet | None, clock: Callable[[], float] = time.time) -> None:
        self._account: Final = account
        self._chain_id: Final = chain_id
        self._wallet: Final = wallet
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._sessions: dict[tuple[Address, int], tuple[str, int]] = {}
        """Key and end (ms) by provider and generation."""

    def session(self, provider: Address, generation: int) -> str:
        """A key that ends by itself within a day; the same until shortly before."""
        now_ms = self._now_ms()
        with self._lock:
            key, ends_ms = self._sessions.get((provider, generation), ("", 0))
            if ends_ms - RENEW_BEFORE_MS < now_ms:
                ends_ms = now_ms + EPHEMERAL_LIFETIME_MS_MAX
                key = self._signed(provider, generation, EPHEMERAL_TOKEN_ID, now_ms, ends_ms)
                self._sessions[provider, generation] = key, ends_ms
            return key

    def create(self, account: InferenceAccount, *, token_id: int | None = None, lifetime_s: float | None = None) -> ApiKey:
        """A key that can be revoked by its number, for ever or for `lifetime_s`. Raises `KeyNumberError`.

        Without a number it gets one that is neither revoked nor was given to another key made with this wallet.
        """
        now_ms = self._now_ms()
        number = self._number(account) if token_id is None else token_id
        if not 0 <= number <= PERSISTENT_TOKEN_ID_MAX:
            raise KeyNumberError(f"{number} is no number of a key")
        if account.revoked_bitmap >> number & 1:
            raise KeyNumberError(f"key {number} is revoked")
        expires_ms = 0 if lifetime_s is None else now_ms + round(lifetime_s * 1000)
        key = self._signed(account.provider, account.generation, number, now_ms, expires_ms)
        if self._wallet is not None:
            self._wallet.add_key_record(
                KeyRecord(
                    chain_id=self._chain_id,
                    user=self._account.address,
                    provider=account.provider,
                    token_id=number,
                    generation=account.generation,
                    created_at_ms=now_ms,
                    expires_at_ms=expires_ms,
                )
            )
        return ApiKey(key, account.provider, number, account.generation, expires_ms)

    def _number(self, account: InferenceAccount) -> int:
        records = [] if self._wallet is None else self._wallet.key_records()
        mine = (self._chain_id, self._account.address, account.provider, account.generation)
        taken = frozenset(
            record.token_id for record in records if (record.chain_id, record.user, record.provider, record.generation) == mine
        )
        number = free_token_id(account.revoked_bitmap, taken)
        if number is None:
            raise KeyNumberError("all numbers of this generation are taken")
        return number

    def _signed(self, provider: Address, generation: int, token_id: int, now_ms: int, expires_ms: int) -> str:
        token = SessionToken(
            address=self._account.address,
            provider=provider,
            timestamp_ms=now_ms,
            expires_at_ms=expires_ms,
            nonce=f"{now_ms}-{secrets.token_hex(NONCE_LENGTH)}"[:NONCE_LENGTH],
            generation=generation,
            token_id=token_id,
        )
        return make_api_key(token, self._account.private_key)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
