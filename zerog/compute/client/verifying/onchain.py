"""The checks of a saved answer against the chain: the market's contract, the service and its signer, the price, the settlement."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import LogAnswer
from zerog.compute.client.errors import AnswerRefutedError, WrongChainError
from zerog.compute.client.market import Market
from zerog.compute.client.verifying.grading import enclave_grade, info_of
from zerog.compute.client.verifying.offline import Content, check_bytes
from zerog.compute.client.verifying.replaying import Replayer, check_replay
from zerog.compute.client.verifying.settling import check_settlement
from zerog.compute.client.verifying.verdict import Findings, Grade, Verdict
from zerog.compute.protocol.additional_info import AdditionalInfo
from zerog.compute.protocol.constants import ServiceType
from zerog.compute.protocol.evidence import QuoteVerifier
from zerog.compute.protocol.fees import fee_of
from zerog.compute.protocol.receipts import Receipt
from zerog.compute.wire.answer_file import AnswerFile
from zerog.contracts.compute import (
    InferenceService,
    ServiceUpdated,
    SignerAcknowledged,
)
from zerog.primitives import ZERO_ADDRESS, Address, Hash32, Wei

if TYPE_CHECKING:
    from zerog.storage.client.submissions import SubmittedAt

__all__ = ["verify_answer"]


def verify_answer(
    file: AnswerFile,
    market: Market,
    *,
    quote_verifier: QuoteVerifier | None = None,
    replayer: Replayer | None = None,
    data: bytes | None = None,
) -> Verdict:
    """Check everything that bytes and chain can show; `quote_verifier` and `replayer` show what they cannot. `data` has to be quoted.

    Raises `AnswerRefutedError` with the part that does not hold, and what `ChainClient` raises when the chain does not answer.
    """
    content = check_bytes(file)
    findings = content.findings
    _check_place(file, market)
    service = _check_service(file, market, findings)
    grade = enclave_grade(file, content, service, quote_verifier, findings)
    quoted = None if data is None else _check_quoted(file, content, data, market)
    replayed = None if replayer is None else check_replay(file, content, replayer, findings)
    if replayed is not None:
        grade = Grade.REPLAYED
    else:
        findings.not_proven.append("that it is the model which computed the answer")
    receipt = None if file.receipt is None else file.receipt.receipt
    if receipt is None:
        findings.not_proven.append("what the answer cost: the provider gave no receipt")
    else:
        _check_fee(receipt, service, market, findings)
    settled = None if file.settlement is None else check_settlement(file, file.settlement, market, findings)
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
        service_type=content.kind.service_type,
        engine=None if receipt is None else receipt.engine,
        is_sealed=content.is_sealed,
        request=content.request,
        answer=content.answer,
        fee_wei=None if receipt is None else Wei(int(receipt.fee)),
        quoted=quoted,
        replayed=replayed,
        proven=tuple(findings.proven),
        not_proven=tuple(findings.not_proven),
    )


def _check_quoted(file: AnswerFile, content: Content, data: bytes, market: Market) -> "SubmittedAt":
    from zerog.compute.client.verifying.quoted import check_data  # It loads the client of storage.

    return check_data(file, content, data, market, content.findings)


def _check_place(file: AnswerFile, market: Market) -> None:
    if file.chain_id != market.chain_id:
        raise WrongChainError(file.chain_id, market.chain_id, market.chain.url)
    if file.contract != market.contracts.serving:
        raise AnswerRefutedError("service", f"{file.contract} is not the market of this chain, which is {market.contracts.serving}")


# ---- the service -------------------------------------------------------------------------------------------------


def _check_service(file: AnswerFile, market: Market, findings: Findings) -> InferenceService | None:
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
    elif service is not None and info_of(service).multi_model:
        findings.not_proven.append("that the service offers this model: it has several, which do not stand on chain")
    else:
        raise AnswerRefutedError("service", f"the provider never offered the model {file.model!r}")
    return service


def _acknowledged_in(file: AnswerFile, market: Market, signer: Address) -> int:
    """The last block in which the owner acknowledged this signer for this provider."""
    topics = ((SignerAcknowledged.TOPIC,), (_word(file.provider),), (_word(signer),))
    logs = market.chain.find_logs(LogCriteria((market.contracts.serving,), topics), enough=lambda newest: any(map(_acknowledges, newest)))
    blocks = [log.block_number for log in logs if _acknowledges(log)]
    if not blocks:
        raise AnswerRefutedError("service", f"{signer} was never acknowledged as the signer of provider {file.provider}")
    return max(blocks)


def _acknowledges(log: LogAnswer) -> bool:
    return SignerAcknowledged.decode(log.topics, log.data).is_acknowledged


def _history(provider: Address, market: Market) -> list[ServiceUpdated]:
    """What the provider ever offered."""
    topics = ((ServiceUpdated.TOPIC,), (_word(provider),))
    logs = market.chain.find_logs(LogCriteria((market.contracts.serving,), topics))
    return [ServiceUpdated.decode(log.topics, log.data) for log in logs]


def _word(address: Address) -> Hash32:
    return Hash32(bytes(12) + address)


# ---- the price ---------------------------------------------------------------------------------------------------


def _check_fee(receipt: Receipt, service: InferenceService | None, market: Market, findings: Findings) -> None:
    """The fee follows from prices that the service had on chain, where those are all there is to it."""
    open_question = "that the fee follows from the prices on chain"
    info = None if service is None else info_of(service)
    known = receipt.service_type in list(ServiceType)
    if service is None or info is None or not known:
        findings.not_proven.append(open_question)
        return
    params = service.params
    pairs = [(params.input_price_wei, params.output_price_wei)]
    kind = ServiceType(receipt.service_type)
    if info.multi_model:
        highest = fee_of(kind, info.prices(input_wei=params.input_price_wei, output_wei=params.output_price_wei), receipt.usage)
        if int(receipt.input_fee) <= highest.input_wei and int(receipt.output_fee) <= highest.output_wei:
            findings.proven.append("the fee is not above what was used at the highest prices of the service, which stand on chain")
        findings.not_proven.append(f"{open_question}: the service has several models, whose own prices do not stand there")
        return
    if not _fits(receipt, kind, info, pairs):
        pairs = [(offer.input_price_wei, offer.output_price_wei) for offer in _history(receipt.provider, market)]
        if not _fits(receipt, kind, info, pairs):
            if info.tiers or info.cache_divisor != 1:
                findings.not_proven.append(open_question)
                return
            raise AnswerRefutedError("receipt", f"its fee of {receipt.fee} wei follows from no price that the service ever had on chain")
    if _fits(receipt, kind, info, pairs, exactly=True):
        findings.proven.append("the fee follows from what was used and the service's prices on chain")
    else:
        findings.proven.append("the fee is lower than what was used would cost at the service's prices on chain")


def _fits(receipt: Receipt, kind: ServiceType, info: AdditionalInfo, pairs: Sequence[tuple[int, int]], *, exactly: bool = False) -> bool:
    """Whether a pair of prices gives the fee, or a higher one: no provider charges more than it has set aside, however much was used."""
    fees = (fee_of(kind, info.prices(input_wei=price_in, output_wei=price_out), receipt.usage) for price_in, price_out in pairs)
    charged = (int(receipt.input_fee), int(receipt.output_fee))
    if exactly:
        return any((fee.input_wei, fee.output_wei) == charged for fee in fees)
    return any(charged[0] <= fee.input_wei and charged[1] <= fee.output_wei for fee in fees)
