"""What a user gives as an ABI, values as a user wants them, and what a revert says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from zerog._kernel import abi_decode
from zerog.chain.client.errors import AbiMismatchError, RevertedError, RpcError
from zerog.contracts.interface import AbiValue, CustomError, Event, Function, Interface, interface_of
from zerog.primitives import Address, Data, DecodeError, Hash32

__all__ = [
    "NO_ERRORS",
    "Abi",
    "code_bytes",
    "constructor_data",
    "encode_call",
    "event_of",
    "function_of",
    "interface_from",
    "reverted",
    "typed_values",
]

Abi: TypeAlias = Interface | str | bytes | Sequence[Mapping[str, Any]]
"""A contract's ABI: JSON text as compilers print it, what JSON readers make of that, or an interface that was read before."""

NO_ERRORS: Final[Mapping[str, CustomError]] = {}
STANDARD: Final = {bytes.fromhex("08c379a0"): ("Error", "string"), bytes.fromhex("4e487b71"): ("Panic", "uint256")}
"""What Solidity reverts with by itself. Source: docs.soliditylang.org, "Panic via assert and Error via require"."""
_Member = TypeVar("_Member", Function, Event)


def interface_from(abi: Abi) -> Interface:
    """Raises `AbiMismatchError` for what is no ABI."""
    if isinstance(abi, Interface):
        return abi
    try:
        text = abi if isinstance(abi, str | bytes) else msgspec.json.encode(list(abi))
        return interface_of(text.encode() if isinstance(text, str) else text)
    except (msgspec.MsgspecError, UnicodeEncodeError, TypeError) as error:
        raise AbiMismatchError(f"this is no ABI: {error}") from None


def function_of(interface: Interface, name: str, count: int) -> Function:
    """A function by its name and how many arguments it is given, or by its signature. Raises `AbiMismatchError`."""
    of_count = {signature: function for signature, function in interface.functions.items() if len(function.inputs) == count}
    has_several = sum(signature.startswith(f"{name}(") for signature in interface.functions) > 1
    return _member(of_count if has_several else interface.functions, name, "function")


def event_of(interface: Interface, name: str) -> Event:
    """Likewise an event."""
    return _member(interface.events, name, "event")


def _member(members: Mapping[str, _Member], name: str, kind: str) -> _Member:
    found = [member for signature, member in members.items() if name in (signature, signature.split("(", 1)[0])]
    if len(found) == 1:
        return found[0]
    known = ", ".join(sorted(members)) or "none"
    raise AbiMismatchError(f"the ABI has {'several' if found else 'no'} {kind} {name!r}; there are {known}")


def encode_call(function: Function, arguments: Sequence[AbiValue]) -> bytes:
    """The data of a call. Raises `AbiMismatchError` for arguments of other types."""
    try:
        return function.encode(*arguments)
    except DecodeError as error:
        raise AbiMismatchError(f"{function.signature}: {error}") from None


def code_bytes(bytecode: bytes | str) -> bytes:
    """What a compiler gave, as bytes, or as hex digits with or without 0x. Raises `AbiMismatchError`."""
    if isinstance(bytecode, bytes):
        return bytecode
    try:
        return bytes.fromhex(bytecode.removeprefix("0x"))
    except ValueError:
        raise AbiMismatchError("the byte code is no hex (are libraries not linked yet?)") from None


def constructor_data(interface: Interface, bytecode: bytes, arguments: Sequence[AbiValue]) -> bytes:
    """What creates a contract. Raises `AbiMismatchError`."""
    constructor = Function("constructor", interface.constructor, (), b"")
    return bytecode + encode_call(constructor, arguments)


# ---- values ------------------------------------------------------------------------------------------------------


def typed_values(kinds: Sequence[str], values: Sequence[Any]) -> tuple[Any, ...]:
    """Decoded values with `Address` for addresses and `Hash32` for words of 32 bytes, also within arrays and tuples."""
    return tuple(_typed(kind, value) for kind, value in zip(kinds, values, strict=True))


def _typed(kind: str, value: Any) -> Any:
    if kind.endswith("]"):
        return [_typed(kind[: kind.rindex("[")], item) for item in value]
    if kind.startswith("("):
        return typed_values(list(_members(kind)), value)
    if kind == "address":
        return Address(value)
    return Hash32(value) if kind == "bytes32" else value


def _members(kind: str) -> Iterator[str]:
    """The types within a tuple's brackets."""
    depth, begin = 0, 1
    for position, letter in enumerate(kind):
        depth += (letter == "(") - (letter == ")")
        if (letter == "," and depth == 1) or (depth == 0 and position > begin):
            yield kind[begin:position]
            begin = position + 1


# ---- reverts -----------------------------------------------------------------------------------------------------


def reverted(
    what: str, error: RpcError, errors: Mapping[str, CustomError] = NO_ERRORS, transaction_hash: Hash32 | None = None
) -> RevertedError | RpcError:
    """What a contract meant, where the node's error carries what it reverted with; else the node's error."""
    if not isinstance(error.data, str):
        return error
    try:
        data = bytes(Data.from_json(error.data))
    except ValueError:
        return error
    name, arguments = _reason(data, errors)
    return RevertedError(what, name, arguments, data, transaction_hash)


def _reason(data: bytes, errors: Mapping[str, CustomError]) -> tuple[str | None, tuple[Any, ...]]:
    selector, rest = data[:4], data[4:]
    known = next((custom for custom in errors.values() if custom.selector == selector), None)
    name, kinds = (known.signature.split("(", 1)[0], known.inputs) if known is not None else (None, ())
    if known is None and selector in STANDARD:
        name, kind = STANDARD[selector]
        kinds = (kind,)
    if name is None:
        return None, ()
    try:
        return name, typed_values(kinds, abi_decode(kinds, rest))
    except DecodeError:
        return None, ()  # A contract may revert with anything.
