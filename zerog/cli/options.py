"""Options that commands of several subsystems share: which network, and whose key."""

from typing import Annotated, TypeAlias

import cyclopts

from zerog.runtime.settings import ENVIRONMENT_PREFIX

__all__ = ["KeyOption", "NetworkOption"]

NetworkOption: TypeAlias = Annotated[str, cyclopts.Parameter(name="--network", help="local, galileo, mainnet, or the URL of a chain node.")]
KeyOption: TypeAlias = Annotated[
    str | None, cyclopts.Parameter(name="--key", help="Private key of the account that is meant.", env_var=f"{ENVIRONMENT_PREFIX}KEY")
]
