"""A whole local network: its folder, its keys, its ports, and the supervisor that starts and watches every role."""

__all__: list[str] = []
