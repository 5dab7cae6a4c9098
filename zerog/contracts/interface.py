"""Functions, events and errors of a compiled contract: how their arguments become bytes and come back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias, TypeVar

import msgspec

from zerog._kernel import abi_decode, abi_encode, keccak256
from zerog.contracts.artefact import load_artefact
from zerog.primitives import DecodeError, Hash32

__all__ = ["AbiValue", "CustomError", "Event", "Function", "Interface", "interface_of", "load_interface"]

AbiValue: TypeAlias = bool | int | str | bytes | Sequence["AbiValue"]
"""What the ABI's types are in Python: addresses and byte strings are bytes, arrays and tuples are sequences."""

_Member = TypeVar("_Member")


@dataclass(frozen=True, slots=True)
class Function:
    """One overload of a function."""

    signature: str
    """Name and types, such as `submit((uint256,bytes,(bytes32,uint256)[]))`."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    selector: bytes
    """The first 4 bytes of a call."""

    def encode(self, *arguments: AbiValue) -> bytes:
        """The data of a call. Raises `DecodeError` when the arguments are not of the function's types."""
        return self.selector + abi_encode(self.inputs, arguments)

    def decode_call(self, data: bytes) -> tuple[Any, ...]:
        """The arguments in the data of a call. Raises `DecodeError`, also when it calls something else."""
        if data[:4] != self.selector:
            raise DecodeError(f"0x{data[:4].hex()} is not the selector of {self.signature}")
        return abi_decode(self.inputs, data[4:])

    def decode_result(self, data: bytes) -> tuple[Any, ...]:
        """What a call returned. Raises `DecodeError`."""
        return abi_decode(self.outputs, data)


@dataclass(frozen=True, slots=True)
class Event:
    """An event, whose indexed arguments stand in topics."""

    signature: str
    inputs: tuple[tuple[str, bool], ...]
    """Type of each argument, and whether it is indexed."""
    topic: Hash32
    """The first topic of its logs."""
    names: tuple[str, ...] = ()
    """Of the arguments; empty for those that have none."""

    def decode(self, topics: Sequence[bytes], data: bytes) -> tuple[Any, ...]:
        """The arguments in their order. Of indexed ones that do not fit a topic it is their hash. Raises `DecodeError`."""
        if not topics or topics[0] != self.topic:
            raise DecodeError(f"this is no log of {self.signature}")
        indexed = [kind for kind, is_indexed in self.inputs if is_indexed]
        if len(topics) != 1 + len(indexed):
            raise DecodeError(f"a log of {self.signature} has {1 + len(indexed)} topics, not {len(topics)}")
        in_topics = iter(abi_decode([_topic_type(kind) for kind in indexed], b"".join(topics[1:])))
        in_data = iter(abi_decode([kind for kind, is_indexed in self.inputs if not is_indexed], data))
        return tuple(next(in_topics if is_indexed else in_data) for _, is_indexed in self.inputs)


@dataclass(frozen=True, slots=True)
class CustomError:
    """An error that a contract reverts with."""

    signature: str
    inputs: tuple[str, ...]
    selector: bytes
    """The first 4 bytes of the revert's data."""

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """The arguments in a revert's data. Raises `DecodeError`, also when it is another error."""
        if data[:4] != self.selector:
            raise DecodeError(f"0x{data[:4].hex()} is not the selector of {self.signature}")
        return abi_decode(self.inputs, data[4:])


@dataclass(frozen=True, slots=True, eq=False)
class Interface:
    """All of a contract's ABI, each by its signature."""

    functions: Mapping[str, Function]
    events: Mapping[str, Event]
    errors: Mapping[str, CustomError]
    constructor: tuple[str, ...] = ()
    """The types of what a new contract is given."""

    def function(self, name: str) -> Function:
        """The only function of this name."""
        return _only(self.functions, name)

    def event(self, name: str) -> Event:
        """The only event of this name."""
        return _only(self.events, name)

    def error(self, name: str) -> CustomError:
        """The only error of this name."""
        return _only(self.errors, name)


class _Parameter(msgspec.Struct):
    type: str
    name: str = ""
    components: list["_Parameter"] = msgspec.field(default_factory=list)
    indexed: bool = False


class _Entry(msgspec.Struct):
    type: str
    name: str = ""
    inputs: list[_Parameter] = msgspec.field(default_factory=list)
    outputs: list[_Parameter] = msgspec.field(default_factory=list)


@cache
def load_interface(subsystem: str, name: str) -> Interface:
    """The interface of contract `name` of a subsystem."""
    return interface_of(load_artefact(subsystem, name).abi_json)


def interface_of(abi_json: bytes) -> Interface:
    """The interface that an ABI says, a JSON array as compilers print it."""
    entries = msgspec.json.decode(abi_json, type=list[_Entry])
    return Interface(
        {function.signature: function for function in _functions(entries)},
        {event.signature: event for event in _events(entries)},
        {error.signature: error for error in _errors(entries)},
        next((_types(entry.inputs) for entry in entries if entry.type == "constructor"), ()),
    )


def _functions(entries: Sequence[_Entry]) -> Iterator[Function]:
    for entry in entries:
        if entry.type == "function":
            inputs, outputs = _types(entry.inputs), _types(entry.outputs)
            signature = f"{entry.name}({','.join(inputs)})"
            yield Function(signature, inputs, outputs, keccak256(signature.encode())[:4])


def _events(entries: Sequence[_Entry]) -> Iterator[Event]:
    for entry in entries:
        if entry.type == "event":
            types = _types(entry.inputs)
            signature = f"{entry.name}({','.join(types)})"
            inputs = tuple((kind, parameter.indexed) for kind, parameter in zip(types, entry.inputs, strict=True))
            names = tuple(parameter.name for parameter in entry.inputs)
            yield Event(signature, inputs, Hash32(keccak256(signature.encode())), names)


def _errors(entries: Sequence[_Entry]) -> Iterator[CustomError]:
    for entry in entries:
        if entry.type == "error":
            inputs = _types(entry.inputs)
            signature = f"{entry.name}({','.join(inputs)})"
            yield CustomError(signature, inputs, keccak256(signature.encode())[:4])


def _types(parameters: Sequence[_Parameter]) -> tuple[str, ...]:
    return tuple(_type(parameter) for parameter in parameters)


def _type(parameter: _Parameter) -> str:
    """The type as signatures have it: a tuple, also within an array, is spelled by its members."""
    if not parameter.type.startswith("tuple"):
        return parameter.type
    return f"({','.join(_types(parameter.components))}){parameter.type.removeprefix('tuple')}"


def _topic_type(kind: str) -> str:
    is_word = kind not in {"bytes", "string"} and not kind.endswith(("]", ")"))
    return kind if is_word else "bytes32"


def _only(entries: Mapping[str, _Member], name: str) -> _Member:
    [entry] = [entry for signature, entry in entries.items() if signature.split("(", 1)[0] == name]
    return entry
