"""A local 0G network for pytest: started once a session, its chain rolled back after each test."""

from pytest_zerog.network import NetworkEndedError, NetworkNotStartedError, SnapshotLostError, ZerogNetwork

__all__ = ["NetworkEndedError", "NetworkNotStartedError", "SnapshotLostError", "ZerogNetwork"]

__version__ = "0.1.0"
