"""`zerog kv run`: one key-value node by itself."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import cyclopts

from zerog.cli.output import WorkingFolder
from zerog.devnet.folder import NetworkFolder
from zerog.storage.kv.settings import KeyValueNodeSettings, KeyValueSettingsError

__all__ = ["run"]


def run(
    *,
    settings: Annotated[KeyValueNodeSettings, cyclopts.Parameter(name="*")] = KeyValueNodeSettings(),  # noqa: B008 - it is frozen.
    encryption_key_file: Path | None = None,
    private_key_file: Path | None = None,
    ephemeral: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    supervised: Annotated[bool, cyclopts.Parameter(negative="", show=False)] = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Run a key-value node in the foreground.

    Parameters
    ----------
    encryption_key_file
        File with the key that the writers share, in hex; other users of this machine cannot see it, as they can a flag.
    private_key_file
        File with the private key for whose account items are encrypted, in hex.
    ephemeral
        Keep the streams in a temporary folder.
    supervised
        Tell the process that started this one how it went, and stop with it.
    """
    from zerog.runtime.process import EventHerald, RolePlace, TerminalHerald, run_role
    from zerog.storage.kv.service import KeyValueNode

    if encryption_key_file is not None:
        settings = replace(settings, encryption_key=_secret(encryption_key_file))
    if private_key_file is not None:
        settings = replace(settings, private_key=_secret(private_key_file))
    folder = NetworkFolder.of(directory)
    folder.prepare()
    if ephemeral:
        settings = replace(settings, data_dir=None)
    elif settings.data_dir is None:
        settings = replace(settings, data_dir=folder.path / "kv")
    place = RolePlace(
        state_folder=folder.path,
        herald=EventHerald(1) if supervised else TerminalHerald(),
        supervised=supervised,
        log_form="none" if supervised else "console",
    )
    return run_role("kv", lambda: KeyValueNode(settings), place)


def _secret(path: Path) -> str:
    """Raises `KeyValueSettingsError`; what is in the file is not repeated."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyValueSettingsError(f"{path}: {error.strerror if isinstance(error, OSError) else 'it is no hex'}") from None
