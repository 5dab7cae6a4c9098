"""What goes wrong between a role and the chain that it follows.

StorageError (protocol)
├── ChainNotFollowedError            the log is not read at the moment
├── LogGapError                      the chain node left out a submission (beside what reads the log)
├── ForeignChainError                the chain is not the one that the data belongs to
└── FlowUnknownError                 nobody said where the flow's contract is
"""

from dataclasses import dataclass

from zerog.storage.protocol.errors import StorageError

__all__ = ["ChainNotFollowedError", "FlowUnknownError", "ForeignChainError"]


@dataclass(eq=False)
class ChainNotFollowedError(StorageError):
    """The log of the chain is not read at the moment; files that are here can be read."""

    cause: str

    code = "chain_not_followed"
    remedy = "start the chain node, or check the setting chain-url"
    http_status = 503

    def __str__(self) -> str:
        return f"the chain is not followed: {self.cause}"


@dataclass(eq=False)
class ForeignChainError(StorageError):
    """The data folder belongs to another network."""

    kept: str
    found: str

    code = "foreign_chain"
    remedy = "name the chain that the data belongs to, or another data folder"
    http_status = 409

    def __str__(self) -> str:
        return f"the data belongs to {self.kept}, and the chain node is of {self.found}"


@dataclass(eq=False)
class FlowUnknownError(StorageError):
    """No network that we know has this chain id, or it has no flow."""

    chain_id: int

    code = "flow_unknown"
    remedy = "name the address of the flow's contract with --flow"

    def __str__(self) -> str:
        return f"no flow's contract is known on chain {self.chain_id}"
