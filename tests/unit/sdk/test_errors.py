"""One tree of errors: every one has a code, a cause and a remedy, and those of the SDK are named in one place."""

import ast
import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import zerog
from zerog import errors
from zerog.chain.client import NodeUnreachableError, NoKeyError, ReceiptTimeoutError
from zerog.primitives import DecodeError, Hash32
from zerog.primitives.errors import RefusalError, ZerogError

SHARED = {
    "arguments", "blob_too_large", "block_refused", "forbidden", "genesis_mismatch", "insufficient_balance",
    "internal_error", "invalid_member", "invalid_parameters", "invalid_request", "lock_held", "model_not_found", "no_faucet",
    "no_model", "node_stopped", "not_settled", "proof_unavailable", "rate_limited", "refused", "replay_impossible", "settings_invalid",
    "storage_answer_invalid", "store_full", "unknown_block",
}  # fmt: skip
"""Codes that several types have because they mean the same on different surfaces."""
PASSED_ON = {"FlowCallRefusedError", "RelayedError", "JsonRpcError", "EnvelopeError", "ReportedError"}
"""Their remedy is that of the error that they pass on, where it has one."""


def subclasses(kind: type[ZerogError]) -> Iterator[type[ZerogError]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


@pytest.fixture(scope="module")
def kinds() -> list[type[ZerogError]]:
    """All types of errors of the whole package."""
    for module in pkgutil.walk_packages(zerog.__path__, "zerog."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return [kind for kind in dict.fromkeys(subclasses(ZerogError)) if kind.__module__.startswith("zerog")]


def is_kind_of_others(kind: type[ZerogError]) -> bool:
    """Whether it only groups others, and nobody raises it."""
    return "code" not in vars(kind) and bool(kind.__subclasses__())


def test_every_error_has_a_code_and_a_remedy(kinds: list[type[ZerogError]]) -> None:
    assert len(kinds) > 400
    assert [kind for kind in kinds if not kind.code] == []
    raised = [kind for kind in kinds if not is_kind_of_others(kind) and kind is not RefusalError]
    assert [kind for kind in raised if kind.code == "refused" and kind.__name__ not in PASSED_ON] == []
    groups = {kind.__name__ for kind in kinds if not kind.remedy and kind.__subclasses__()}
    assert [kind for kind in kinds if not kind.remedy and kind.__name__ not in PASSED_ON | groups] == []
    assert {"RefusalError", "ChainClientError", "SdkError"} <= groups


def test_a_code_means_one_thing(kinds: list[type[ZerogError]]) -> None:
    by_code: dict[str, list[str]] = defaultdict(list)
    for kind in kinds:
        if "code" in vars(kind):
            by_code[kind.code].append(kind.__name__)
    twice = {code: names for code, names in by_code.items() if len(names) > 1 and code not in SHARED}
    assert twice == {}


def test_what_happened_is_told_in_words() -> None:
    assert NoKeyError().cause == str(NoKeyError()) != ""
    beneath = NodeUnreachableError("http://127.0.0.1:1", "refused")
    assert (beneath.cause, str(beneath)) == ("refused", "no answer from http://127.0.0.1:1: refused")
    assert (DecodeError("too short").cause, DecodeError.code) == ("too short", "decode")
    assert ReceiptTimeoutError(Hash32(bytes(32)), 3.0).cause.endswith("is in no block after 3 s")
    with pytest.raises(AttributeError, match="'NoKeyError' object has no attribute 'reason'"):
        getattr(NoKeyError(), "reason")  # noqa: B009 - mypy knows that there is none.


def test_the_tree_has_every_error_of_the_clients(kinds: list[type[ZerogError]]) -> None:
    named = {getattr(errors, name) for name in errors.__all__}
    assert all(issubclass(kind, ZerogError) for kind in named)
    clients = [
        kind
        for kind in kinds
        if kind.__module__.endswith((".client.errors", ".client.kv.errors", "zerog.sdk.errors")) and kind.__name__ != "KeyMissingError"
    ]
    assert [kind for kind in clients if kind not in named] == []
    waits = {kind.__name__ for kind in clients if issubclass(kind, errors.DeadlineError)}
    assert waits == {
        *("BlobUnconfirmedError", "ComputeTimeoutError", "DaTimeoutError", "DispersalTimeoutError", "NodeSilentError", "NotPublishedError"),
        *("NotSettledError", "ProofUnavailableError", "ReceiptTimeoutError", "ResultTimeoutError", "WaitTimeoutError"),
        "WriteTimeoutError",
    }
    with pytest.raises(AttributeError):
        _ = errors.NothingError


def test_what_readers_of_types_see_is_what_there_is() -> None:
    tree = ast.parse(Path(errors.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {(node.module, alias.name) for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == {(module, name) for module, names in errors.HOMES.items() for name in names}
    assert sorted(errors.__all__) == sorted(name for _, name in typed)


def test_a_refusal_is_one_of_the_tree() -> None:
    assert issubclass(errors.SpendLimitError, errors.SigningRefusedError)
    assert issubclass(errors.WaitTimeoutError, errors.StorageError)
    assert issubclass(errors.ServiceUnknownError, RefusalError)
