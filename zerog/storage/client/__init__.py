"""How everybody else talks to storage: to one node, to an indexer, and to a network of both."""

from zerog.storage.client.asynchronous import AsyncStorageClient
from zerog.storage.client.client import FileName, StorageClient
from zerog.storage.client.connection import PeerLimits
from zerog.storage.client.downloading import DownloadOptions
from zerog.storage.client.encrypting import Encryption
from zerog.storage.client.errors import (
    FilePrunedError,
    FileUnknownError,
    KeyMissingError,
    LocalFileError,
    NoNodesError,
    PeerAnswerError,
    PeerError,
    PeerRefusedError,
    PeerStatusError,
    PeerUnreachableError,
    RangeError,
    SegmentMissingError,
    StorageClientError,
    SubmissionRevertedError,
    TargetExistsError,
    UnsafeEntryError,
    UploadRefusedError,
    WaitTimeoutError,
    WrongNetworkError,
)
from zerog.storage.client.indexer import IndexerClient
from zerog.storage.client.miner import MinerClient
from zerog.storage.client.node import NodeClient, Segment
from zerog.storage.client.progress import Progress, ProgressCallback
from zerog.storage.client.remote_file import RemoteFile
from zerog.storage.client.results import DirectoryUpload, Download, FileFacts, NodeFacts, StoredFragment, Upload
from zerog.storage.client.submissions import SubmittedAt, find_submission
from zerog.storage.client.uploading import UploadOptions

__all__ = [
    "AsyncStorageClient",
    "DirectoryUpload",
    "Download",
    "DownloadOptions",
    "Encryption",
    "FileFacts",
    "FileName",
    "FilePrunedError",
    "FileUnknownError",
    "IndexerClient",
    "KeyMissingError",
    "LocalFileError",
    "MinerClient",
    "NoNodesError",
    "NodeClient",
    "NodeFacts",
    "PeerAnswerError",
    "PeerError",
    "PeerLimits",
    "PeerRefusedError",
    "PeerStatusError",
    "PeerUnreachableError",
    "Progress",
    "ProgressCallback",
    "RangeError",
    "RemoteFile",
    "Segment",
    "SegmentMissingError",
    "StorageClient",
    "StorageClientError",
    "StoredFragment",
    "SubmissionRevertedError",
    "SubmittedAt",
    "TargetExistsError",
    "UnsafeEntryError",
    "Upload",
    "UploadOptions",
    "UploadRefusedError",
    "WaitTimeoutError",
    "WrongNetworkError",
    "find_submission",
]
