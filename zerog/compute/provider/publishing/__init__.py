"""Publishing: the leaves of every settlement as a file of 0G Storage and a blob of 0G DA, so that receipts prove payments without us."""

from zerog.compute.provider.publishing.publisher import CopyMaker, Publisher, publishing

__all__ = ["CopyMaker", "Publisher", "publishing"]
