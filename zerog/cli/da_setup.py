"""`zerog da setup make`: parameters of DA whose secret number nobody knows any more."""

import secrets
from pathlib import Path
from typing import Annotated, Final

import cyclopts

from zerog.cli.output import AsJson, print_json, say
from zerog.primitives.errors import RefusalError

__all__ = ["SetupNotMadeError", "make"]

TAU_BYTES: Final = 32


class SetupNotMadeError(RefusalError):
    """The files of a setup could not be written."""

    code = "da_setup_not_made"
    remedy = "give a folder that is empty or not there yet, with 1.1 GB of room"


def make(folder: Path, /, *, development: Annotated[bool, cyclopts.Parameter(negative="")] = False, json: AsJson = False) -> None:
    """Draw a secret number, write the parameters that it gives, and forget it. Every encoder and signer of a network needs the same files.

    It takes half a minute on two idle cores, and 1.1 GB of disk.

    Parameters
    ----------
    development
        The small size of tests, in a moment; no service takes it.
    """
    from zerog._kernel import AmtSetup, SetupError

    say(f"making the parameters in {folder}")
    try:
        AmtSetup.make(folder, secrets.token_bytes(TAU_BYTES), development=development)
        fingerprint = AmtSetup.load(folder, prove=False).fingerprint.hex()
    except SetupError as error:
        raise SetupNotMadeError(str(error)) from error
    if json:
        print_json({"setup": f"made:{folder}", "fingerprint": fingerprint})
        return
    print(f"made:{folder}  fingerprint {fingerprint}")
