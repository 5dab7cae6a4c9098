"""The checks of a saved answer against the chain: the market's contract, the service and its signer, the price, the settlement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import LogAnswer
from zerog.compute.client.errors import AnswerRefutedError
from zerog.compute.client.market import Market
from zerog.compute.client.verifying.offline import check_bytes
from zerog.compute.client.verifying.verdict import Grade, SettledAt, Verdict
from zerog.compute.protocol.additional_info import AdditionalInfo
from zerog.compute.protocol.constants import ServiceType
from zerog.compute.protocol.errors import AdditionalInfoError
from zerog.compute.protocol.fees import fee_of
from zerog.compute.protocol.receipts import InclusionProof, Receipt, ReceiptError, canonical_bytes, leaf_of, proven_root
from zerog.compute.protocol.settlement import SettlementError, domain_separator, recover_settlement_signer
from zerog.compute.wire.answer_file import AnswerFile
from zerog.compute.wire.provider import SettlementPlace
from zerog.contracts.compute import (
    InferenceService,
    ServiceUpdated,
    SettlementData,
    SettlementResult,
    SettlementStatus,
    SignerAcknowledged,
)
from zerog.primitives import ZERO_ADDRESS, Address, Data, DecodeError, Hash32, Uint64, Wei, decode_hook

__all__ = ["verify_answer"]

SIMULATED: Final = "SIMULATED"


@dataclass(slots=True)
class _Findings:
    """What was proven on the way."""

    proven: list[str]
    not_proven: list[str]


class _Transaction(msgspec.Struct, rename={"sender": "from", "block_number": "blockNumber"}):
    sender: Address
    to: Address | None
    input: Data
    block_number: Uint64 | None = None


def verify_answer(file: AnswerFile, market: Market) -> Verdict:
    """Check everything that bytes and chain can show.

    Raises `AnswerRefutedError` with the part that does not hold, and what `ChainClient` raises when the chain does not answer.
    """
    check_bytes(file)
    findings = _Findings(["the request and the answer are those that were signed, byte for byte"], [])
    _check_place(file, market)
    service = _check_service(file, market, findings)
    grade = _grade(service, file.signature.signing_address, findings)
    receipt = None if file.receipt is None else file.receipt.receipt
    if receipt is None:
        findings.not_proven.append("what the answer cost: the provider gave no receipt")
    else:
        findings.proven.append("the receipt is about this answer, and signed by the same key")
        _check_fee(receipt, service, market, findings)
    settled = None if file.settlement is None else _check_settlement(file, file.settlement, market, findings)
    if settled is None:
        findings.not_proven.append("that it was settled: the file holds no settlement yet")
    return Verdict(
        grade=grade,
        settled=settled,
        request_id=None if receipt is None else receipt.id,
        user=None if receipt is None else receipt.user,
        provider=file.provider,
        signer=file.signature.signing_address,
        model=file.model,
        fee_wei=None if receipt is None else Wei(int(receipt.fee)),
        proven=tuple(findings.proven),
        not_proven=tuple(findings.not_proven),
    )


def _check_place(file: AnswerFile, market: Market) -> None:
    if file.chain_id != market.chain_id:
        raise AnswerRefutedError("service", f"it is of chain {file.chain_id}, and the chain that was asked is {market.chain_id}")
    if file.contract != market.contracts.serving:
        raise AnswerRefutedError("service", f"{file.contract} is not the market of this chain, which is {market.contracts.serving}")


# ---- the service -------------------------------------------------------------------------------------------------


def _check_service(file: AnswerFile, market: Market, findings: _Findings) -> InferenceService | None:
    """The service as it stands on chain, if it does; signer, URL and model are those of its present or of its past."""
    service, signer = market.find_service(file.provider), file.signature.signing_address
    if service is not None and service.params.signer == signer != ZERO_ADDRESS and service.is_signer_acknowledged:
        findings.proven.append("it was signed with the key that the service has on chain, which the contract's owner acknowledges")
    else:
        block = _acknowledged_in(file, market, signer)
        findings.proven.append(f"it was signed with a key of the service that the contract's owner acknowledged in block {block}")
        findings.not_proven.append("that the key was still the service's when it signed: it is not today")
    offers = [(service.params.url, service.params.model)] if service is not None else []
    if (file.url, file.model) not in offers:
        history = _history(file.provider, market)
        offers += [(offer.url, offer.model) for offer in history]
    if file.url not in [url for url, _ in offers]:
        raise AnswerRefutedError("service", f"the provider never had the URL {file.url!r} on chain")
    if (file.url, file.model) in offers:
        findings.proven.append("the model is the one that the service has on chain, by name")
    elif service is not None and _info(service).multi_model:
        findings.not_proven.append("that the service offers this model: it has several, which do not stand on chain")
    else:
        raise AnswerRefutedError("service", f"the provider never offered the model {file.model!r}")
    findings.not_proven.append("that it is the model which computed the answer")
    return service


def _acknowledged_in(file: AnswerFile, market: Market, signer: Address) -> int:
    """The last block in which the owner acknowledged this signer for this provider."""
    topics = ((SignerAcknowledged.TOPIC,), (_word(file.provider),), (_word(signer),))
    logs = market.chain.logs(LogCriteria((market.contracts.serving,), topics))
    blocks = [log.block_number for log in logs if SignerAcknowledged.decode(log.topics, log.data).is_acknowledged]
    if not blocks:
        raise AnswerRefutedError("service", f"{signer} was never acknowledged as the signer of provider {file.provider}")
    return max(blocks)


def _history(provider: Address, market: Market) -> list[ServiceUpdated]:
    """What the provider ever offered."""
    topics = ((ServiceUpdated.TOPIC,), (_word(provider),))
    logs = market.chain.logs(LogCriteria((market.contracts.serving,), topics))
    return [ServiceUpdated.decode(log.topics, log.data) for log in logs]


def _word(address: Address) -> Hash32:
    return Hash32(bytes(12) + address)


def _info(service: InferenceService) -> AdditionalInfo:
    try:
        return AdditionalInfo.from_json(service.params.additional_info)
    except AdditionalInfoError as error:
        raise AnswerRefutedError("service", f"what it says of itself cannot be read ({error})") from None


def _grade(service: InferenceService | None, signer: Address, findings: _Findings) -> Grade:
    """By what the service says of its enclave. Quotes are not part of a file yet, so nothing is higher than `signed`."""
    findings.not_proven.append("that the key is in an enclave which nobody can look into")
    if service is None or service.params.signer != signer:
        findings.not_proven.append("what the provider said of its enclave at the time")
        return Grade.SIGNED
    info = _info(service)
    if info.is_simulated or info.image_name.startswith(SIMULATED):
        findings.not_proven.append("that there is an enclave at all: the provider says itself that it is simulated")
        return Grade.SIMULATED
    return Grade.SIGNED


# ---- the price ---------------------------------------------------------------------------------------------------


def _check_fee(receipt: Receipt, service: InferenceService | None, market: Market, findings: _Findings) -> None:
    """The fee follows from prices that the service had on chain, where those are all there is to it."""
    open_question = "that the fee follows from the prices on chain"
    info = None if service is None else _info(service)
    known = receipt.service_type in list(ServiceType)
    if service is None or info is None or info.multi_model or not known:
        findings.not_proven.append(open_question)
        return
    params = service.params
    pairs = [(params.input_price_wei, params.output_price_wei)]
    kind = ServiceType(receipt.service_type)
    if not _fits(receipt, kind, info, pairs):
        pairs = [(offer.input_price_wei, offer.output_price_wei) for offer in _history(receipt.provider, market)]
        if not _fits(receipt, kind, info, pairs):
            if info.tiers or info.cache_divisor != 1:
                findings.not_proven.append(open_question)
                return
            raise AnswerRefutedError("receipt", f"its fee of {receipt.fee} wei follows from no price that the service ever had on chain")
    findings.proven.append("the fee follows from what was used and the service's prices on chain")


def _fits(receipt: Receipt, kind: ServiceType, info: AdditionalInfo, pairs: Sequence[tuple[int, int]]) -> bool:
    fees = (fee_of(kind, info.prices(input_wei=price_in, output_wei=price_out), receipt.usage) for price_in, price_out in pairs)
    return any((fee.input_wei, fee.output_wei) == (int(receipt.input_fee), int(receipt.output_fee)) for fee in fees)


# ---- the settlement ----------------------------------------------------------------------------------------------


def _check_settlement(file: AnswerFile, place: SettlementPlace, market: Market, findings: _Findings) -> SettledAt:
    """The receipt leads to a root that was signed, sent and taken; what one settlement left unpaid, to that of another."""
    if file.receipt is None:
        raise AnswerRefutedError("settlement", "there is one without a receipt")
    receipt = file.receipt.receipt
    status = _check_taken(file.receipt.leaf, receipt, place, market, file.contract)
    findings.proven.append(f"the receipt is part of a settlement that the contract took in block {place.block_number}")
    if status is SettlementStatus.SUCCESS and (place.paid is not None or place.remainders):
        raise AnswerRefutedError("settlement", "it says that money ran out, which it did not")
    is_whole = status is SettlementStatus.SUCCESS
    if place.paid is not None:
        is_whole = _check_remainders(file.receipt.leaf, receipt, place, market, file.contract)
    elif place.remainders:
        raise AnswerRefutedError("settlement", "something is left of a receipt that was paid")
    if not is_whole:
        findings.not_proven.append("that the receipt was paid in full: the user's money covered its settlement in part only")
    return SettledAt(
        transaction_hash=place.transaction_hash,
        block_number=place.block_number,
        is_whole=is_whole,
        receipts=place.count,
        total_fee_wei=Wei(int(place.entry.total_fee)),
    )


def _check_remainders(leaf: Hash32, receipt: Receipt, place: SettlementPlace, market: Market, contract: Address) -> bool:
    """Each remainder goes on where the settlement before it ended. Returns whether the last one was paid in full."""
    if not place.remainders:
        raise AnswerRefutedError("settlement", "a part was paid, and nothing is said of the rest")
    before: SettlementPlace | None = place
    paid_wei, status = 0, SettlementStatus.PARTIAL
    for step in place.remainders:
        if before is None or before.paid is None or status is not SettlementStatus.PARTIAL:
            raise AnswerRefutedError("settlement", "something is left after a settlement that paid all or nothing")
        paid_wei += int(before.paid)
        rest = step.remainder
        expected = (leaf, receipt.user, receipt.provider, receipt.chain_id, int(receipt.fee), paid_wei, before.entry.nonce)
        found = (rest.receipt, rest.user, rest.provider, rest.chain_id, int(rest.fee), int(rest.paid), rest.after_nonce)
        if leaf_of(canonical_bytes(rest)) != step.leaf or found != expected:
            raise AnswerRefutedError("settlement", "what is left does not follow from what was paid")
        before = step.settlement
        if before is not None:
            status = _check_taken(step.leaf, receipt, before, market, contract)
            if before.remainders or (status is SettlementStatus.SUCCESS and before.paid is not None):
                raise AnswerRefutedError("settlement", "a remainder's settlement says more than it can")
    return before is not None and status is SettlementStatus.SUCCESS


def _check_taken(leaf: Hash32, receipt: Receipt, place: SettlementPlace, market: Market, contract: Address) -> SettlementStatus:
    """The entry holds the leaf, was signed and sent, and the contract paid for it."""
    entry = _check_entry(leaf, receipt, place, market, contract)
    transaction = _transaction(place, market)
    if transaction.to != contract or transaction.sender != receipt.provider:
        raise AnswerRefutedError("settlement", "its transaction is no call of the provider to the market's contract")
    try:
        position = SettlementData.decode_settle_call(transaction.input).index(entry)
    except (DecodeError, ValueError):
        raise AnswerRefutedError("settlement", "its transaction does not settle it") from None
    result = _result(place, position, market)
    if result.user != entry.user or result.status > SettlementStatus.PARTIAL:
        raise AnswerRefutedError("settlement", f"the contract did not take it: {result.status.name}")
    return result.status


def _check_entry(leaf: Hash32, receipt: Receipt, place: SettlementPlace, market: Market, contract: Address) -> SettlementData:
    """It is of this user and provider, holds the leaf, and is signed by the receipt's signer."""
    told = place.entry
    if place.contract != contract or (told.user, told.provider) != (receipt.user, receipt.provider):
        raise AnswerRefutedError("settlement", "it is of another contract, user or provider than the receipt")
    try:
        root = proven_root(leaf, InclusionProof(index=place.index, count=place.count, proof=place.proof))
    except ReceiptError as error:
        raise AnswerRefutedError("settlement", str(error)) from None
    if root != told.requests_hash:
        raise AnswerRefutedError("settlement", "the receipt does not lead to its root")
    entry = SettlementData(
        user=told.user,
        provider=told.provider,
        total_fee_wei=Wei(int(told.total_fee)),
        requests_hash=told.requests_hash,
        nonce=int(told.nonce),
        signature=bytes(told.signature),
    )
    try:
        signer = recover_settlement_signer(entry, domain_separator(market.chain_id, contract))
    except (SettlementError, DecodeError) as error:
        raise AnswerRefutedError("settlement", str(error)) from None
    if signer != receipt.signer:
        raise AnswerRefutedError("settlement", f"it is signed by {signer}, not by {receipt.signer}")
    return entry


def _transaction(place: SettlementPlace, market: Market) -> _Transaction:
    found = market.chain.request("eth_getTransactionByHash", str(place.transaction_hash))
    if found is None:
        raise AnswerRefutedError("settlement", f"there is no transaction {place.transaction_hash}")
    try:
        transaction = msgspec.convert(found, _Transaction, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        raise AnswerRefutedError("settlement", f"its transaction cannot be read ({error})") from None
    if transaction.block_number != place.block_number:
        raise AnswerRefutedError("settlement", f"its transaction is in block {transaction.block_number}, not in {place.block_number}")
    return transaction


def _result(place: SettlementPlace, position: int, market: Market) -> SettlementResult:
    """What the contract said of the entry: there is one event for each, in their order."""
    receipt = market.chain.receipt(place.transaction_hash)
    if receipt is None or not receipt.succeeded:
        raise AnswerRefutedError("settlement", "its transaction did nothing")
    logs: list[LogAnswer] = [log for log in receipt.logs if log.address == place.contract and log.topics[:1] == [SettlementResult.TOPIC]]
    try:
        return SettlementResult.decode(logs[position].topics, logs[position].data)
    except (IndexError, DecodeError, ValueError):
        raise AnswerRefutedError("settlement", "the contract did not say what became of it") from None
