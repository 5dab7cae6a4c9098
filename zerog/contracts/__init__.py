"""The compiled contracts that zerog ships, and how Python reaches them."""

from zerog.contracts.artefact import Artefact, load_artefact
from zerog.contracts.interface import CustomError, Event, Function, Interface, load_interface

__all__ = ["Artefact", "CustomError", "Event", "Function", "Interface", "load_artefact", "load_interface"]
