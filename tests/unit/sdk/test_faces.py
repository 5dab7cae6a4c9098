"""Both faces of each client are one: the same methods with the same arguments, results and words."""

import inspect
import typing
from collections.abc import AsyncIterator, Iterator

import pytest

from zerog.chain.client import AsyncChainClient, AsyncContract, ChainClient, Contract
from zerog.compute.client import AsyncComputeClient, ComputeClient
from zerog.da.client import AsyncDaClient, DaClient
from zerog.sdk import AsyncNetwork, Network
from zerog.storage.client import AsyncStorageClient, StorageClient
from zerog.storage.client.kv import AsyncKvClient, KvClient

PAIRS = [
    (ChainClient, AsyncChainClient),
    (Contract, AsyncContract),
    (StorageClient, AsyncStorageClient),
    (KvClient, AsyncKvClient),
    (DaClient, AsyncDaClient),
    (ComputeClient, AsyncComputeClient),
    (Network, AsyncNetwork),
]
BLOCKING_ALONE = {
    (DaClient, "run"),  # How the blocking face takes the other one's work.
    (StorageClient, "open"),  # A file to seek in, for threads: the other face has `read` and `stream`.
}
IDS = [blocking.__name__ for blocking, _ in PAIRS]


def public(kind: type) -> dict[str, object]:
    """What a class and its bases give to users."""
    names = {name for base in kind.__mro__[:-1] if base.__module__.startswith("zerog") for name in vars(base) if not name.startswith("_")}
    return {name: inspect.getattr_static(kind, name) for name in names}


def words(member: object) -> str:
    return inspect.getdoc(member.fget if isinstance(member, property) else member) or ""


@pytest.mark.parametrize(("blocking", "waiting"), PAIRS, ids=IDS)
def test_both_have_the_same_members(blocking: type, waiting: type) -> None:
    assert set(public(waiting)) == {name for name in public(blocking) if (blocking, name) not in BLOCKING_ALONE}


@pytest.mark.parametrize(("blocking", "waiting"), PAIRS, ids=IDS)
def test_both_say_the_same_in_the_same_words(blocking: type, waiting: type) -> None:
    for name, member in public(waiting).items():
        other = public(blocking)[name]
        if name != "close":
            assert words(member) == words(other) != "", name
        if callable(member):
            assert inspect.signature(member).parameters.keys() == inspect.signature(other).parameters.keys(), name  # type: ignore[arg-type]
            for mine, theirs in zip(
                list(inspect.signature(member).parameters.values())[1:],
                list(inspect.signature(other).parameters.values())[1:],  # type: ignore[arg-type]
                strict=True,
            ):
                assert (mine.kind, mine.default, mine.annotation) == (theirs.kind, theirs.default, theirs.annotation), (name, mine.name)


@pytest.mark.parametrize(("blocking", "waiting"), PAIRS[:-1], ids=IDS[:-1])
def test_a_result_is_the_same_but_for_what_it_is_waited_for(blocking: type, waiting: type) -> None:
    twins = {Contract: AsyncContract}
    for name, member in public(waiting).items():
        if not callable(member) or name in ("chat", "close"):
            continue
        mine = inspect.signature(member).return_annotation
        theirs = inspect.signature(public(blocking)[name]).return_annotation  # type: ignore[arg-type]
        if typing.get_origin(theirs) is Iterator:
            theirs = AsyncIterator[typing.get_args(theirs)[0]]  # type: ignore[misc]
        assert mine == twins.get(theirs, theirs), name


@pytest.mark.parametrize("kind", [kind for pair in PAIRS for kind in pair], ids=lambda kind: kind.__name__)
def test_everything_is_explained(kind: type) -> None:
    assert (inspect.getdoc(kind) or "").endswith((".", "it.", "ends."))
    for name, member in public(kind).items():
        text = words(member)
        assert text.rstrip().endswith((".", ")")), name
        assert not text.startswith("See "), name


@pytest.mark.parametrize("kind", [kind for pair in PAIRS for kind in pair], ids=lambda kind: kind.__name__)
def test_two_arguments_of_one_type_are_named(kind: type) -> None:
    """Whoever swaps two positional arguments of one type hears of it from nobody."""
    allowed = {"call", "logs", "estimate_gas", "read", "put", "delete", "follow", "may_write", "is_writer_of_key", "sample"}
    for name, member in public(kind).items():
        if not callable(member) or name in allowed:
            continue
        parameters = list(inspect.signature(member).parameters.values())[1:]
        plain = [parameter.annotation for parameter in parameters if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        assert len(set(map(str, plain))) == len(plain), (name, plain)
