"""The signature with which somebody asks a key-value node to follow a stream, as the node checks it."""

from typing import Final

from zerog._kernel import secp256k1_recover
from zerog.primitives import Address, Hash32, SignatureError
from zerog.storage.kv.errors import ParameterRefusedError
from zerog.storage.protocol.registration import registration_digest

__all__ = ["check_registration"]

SIGNATURE_BYTES: Final = 65


def check_registration(chain_id: int, wallet: Address, stream: Hash32, signature: bytes) -> None:
    """Raises `ParameterRefusedError` unless `wallet` has signed."""
    if len(signature) != SIGNATURE_BYTES:
        raise ParameterRefusedError("signature", f"a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    try:
        signer = secp256k1_recover(registration_digest(chain_id, wallet, stream), signature)
    except SignatureError as error:
        raise ParameterRefusedError("signature", str(error)) from None
    if signer != wallet:
        raise ParameterRefusedError("signature", f"it is not of {wallet}")
