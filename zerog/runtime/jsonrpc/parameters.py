"""From a function's signature to a decoder of its positional parameters, with geth's words where they do not fit.

Source of the wording: ethereum/go-ethereum v1.17.5, rpc/json.go (`parsePositionalArguments`).
"""

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from zerog.primitives.decoding import decode_hook
from zerog.runtime.jsonrpc.errors import ParametersError

__all__ = ["ParameterDecoder", "parameter_decoder"]

_decode_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode

Field: TypeAlias = tuple[str, Any] | tuple[str, Any, Any]
"""Name, type and, where the parameter may be left out, `None`."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One positional parameter and how it is read alone (only needed to explain what is wrong)."""

    name: str
    is_required: bool
    accepts_null: bool
    decoder: "msgspec.json.Decoder[Any]"


class ParameterDecoder:
    """Decodes the `params` of one method. Too many are ignored, as in geth; null where a default exists is the default."""

    __slots__ = ("_decode", "_defaults", "_parameters")

    def __init__(self, parameters: list[Parameter], fields: list[Field], defaults: tuple[object, ...]) -> None:
        self._parameters: Final = parameters
        self._defaults: Final = defaults if any(default is not None for default in defaults) else None
        self._decode: Final[Callable[[bytes | msgspec.Raw], Any]] = msgspec.json.Decoder(
            msgspec.defstruct("Parameters", fields, array_like=True, frozen=True, gc=False), dec_hook=decode_hook
        ).decode

    def decode(self, params: bytes | msgspec.Raw) -> tuple[object, ...]:
        """The arguments, one for each declared parameter. Raises `ParametersError`, or what a parameter's own type raises."""
        try:
            arguments = msgspec.structs.astuple(self._decode(params))
        except (msgspec.DecodeError, RecursionError):
            return self._explain(bytes(params))
        if self._defaults is not None and None in arguments:
            return tuple(default if argument is None else argument for argument, default in zip(arguments, self._defaults, strict=True))
        return arguments

    def _explain(self, params: bytes) -> tuple[object, ...]:
        """Read the parameters one by one, to name the first that does not fit."""
        if params in (b"", b"null"):  # No `params` at all is an empty array.
            return self.decode(b"[]")
        try:
            items = _decode_items(params)
        except msgspec.DecodeError:
            raise ParametersError("non-array args") from None
        for index, parameter in enumerate(self._parameters):
            item = bytes(items[index]) if index < len(items) else b"null"
            if item == b"null" and not parameter.accepts_null:
                raise ParametersError(f"missing value for required argument {index}")
            try:
                parameter.decoder.decode(item)
            except (msgspec.DecodeError, RecursionError) as error:
                raise ParametersError(f"invalid argument {index}: {error}") from None
        raise ParametersError(f"invalid arguments: {params[:80].decode(errors='replace')}")


def parameter_decoder(handler: Callable[..., object], *, skipped: int) -> ParameterDecoder:
    """The decoder for `handler`, whose first `skipped` parameters are not the caller's. Raises `TypeError` for an unfit signature."""
    hints = typing.get_type_hints(handler, include_extras=True)
    declared = list(inspect.signature(handler).parameters.values())[skipped:]
    parameters: list[Parameter] = []
    fields: list[Field] = []
    for parameter in declared:
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise TypeError(f"{handler.__qualname__}: {parameter.name} is not positional")
        if parameter.name not in hints:
            raise TypeError(f"{handler.__qualname__}: {parameter.name} has no type")
        kind = Any if hints[parameter.name] is object else hints[parameter.name]  # msgspec's word for any JSON.
        is_required = parameter.default is inspect.Parameter.empty
        accepts_null = not is_required or kind is Any or type(None) in typing.get_args(kind)
        kind = kind | None if accepts_null else kind
        fields.append((parameter.name, kind) if is_required else (parameter.name, kind, None))
        parameters.append(Parameter(parameter.name, is_required, accepts_null, msgspec.json.Decoder(kind, dec_hook=decode_hook)))
    defaults = tuple(None if parameter.default is inspect.Parameter.empty else parameter.default for parameter in declared)
    return ParameterDecoder(parameters, fields, defaults)
