"""The page of what roles answer to programs: JSON-RPC methods from their declarations, gRPC services from their `.proto` files."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from zerog.chain.node import rpc as chain
from zerog.compute.provider.asked import PAID_PATHS
from zerog.compute.provider.routes.application import ASYNC, GETS, NAMED_GETS, PROXY
from zerog.da.gateway.alt_da import GET_PATH, PUT_PATH, AltDaRoutes
from zerog.da.gateway.nitro import daprovider
from zerog.da.gateway.routes import BLOBS_PATH, SAMPLE_PATH, ReadRoutes
from zerog.runtime.jsonrpc import Namespace
from zerog.runtime.jsonrpc.namespace import Method
from zerog.storage.indexer.gateway.routes import ROUTES
from zerog.storage.indexer.router import methods as router
from zerog.storage.indexer.rpc import indexer
from zerog.storage.kv import rpc as kv
from zerog.storage.node import rpc as storage

__all__ = ["interfaces_page"]

INTRODUCTION: Final = """# Interfaces

<!-- Made by `make reference` from the declarations of methods and the .proto files; not to be edited. -->

Every method that a role answers, by its port. Parameters are positional; one with `?` may be left out or be null. `*dev*` marks methods
for developers, which exist only for callers from this machine, or with a token. Ways of use, limits and errors:
[chain](../chain/methods.md), [storage](../storage/node.md), [indexer and gateway](../storage/indexer.md), [streams](../storage/kv-node.md),
[DA](../da/index.md), [provider](../compute/provider.md), [errors](../chain/errors.md).

Every HTTP role answers `GET /healthz`, `/readyz` and `/metrics` (Prometheus) besides.
"""

JSON_RPC: Final[tuple[tuple[str, str, Sequence[Namespace]], ...]] = (
    ("Chain node", "8545, HTTP and WebSocket", chain.NAMESPACES),
    ("Storage node", "5678; `admin_*` and `miner_*` on 5679", (*storage.NAMESPACES, *storage.ADMIN_NAMESPACES, storage.MINER_NAMESPACE)),
    ("Storage indexer", "12345", (indexer,)),
    ("Storage router", "12345, below `/node`", (router.zgs,)),
    ("Key-value node", "6789", kv.NAMESPACES),
    ("Rollup gateway", "3100, for Arbitrum Nitro", (daprovider,)),
)
WORDS: Final = {"Raw": "JSON", "object": "JSON", "dict": "object", "str": "text", "bool": "boolean", "int": "number"}
"""What callers call our types."""
PROTOCOLS: Final = (
    ("DA encoder", "34000", "zerog/da/wire/pb/encoder.proto"),
    ("DA disperser", "51001", "zerog/da/wire/pb/disperser.proto"),
    ("DA retriever", "34005", "zerog/da/wire/pb/retriever.proto"),
    ("DA signer", "34010 and up", "zerog/da/wire/pb/signer.proto"),
    ("Storage node", "50051", "zerog/storage/wire/pb/zgs.proto"),
)


def interfaces_page(root: Path) -> str:
    """Markdown of all methods."""
    parts = [INTRODUCTION]
    for role, port, namespaces in JSON_RPC:
        parts.append(f"## {role}: JSON-RPC\n\nPort {port}.\n\n| method | answers | what it does |\n|---|---|---|")
        parts[-1] += "".join(f"\n{row}" for row in _method_rows(namespaces)) + "\n"
    for role, port, routes in HTTP:
        parts.append(f"## {role}: HTTP\n\nPort {port}.\n\n| method | path | what it does |\n|---|---|---|")
        parts[-1] += "".join(f"\n| {method} | `{path}` | {_said(answer)} |" for method, path, answer in routes()) + "\n"
    for role, port, name in PROTOCOLS:
        text = (root / name).read_text(encoding="utf-8")
        parts.append(
            f"## {role}: gRPC\n\nPort {port}. Definition: [{Path(name).name}](../../{name}).\n\n| call | what it does |\n|---|---|"
        )
        parts[-1] += "".join(f"\n{row}" for row in _call_rows(text)) + "\n"
    return "\n".join(parts)


def _storage_routes() -> Iterator[tuple[str, str, object]]:
    yield from ROUTES


def _gateway_routes() -> Iterator[tuple[str, str, object]]:
    yield "POST", f"{PUT_PATH}, {PUT_PATH}/{{commitment}}", AltDaRoutes.answer_put
    yield "GET", f"{GET_PATH}/{{commitment}}", AltDaRoutes.answer_get
    yield "GET", f"{SAMPLE_PATH}/{{root}}/{{row}}/{{subline}}", ReadRoutes.answer_sample
    yield "GET", BLOBS_PATH, ReadRoutes.answer_blobs


def _provider_routes() -> Iterator[tuple[str, str, object]]:
    for path, paid in PAID_PATHS.items():
        kinds = " or ".join(kind.value for kind in paid.service_types)
        yield "POST", PROXY + path, f"A request that is paid for, of services of the kind {kinds}."
        if paid.has_images:
            yield "POST", ASYNC + path, "The same as a job, whose result is fetched later."
    for path, answer in GETS.items():
        yield "GET", path, answer
    for prefix, named in NAMED_GETS:
        yield "GET", f"{prefix}{{name}}", named


HTTP: Final[tuple[tuple[str, str, Callable[[], Iterator[tuple[str, str, object]]]], ...]] = (
    ("Storage gateway", "12345", _storage_routes),
    ("Rollup gateway", "3100, for the OP Stack and for samples", _gateway_routes),
    ("Compute provider", "3080", _provider_routes),
)
"""Role, port, and its routes: method, path, and what answers or a text."""


def _said(answer: object) -> str:
    return answer if isinstance(answer, str) else _first_paragraph(answer)


def _method_rows(namespaces: Iterable[Namespace]) -> Iterator[str]:
    """A row a function: aliases stand beside each other."""
    by_handler: dict[object, list[Method]] = {}
    for namespace in namespaces:
        for method in namespace.methods.values():
            by_handler.setdefault(method.handler, []).append(method)
    for methods in by_handler.values():
        signature = inspect.signature(methods[0].handler)
        skipped = 2 if methods[0].needs_connection else 1
        parameters = ", ".join(_parameter(parameter) for parameter in list(signature.parameters.values())[skipped:])
        names = " ".join(f"`{method.name}`" for method in methods)
        marks = (" *dev*" if methods[0].is_dev else "") + (" *WebSocket*" if methods[0].needs_connection else "")
        yield f"| {names}({parameters}){marks} | {_kind(signature.return_annotation)} | {_first_paragraph(methods[0].handler)} |"


def _parameter(parameter: inspect.Parameter) -> str:
    name = re.sub(r"_(\w)", lambda found: found[1].upper(), parameter.name.strip("_"))
    return f"{name}: {_kind(parameter.annotation)}{'' if parameter.default is parameter.empty else '?'}"


def _kind(annotation: object) -> str:
    """The name of a type as a caller knows it: what a method answers is the same whether it answers at once or has to wait."""
    if annotation is inspect.Signature.empty or annotation is None or annotation is type(None):
        return "null" if annotation is not inspect.Signature.empty else ""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(part for argument in arguments for part in _kind(argument).split(" or ")))
    name = getattr(origin or annotation, "__name__", str(annotation))
    if name in ("Coroutine", "Awaitable"):
        return _kind(arguments[-1])
    shown = WORDS.get(name, name)
    if name in ("list", "tuple", "Sequence") and arguments:
        return f"list of {_kind(arguments[0])}"
    return shown.lstrip("_")


def _first_paragraph(handler: object) -> str:
    text = inspect.getdoc(handler) or ""
    return " ".join(text.split("\n\n")[0].split()).replace("|", "\\|")


def _call_rows(text: str) -> Iterator[str]:
    """The calls of the services of a `.proto` file, each with the comment above it."""
    for service, body in re.findall(r"^service (\w+) \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE):
        comment: list[str] = []
        for line in body.splitlines():
            stripped = line.strip()
            if stripped.startswith("//"):
                comment.append(stripped.removeprefix("//").strip())
            elif found := re.match(r"rpc (\w+)\s*\((.*?)\)\s*returns\s*\((.*?)\)", stripped):
                call, takes, gives = found.groups()
                yield f"| `{service}.{call}`({takes}) → {gives} | {' '.join(comment)} |"
                comment = []
