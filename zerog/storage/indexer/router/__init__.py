"""All storage nodes as one that holds everything: segments go to those that have to hold them, and come from whoever is quickest."""

from zerog.storage.indexer.router.router import Router

__all__ = ["Router"]
