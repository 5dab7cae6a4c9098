"""Made by `make proto` from zgs.proto; not to be edited."""
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Empty(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PingRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class PingReply(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class DataRoot(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: bytes
    def __init__(self, value: _Optional[bytes] = ...) -> None: ...

class FileProof(_message.Message):
    __slots__ = ("lemma", "path")
    LEMMA_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    lemma: _containers.RepeatedScalarFieldContainer[bytes]
    path: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, lemma: _Optional[_Iterable[bytes]] = ..., path: _Optional[_Iterable[bool]] = ...) -> None: ...

class SegmentWithProof(_message.Message):
    __slots__ = ("root", "data", "index", "proof", "file_size")
    ROOT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    FILE_SIZE_FIELD_NUMBER: _ClassVar[int]
    root: DataRoot
    data: bytes
    index: int
    proof: FileProof
    file_size: int
    def __init__(self, root: _Optional[_Union[DataRoot, _Mapping]] = ..., data: _Optional[bytes] = ..., index: _Optional[int] = ..., proof: _Optional[_Union[FileProof, _Mapping]] = ..., file_size: _Optional[int] = ...) -> None: ...

class UploadSegmentsByTxSeqRequest(_message.Message):
    __slots__ = ("segments", "tx_seq")
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    TX_SEQ_FIELD_NUMBER: _ClassVar[int]
    segments: _containers.RepeatedCompositeFieldContainer[SegmentWithProof]
    tx_seq: int
    def __init__(self, segments: _Optional[_Iterable[_Union[SegmentWithProof, _Mapping]]] = ..., tx_seq: _Optional[int] = ...) -> None: ...
