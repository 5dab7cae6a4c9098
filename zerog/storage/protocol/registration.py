"""What a wallet signs when it asks a key-value node to follow a stream.

Source: 0gfoundation/0g-storage-kv, `node/rpc/src/admin/`; EIP-712.
"""

from typing import Final

from zerog._kernel import keccak256
from zerog.primitives import Address, Hash32

__all__ = ["REGISTER_TYPE_HASH", "registration_digest"]

DOMAIN_TYPE_HASH: Final = keccak256(b"EIP712Domain(string name,string version,uint256 chainId)")
DOMAIN_NAME: Final = b"0G Storage Scan"
DOMAIN_VERSION: Final = b"1"
REGISTER_TYPE_HASH: Final = keccak256(b"RegisterStream(string purpose,address wallet,bytes32 streamId)")
PURPOSE: Final = b"register-stream"
WORD_BYTES: Final = 32


def registration_digest(chain_id: int, wallet: Address, stream: Hash32) -> bytes:
    """What `wallet` signs: 32 bytes."""
    domain = keccak256(DOMAIN_TYPE_HASH + keccak256(DOMAIN_NAME) + keccak256(DOMAIN_VERSION) + chain_id.to_bytes(WORD_BYTES))
    message = keccak256(REGISTER_TYPE_HASH + keccak256(PURPOSE) + wallet.rjust(WORD_BYTES, b"\0") + stream)
    return keccak256(b"\x19\x01" + domain + message)
