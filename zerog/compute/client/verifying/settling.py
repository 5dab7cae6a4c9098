"""The checks of a settlement: that the contract paid for a receipt, how much of it, and what became of the rest.

Receipts of an entry are paid in their order until what the contract took from the user is used up. The tree that the entry commits to says
what stands before a receipt, so the rule decides it from the chain alone, also where the money covered the entry in part only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from zerog.chain.wire.answers import LogAnswer
from zerog.compute.client.errors import AnswerRefutedError
from zerog.compute.client.market import Market
from zerog.compute.client.verifying.transactions import SettleTransaction, read_transaction
from zerog.compute.client.verifying.verdict import Findings, SettledAt
from zerog.compute.protocol.receipts import InclusionProof, ProvenPlace, Receipt, ReceiptError, canonical_bytes, leaf_of, proven_place
from zerog.compute.protocol.settlement import PAYING, SettlementError, domain_separator, paid_of, recover_settlement_signer
from zerog.compute.wire.answer_file import AnswerFile
from zerog.compute.wire.provider import RemainderPlace, SettlementPlace
from zerog.contracts.compute import SettlementData, SettlementResult, SettlementStatus
from zerog.primitives import Address, DecodeError, Hash32, Wei

__all__ = ["check_settlement"]


def check_settlement(file: AnswerFile, place: SettlementPlace, market: Market, findings: Findings) -> SettledAt:
    """Follow a receipt into the settlement that paid it, and what that left unpaid into the next ones. Raises `AnswerRefutedError`."""
    if file.receipt is None:
        raise AnswerRefutedError("settlement", "there is one without a receipt")
    receipt, leaf = file.receipt.receipt, file.receipt.leaf
    ledger = _Payments(receipt, market, file.contract)
    fee_wei = int(receipt.fee)
    paid_wei = ledger.paid(leaf, fee_wei, place)
    findings.proven.append(f"the receipt is part of a settlement that the contract took in block {place.block_number}")
    findings.proven.append("what this settlement asks for is what its receipts cost together")
    if paid_wei < fee_wei:
        paid_wei += ledger.paid_later(leaf, fee_wei, place, place.remainders)
    elif place.remainders:
        raise AnswerRefutedError("settlement", "something is left of a receipt that was paid")
    if paid_wei == fee_wei:
        findings.proven.append(_paid_line(place, is_partial=ledger.is_partial))
    else:
        findings.not_proven.append(f"that the receipt was paid in full: {fee_wei - paid_wei} wei of it are still owed")
    return SettledAt(
        transaction_hash=place.transaction_hash,
        block_number=place.block_number,
        is_whole=paid_wei == fee_wei,
        paid_wei=Wei(paid_wei),
        receipts=place.count,
        total_fee_wei=Wei(int(place.entry.total_fee)),
    )


def _paid_line(place: SettlementPlace, *, is_partial: bool) -> str:
    if place.remainders:
        return "the receipt was paid in full, in parts: each settlement went on where the one before it ended"
    if is_partial:
        return "the receipt was paid in full: the money ran out only behind it, and receipts are paid in their order"
    return "the receipt was paid in full"


@dataclass(slots=True)
class _Payments:
    """What the contract paid for one receipt."""

    receipt: Receipt
    market: Market
    contract: Address
    is_partial: bool = False
    """Whether the money of any entry that was looked at ran out."""

    def paid(self, leaf: Hash32, amount_wei: int, place: SettlementPlace) -> int:
        """Wei that one settlement paid of what a leaf asks for, by the rule; the file must say the same."""
        entry, proven = self._entry(leaf, amount_wei, place)
        settled_wei = entry.total_fee_wei - self._result(entry, place).unsettled_wei
        self.is_partial = self.is_partial or settled_wei < entry.total_fee_wei
        paid_wei = paid_of(amount_wei, before_wei=proven.before_wei, settled_wei=settled_wei)
        told_wei = amount_wei if place.paid is None else int(place.paid)
        if told_wei != paid_wei or (place.paid is not None and paid_wei == amount_wei):
            raise AnswerRefutedError("settlement", f"the file says that {told_wei} wei were paid here, the chain says {paid_wei}")
        if paid_wei == 0 < amount_wei:
            raise AnswerRefutedError("settlement", "the user's money ran out before it: this settlement paid nothing of the receipt")
        return paid_wei

    def paid_later(self, leaf: Hash32, fee_wei: int, place: SettlementPlace, remainders: Sequence[RemainderPlace]) -> int:
        """Wei that further settlements paid of what `place` left: each remainder goes on where the settlement before it ended."""
        if not remainders:
            raise AnswerRefutedError("settlement", "a part was paid, and nothing is said of the rest")
        before: SettlementPlace | None = place
        paid_wei = first_wei = int(place.paid or 0)
        for step in remainders:
            if before is None or before.paid is None:
                raise AnswerRefutedError("settlement", "something is left after a settlement that paid all or nothing")
            self._check_remainder(leaf, fee_wei, paid_wei, before, step)
            before = step.settlement
            if before is not None:
                if before.remainders:
                    raise AnswerRefutedError("settlement", "a remainder's settlement says more than it can")
                paid_wei += self.paid(step.leaf, int(step.remainder.amount), before)
        if before is not None and before.paid is not None:
            raise AnswerRefutedError("settlement", "a part was paid, and nothing is said of the rest")
        return paid_wei - first_wei

    def _check_remainder(self, leaf: Hash32, fee_wei: int, paid_wei: int, before: SettlementPlace, step: RemainderPlace) -> None:
        receipt, rest = self.receipt, step.remainder
        expected = (leaf, receipt.user, receipt.provider, receipt.chain_id, fee_wei, paid_wei, before.entry.nonce)
        found = (rest.receipt, rest.user, rest.provider, rest.chain_id, int(rest.fee), int(rest.paid), rest.after_nonce)
        if leaf_of(canonical_bytes(rest)) != step.leaf or found != expected:
            raise AnswerRefutedError("settlement", "what is left does not follow from what was paid")

    def _entry(self, leaf: Hash32, amount_wei: int, place: SettlementPlace) -> tuple[SettlementData, ProvenPlace]:
        """It is of this user and provider, holds the leaf, adds up, and is signed by the receipt's signer."""
        receipt, told = self.receipt, place.entry
        if place.contract != self.contract or (told.user, told.provider) != (receipt.user, receipt.provider):
            raise AnswerRefutedError("settlement", "it is of another contract, user or provider than the receipt")
        try:
            proven = proven_place(leaf, amount_wei, InclusionProof(index=place.index, count=place.count, proof=place.proof))
        except ReceiptError as error:
            raise AnswerRefutedError("settlement", str(error)) from None
        if proven.root != told.requests_hash:
            raise AnswerRefutedError("settlement", "the receipt does not lead to its root")
        if proven.total_wei != int(told.total_fee):
            raise AnswerRefutedError("settlement", f"its receipts cost {proven.total_wei} wei together, and it asks for {told.total_fee}")
        entry = SettlementData(
            user=told.user,
            provider=told.provider,
            total_fee_wei=Wei(int(told.total_fee)),
            requests_hash=told.requests_hash,
            nonce=int(told.nonce),
            signature=bytes(told.signature),
        )
        try:
            signer = recover_settlement_signer(entry, domain_separator(self.market.chain_id, self.contract))
        except (SettlementError, DecodeError) as error:
            raise AnswerRefutedError("settlement", str(error)) from None
        if signer != receipt.signer:
            raise AnswerRefutedError("settlement", f"it is signed by {signer}, not by {receipt.signer}")
        return entry, proven

    def _result(self, entry: SettlementData, place: SettlementPlace) -> SettlementResult:
        """What the contract said of the entry, which a transaction of the provider carries."""
        transaction = _transaction(place, self.market)
        if transaction.to != self.contract or transaction.sender != self.receipt.provider:
            raise AnswerRefutedError("settlement", "its transaction is no call of the provider to the market's contract")
        try:
            position = SettlementData.decode_settle_call(transaction.input).index(entry)
        except (DecodeError, ValueError):
            raise AnswerRefutedError("settlement", "its transaction does not settle it") from None
        result = _told_result(place, position, self.market)
        is_whole = result.status is SettlementStatus.SUCCESS
        if result.user != entry.user or result.status not in PAYING or is_whole != (result.unsettled_wei == 0):
            raise AnswerRefutedError("settlement", f"the contract did not take it: {result.status.name}")
        return result


def _transaction(place: SettlementPlace, market: Market) -> SettleTransaction:
    try:
        transaction = read_transaction(market.chain, place.transaction_hash)
    except msgspec.ValidationError as error:
        raise AnswerRefutedError("settlement", f"its transaction cannot be read ({error})") from None
    if transaction is None:
        raise AnswerRefutedError("settlement", f"there is no transaction {place.transaction_hash}")
    if transaction.block_number != place.block_number:
        raise AnswerRefutedError("settlement", f"its transaction is in block {transaction.block_number}, not in {place.block_number}")
    return transaction


def _told_result(place: SettlementPlace, position: int, market: Market) -> SettlementResult:
    """There is one event for each entry, in their order."""
    receipt = market.chain.receipt(place.transaction_hash)
    if receipt is None or not receipt.succeeded:
        raise AnswerRefutedError("settlement", "its transaction did nothing")
    logs: list[LogAnswer] = [log for log in receipt.logs if log.address == place.contract and log.topics[:1] == [SettlementResult.TOPIC]]
    try:
        return SettlementResult.decode(logs[position].topics, logs[position].data)
    except (IndexError, DecodeError, ValueError):
        raise AnswerRefutedError("settlement", "the contract did not say what became of it") from None
