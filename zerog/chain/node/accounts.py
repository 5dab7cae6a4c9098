"""Keys that the node holds for developers, and addresses that it lets them act as without a key."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from zerog._kernel import secp256k1_sign
from zerog.chain.protocol.errors import UnknownAccountError
from zerog.primitives import Account, Address

__all__ = ["DevAccounts"]

SIGNATURE_V_BASE = 27
"""Recovery ids of message signatures count from here. Source: Ethereum yellow paper, appendix F."""


@dataclass(slots=True)
class DevAccounts:
    """Unlocked and impersonated accounts."""

    keys: dict[Address, bytes] = field(repr=False)
    impersonated: set[Address] = field(default_factory=set)
    impersonates_all: bool = False

    @classmethod
    def of(cls, accounts: Iterable[Account]) -> "DevAccounts":
        """Hold the keys of `accounts`, in their order."""
        return cls({account.address: account.private_key for account in accounts})

    @property
    def addresses(self) -> list[Address]:
        """Those that can send without a wallet: first the ones that we hold keys of, then the impersonated ones."""
        return [*self.keys, *sorted(self.impersonated - self.keys.keys())]

    def first(self) -> Address:
        """Who acts when nobody is named. Raises `UnknownAccountError` when we hold no key at all."""
        for address in self.keys:
            return address
        raise UnknownAccountError(Address(bytes(20)))

    def is_impersonated(self, address: Address) -> bool:
        """Whether `address` acts without a signature. An account that we hold the key of signs unless it was named."""
        return address in self.impersonated or (self.impersonates_all and address not in self.keys)

    def key(self, address: Address) -> bytes:
        """The private key of `address`. Raises `UnknownAccountError`."""
        try:
            return self.keys[address]
        except KeyError:
            raise UnknownAccountError(address) from None

    def sign_digest(self, address: Address, digest: bytes) -> bytes:
        """r, s and v (27 or 28) over 32 bytes. Raises `UnknownAccountError`."""
        signature = secp256k1_sign(digest, self.key(address))
        return signature[:64] + bytes([signature[64] + SIGNATURE_V_BASE])
