"""uvicorn's configuration with our limits in it, which is how they reach each connection."""

from typing import Any, Final

from uvicorn.config import Config

from zerog.runtime.http.limits import HttpLimits

__all__ = ["ServerConfig"]


class ServerConfig(Config):
    """What all connections of one server share."""

    def __init__(self, app: Any, *, limits: HttpLimits, **options: Any) -> None:
        super().__init__(app, **options)
        self.limits: Final = limits
