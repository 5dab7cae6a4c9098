"""From a mnemonic to accounts: BIP-39 seeds and BIP-32 derivation on secp256k1.

Sources: bitcoin/bips, bip-0039.mediawiki, bip-0032.mediawiki and bip-0044.mediawiki (Ethereum is coin type 60).
"""

import hashlib
import hmac
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from zerog._kernel import address_of, public_key_of
from zerog.primitives.types import Address

__all__ = ["Account", "derive_accounts", "mnemonic_to_seed"]

SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Order of the group. Source: SEC 2, section 2.4.1."""
SEED_ROUNDS: Final = 2048
"""Source: BIP-39, "From mnemonic to seed"."""
HARDENED: Final = 0x8000_0000
"""Indices from here on derive from the private key alone. Source: BIP-32."""
ETHEREUM_PATH: Final = "m/44'/60'/0'/0"
"""Parent of the first account's addresses. Source: BIP-44, SLIP-44."""


@dataclass(frozen=True, slots=True)
class Account:
    """A key and the address that it controls."""

    address: Address
    private_key: bytes = field(repr=False)

    @classmethod
    def from_private_key(cls, private_key: bytes) -> "Account":
        """Raises `SignatureError` when the 32 bytes are no key of the curve."""
        return cls(Address(address_of(private_key)), private_key)


def derive_accounts(mnemonic: str, count: int, path: str = ETHEREUM_PATH) -> tuple[Account, ...]:
    """The first `count` accounts below `path`. Checks no word list: every phrase gives keys, as in BIP-39."""
    key, chain_code = _master(mnemonic_to_seed(mnemonic))
    for index in _path_indices(path):
        key, chain_code = _child(key, chain_code, index)
    return tuple(Account.from_private_key(_child(key, chain_code, index)[0]) for index in range(count))


def mnemonic_to_seed(mnemonic: str, passphrase: str = "") -> bytes:
    """The 64-byte seed of a mnemonic phrase."""
    words = unicodedata.normalize("NFKD", mnemonic).encode()
    salt = unicodedata.normalize("NFKD", "mnemonic" + passphrase).encode()
    return hashlib.pbkdf2_hmac("sha512", words, salt, SEED_ROUNDS)


def _path_indices(path: str) -> Iterator[int]:
    root, *steps = path.split("/")
    if root != "m":
        raise ValueError(f"derivation path {path!r} does not begin with m/")
    for step in steps:
        yield int(step[:-1]) + HARDENED if step.endswith("'") else int(step)


def _master(seed: bytes) -> tuple[bytes, bytes]:
    digest = hmac.digest(b"Bitcoin seed", seed, "sha512")
    return digest[:32], digest[32:]


def _child(key: bytes, chain_code: bytes, index: int) -> tuple[bytes, bytes]:
    """Key and chain code of one child (BIP-32, CKDpriv)."""
    secret = b"\0" + key if index >= HARDENED else _compressed(public_key_of(key))
    digest = hmac.digest(chain_code, secret + index.to_bytes(4, "big"), "sha512")
    child = (int.from_bytes(digest[:32], "big") + int.from_bytes(key, "big")) % SECP256K1_ORDER
    return child.to_bytes(32, "big"), digest[32:]


def _compressed(public_key: bytes) -> bytes:
    return bytes([2 + public_key[63] % 2]) + public_key[:32]
