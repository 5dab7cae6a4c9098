"""`zerog compute fund`: moves money between wallet, ledger and accounts with providers."""

from pathlib import Path
from typing import Annotated, Final

import cyclopts

from zerog.cli.amounts import amount_of, shown_amount
from zerog.cli.compute_options import ComputePlace, provider_of
from zerog.cli.output import AsJson, WorkingFolder, print_json, say
from zerog.compute.client import ComputeClient

__all__ = ["deposit", "refund", "retrieve", "transfer"]

Place = Annotated[ComputePlace, cyclopts.Parameter(name="*")]
PLACE: Final = ComputePlace()
Amount = Annotated[str, cyclopts.Parameter(help="In 0G, such as 3 or 0.5; or 250wei.")]


def deposit(amount: Amount, /, *, place: Place = PLACE, json: AsJson = False, directory: WorkingFolder = Path()) -> None:
    """From the wallet into the ledger, which begins with 3 0G or more (on galileo 0.1 0G)."""
    with place.connect(directory) as compute:
        done = compute.deposit(amount_of(amount))
        _tell(compute, as_json=json, transaction=str(done.transaction_hash))


def transfer(provider: str, amount: Amount, /, *, place: Place = PLACE, json: AsJson = False, directory: WorkingFolder = Path()) -> None:
    """From the ledger to the account with a provider, which begins with 1 0G or more (on galileo 0.01 0G).

    It also takes the provider's signer for good.

    Parameters
    ----------
    provider
        Its address.
    """
    with place.connect(directory) as compute:
        done = compute.transfer(provider_of(provider), amount_of(amount))
        _tell(compute, as_json=json, transaction=str(done.transaction_hash))


def retrieve(*providers: str, place: Place = PLACE, json: AsJson = False, directory: WorkingFolder = Path()) -> None:
    """Ask money back from providers; what was asked back a lock time ago comes into the ledger. So it is called twice.

    Until it comes, settlements may still take it.

    Parameters
    ----------
    providers
        Their addresses; all if none is named.
    """
    with place.connect(directory) as compute:
        done = compute.retrieve([provider_of(provider) for provider in providers] if providers else None)
        _tell(compute, as_json=json, returned_wei=str(done.returned_wei), waiting_wei=str(done.waiting_wei), lock_time_s=done.lock_time_s)
    if done.waiting_wei and not json:
        say(f"{shown_amount(done.waiting_wei)} can be taken {done.lock_time_s} s after being asked back, with the same command")


def refund(amount: Amount | None = None, /, *, place: Place = PLACE, json: AsJson = False, directory: WorkingFolder = Path()) -> None:
    """From the ledger back to the wallet; all that is available if no amount is given. What stays is nothing, or enough for a ledger."""
    with place.connect(directory) as compute:
        done = compute.refund(None if amount is None else amount_of(amount))
        _tell(compute, as_json=json, refunded_wei=str(done))


def _tell(compute: ComputeClient, *, as_json: bool, **facts: object) -> None:
    """What the command did, and where the money is now."""
    ledger = compute.market.ledger(compute.account.address)
    total, available = (0, 0) if ledger is None else (ledger.total_wei, ledger.available_wei)
    if as_json:
        print_json({**facts, "ledger_total_wei": str(total), "ledger_available_wei": str(available)})
        return
    print(f"ledger {shown_amount(total)}, of it {shown_amount(available)} available")
