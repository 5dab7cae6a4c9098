"""Figures of zerog beside those of a peer, measured in the same run by the same client."""

__all__: list[str] = []
