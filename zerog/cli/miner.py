"""`zerog miner status`, `rewards`, `withdraw`, `forecast`, `start` and `stop`: the miner of a running storage node."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import cyclopts
import msgspec

from zerog.cli.output import AsJson, WorkingFolder, print_json
from zerog.primitives.errors import RefusalError
from zerog.storage.client import MinerClient, PeerRefusedError

__all__ = ["forecast", "rewards", "start", "status", "stop", "withdraw"]

WEI: Final = 10**18


@dataclass(eq=False)
class NoMinerError(RefusalError):
    """No storage node is known here, or the one that was asked does not mine."""

    cause: str

    code = "no_miner"
    remedy = "start one with `zerog up --mine`, or name its admin port with --node"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class MinerPlace:
    """Which miner."""

    node: str | None = None
    """URL of the node's admin port; by default that of the first node of this folder's network."""

    @contextmanager
    def connect(self, folder: Path) -> Iterator[MinerClient]:
        """Raises `NoMinerError`."""
        with MinerClient(self.node or self._first(folder)) as client:
            try:
                yield client
            except PeerRefusedError as error:
                if not error.method_is_unknown:
                    raise
                raise NoMinerError(f"the storage node at {error.url} does not mine") from error

    @staticmethod
    def _first(folder: Path) -> str:
        from zerog.sdk import resolve

        url = resolve("local", folder).admin_url
        if url is None:
            raise NoMinerError(f"no storage node runs in {folder}")
        return url


Place = Annotated[MinerPlace, cyclopts.Parameter(name="*")]
PLACE: Final = MinerPlace()


def status(*, place: Place = PLACE, json: AsJson = False, directory: WorkingFolder = Path()) -> None:
    """Show what the miner does and did since its start."""
    with place.connect(directory) as client:
        found = client.status()
    if json:
        _print_json(found)
        return
    refused = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in found.answers_refused.items())
    _print(
        ("state", found.state if found.trouble is None else f"{found.state}: {found.trouble}"),
        ("account", str(found.account)),
        ("miner id", "none yet" if found.miner_id is None else str(found.miner_id)),
        ("sealed", f"{found.loads_held} loads with {found.seals_held} seals{', and no room for more' if found.is_full else ''}"),
        ("searched", f"{found.loads} loads, {found.seals_per_second:,.0f} seals/s, {found.hits} hits"),
        ("answers", f"{found.answers_sent} sent, {found.answers_accepted} accepted, {refused or 'none'} refused"),
        ("earned", _tokens(found.earned_wei)),
    )


def rewards(*, place: Place = PLACE, json: AsJson = False, directory: WorkingFolder = Path()) -> None:
    """Show what the miner earned in all, and what of it can be withdrawn."""
    with place.connect(directory) as client:
        found = client.rewards()
    if json:
        _print_json(found)
        return
    _print(
        ("earned", _tokens(found.earned_wei)),
        ("withdrawable", _tokens(found.withdrawable_wei)),
        ("balance", f"{_tokens(found.balance_wei)} of {found.account}"),
    )


def withdraw(*, place: Place = PLACE, json: AsJson = False, directory: WorkingFolder = Path()) -> None:
    """Have what was earned paid out to the miner's account."""
    with place.connect(directory) as client:
        found = client.withdraw()
    if json:
        _print_json(found)
    elif found.transaction_hash is None:
        print("there is nothing to withdraw")
    else:
        print(f"withdrew {_tokens(found.withdrawn_wei)} in {found.transaction_hash}")


def forecast(*, place: Place = PLACE, json: AsJson = False, directory: WorkingFolder = Path()) -> None:
    """Show what the miner may earn if everything stays as it is."""
    with place.connect(directory) as client:
        found = client.forecast()
    if json:
        _print_json(found)
        return
    _print(
        ("search", f"{found.seals_per_second:,.0f} seals/s; one in {found.seals_per_hit:,.0f} is a hit"),
        ("window", f"{found.window_blocks} of {found.blocks_per_epoch} blocks of {found.seconds_per_block:.3g} s"),
        ("hits", f"{found.hits_per_epoch:.3g} an epoch, {found.share:.0%} of all answers, {found.epochs_per_day:.3g} epochs a day"),
        ("locked", f"{_tokens(found.locked_wei)} in {found.pricing_chunks} pricing chunks"),
        ("an answer", _tokens(found.answer_wei)),
        ("a day", _tokens(found.daily_wei)),
    )


def start(*, place: Place = PLACE, directory: WorkingFolder = Path()) -> None:
    """Let a miner that was stopped mine again."""
    with place.connect(directory) as client:
        client.start()


def stop(*, place: Place = PLACE, directory: WorkingFolder = Path()) -> None:
    """Let the miner pause; what is sealed stays."""
    with place.connect(directory) as client:
        client.stop()


def _print_json(found: msgspec.Struct) -> None:
    print_json(msgspec.to_builtins(found, enc_hook=str))


def _print(*rows: tuple[str, str]) -> None:
    for name, value in rows:
        print(f"{name:<13}{value}")


def _tokens(wei: str) -> str:
    """Exactly, without the zeros at the end."""
    whole, part = divmod(int(wei), WEI)
    return f"{whole}.{part:018d}".rstrip("0").rstrip(".") + " 0G"
