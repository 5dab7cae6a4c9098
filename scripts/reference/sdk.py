"""The page of the SDK: every public class and function of the clients, with signatures and docstrings."""

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

import zerog
from zerog.primitives.errors import ZerogError

__all__ = ["sdk_page"]

INTRODUCTION: Final = """# Python SDK

<!-- Made by `make reference` from the docstrings; not to be edited. -->

`zerog.connect` gives a network for programs without an event loop, `zerog.connect_async` the same for those with one. Each method below
exists in both: the asynchronous one is awaited and takes and gives the same. [How to use it](../sdk/index.md) shows them at work.

Every error that is expected descends from `ZerogError` and carries `.code`, `.cause` and `.remedy`; anything else is a fault of zerog.
"""
CLIENTS: Final = (
    ("Network", "zerog.sdk", "Network"),
    ("network.chain", "zerog.chain.client", "ChainClient"),
    ("network.chain.contract(…)", "zerog.chain.client", "Contract"),
    ("network.storage", "zerog.storage.client", "StorageClient"),
    ("network.kv", "zerog.storage.client.kv", "KvClient"),
    ("network.da", "zerog.da.client", "DaClient"),
    ("network.compute", "zerog.compute.client", "ComputeClient"),
)
"""What they are called, and where each class is."""
MODULES: Final = tuple(dict.fromkeys(module for _, module, _ in CLIENTS))
"""Whose other public names are values and errors."""


def sdk_page() -> str:
    """Markdown of the whole SDK."""
    parts = [INTRODUCTION, _function("zerog.connect", zerog.connect), _function("zerog.connect_async", zerog.connect_async)]
    seen: set[object] = set()
    for title, module, name in CLIENTS:
        kind = getattr(importlib.import_module(module), name)
        seen.add(kind)
        parts.append(f"## {title}\n\n`{module}.{name}`. {_text(kind)}\n")
        parts += list(_members(kind))
    values, errors = _others(seen)
    parts.append("## Values\n\nWhat the methods take and give. None of them changes.\n")
    parts += [_value(kind) for kind in values]
    parts.append(
        "## Errors\n\n| error | code | what it means | remedy |\n|---|---|---|---|\n" + "\n".join(_error(kind) for kind in errors) + "\n"
    )
    return "\n".join(parts)


def _members(kind: type) -> Iterator[str]:
    """Methods and properties in the order of the class, those that it has from others after its own."""
    for name, member in inspect.getmembers(kind):
        if name.startswith("_"):
            continue
        if inspect.isfunction(member):
            yield _function(name, member, heading="###")
        elif isinstance(member, property) or type(member).__name__ == "cached_property":
            yield f"### {name}\n\n{_text(member)}\n"


def _function(name: str, function: Any, heading: str = "##") -> str:
    signature = inspect.signature(function)
    parameters = [_plain(parameter) for parameter in signature.parameters.values() if parameter.name not in ("self", "client")]
    shown = _shortened(str(signature.replace(parameters=parameters)))
    return f"{heading} {name}\n\n```signature\n{name}{shown}\n```\n\n{_text(function)}\n"


class _Default:
    """Stands for a default that is an object: its fields are in its own entry."""

    def __init__(self, kind: type) -> None:
        self._name: Final = kind.__name__

    def __repr__(self) -> str:
        return f"{self._name}()"


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    kind = type(parameter.default)
    is_object = dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct)
    return parameter.replace(default=_Default(kind)) if is_object else parameter


def _shortened(text: str) -> str:
    """A signature without the modules that types come from."""
    text = re.sub(r"<[\w.]+\.(\w+)[^>]*>", r"\1", text)
    text = re.sub(r"\b(?:[a-z_]\w*\.)+([A-Z]\w*)", r"\1", text)
    return text.replace("'", "").replace('"', "")


def _text(thing: object) -> str:
    return inspect.getdoc(thing) or ""


def _others(seen: set[object]) -> tuple[Sequence[type], Sequence[type]]:
    """Public values and errors of all modules, each once, by name."""
    values: dict[str, type] = {}
    errors: dict[str, type] = {}
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            kind = getattr(module, name)
            if not inspect.isclass(kind) or kind in seen or name.startswith("Async"):
                continue
            (errors if issubclass(kind, ZerogError) else values)[f"{name} {kind.__module__}"] = kind
    return [values[key] for key in sorted(values)], [errors[key] for key in sorted(errors)]


def _value(kind: type) -> str:
    text = _text(kind)
    if text.startswith(f"{kind.__name__}("):
        text = ""  # Made by the class's maker, and no more than its fields.
    names: Sequence[str] = ()
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif issubclass(kind, msgspec.Struct):
        names = kind.__struct_fields__
    said = _fields(kind)
    rows = "".join(f"| `{name}` | `{said[name][0]}` | {said[name][1]} |\n" for name in names if name in said and not name.startswith("_"))
    table = f"\n| field | type | meaning |\n|---|---|---|\n{rows}" if rows else ""
    return f"### {kind.__name__}\n\n{text}\n{table}"


def _fields(kind: type) -> dict[str, tuple[str, str]]:
    """Type and docstring of each field, which only the source knows; those of a parent come first."""
    found: dict[str, tuple[str, str]] = {}
    for each in reversed(kind.__mro__):
        if not each.__module__.startswith("zerog."):
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        statements = definition.body if isinstance(definition, ast.ClassDef) else []
        for statement, following in zip(statements, [*statements[1:], None], strict=True):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                said = following.value.value if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant) else ""
                meaning = " ".join(str(said).split()).replace("|", "\\|")
                found[statement.target.id] = (ast.unparse(statement.annotation).replace("|", "or").replace('"', ""), meaning)
    return found


def _error(kind: type) -> str:
    text = " ".join(_text(kind).split("\n\n")[0].split())
    code, remedy = getattr(kind, "code", ""), getattr(kind, "remedy", "")
    shown = remedy if isinstance(remedy, str) else ""
    row = f"| `{kind.__name__}` | `{code}` | {text} | {shown} |"
    return row.replace("\n", " ")
