"""The grade of an answer: what is known of where the signing key lies, and whether the model was run again."""

from typing import Final

from zerog.compute.client.errors import AnswerRefutedError
from zerog.compute.client.verifying.offline import Content
from zerog.compute.client.verifying.verdict import Findings, Grade
from zerog.compute.protocol.additional_info import AdditionalInfo
from zerog.compute.protocol.e2ee import key_id_of
from zerog.compute.protocol.envelope import load_object, metadata_of
from zerog.compute.protocol.errors import AdditionalInfoError, EvidenceError
from zerog.compute.protocol.evidence import Assurance, EvidenceVerdict, QuoteVerifier, verify_evidence
from zerog.compute.wire.answer_file import AnswerFile
from zerog.contracts.compute import InferenceService

__all__ = ["enclave_grade", "info_of"]

SIMULATED: Final = "SIMULATED"
NO_ENCLAVE: Final = "that there is an enclave at all: the provider says itself that it is simulated"


def enclave_grade(
    file: AnswerFile, content: Content, service: InferenceService | None, quote_verifier: QuoteVerifier | None, findings: Findings
) -> Grade:
    """`simulated`, `signed` or `tdx`: the highest that evidence in the file and the service on chain allow. Raises `AnswerRefutedError`."""
    evidence = _evidence(file, quote_verifier)
    if evidence is None:
        findings.not_proven.append("that the key is in an enclave which nobody can look into: the file holds no evidence of one")
    if content.is_sealed:
        _check_recipient(file, evidence, findings)
    if _is_said_to_be_simulated(file, service, findings) or (evidence is not None and evidence.assurance is Assurance.MOCK):
        findings.not_proven.append(NO_ENCLAVE)
        return Grade.SIMULATED
    if evidence is None:
        return Grade.SIGNED
    findings.proven.extend(evidence.proven)
    findings.not_proven.extend(evidence.not_proven)
    return Grade.TDX if evidence.assurance is Assurance.TDX else Grade.SIGNED


def _evidence(file: AnswerFile, quote_verifier: QuoteVerifier | None) -> EvidenceVerdict | None:
    if file.evidence is None:
        return None
    try:
        return verify_evidence(
            file.evidence.body, signer=file.signature.signing_address, accept_simulated=True, quote_verifier=quote_verifier
        )
    except EvidenceError as error:
        raise AnswerRefutedError("evidence", str(error)) from None


def _check_recipient(file: AnswerFile, evidence: EvidenceVerdict | None, findings: Findings) -> None:
    """Whose key the request was sealed to."""
    if evidence is None or evidence.encryption_public_key is None:
        findings.not_proven.append("that only an enclave could read it: no evidence says whose key it was encrypted to")
        return
    named = metadata_of(load_object(file.request.body, "the request")).get("key_id")
    if named != key_id_of(evidence.encryption_public_key):
        raise AnswerRefutedError("evidence", "the request was encrypted to another key than the evidence names")
    if evidence.assurance is Assurance.TDX:
        findings.proven.append("the request was encrypted to a key that is in the enclave")
    else:
        findings.not_proven.append(
            "that only an enclave could read it: the evidence names the key that it was encrypted to, and proves no enclave"
        )


def _is_said_to_be_simulated(file: AnswerFile, service: InferenceService | None, findings: Findings) -> bool:
    if service is None or service.params.signer != file.signature.signing_address:
        findings.not_proven.append("what the provider said of its enclave on chain at the time")
        return False
    info = info_of(service)
    return info.is_simulated or info.image_name.startswith(SIMULATED)


def info_of(service: InferenceService) -> AdditionalInfo:
    """What a service says of itself on chain. Raises `AnswerRefutedError` where that cannot be read."""
    try:
        return AdditionalInfo.from_json(service.params.additional_info)
    except AdditionalInfoError as error:
        raise AnswerRefutedError("service", f"what it says of itself cannot be read ({error})") from None
