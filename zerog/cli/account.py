"""`zerog account`: keys and balances of a network's accounts, and what one of them owns on every layer."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import cyclopts
import msgspec

from zerog.chain.client import ChainClient
from zerog.cli.addresses import address_of
from zerog.cli.amounts import shown_amount
from zerog.cli.holdings import ChainFacts, Holdings, holdings_of, look_at_chain
from zerog.cli.options import KeyOption, NetworkOption
from zerog.cli.output import AsJson, WorkingFolder, print_json, say
from zerog.networks import role_purposes
from zerog.primitives import Account, Address, Wei, encode_data
from zerog.primitives.errors import RefusalError

if TYPE_CHECKING:
    from zerog.compute.client import ProviderMoney
    from zerog.sdk.network import Place

__all__ = ["app", "new", "show"]

Flag: Final = cyclopts.Parameter(negative="")
DECIMALS_SHOWN: Final = 4
"""In the list; the account that is asked for is shown exactly."""
UNIT: Final = 10**18


@dataclass(eq=False)
class NoAccountError(RefusalError):
    """Nobody said whose money is meant, and there is no account of one's own."""

    network: str

    code = "no_account"
    remedy = "name an address, give a key with --key or ZEROG_KEY, or make one with `zerog account new FILE`"

    def __str__(self) -> str:
        return f"{self.network} has no test accounts, and the wallet of this machine has no key yet"


@dataclass(eq=False)
class KeysNotShownError(RefusalError):
    """Keys are shown only where everybody knows them."""

    network: str

    code = "keys_not_shown"
    remedy = "leave --keys away; the file that a key was made in has it"

    def __str__(self) -> str:
        return f"{self.network} has no test accounts, and keys that are worth something are not shown"


@dataclass(eq=False)
class KeyFileError(RefusalError):
    """A new key cannot be kept in the file that was named: it is there already, or cannot be made."""

    path: Path
    cause: str

    code = "key_file"
    remedy = "name a file that does not exist yet, in a folder that you may write to"
    http_status = 409

    def __str__(self) -> str:
        return f"no key is kept in {self.path}: {self.cause}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the list."""

    name: str
    address: Address
    purpose: str
    balance_wei: Wei
    nonce: int
    private_key: bytes | None = None


def show(
    address: str | None = None,
    /,
    *,
    keys: Annotated[bool, Flag] = False,
    network: NetworkOption = "local",
    key: KeyOption = None,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Show accounts and their money on every layer: chain, W0G, compute, storage and DA. Nothing is sent.

    Without an address it lists the network's test accounts and those of its roles, then what the account owns that pays by default.
    For example `zerog account`, `zerog account 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 --network galileo`.

    Parameters
    ----------
    address
        Whose money is shown alone.
    keys
        Also the private keys of the test accounts; everybody knows them.
    """
    with _connected(network, directory) as (place, chain):
        facts = look_at_chain(chain)
        if keys and not place.accounts:
            raise KeysNotShownError(facts.name)
        listed = [] if address is not None else list(_listed(place, chain, facts))
        who = address_of(address) if address is not None else _default(place, facts, key)
        found = holdings_of(chain, facts, who)
        name = _name_of(who, place, facts)
    if json:
        print_json(_as_json(facts, listed, found, name, keys=keys))
        return
    print(f"network {facts.name}, chain id {facts.chain_id}")
    for line in (*_table(listed, keys=keys), *_shown(found, name)):
        print(line)


def new(file: Path, /, *, json: AsJson = False, directory: WorkingFolder = Path()) -> None:  # noqa: ARG001 - every command takes it.
    """Make a key, keep it in a file that only you can read, and print its address.

    For example `zerog account new my.key`; then `export ZEROG_KEY=$(cat my.key)` lets every command pay with it.

    Parameters
    ----------
    file
        A file that does not exist yet.
    """
    from zerog.runtime.files import create_privately

    account = Account.from_private_key(secrets.token_bytes(32))
    try:
        create_privately(file, encode_data(account.private_key).encode() + b"\n")
    except OSError as error:
        raise KeyFileError(file, error.strerror or str(error)) from None
    if json:
        print_json({"address": str(account.address), "file": str(file)})
        return
    print(account.address)
    say(f"its key is in {file}; on a network of your own `zerog faucet {account.address}` gives it something to spend")


app = cyclopts.App(name="account", group_commands="Commands", help_epilogue="Read on: docs/local-network.md")
app.default(show)
app.command(new, help_epilogue="Read on: docs/local-network.md")


@contextmanager
def _connected(network: str, folder: Path) -> Iterator[tuple["Place", ChainClient]]:
    """Raises `NoNetworkError`, `UnknownNetworkError`."""
    from zerog.sdk import resolve

    place = resolve(network, folder)
    with ChainClient(place.chain_url) as chain:
        yield place, chain


def _default(place: "Place", facts: ChainFacts, key: str | None) -> Address:
    """Who pays where nobody is named."""
    if key is not None:
        from zerog.sdk.network import payer_of

        return payer_of(key).address
    if place.accounts:
        return place.accounts[0].address
    kept = _wallet_account(place)
    if kept is None:
        raise NoAccountError(facts.name)
    return kept


def _wallet_account(place: "Place") -> Address | None:
    """That of the wallet's key, if one was ever made."""
    from zerog.sdk.network import wallet_of

    wallet = wallet_of(place)
    return wallet.account().address if (wallet.folder / "key").exists() else None


def _listed(place: "Place", chain: ChainClient, facts: ChainFacts) -> Iterator[Entry]:
    def entry(name: str, address: Address, purpose: str, private_key: bytes | None = None) -> Entry:
        balance, nonce = Wei(chain.balance(address)), int(chain.nonce(address))
        return Entry(name=name, address=address, purpose=purpose, balance_wei=balance, nonce=nonce, private_key=private_key)

    for index, account in enumerate(place.accounts):
        purpose = "pays where no key is given" if index == 0 else ""
        yield entry(f"test {index}", account.address, purpose, account.private_key)
    if facts.params is not None and facts.is_own:
        for one in role_purposes(facts.params):
            yield entry(f"{one.role} {one.index}", one.address, one.purpose)
    wallet = _wallet_account(place)
    if wallet is not None:
        yield entry("wallet", wallet, "made and kept on this machine")


def _name_of(address: Address, place: "Place", facts: ChainFacts) -> str | None:
    """What it is on this network, where that is known."""
    for index, account in enumerate(place.accounts):
        if account.address == address:
            return f"test account {index}"
    if facts.params is not None:
        for one in role_purposes(facts.params):
            if one.address == address:
                return f"{one.role} {one.index}, {one.purpose}"
        for contract, place_of_it in facts.params.addresses.items():
            if place_of_it == address:
                return f"the contract {contract}"
    return None


def _table(listed: list[Entry], *, keys: bool) -> Iterator[str]:
    for one in listed:
        shown = encode_data(one.private_key) if keys and one.private_key is not None else one.purpose
        yield f"{one.name:<10}{one.address}  {_rounded(one.balance_wei):>16} 0G  nonce {one.nonce:<5} {shown}".rstrip()
    if listed:
        yield ""


def _shown(found: Holdings, name: str | None) -> Iterator[str]:
    """What one address owns."""
    yield f"{found.address}" + (f" ({name})" if name else "")
    code = f", a contract of {found.code_bytes:,} bytes" if found.code_bytes else ""
    yield _line("chain", f"{shown_amount(found.balance_wei)}, nonce {found.nonce}{code}")
    if found.w0g_wei is not None:
        yield _line("W0G", shown_amount(found.w0g_wei).replace(" 0G", " W0G"))
    yield from _compute(found)
    if found.storage_reward_wei:
        yield _line("storage", f"{shown_amount(found.storage_reward_wei)} earned by mining, to be withdrawn")
    elif found.storage_reward_wei is not None:
        yield _line("storage", "no rewards wait")
    if found.signer is not None:
        one = found.signer
        yield _line("DA", f"a signer with {one.votes:,} votes; {one.rows:,} of {one.rows_total:,} rows in epoch {one.epoch}")
    if found.da_reward_wei:
        yield _line("DA", f"{shown_amount(found.da_reward_wei)} earned by samples, to be withdrawn")
    elif found.signer is None and found.da_reward_wei is not None:
        yield _line("DA", "no signer")


def _compute(found: Holdings) -> Iterator[str]:
    money = found.compute
    if money is None:
        return
    if money.ledger is None:
        yield _line("compute", "no ledger; make one with `zerog compute fund deposit 3`")
        return
    yield _line("compute", f"ledger {shown_amount(money.ledger.total_wei)}, of it {shown_amount(money.ledger.available_wei)} available")
    for one in money.providers:
        yield _line("", f"with {one.provider} ({one.model or 'no service any more'})")
        yield _line("", f"  {shown_amount(one.balance_wei)}, of it {shown_amount(one.locked_wei)} locked for requests")
        for refund in one.refunds:
            when = "now" if refund.refundable_at_s <= money.chain_time_s else f"from {_time(refund.refundable_at_s)} on"
            yield _line("", f"  {shown_amount(refund.amount_wei)} asked back, to be had {when}")


def _line(label: str, text: str) -> str:
    return f"  {label:<9}{text}"


def _rounded(wei: int) -> str:
    """Downwards, so that nobody counts on more than there is."""
    whole, part = divmod(wei, UNIT)
    return f"{whole:,}.{part // 10 ** (18 - DECIMALS_SHOWN):0{DECIMALS_SHOWN}d}"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _as_json(facts: ChainFacts, listed: list[Entry], found: Holdings, name: str | None, *, keys: bool) -> dict[str, Any]:
    """Amounts are decimal text, since they do not fit the numbers of most readers."""
    told: dict[str, Any] = {"network": facts.name, "chain_id": facts.chain_id, "account": {"name": name, **_account_facts(found)}}
    if listed:
        told["accounts"] = [
            {
                "name": one.name,
                "address": str(one.address),
                "purpose": one.purpose,
                "balance_wei": str(one.balance_wei),
                "nonce": one.nonce,
                **({"private_key": encode_data(one.private_key)} if keys and one.private_key is not None else {}),
            }
            for one in listed
        ]
    return told


def _account_facts(found: Holdings) -> dict[str, Any]:
    def amount(wei: int | None) -> str | None:
        return None if wei is None else str(wei)

    money = found.compute
    ledger = None if money is None else money.ledger
    return {
        "address": str(found.address),
        "balance_wei": str(found.balance_wei),
        "nonce": found.nonce,
        "code_bytes": found.code_bytes,
        "w0g_wei": amount(found.w0g_wei),
        "compute": None
        if money is None or ledger is None
        else {
            "total_wei": str(ledger.total_wei),
            "available_wei": str(ledger.available_wei),
            "locked_wei": str(ledger.locked_wei),
            "providers": [_provider_facts(one) for one in money.providers],
        },
        "storage_reward_wei": amount(found.storage_reward_wei),
        "da_reward_wei": amount(found.da_reward_wei),
        "da_signer": None if found.signer is None else msgspec.to_builtins(found.signer),
    }


def _provider_facts(one: "ProviderMoney") -> dict[str, Any]:
    return {
        "provider": str(one.provider),
        "model": one.model,
        "balance_wei": str(one.balance_wei),
        "locked_wei": str(one.locked_wei),
        "refunds": [{"amount_wei": str(refund.amount_wei), "refundable_at_s": refund.refundable_at_s} for refund in one.refunds],
    }
