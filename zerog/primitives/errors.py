"""The root of every expected failure, and what a failure tells the person who meets it.

ZerogError (kernel)
├── DecodeError, SignatureError, … (kernel)
└── RefusalError                     has a code, a cause and a remedy of its own
    ├── InvalidParametersError       the caller's arguments are not what the method takes
    └── DeadlineError                a wait has ended before what was waited for
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from zerog import _kernel
from zerog._kernel import DecodeError, SignatureError, ZerogError

__all__ = ["DeadlineError", "DecodeError", "InvalidParametersError", "RefusalError", "SignatureError", "ZerogError", "sentence_of"]

REMEDIES: Final[dict[type[ZerogError], str]] = {
    ZerogError: "read the cause",
    _kernel.DecodeError: "compare the bytes with what they should be",
    _kernel.SignatureError: "sign again, with a key of 32 bytes",
    _kernel.PointError: "compare the bytes with what they should be",
    _kernel.SetupError: "make the setup's files again, or fetch them again",
    _kernel.BlobSizeError: "send between 1 and 32,505,852 bytes",
    _kernel.SliceError: "ask another signer",
    _kernel.RecoveryError: "fetch rows from further signers",
    _kernel.LedgerCorruptError: "keep a copy of the folder for a report, then begin again with `zerog reset`",
    _kernel.LedgerOldFormatError: "begin again with `zerog reset`, or go on with the version that wrote it",
    _kernel.LedgerFailedError: "look at the disk's space and health, then start again",
    _kernel.LedgerBusyError: "stop the other process with `zerog down`, or choose another folder with --dir",
    _kernel.GenesisMismatchError: (
        "remove the old network with `zerog reset`, or start it with the settings, or the version, that it was made with"
    ),
    _kernel.UnknownBlockError: "name a block that the chain has",
    _kernel.TraceRefusedError: "ask for a smaller trace",
    _kernel.StateNotKeptError: "ask for a newer block",
    _kernel.BlockRefusedError: "follow a node of the same network",
    _kernel.FlowRefusedError: "read the flow again from its first submission",
    _kernel.SealBrokenError: "ask for the message again",
    _kernel.ModelRefusedError: "take a model of those that `zerog model list` names",
    _kernel.DecoderFullError: "try again later",
}
"""For the errors of the kernel, which computes and has no words for people: here they get them. Their codes are their names in words."""
CAUSES: Final[dict[type[ZerogError], str]] = {
    _kernel.GenesisMismatchError: "the folder holds the chain with genesis {}, and what was asked for has genesis {}",
}
"""Sentences for those that carry facts alone."""


def _give_words() -> None:
    for kind, remedy in REMEDIES.items():
        words = re.findall(r"[A-Z][a-z0-9]*", kind.__name__.removesuffix("Error"))
        kind.code = "refused" if kind is ZerogError else "_".join(words).lower()
        kind.remedy = remedy
    type.__setattr__(ZerogError, "__getattr__", _cause)


def _cause(error: ZerogError, name: str) -> str:
    """For an attribute that is not there: the cause of an error is the whole of it in words, where it is no field of the error."""
    if name == "cause":
        return sentence_of(error)
    raise AttributeError(f"{type(error).__name__!r} object has no attribute {name!r}", name=name, obj=error)


def sentence_of(error: ZerogError) -> str:
    """The whole cause in words."""
    sentence = CAUSES.get(type(error))
    return str(error) if sentence is None else sentence.format(*error.args)


_give_words()


class RefusalError(ZerogError):
    """A request that we understood and do not fulfil.

    Subclasses set what the surfaces need: a short `code` for machines, a `remedy` for people, and the status on HTTP, gRPC and JSON-RPC.
    """

    code: ClassVar[str] = "refused"
    remedy: ClassVar[str] = ""
    http_status: ClassVar[int] = 400
    grpc_status: ClassVar[str] = ""
    """Name of the status on gRPC, such as `NOT_FOUND`; empty for the one that fits `http_status`."""
    rpc_code: int = -32000
    """JSON-RPC error code; -32000 is what geth uses for everything without a code of its own."""

    @property
    def rpc_data(self) -> object | None:
        """What stands in `error.data` of a JSON-RPC answer; `None` leaves it out."""
        return None


class DeadlineError(RefusalError):
    """What was waited for has not come in time. Nothing is undone: it may still come, and the error says how to look for it.

    Every wait of a client ends with a subclass of this one, after its `timeout_s`.
    """

    code = "deadline"
    remedy = "wait longer, with a larger `timeout_s`"
    http_status = 504


@dataclass(eq=False)
class InvalidParametersError(RefusalError):
    """Arguments that the method does not take (JSON-RPC -32602)."""

    cause: str

    code = "invalid_parameters"
    remedy = "see the method's parameters in the documentation of the Ethereum JSON-RPC"
    rpc_code = -32602

    def __str__(self) -> str:
        return self.cause
