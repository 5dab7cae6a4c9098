"""The three messages that DA nodes sign, as the digests that are hashed to a point of BN254.

Sources: 0glabs/0g-geth, `core/vm/precompiles/dasigners/`; 0glabs/0g-da-contract, `contracts/libraries/`; 0glabs/0g-da-node, `signer/`.
"""

from typing import Final

from zerog._kernel import keccak256
from zerog.primitives import Address, Hash32

__all__ = ["COMMITMENT_BYTES", "blob_digest", "epoch_digest", "ownership_digest"]

COMMITMENT_BYTES: Final = 64
"""A point of G1: two coordinates of 32 bytes."""
OWNERSHIP_TAG: Final = b"0G_BN254_Pubkey_Registration"
WORD_BYTES: Final = 32
EPOCH_BYTES: Final = 8


def ownership_digest(signer: Address, chain_id: int) -> Hash32:
    """What a signer signs when it registers: that it has the secret of the key that it names."""
    return Hash32(keccak256(signer + _word(chain_id) + OWNERSHIP_TAG))


def epoch_digest(signer: Address, epoch: int, chain_id: int) -> Hash32:
    """What a signer signs to take part in `epoch`."""
    return Hash32(keccak256(signer + epoch.to_bytes(EPOCH_BYTES, "big") + _word(chain_id)))


def blob_digest(data_root: Hash32, epoch: int, quorum_id: int, commitment: bytes) -> Hash32:
    """What the signers of a quorum sign for a blob whose rows they hold. `commitment` is x and y, 32 big-endian bytes each.

    Raises `ValueError` when the commitment is of another length.
    """
    if len(commitment) != COMMITMENT_BYTES:
        raise ValueError(f"a commitment has {COMMITMENT_BYTES} bytes, not {len(commitment)}")
    return Hash32(keccak256(data_root + _word(epoch) + _word(quorum_id) + commitment))


def _word(number: int) -> bytes:
    return number.to_bytes(WORD_BYTES, "big")
