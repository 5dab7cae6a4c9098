"""Artefacts of the Solidity compiler: byte code and ABI of one contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from zerog.primitives import decode_data

__all__ = ["Artefact", "load_artefact"]


@dataclass(frozen=True, slots=True)
class Artefact:
    """One compiled contract."""

    name: str
    abi_json: bytes
    """The ABI as the compiler printed it, a JSON array."""
    creation_code: bytes
    """What a creation transaction carries, before the constructor's arguments."""
    runtime_code: bytes
    """What stands at the contract's address, with zeros where the constructor writes what it was given."""


class _File(msgspec.Struct, rename={"contract_name": "contractName", "deployed_bytecode": "deployedBytecode"}):
    contract_name: str
    abi: Sequence[object]
    bytecode: str
    deployed_bytecode: str


@cache
def load_artefact(subsystem: str, name: str) -> Artefact:
    """The artefact of contract `name`, from `artefacts/<subsystem>/`."""
    from importlib.resources import files  # It loads tempfile and more, and who connects needs no artefact.

    text = files("zerog.contracts").joinpath("artefacts", subsystem, f"{name}.json").read_bytes()
    file = msgspec.json.decode(text, type=_File)
    return Artefact(file.contract_name, msgspec.json.encode(file.abi), decode_data(file.bytecode), decode_data(file.deployed_bytecode))
