"""Made by `make proto` from encoder.proto; not to be edited."""
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EncodeBlobRequest(_message.Message):
    __slots__ = ("data", "require_data")
    DATA_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    require_data: bool
    def __init__(self, data: _Optional[bytes] = ..., require_data: _Optional[bool] = ...) -> None: ...

class EncodeBlobReply(_message.Message):
    __slots__ = ("version", "erasure_commitment", "storage_root", "encoded_data", "encoded_slice")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ERASURE_COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    STORAGE_ROOT_FIELD_NUMBER: _ClassVar[int]
    ENCODED_DATA_FIELD_NUMBER: _ClassVar[int]
    ENCODED_SLICE_FIELD_NUMBER: _ClassVar[int]
    version: int
    erasure_commitment: bytes
    storage_root: bytes
    encoded_data: bytes
    encoded_slice: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, version: _Optional[int] = ..., erasure_commitment: _Optional[bytes] = ..., storage_root: _Optional[bytes] = ..., encoded_data: _Optional[bytes] = ..., encoded_slice: _Optional[_Iterable[bytes]] = ...) -> None: ...

class EncodedHead(_message.Message):
    __slots__ = ("erasure_commitment", "storage_root", "coset_root", "slice_count")
    ERASURE_COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    STORAGE_ROOT_FIELD_NUMBER: _ClassVar[int]
    COSET_ROOT_FIELD_NUMBER: _ClassVar[int]
    SLICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    erasure_commitment: bytes
    storage_root: bytes
    coset_root: _containers.RepeatedScalarFieldContainer[bytes]
    slice_count: int
    def __init__(self, erasure_commitment: _Optional[bytes] = ..., storage_root: _Optional[bytes] = ..., coset_root: _Optional[_Iterable[bytes]] = ..., slice_count: _Optional[int] = ...) -> None: ...

class EncodedPart(_message.Message):
    __slots__ = ("head", "encoded_slice")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    ENCODED_SLICE_FIELD_NUMBER: _ClassVar[int]
    head: EncodedHead
    encoded_slice: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, head: _Optional[_Union[EncodedHead, _Mapping]] = ..., encoded_slice: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SetupRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetupReply(_message.Message):
    __slots__ = ("kind", "fingerprint")
    KIND_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    fingerprint: bytes
    def __init__(self, kind: _Optional[str] = ..., fingerprint: _Optional[bytes] = ...) -> None: ...
