"""Data roots of blobs, which are known before anything is dispersed: whoever disperses the same bytes gets the same root confirmed."""

from collections import OrderedDict
from typing import Final

from anyio import to_thread

from zerog._kernel import amt_roots, keccak256
from zerog.primitives import Hash32

__all__ = ["BlobRoots"]

KEPT_MAX: Final = 8


class BlobRoots:
    """Computes roots, which is hashing 96 MiB of encoded rows for however small a blob, and keeps the last ones for the other copy."""

    def __init__(self) -> None:
        self._kept: Final[OrderedDict[bytes, Hash32]] = OrderedDict()

    async def of(self, data: bytes) -> Hash32:
        """Data root of the blob with these bytes."""
        digest = await to_thread.run_sync(keccak256, data)
        root = self._kept.get(digest)
        if root is None:
            found, _ = await to_thread.run_sync(amt_roots, data)
            root = self._kept[digest] = Hash32(found)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return root
