"""The compiled contracts that zerog ships, and how Python reaches them."""

from zerog.contracts.artefact import Artefact, load_artefact

__all__ = ["Artefact", "load_artefact"]
