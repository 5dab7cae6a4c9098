"""Logging: structlog events with values as fields, on stderr for people or as JSON lines, and always into the role's own file."""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from zerog.runtime.files import make_private_folder

__all__ = ["LogForm", "LogLevel", "configure_logging", "hide_secrets", "warnings_on_stderr"]

LogForm = Literal["console", "json", "none"]
LogLevel = Literal["debug", "info", "warning", "error"]

FILE_BYTES_MAX: Final = 16 << 20
"""A role's log file is put aside at this size."""
FILES_KEPT: Final = 3
"""Older files that are kept."""
SECRET_WORDS: Final = ("private_key", "mnemonic", "secret", "password", "authorization", "token")
"""A field whose name contains one of these never reaches a log."""


def configure_logging(
    role: str, *, folder: Path | None, level: LogLevel = "info", form: LogForm = "console", stream: TextIO | None = None
) -> None:
    """Send this process' events to `stream` (stderr unless given) in `form` and to `folder`/`role`.jsonl.

    Events of libraries that use the standard `logging` go the same way, from warnings up.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_role(role),
        hide_secrets,
    ]
    handlers: list[logging.Handler] = []
    if form != "none":
        handlers.append(_formatted(logging.StreamHandler(stream or sys.stderr), shared, _renderer(form)))
    if folder is not None:
        make_private_folder(folder)
        file = RotatingFileHandler(folder / f"{role}.jsonl", maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT, encoding="utf-8")
        handlers.append(_formatted(file, shared, _renderer("json")))
    logging.basicConfig(handlers=handlers or [logging.NullHandler()], level=logging.WARNING, force=True)
    logging.getLogger("zerog").setLevel(level.upper())
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


@contextmanager
def warnings_on_stderr() -> Iterator[None]:
    """For a command, whose standard output is data: what its clients log goes to stderr meanwhile, from warnings up."""
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.processors.add_log_level, hide_secrets, structlog.processors.KeyValueRenderer(key_order=["level", "event"])],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def hide_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Blank the fields whose names say that they are secret, also one level down."""
    for key, value in event.items():
        if _is_secret(key):
            event[key] = "hidden"
        elif isinstance(value, MutableMapping):
            event[key] = {inner: "hidden" if _is_secret(str(inner)) else item for inner, item in value.items()}
    return event


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS)


def _name_role(role: str) -> Processor:
    def add(_logger: object, _method: str, event: EventDict) -> EventDict:
        event.setdefault("role", role)
        return event

    return add


def _renderer(form: LogForm) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]


def _formatted(handler: logging.Handler, shared: list[Processor], last: list[Processor]) -> logging.Handler:
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    return handler
