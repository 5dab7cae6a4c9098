"""Made by `make proto` from signer.proto; not to be edited."""
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Empty(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SignRequest(_message.Message):
    __slots__ = ("epoch", "quorum_id", "erasure_commitment", "storage_root", "encoded_slice")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    QUORUM_ID_FIELD_NUMBER: _ClassVar[int]
    ERASURE_COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    STORAGE_ROOT_FIELD_NUMBER: _ClassVar[int]
    ENCODED_SLICE_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    quorum_id: int
    erasure_commitment: bytes
    storage_root: bytes
    encoded_slice: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, epoch: _Optional[int] = ..., quorum_id: _Optional[int] = ..., erasure_commitment: _Optional[bytes] = ..., storage_root: _Optional[bytes] = ..., encoded_slice: _Optional[_Iterable[bytes]] = ...) -> None: ...

class BatchSignRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[SignRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[SignRequest, _Mapping]]] = ...) -> None: ...

class BatchSignReply(_message.Message):
    __slots__ = ("signatures",)
    SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    signatures: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, signatures: _Optional[_Iterable[bytes]] = ...) -> None: ...

class RetrieveRequest(_message.Message):
    __slots__ = ("epoch", "quorum_id", "storage_root", "row_indexes")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    QUORUM_ID_FIELD_NUMBER: _ClassVar[int]
    STORAGE_ROOT_FIELD_NUMBER: _ClassVar[int]
    ROW_INDEXES_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    quorum_id: int
    storage_root: bytes
    row_indexes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, epoch: _Optional[int] = ..., quorum_id: _Optional[int] = ..., storage_root: _Optional[bytes] = ..., row_indexes: _Optional[_Iterable[int]] = ...) -> None: ...

class BatchRetrieveRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RetrieveRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[RetrieveRequest, _Mapping]]] = ...) -> None: ...

class Slices(_message.Message):
    __slots__ = ("encoded_slice", "coset_root")
    ENCODED_SLICE_FIELD_NUMBER: _ClassVar[int]
    COSET_ROOT_FIELD_NUMBER: _ClassVar[int]
    encoded_slice: _containers.RepeatedScalarFieldContainer[bytes]
    coset_root: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, encoded_slice: _Optional[_Iterable[bytes]] = ..., coset_root: _Optional[_Iterable[bytes]] = ...) -> None: ...

class BatchRetrieveReply(_message.Message):
    __slots__ = ("encoded_slice",)
    ENCODED_SLICE_FIELD_NUMBER: _ClassVar[int]
    encoded_slice: _containers.RepeatedCompositeFieldContainer[Slices]
    def __init__(self, encoded_slice: _Optional[_Iterable[_Union[Slices, _Mapping]]] = ...) -> None: ...

class StatusReply(_message.Message):
    __slots__ = ("status_code", "entrance_contract", "setup_fingerprint")
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    ENTRANCE_CONTRACT_FIELD_NUMBER: _ClassVar[int]
    SETUP_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    status_code: int
    entrance_contract: str
    setup_fingerprint: bytes
    def __init__(self, status_code: _Optional[int] = ..., entrance_contract: _Optional[str] = ..., setup_fingerprint: _Optional[bytes] = ...) -> None: ...

class SignHead(_message.Message):
    __slots__ = ("epoch", "quorum_id", "erasure_commitment", "storage_root")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    QUORUM_ID_FIELD_NUMBER: _ClassVar[int]
    ERASURE_COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    STORAGE_ROOT_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    quorum_id: int
    erasure_commitment: bytes
    storage_root: bytes
    def __init__(self, epoch: _Optional[int] = ..., quorum_id: _Optional[int] = ..., erasure_commitment: _Optional[bytes] = ..., storage_root: _Optional[bytes] = ...) -> None: ...

class SignPart(_message.Message):
    __slots__ = ("head", "encoded_slice")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    ENCODED_SLICE_FIELD_NUMBER: _ClassVar[int]
    head: SignHead
    encoded_slice: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, head: _Optional[_Union[SignHead, _Mapping]] = ..., encoded_slice: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SignReply(_message.Message):
    __slots__ = ("signature",)
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    signature: bytes
    def __init__(self, signature: _Optional[bytes] = ...) -> None: ...

class RetrievedRow(_message.Message):
    __slots__ = ("row_index", "data", "path")
    ROW_INDEX_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    row_index: int
    data: bytes
    path: bytes
    def __init__(self, row_index: _Optional[int] = ..., data: _Optional[bytes] = ..., path: _Optional[bytes] = ...) -> None: ...

class RetrievedPart(_message.Message):
    __slots__ = ("rows", "coset_root")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COSET_ROOT_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[RetrievedRow]
    coset_root: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, rows: _Optional[_Iterable[_Union[RetrievedRow, _Mapping]]] = ..., coset_root: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SampleRequest(_message.Message):
    __slots__ = ("storage_root", "epoch", "quorum_id", "row_index", "subline_index")
    STORAGE_ROOT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    QUORUM_ID_FIELD_NUMBER: _ClassVar[int]
    ROW_INDEX_FIELD_NUMBER: _ClassVar[int]
    SUBLINE_INDEX_FIELD_NUMBER: _ClassVar[int]
    storage_root: bytes
    epoch: int
    quorum_id: int
    row_index: int
    subline_index: int
    def __init__(self, storage_root: _Optional[bytes] = ..., epoch: _Optional[int] = ..., quorum_id: _Optional[int] = ..., row_index: _Optional[int] = ..., subline_index: _Optional[int] = ...) -> None: ...

class SampleReply(_message.Message):
    __slots__ = ("data", "path", "coset_root")
    DATA_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    COSET_ROOT_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    path: _containers.RepeatedScalarFieldContainer[bytes]
    coset_root: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, data: _Optional[bytes] = ..., path: _Optional[_Iterable[bytes]] = ..., coset_root: _Optional[_Iterable[bytes]] = ...) -> None: ...
