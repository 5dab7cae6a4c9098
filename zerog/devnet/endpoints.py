"""`endpoints.json` and `.env`: where everything of a running network is, for tools that know nothing of zerog."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

__all__ = [
    "CONTRACTS",
    "Account",
    "ChainEndpoints",
    "ComputeEndpoints",
    "DaEndpoints",
    "Endpoints",
    "ProviderEndpoints",
    "StorageEndpoints",
    "StorageNodeEndpoints",
    "as_environment",
]

CONTRACTS: Final = {
    "Flow": "flow",
    "LedgerManager": "ledger_manager",
    "InferenceServing": "inference_serving",
    "FineTuningServing": "fine_tuning_serving",
    "DAEntrance": "da_entrance",
}
"""Contracts whose names always stand there, with `null` where there is none; and what they are called among a network's addresses."""


class ChainEndpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The chain node: one port for both."""

    http: str
    ws: str


class StorageNodeEndpoints(msgspec.Struct, frozen=True, kw_only=True):
    """One storage node."""

    rpc: str
    admin: str


class StorageEndpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The indexer is what clients of storage are given; its router stands for all nodes together."""

    indexer: str
    kv: str | None = None
    nodes: list[StorageNodeEndpoints] = []


class DaEndpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Data availability. Addresses are `host:port` of gRPC; the gateway has a URL."""

    disperser: str
    """What clients of DA are given."""
    encoder: str
    retriever: str
    signers: list[str]
    gateway: str
    """For rollups, and for samples."""
    trouble: str | None = None
    """Why no blob gets to a quorum, such as that the chain has no signers; `None` where blobs do."""


class ProviderEndpoints(msgspec.Struct, frozen=True, kw_only=True):
    """One provider of the marketplace."""

    address: str
    url: str
    """As it stands on chain; OpenAI clients add `/v1/proxy`."""
    model: str
    service_type: str
    signer: str
    """Who signs its answers and settlements."""
    simulated: bool
    """Whether its enclave is none."""
    trouble: str | None = None
    """Why it answers nothing, such as that it has no model; `None` where it answers."""


class ComputeEndpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The marketplace."""

    providers: list[ProviderEndpoints]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A funded test account, with the key that everybody knows."""

    address: str
    private_key: str

    def __repr__(self) -> str:
        return f"Account(address={self.address!r})"


def _no_contracts() -> dict[str, str | None]:
    return dict.fromkeys(CONTRACTS)


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The file, field by field; `null` for what is not running."""

    version: int = 1
    network: str
    chain_id: int
    pid: int
    data_dir: str
    logs: str
    chain: ChainEndpoints | None = None
    storage: StorageEndpoints | None = None
    da: DaEndpoints | None = None
    compute: ComputeEndpoints | None = None
    explorer: str | None = None
    contracts: dict[str, str | None] = msgspec.field(default_factory=_no_contracts)
    accounts: list[Account] = msgspec.field(default_factory=list)

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def as_environment(endpoints: Endpoints) -> bytes:
    """The same as `NAME=value` lines: `chain.http` becomes `ZEROG_CHAIN_HTTP`, `accounts[0].address` `ZEROG_ACCOUNTS_0_ADDRESS`."""
    lines = [f"{name}={_quoted(value)}" for name, value in _flatten("ZEROG", msgspec.to_builtins(endpoints))]
    return ("\n".join(lines) + "\n").encode()


def _flatten(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(f"{prefix}_{_shouted(str(key))}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flatten(f"{prefix}_{index}", inner)
    elif value is not None:
        yield prefix, str(value)


def _shouted(name: str) -> str:
    """`LedgerManager` becomes `LEDGER_MANAGER`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


def _quoted(value: str) -> str:
    """As a shell and every reader of such files take it."""
    if re.fullmatch(r"[A-Za-z0-9_./:@%+,-]*", value):
        return value
    return "'" + value.replace("'", "'\\''") + "'"
