"""Files over plain HTTP: whole or in ranges, alone or inside folders, every byte checked against its root on the way."""

__all__: list[str] = []
