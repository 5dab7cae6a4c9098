"""`zerog faucet`: something to spend, from a funded account of a network of one's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zerog.chain.client import ChainClient, RpcError
from zerog.cli.addresses import address_of
from zerog.cli.amounts import amount_of, shown_amount
from zerog.cli.holdings import ChainFacts, look_at_chain
from zerog.cli.options import NetworkOption
from zerog.cli.output import AsJson, WorkingFolder, print_json, say
from zerog.networks import load, names
from zerog.primitives import Account, Address, Wei
from zerog.primitives.errors import RefusalError
from zerog.primitives.keys import derive_accounts

if TYPE_CHECKING:
    from zerog.chain.wire.answers import ReceiptAnswer

__all__ = ["faucet"]

TRIES_MAX: Final = 10
"""Others may send from the same account at the same moment: then the number of the transaction is taken."""
TAKEN: Final = ("nonce too low", "underpriced", "already known")
"""What a node says then. Source: ethereum/go-ethereum, core/txpool/errors.go."""
GAS_ROOM_WEI: Final = Wei(10**16)
"""Stays with the giver for the fee."""


@dataclass(eq=False)
class NoFaucetError(RefusalError):
    """Nobody's money is ours to give away on this network."""

    network: str
    faucet_url: str | None

    code = "no_faucet"
    http_status = 403

    @property
    def remedy(self) -> str:  # type: ignore[override]  # What helps depends on the network.
        if self.faucet_url is None:
            return "ask somebody who has some; on a network of your own (`zerog up`) this command gives it"
        return f"ask for some at {self.faucet_url}; on a network of your own (`zerog up`) this command gives it"

    def __str__(self) -> str:
        return f"{self.network} is no network of your own, so there are no accounts here to give from"


@dataclass(eq=False)
class FaucetAmountError(RefusalError):
    """More than any test account has, or nothing."""

    asked_wei: int
    most_wei: int

    code = "faucet_amount"
    http_status = 402

    @property
    def remedy(self) -> str:  # type: ignore[override]  # It names what there is.
        return f"ask for at most {shown_amount(max(self.most_wei, 0))}; `zerog account` shows who has how much"

    def __str__(self) -> str:
        if self.asked_wei == 0:
            return "nothing was asked for"
        return f"no test account has {shown_amount(self.asked_wei)} and something for gas"


@dataclass(eq=False)
class GiftFailedError(RefusalError):
    """The transfer is in a block and took no effect, as when a contract does not take money."""

    address: Address
    transaction_hash: str

    code = "transfer_failed"
    remedy = "give to an account that takes money; `cast run` or `debug_traceTransaction` shows what the contract did"

    def __str__(self) -> str:
        return f"{self.address} did not take the money (transaction {self.transaction_hash})"


def faucet(
    address: str,
    /,
    *,
    amount: str = "10",
    network: NetworkOption = "local",
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Send 0G to an address, from a test account of a network of your own.

    For example `zerog faucet 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --amount 2.5`.

    Parameters
    ----------
    address
        Who gets it.
    amount
        In 0G, such as 3 or 0.5; or in wei, such as 250wei.
    """
    from zerog.sdk import resolve

    to, wei = address_of(address), amount_of(amount)
    if network in names() and (public := load(network)).rpc_url is not None:
        raise NoFaucetError(public.name, public.faucet_url)  # Whether or not it can be reached from here.
    place = resolve(network, directory)
    with ChainClient(place.chain_url) as chain:
        facts = look_at_chain(chain)
        givers = place.accounts or _known_accounts(facts)
        if not givers:
            raise NoFaucetError(facts.name, None if facts.params is None else facts.params.faucet_url)
        giver = _giver(chain, givers, to, wei)
        receipt = _give(chain, giver, to, wei)
        if not receipt.succeeded:
            raise GiftFailedError(to, str(receipt.transaction_hash))
        balance = chain.balance(to)
    if json:
        print_json(_facts(giver, to, wei, receipt, balance))
        return
    print(receipt.transaction_hash)
    say(f"{to} got {shown_amount(wei)} in block {receipt.block_number} and has {shown_amount(balance)} now")


def _known_accounts(facts: ChainFacts) -> tuple[Account, ...]:
    """Test accounts of a network of our own that is known by its URL alone."""
    genesis = None if facts.params is None else facts.params.genesis
    return () if genesis is None else derive_accounts(genesis.mnemonic, genesis.account_count)


def _giver(chain: ChainClient, accounts: tuple[Account, ...], to: Address, wei: int) -> Account:
    """The last one that has enough: the first are those that people use. Raises `FaucetAmountError`."""
    most = 0
    for account in reversed(accounts):
        if account.address == to:
            continue
        spendable = chain.balance(account.address) - GAS_ROOM_WEI
        if 0 < wei <= spendable:
            return account
        most = max(most, spendable)
    raise FaucetAmountError(wei, most)


def _give(chain: ChainClient, giver: Account, to: Address, wei: int) -> "ReceiptAnswer":
    """Raises what `ChainClient.send` does, and `ReceiptTimeoutError`."""
    for _ in range(TRIES_MAX - 1):
        try:
            return chain.wait_for_receipt(chain.send(to, value_wei=wei, account=giver))
        except RpcError as error:
            if not any(words in error.message for words in TAKEN):
                raise
    return chain.wait_for_receipt(chain.send(to, value_wei=wei, account=giver))


def _facts(giver: Account, to: Address, wei: int, receipt: "ReceiptAnswer", balance_wei: int) -> dict[str, Any]:
    return {
        "transaction_hash": str(receipt.transaction_hash),
        "block_number": int(receipt.block_number),
        "from": str(giver.address),
        "to": str(to),
        "amount_wei": str(wei),
        "balance_wei": str(balance_wei),
    }
