"""What a role tells others to reach it by, where it listens on every address of its machine."""

from dataclasses import dataclass
from typing import Final

from zerog.primitives.errors import RefusalError

__all__ = ["PublicAddressUnknownError", "check_announced"]

EVERY_ADDRESS: Final = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound.


@dataclass(eq=False)
class PublicAddressUnknownError(RefusalError):
    """The role would tell others an address of this machine's own."""

    host: str
    setting: str

    code = "public_address_unknown"

    @property
    def remedy(self) -> str:  # type: ignore[override]  # It names the setting.
        """What to do."""
        return f"name with --{self.setting} what others reach it by, or listen on that address alone"

    def __str__(self) -> str:
        return f"on {self.host} this role listens at every address of its machine, and does not know which of them others use"


def check_announced(host: str, announced: str | None, setting: str) -> None:
    """Raises `PublicAddressUnknownError` where nobody said what others reach a role by and its host does not say it either."""
    if announced is None and host in EVERY_ADDRESS:
        raise PublicAddressUnknownError(host, setting)
