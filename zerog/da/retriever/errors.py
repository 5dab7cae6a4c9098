"""What a retriever refuses beside what a retrieval does.

DaError (protocol)
├── RetrieverSettingsError
├── RetrieverStoppedError
└── BlobRequestError                 INVALID_ARGUMENT
"""

from dataclasses import dataclass

from zerog.da.protocol.errors import DaError

__all__ = ["BlobRequestError", "RetrieverSettingsError", "RetrieverStoppedError"]


@dataclass(eq=False)
class RetrieverSettingsError(DaError):
    """Settings that contradict themselves."""

    cause: str

    code = "settings_invalid"
    remedy = "change the setting that the message names"

    def __str__(self) -> str:
        return self.cause


class RetrieverStoppedError(DaError):
    """The retriever does not run, or not yet."""

    code = "da_retriever_stopped"
    remedy = "start the retriever and wait until it reports its address"
    http_status = 503

    def __str__(self) -> str:
        return "the retriever is not running"


@dataclass(eq=False)
class BlobRequestError(DaError):
    """A request that names no blob."""

    cause: str

    code = "da_blob_request"
    remedy = "name a root of 32 bytes"
    grpc_status = "INVALID_ARGUMENT"

    def __str__(self) -> str:
        return self.cause
