"""Every call of a chain's client once, as steps: what it takes, returns and raises. Both faces are made from these."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from zerog.chain.client import requests
from zerog.chain.client.abi import NO_ERRORS, Abi, code_bytes, constructor_data, interface_from, reverted
from zerog.chain.client.contracts import RECEIPT_TIMEOUT_S, ContractCalls
from zerog.chain.client.draft import Draft
from zerog.chain.client.errors import NoFaucetError, NoKeyError, ReceiptTimeoutError, RevertedError, RpcError
from zerog.chain.client.log_search import Enough, search_logs
from zerog.chain.client.requests import BlockName, Request, TransactionPlace
from zerog.chain.client.signer import OpenSpendings, Payer, Signer
from zerog.chain.client.steps import Steps, ask, ask_many, pause, silent, within, work
from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import BlockAnswer, LogAnswer, ReceiptAnswer, TransactionAnswer, TransactionPage
from zerog.contracts.interface import AbiValue, CustomError, Interface
from zerog.primitives import Data, Hash32
from zerog.primitives.errors import DeadlineError
from zerog.runtime.deadlines import TimeLimit, note_sent

__all__ = ["ChainCalls"]

METHOD_UNKNOWN: Final = -32601
TRANSFER_GAS: Final = 21_000
"""Of a transfer to an account without code, which never takes more. Source: EIP-2028, EIP-2930 (the intrinsic gas)."""
GAS_ROOM_PERCENT: Final = 125
"""An estimate holds for the newest block. In the next one a contract may have to write what was as it should be: a time, an epoch."""
KNOWN_TEXT: Final = "already known"
"""Of a transaction that the node has. Source: ethereum/go-ethereum, core/txpool/errors.go."""
RECEIPT_POLL_S: Final = 0.05
"""Between two looks for a receipt; a local chain has it at the first."""


class ChainCalls:
    """The calls of one node, and the account that sends where none is named."""

    def __init__(self, url: str, account: Payer | None) -> None:
        self.url: Final = url
        self.account: Final = account
        self._open: Final = OpenSpendings()

    def request(self, method: str, *params: object, timeout_s: float | None = None) -> Steps[object]:
        """Call any method of the node, with JSON values in and out."""
        return (yield from ask(requests.anything(method, params), timeout_s=timeout_s))

    def client_version(self, *, timeout_s: float | None = None) -> Steps[str]:
        """Name and version of the node."""
        return (yield from ask(requests.client_version(), timeout_s=timeout_s))

    def chain_id(self, *, timeout_s: float | None = None) -> Steps[int]:
        """The chain id that signatures carry."""
        return (yield from ask(requests.chain_id(), timeout_s=timeout_s))

    def block_number(self, *, timeout_s: float | None = None) -> Steps[int]:
        """Height of the newest block."""
        return (yield from ask(requests.block_number(), timeout_s=timeout_s))

    def block(self, name: BlockName = "latest", *, timeout_s: float | None = None) -> Steps[BlockAnswer | None]:
        """A block by its height or tag, or `None` when there is none."""
        return (yield from ask(requests.block(name), timeout_s=timeout_s))

    def balance(self, address: bytes, name: BlockName = "latest", *, timeout_s: float | None = None) -> Steps[int]:
        """Wei that an account holds."""
        return (yield from ask(requests.balance(address, name), timeout_s=timeout_s))

    def nonce(self, address: bytes, name: BlockName = "pending", *, timeout_s: float | None = None) -> Steps[int]:
        """The nonce of an account's next transaction."""
        return (yield from ask(requests.nonce(address, name), timeout_s=timeout_s))

    def code(self, address: bytes, name: BlockName = "latest", *, timeout_s: float | None = None) -> Steps[bytes]:
        """Code of a contract; empty where there is none."""
        return (yield from ask(requests.code(address, name), timeout_s=timeout_s))

    def call(
        self,
        to: bytes,
        data: bytes,
        name: BlockName = "latest",
        *,
        sender: bytes | None = None,
        value_wei: int = 0,
        timeout_s: float | None = None,
    ) -> Steps[bytes]:
        """What a message call returns. Raises `RpcError` where it reverts."""
        return (yield from ask(requests.call(to, data, name, sender, value_wei), timeout_s=timeout_s))

    def transaction(self, transaction_hash: bytes, *, timeout_s: float | None = None) -> Steps[TransactionAnswer | None]:
        """A transaction, in a block or on its way there; `None` for an unknown one."""
        return (yield from ask(requests.transaction(transaction_hash), timeout_s=timeout_s))

    def transactions(
        self, address: bytes, *, before_block: int | None = None, count: int = 25, timeout_s: float | None = None
    ) -> Steps[TransactionPage]:
        """A page of the transactions in which an address took part, newest first: those before a block, or the newest ones.

        A page holds at least `count` transactions where there are so many, and all of a block. Nodes that keep no such index, as those of
        the public networks, refuse with `RpcError`.
        """
        found = yield from ask(requests.transactions(address, before_block or 0, count), timeout_s=timeout_s)
        oldest = min((transaction.block_number or 0 for transaction in found.txs), default=0)
        return TransactionPage(transactions=found.txs, before_block=None if found.lastPage or not found.txs else int(oldest))

    def receipt(self, transaction_hash: bytes, *, timeout_s: float | None = None) -> Steps[ReceiptAnswer | None]:
        """What a transaction did, or `None` while it is in no block."""
        receipt = yield from ask(requests.receipt(transaction_hash), timeout_s=timeout_s)
        if receipt is not None and (spent := self._open.take(receipt)) is not None:
            spending, cost_wei = spent
            yield from work(partial(spending.settle, cost_wei))
        return receipt

    def places(self, transaction_hashes: Sequence[bytes], *, timeout_s: float | None = None) -> Steps[list[TransactionPlace | None]]:
        """Who signed each transaction and where it is, `None` for an unknown one; in one request."""
        return (yield from ask_many([requests.place(transaction_hash) for transaction_hash in transaction_hashes], timeout_s=timeout_s))

    def logs(
        self, criteria: LogCriteria, first: BlockName = "earliest", last: BlockName = "latest", *, timeout_s: float | None = None
    ) -> Steps[Sequence[LogAnswer]]:
        """The logs of a range of blocks that match, in one request. Public nodes refuse wide ranges with `RpcError`: see `find_logs`."""
        return (yield from ask(requests.logs(criteria, first, last), timeout_s=timeout_s))

    def find_logs(
        self,
        criteria: LogCriteria,
        *,
        first: int = 0,
        last: BlockName = "latest",
        enough: Enough | None = None,
        timeout_s: float | None = None,
    ) -> Steps[list[LogAnswer]]:
        """The logs that match, oldest first, however long the chain is: looked for from `last` backwards, in ranges that the node gives.

        Ends at `first`, at the blocks before the contracts stood, or as soon as `enough` says of what was found that no older ones are
        wanted. By default it takes as many answers as it needs, with 30 s for each.
        """
        steps = search_logs(criteria, first, last, enough)
        return (yield from within(timeout_s, partial(silent, self.url, "logs"), steps))

    def estimate_gas(
        self, sender: bytes, to: bytes | None, *, value_wei: int = 0, data: bytes = b"", timeout_s: float | None = None
    ) -> Steps[int]:
        """Gas that a transaction needs. Raises `RpcError` where it would fail."""
        return (yield from ask(requests.estimate(sender, to, value_wei, data), timeout_s=timeout_s))

    def send(
        self,
        to: bytes | None,
        *,
        value_wei: int = 0,
        data: bytes = b"",
        gas_limit: int | None = None,
        account: Payer | None = None,
        timeout_s: float | None = None,
    ) -> Steps[Hash32]:
        """Sign a transaction and send it; returns its hash at once. Without `to` it creates a contract.

        `account` signs and pays, by default the client's own; where it is a `Signer`, within its limits. If no limit of gas is given, it is
        the estimate and a quarter more: what is not used is not paid. Raises `NoKeyError` without an account, `SigningRefusedError` before
        anything is signed, and `RpcError` where the estimate would fail or the node refuses. What was under way when its time was over may
        have been sent.
        """
        payer = self.known_payer(account)
        if isinstance(payer, Signer):
            payer.wallet.check_recipient(to)
        steps = self._send(payer, to, value_wei=value_wei, data=data, gas_limit=gas_limit)
        return (yield from within(timeout_s, partial(silent, self.url, "a transaction to be taken"), steps))

    def _send(self, payer: Payer, to: bytes | None, *, value_wei: int, data: bytes, gas_limit: int | None) -> Steps[Hash32]:
        head = yield from ask(requests.block("latest"))
        if gas_limit is None:
            needed = yield from ask(requests.estimate(payer.address, to, value_wei, data))
            gas_limit = needed if needed == TRANSFER_GAS else needed * GAS_ROOM_PERCENT // 100
        draft = Draft(
            chain_id=(yield from ask(requests.chain_id())),
            nonce=(yield from ask(requests.nonce(payer.address, "pending"))),
            gas_limit=gas_limit,
            base_fee_wei=0 if head is None else head.base_fee_per_gas,
            tip_wei=(yield from ask(requests.tip())),
            to=to,
            value_wei=value_wei,
            data=data,
        )
        if isinstance(payer, Signer):
            sent = yield from self._send_within_limits(payer, draft)
        else:
            sent = yield from ask(requests.send_raw(draft.signed(payer)))
        note_sent(sent)
        return sent

    def _send_within_limits(self, signer: Signer, draft: Draft) -> Steps[Hash32]:
        """What the node refuses is not spent: a transaction that it has already is the same one, and counts once more."""
        spending = yield from work(partial(signer.wallet.begin, "transaction", draft.to, draft.cost_wei_max))
        try:
            sent = yield from ask(requests.send_raw(draft.signed(signer.account)))
        except RpcError as error:
            if KNOWN_TEXT not in error.message:
                yield from work(partial(spending.settle, 0))
            raise
        self._open.add(sent, spending, draft.value_wei)
        return sent

    def send_and_wait(
        self,
        to: bytes | None,
        *,
        value_wei: int = 0,
        data: bytes = b"",
        gas_limit: int | None = None,
        account: Payer | None = None,
        timeout_s: float | None = None,
    ) -> Steps[ReceiptAnswer]:
        """Send a transaction and wait until it is in a block, up to 60 s by default.

        Raises what `send` does, `ReceiptTimeoutError`, and `RevertedError` where it failed.
        """
        steps = self._send_and_wait(to, value_wei=value_wei, data=data, gas_limit=gas_limit, account=account)
        return (yield from within(of_receipt(timeout_s), self.late, steps))

    def _send_and_wait(
        self, to: bytes | None, *, value_wei: int, data: bytes, gas_limit: int | None, account: Payer | None
    ) -> Steps[ReceiptAnswer]:
        sent = yield from self.send(to, value_wei=value_wei, data=data, gas_limit=gas_limit, account=account)
        receipt = yield from self.receipt_of(sent)
        if not receipt.succeeded:
            request = requests.call(to, data, receipt.block_number - 1, self.known_payer(account).address, value_wei)
            raise (yield from self.why(f"transaction {sent}", request, receipt))
        return receipt

    def deploy(
        self,
        abi: Abi,
        bytecode: bytes | str,
        *arguments: AbiValue,
        value_wei: int = 0,
        gas_limit: int | None = None,
        account: Payer | None = None,
        timeout_s: float | None = None,
    ) -> Steps[ContractCalls]:
        """Create a contract and wait until it is in a block, up to 60 s by default; returns it, with its `address`.

        `bytecode` is what the compiler gave, as bytes or `0x…` text; `arguments` are those of the constructor. Raises what `send` does,
        `ReceiptTimeoutError`, `AbiMismatchError`, and `RevertedError` where the constructor refuses.
        """
        interface = interface_from(abi)
        data = constructor_data(interface, code_bytes(bytecode), arguments)
        steps = self._deploy(interface, data, value_wei=value_wei, gas_limit=gas_limit, account=account)
        return (yield from within(of_receipt(timeout_s), self.late, steps))

    def _deploy(
        self, interface: Interface, data: bytes, *, value_wei: int, gas_limit: int | None, account: Payer | None
    ) -> Steps[ContractCalls]:
        try:
            sent = yield from self.send(None, value_wei=value_wei, data=data, gas_limit=gas_limit, account=account)
        except RpcError as error:
            raise reverted("the constructor", error, interface.errors) from error
        receipt = yield from self.receipt_of(sent)
        if not receipt.succeeded or receipt.contract_address is None:
            request = requests.call(None, data, receipt.block_number - 1, self.known_payer(account).address, value_wei)
            raise (yield from self.why("the constructor", request, receipt, interface.errors))
        return ContractCalls(self, receipt.contract_address, interface)

    def faucet(self, address: bytes, amount_wei: int, *, timeout_s: float | None = None) -> Steps[None]:
        """Give an account tokens, on a network of our own. Raises `NoFaucetError` elsewhere."""
        try:
            yield from ask(requests.add_balance(address, amount_wei), timeout_s=timeout_s)
        except RpcError as error:
            if error.number == METHOD_UNKNOWN:
                raise NoFaucetError(self.url) from None
            raise

    def known_payer(self, account: Payer | None) -> Payer:
        """Who signs. Raises `NoKeyError`."""
        payer = account or self.account
        if payer is None:
            raise NoKeyError
        return payer

    def why(
        self,
        what: str,
        request: Request[Data],
        receipt: ReceiptAnswer,
        errors: Mapping[str, CustomError] = NO_ERRORS,
    ) -> Steps[RevertedError]:
        """Why a transaction failed: it is run again on the block before."""
        sent = receipt.transaction_hash
        try:
            yield from ask(request)
        except RpcError as error:
            found = reverted(what, error, errors, sent)
            return found if isinstance(found, RevertedError) else RevertedError(what, None, (), b"", sent, error.message)
        return RevertedError(what, None, (), b"", sent)

    def send_raw(self, transaction: bytes, *, timeout_s: float | None = None) -> Steps[Hash32]:
        """Send a signed transaction; returns its hash."""
        return (yield from ask(requests.send_raw(transaction), timeout_s=timeout_s))

    def wait_for_receipt(self, transaction_hash: Hash32, *, timeout_s: float | None = None) -> Steps[ReceiptAnswer]:
        """The receipt, once the transaction is in a block, for which it waits up to 60 s by default. Raises `ReceiptTimeoutError`."""

        def late(limit: TimeLimit) -> ReceiptTimeoutError:
            return ReceiptTimeoutError(transaction_hash, limit.timeout_s)

        return (yield from within(of_receipt(timeout_s), late, self.receipt_of(transaction_hash)))

    def receipt_of(self, transaction_hash: Hash32) -> Steps[ReceiptAnswer]:
        """As `wait_for_receipt`, within the limit of whoever takes these steps."""
        while (receipt := (yield from self.receipt(transaction_hash))) is None:
            yield from pause(RECEIPT_POLL_S)
        return receipt

    def late(self, limit: TimeLimit) -> DeadlineError:
        """What is raised when the time for a transaction is over: where one was sent, it has that one's hash."""
        if limit.sent:
            return ReceiptTimeoutError(Hash32.from_json(limit.sent[-1]), limit.timeout_s)
        return silent(self.url, "a transaction to be taken", limit)


def of_receipt(timeout_s: float | None) -> float:
    """How long a block is waited for."""
    return RECEIPT_TIMEOUT_S if timeout_s is None else timeout_s
