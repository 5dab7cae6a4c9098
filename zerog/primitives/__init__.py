"""Small values that every part of zerog speaks in: addresses, hashes, quantities, keys and errors."""

from zerog.primitives.decoding import decode_hook, is_nested_deeper
from zerog.primitives.errors import DecodeError, InvalidParametersError, SignatureError, ZerogError
from zerog.primitives.hexadecimal import decode_data, decode_quantity, encode_data, encode_quantity
from zerog.primitives.keys import Account, derive_accounts, mnemonic_to_seed
from zerog.primitives.types import ZERO_ADDRESS, ZERO_HASH, Address, Data, Hash32, Quantity, Uint64, Uint128, Wei, checksum_address

__all__ = [
    "ZERO_ADDRESS",
    "ZERO_HASH",
    "Account",
    "Address",
    "Data",
    "DecodeError",
    "Hash32",
    "InvalidParametersError",
    "Quantity",
    "SignatureError",
    "Uint64",
    "Uint128",
    "Wei",
    "ZerogError",
    "checksum_address",
    "decode_data",
    "decode_hook",
    "decode_quantity",
    "derive_accounts",
    "encode_data",
    "encode_quantity",
    "is_nested_deeper",
    "mnemonic_to_seed",
]
