"""Who calls: a session token, checked against its signature, its life, and what its user has revoked on chain.

Source: 0gfoundation/0g-serving-broker, `doc/api-token.md` (2026). A token that was found good is remembered for some minutes by its header,
so that one of a persistent key costs a look-up; its life and the user's revocations are looked at in every request.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Protocol

from zerog.compute.protocol import tokens
from zerog.compute.protocol.errors import RevokedTokenError
from zerog.compute.protocol.tokens import SessionToken
from zerog.primitives import Address
from zerog.runtime.clock import Clock

__all__ = ["FRESH_S", "AccountSource", "AccountState", "Authenticator", "Caller"]

SESSION_S: Final = 300.0
"""Source: 0gfoundation/0g-serving-broker, cache of sessions."""
ACCOUNT_AGE_S: Final = 120.0
"""Source: 0gfoundation/0g-serving-broker, cache of accounts."""
FRESH_S: Final = 0.0
"""How old an account may be for which a request is refused: its user may have funded it this moment, and asks again at once."""
SESSIONS_MAX: Final = 10_000
SESSION_NAME_BYTES: Final = 16


class AccountState(Protocol):
    """What the chain says of a user's account with this provider; amounts are wei."""

    @property
    def locked_wei(self) -> int:
        """What is there and not asked back."""

    @property
    def acknowledged(self) -> bool:
        """Whether the user vouches for the signer."""

    @property
    def generation(self) -> int:
        """Tokens of other generations are revoked."""

    @property
    def revoked_bitmap(self) -> int:
        """The bit of each revoked token is set."""


class AccountSource(Protocol):
    """Where accounts come from."""

    async def account(self, user: Address, *, max_age_s: float = ACCOUNT_AGE_S) -> AccountState | None:
        """The account as it was at most `max_age_s` ago; `None` if the user has none."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is."""

    user: Address
    account: AccountState | None


@dataclass(frozen=True, slots=True)
class _Session:
    token: SessionToken
    user: Address
    good_until_s: float


class Authenticator:
    """Checks the tokens of one provider's users."""

    def __init__(self, provider: Address, accounts: AccountSource, clock: Clock) -> None:
        self._provider: Final = provider
        self._accounts: Final = accounts
        self._clock: Final = clock
        self._sessions: Final[OrderedDict[bytes, _Session]] = OrderedDict()

    async def caller(self, authorization: bytes | None) -> Caller:
        """Whose header it is. Raises `TokenError`s."""
        name = blake2b(authorization or b"", digest_size=SESSION_NAME_BYTES).digest()
        session = self._sessions.get(name)
        if session is None or self._clock.monotonic_s() > session.good_until_s or self._has_ended(session.token):
            self._sessions.pop(name, None)
            session = self._open(authorization)
        account = await self._checked_account(session.token)
        if account is not None:
            self._remember(name, session)
        return Caller(session.user, account)

    async def _checked_account(self, token: SessionToken) -> AccountState | None:
        """The account of a token that is not revoked. Before a user is refused, the chain is asked once more."""
        account = await self.account(token.address)
        try:
            _check_revocation(token, account)
        except RevokedTokenError:
            account = await self.account(token.address, max_age_s=FRESH_S)
            _check_revocation(token, account)
        if account is None or not account.acknowledged:
            account = await self.account(token.address, max_age_s=FRESH_S)
        return account

    async def account(self, user: Address, *, max_age_s: float = ACCOUNT_AGE_S) -> AccountState | None:
        """What the chain says of a user, or said at most `max_age_s` ago."""
        return await self._accounts.account(user, max_age_s=max_age_s)

    def _has_ended(self, token: SessionToken) -> bool:
        return token.expires_at_ms != 0 and token.expires_at_ms <= self._clock.unix_s() * 1000

    def _open(self, authorization: bytes | None) -> _Session:
        signed = tokens.parse_authorization((authorization or b"").decode("latin-1"))
        tokens.check(signed, self._provider, int(self._clock.unix_s() * 1000))
        return _Session(signed.token, signed.token.address, self._clock.monotonic_s() + SESSION_S)

    def _remember(self, name: bytes, session: _Session) -> None:
        """Of users that have an account alone: whoever can sign for himself could fill the memory otherwise."""
        self._sessions[name] = session
        if len(self._sessions) > SESSIONS_MAX:
            self._sessions.popitem(last=False)


def _check_revocation(token: SessionToken, account: AccountState | None) -> None:
    if account is None:
        tokens.check_generation(token, 0, 0)
    else:
        tokens.check_generation(token, account.generation, account.revoked_bitmap)
