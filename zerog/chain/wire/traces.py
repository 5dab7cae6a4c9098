"""Options of traces, and the filter of `trace_filter`. Source: ethereum/go-ethereum, eth/tracers/api.go (TraceConfig, TraceCallConfig)."""

from typing import Final, Self

import msgspec

from zerog.chain.wire.blocks import BlockNumber
from zerog.chain.wire.numbers import LooseNumber
from zerog.chain.wire.overrides import BlockOverrideObject, StateOverrides
from zerog.primitives import Address, Data, Uint64, decode_hook
from zerog.primitives.types import wrong_kind

__all__ = ["NO_OPTIONS", "RawTransaction", "TraceFilterObject", "TraceOptions"]


class _CallPart(msgspec.Struct, frozen=True, rename="camel"):
    """What only traces of calls have."""

    state_overrides: StateOverrides | None = None
    block_overrides: BlockOverrideObject | None = None
    tx_index: Uint64 | None = None


# Over JSON, because keys of a mapping that is decoded already would stay text.
_decode_call_part: Final = msgspec.json.Decoder(_CallPart, dec_hook=decode_hook).decode


class TraceOptions:
    """Options of a trace: those for the kernel as JSON, those of calls decoded."""

    __slots__ = ("call", "json")

    def __init__(self, json: bytes, call: _CallPart) -> None:
        self.json: Final = json
        self.call: Final = call

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises `ValueError` for what is no object, and for overrides that cannot be."""
        if not isinstance(value, dict):
            raise wrong_kind(value, "tracers.TraceConfig")
        call = _decode_call_part(msgspec.json.encode(value))
        others = {name: item for name, item in value.items() if name not in {"stateOverrides", "blockOverrides", "txIndex"}}
        return cls(msgspec.json.encode(others), call)


NO_OPTIONS: Final = TraceOptions(b"", _CallPart())


class TraceFilterObject(msgspec.Struct, frozen=True, rename="camel"):
    """Which calls `trace_filter` answers. Source: openethereum.github.io, JSONRPC-trace-module."""

    from_block: BlockNumber | None = None
    to_block: BlockNumber | None = None
    from_address: list[Address] | None = None
    to_address: list[Address] | None = None
    after: LooseNumber | None = None
    count: LooseNumber | None = None


class RawTransaction(Data):
    """A signed transaction, as hex or as a list of its bytes: that is how foundry's cast sends it to `trace_rawTransaction`."""

    __slots__ = ()

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises `ValueError` in geth's words."""
        if isinstance(value, list) and all(type(byte) is int and 0 <= byte < 256 for byte in value):
            return cls(bytes(value))
        return super().from_json(value)
