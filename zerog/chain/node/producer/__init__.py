"""Producers decide when a block is made and what is in it; the ledger decides what it means."""

from zerog.chain.node.producer.solo import SoloProducer

__all__ = ["SoloProducer"]
