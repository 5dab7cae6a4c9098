"""The door through which JSON becomes our own types: any class with `from_json` can stand in a decoded structure."""

__all__ = ["decode_hook"]


def decode_hook(kind: type, value: object) -> object:
    """What msgspec calls for a type that it does not know (its `dec_hook`). Raises `ValueError` when the value does not fit."""
    from_json = getattr(kind, "from_json", None)
    if from_json is None:
        raise NotImplementedError(f"{kind.__qualname__} cannot be read from JSON")
    result: object = from_json(value)
    return result
