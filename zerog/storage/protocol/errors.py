"""What storage refuses, in the words that the official clients look for. Source: 0gfoundation/0g-storage-node, `node/rpc/src`.

StorageError
├── EmptyFileError                   a file without a byte
├── InvalidSubmissionError           nodes and length do not belong together
├── SegmentParameterError            a segment whose parts do not fit the file
├── SegmentProofError                a segment whose proof does not lead to the file's root
├── EncryptionKeyError               a key that cannot be one, or of another kind than the file needs
├── WrongKeyError                    a key that the file was not encrypted for
├── NotEncryptedError                a file that does not begin as encrypted ones do
├── EncryptedFileDamagedError        a file that is not what was encrypted
└── StreamDataError                  an item of key-value streams that cannot be read
"""

from dataclasses import dataclass

from zerog.primitives.errors import RefusalError

__all__ = [
    "EmptyFileError",
    "EncryptedFileDamagedError",
    "EncryptionKeyError",
    "InvalidSubmissionError",
    "NotEncryptedError",
    "SegmentParameterError",
    "SegmentProofError",
    "StorageError",
    "StreamDataError",
    "WrongKeyError",
]


class StorageError(RefusalError):
    """A refusal of storage."""


class EmptyFileError(StorageError):
    """A file without a byte has no Merkle root and cannot be stored."""

    code = "empty_file"
    remedy = "store a file of at least one byte"

    def __str__(self) -> str:
        return "file is empty"


@dataclass(eq=False)
class InvalidSubmissionError(StorageError):
    """A submission that the Flow contract would not take."""

    cause: str

    code = "invalid_submission"
    remedy = "submit the nodes that the file's tree gives"

    def __str__(self) -> str:
        return f"invalid submission: {self.cause}"


@dataclass(eq=False)
class SegmentParameterError(StorageError):
    """A segment of which one member, `parameter`, is not what the file needs (JSON-RPC -32602)."""

    parameter: str
    cause: str

    code = "segment_parameter"
    remedy = "cut the file and build its proofs as the official clients do"
    rpc_code = -32602

    def __str__(self) -> str:
        return f"Invalid params: {self.parameter}"

    @property
    def rpc_data(self) -> str:
        return self.cause


@dataclass(eq=False)
class SegmentProofError(StorageError):
    """A proof of another place, another file or other data than it comes with."""

    cause: str

    code = "segment_proof"
    remedy = "send each segment with its own proof"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class EncryptionKeyError(StorageError):
    """A key that cannot be one, or of another kind than the file needs."""

    cause: str

    code = "encryption_key"
    remedy = "give the 32-byte key or the secp256k1 private key that the file was encrypted for"

    def __str__(self) -> str:
        return self.cause


class WrongKeyError(StorageError):
    """A file that was encrypted for another key; files of version 3 tell."""

    code = "wrong_key"
    remedy = "give the key that the file was encrypted for"

    def __str__(self) -> str:
        return "the file was encrypted for another key"


class NotEncryptedError(StorageError):
    """A file that does not begin as encrypted ones do."""

    code = "not_encrypted"
    remedy = "read it without a key"

    def __str__(self) -> str:
        return "the file does not begin with the header of an encrypted one"


@dataclass(eq=False)
class EncryptedFileDamagedError(StorageError):
    """An encrypted file that is not what was encrypted: changed, moved or cut off."""

    cause: str

    code = "encrypted_file_damaged"
    remedy = "check the root that the file was fetched by; whoever made the file must store it again"

    def __str__(self) -> str:
        return f"the encrypted file is damaged: {self.cause}"


@dataclass(eq=False)
class StreamDataError(StorageError):
    """An item of key-value streams that cannot be read."""

    cause: str

    code = "stream_data"
    remedy = "build the item as the official clients do"

    def __str__(self) -> str:
        return f"DataParseError: {self.cause}"
