"""Evidence: simulated one passes the official client and says what it is; ours refuses it; real-shaped one is checked in every part."""

import base64
import json
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.compute.protocol.vectors import SIGNER, USER
from zerog.compute.protocol.attestation import (
    SIMULATED_MARK,
    Evidence,
    SimulatedEnclave,
    model_report_body,
    parse_nonce,
    quote_body,
)
from zerog.compute.protocol.errors import ComputeError, EvidenceError, SimulatedEvidenceError
from zerog.compute.protocol.evidence import Assurance, verify_evidence
from zerog.compute.protocol.quotes import LogEvent, application_event, replay, report_data_v2

ENCLAVE = SimulatedEnclave.from_keys(SIGNER, bytes(range(32)), version="0.1.0")
COMPOSE = "services:\n  broker:\n    image: example/broker@sha256:00\n"


def official_check(body: bytes, signer: str) -> tuple[bool, bool]:
    """What `verifyService` of the official SDK 0.9.0 looks at: whether the signer matches, and whether the deployment's hash does."""
    report = json.loads(body)
    address = base64.b64decode(report["report_data"]).decode(errors="replace").replace("\0", "")
    tcb_info = report["tcb_info"] if isinstance(report["tcb_info"], dict) else json.loads(report["tcb_info"])
    log = report["event_log"] if isinstance(report["event_log"], list) else json.loads(report["event_log"])
    logged = next(entry["event_payload"] for entry in log if entry["event"] == "compose-hash")
    return address.lower() == signer.lower(), sha256(tcb_info["app_compose"].encode()).hexdigest() == logged


def real_quote(report_data: bytes, registers: tuple[bytes, ...], compose: str = COMPOSE, *, debug: bool = False) -> bytes:
    """A quote as a processor lays it out, signed by nobody."""
    quote = bytearray(632)
    quote[:8] = bytes.fromhex("0400020081000000")
    quote[168] = debug
    quote[232:265] = b"\1" + sha256(compose.encode()).digest()
    for offset, register in zip((376, 424, 472, 520), registers, strict=True):
        quote[offset : offset + 48] = register
    quote[568:] = report_data
    return bytes(quote) + (4).to_bytes(4, "little") + b"none"


def real_evidence(**changes: object) -> Evidence:
    digest = sha256(COMPOSE.encode()).digest()
    events = (
        LogEvent(imr=0, event_type=1, digest="22" * 48, event="", payload=""),
        application_event("app-id", digest[:20]),
        application_event("compose-hash", digest),
    )
    report_data = report_data_v2(ENCLAVE.encryption_public_key, SIGNER.address)
    registers = replay(events)
    evidence = Evidence(
        quote=real_quote(report_data, registers),
        report_data=report_data,
        events=events,
        compose_text=COMPOSE,
        registers=registers,
        mrtd=bytes(48),
    )
    return replace(evidence, **changes)  # type: ignore[arg-type]


def body_of(evidence: Evidence) -> bytes:
    return json.dumps(evidence.to_json()).encode()


def test_the_official_client_is_content_with_simulated_evidence() -> None:
    assert official_check(quote_body(ENCLAVE), str(SIGNER.address)) == (True, True)
    assert official_check(quote_body(ENCLAVE), str(USER.address)) == (False, True)
    altered = json.loads(quote_body(ENCLAVE))
    altered["tcb_info"] = altered["tcb_info"].replace("zerog compute run", "something else")
    assert official_check(json.dumps(altered).encode(), str(SIGNER.address)) == (True, False)


def test_simulated_evidence_says_so_everywhere() -> None:
    body = json.loads(quote_body(ENCLAVE))
    assert bytes.fromhex(body["quote"]).startswith(SIMULATED_MARK)
    assert (body["simulated"], body["assurance"]) == (True, "mock")
    assert body["warning"].startswith("SIMULATED")
    tcb_info = json.loads(body["tcb_info"])
    assert tcb_info["simulated"] is True
    assert tcb_info["app_compose"].splitlines()[0].startswith("# SIMULATED-NOT-A-TEE")
    assert "image: SIMULATED/zerog-compute:0.1.0" in tcb_info["app_compose"]
    assert json.loads(body["vm_config"])["simulated"] is True


def test_the_second_layout_names_the_encryption_key() -> None:
    body = json.loads(quote_body(ENCLAVE, legacy=False))
    assert base64.b64decode(body["report_data"]) == ENCLAVE.encryption_public_key + SIGNER.address + b"\0\0\0\1" + bytes(8)
    verdict = verify_evidence(quote_body(ENCLAVE, legacy=False), signer=SIGNER.address, accept_simulated=True)
    assert verdict.encryption_public_key == ENCLAVE.encryption_public_key


@pytest.mark.parametrize("legacy", [True, False])
def test_our_client_refuses_simulated_evidence_unless_told(legacy: bool) -> None:
    with pytest.raises(SimulatedEvidenceError):
        verify_evidence(quote_body(ENCLAVE, legacy=legacy), signer=SIGNER.address)
    verdict = verify_evidence(quote_body(ENCLAVE, legacy=legacy), signer=SIGNER.address, accept_simulated=True)
    assert (verdict.assurance, verdict.proven) == (Assurance.MOCK, ())
    assert len(verdict.not_proven) == 3


@pytest.mark.parametrize("member", ["simulated", "quote", "tcb_info"])
def test_no_label_can_be_taken_off_alone(member: str) -> None:
    body = json.loads(quote_body(ENCLAVE))
    body["simulated"] = False
    if member == "quote":
        body["quote"] = "00" * len(SIMULATED_MARK) + body["quote"][2 * len(SIMULATED_MARK) :]
    if member == "tcb_info":
        body["tcb_info"] = json.dumps({**json.loads(body["tcb_info"]), "simulated": False})
    with pytest.raises(SimulatedEvidenceError):
        verify_evidence(json.dumps(body).encode(), signer=SIGNER.address)


def test_the_report_of_the_model_binds_the_nonce() -> None:
    nonce = bytes(range(32))
    report = json.loads(model_report_body(ENCLAVE, nonce))
    assert base64.b64decode(report["report_data"]) == SIGNER.address + bytes(12) + nonce
    assert (report["signing_address"], report["request_nonce"]) == (str(SIGNER.address), nonce.hex())
    assert report["simulated"] is True
    assert report["info"]["tcb_info"]["simulated"] is True
    assert report["intel_quote"] == report["quote"]
    assert parse_nonce(nonce.hex()) == nonce
    assert parse_nonce("12") is parse_nonce(None) is parse_nonce("zz") is None


def test_a_real_quote_without_a_verifier_proves_nothing_yet() -> None:
    verdict = verify_evidence(body_of(real_evidence()), signer=SIGNER.address)
    assert (verdict.assurance, verdict.proven) == (Assurance.FORM, ())
    assert "signature" in verdict.not_proven[0]
    assert verdict.compose_hash == sha256(COMPOSE.encode()).digest()


def test_a_verifier_slots_in() -> None:
    seen: list[bytes] = []
    verdict = verify_evidence(body_of(real_evidence()), signer=SIGNER.address, quote_verifier=seen.append)
    assert verdict.assurance is Assurance.TDX
    assert seen == [real_evidence().quote]
    assert verdict.proven[0].startswith("the quote is signed")

    def refuse(quote: bytes) -> None:
        raise EvidenceError(f"revoked platform, {len(quote)} bytes")

    with pytest.raises(EvidenceError, match="revoked"):
        verify_evidence(body_of(real_evidence()), signer=SIGNER.address, quote_verifier=refuse)


REGISTERS = real_evidence().registers
REPORT_DATA = real_evidence().report_data


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"compose_text": COMPOSE + "#"}, "another deployment"),
        ({"events": real_evidence().events[:-1]}, "another deployment"),
        ({"events": (*real_evidence().events, application_event("compose-hash", bytes(32)))}, "another deployment"),
        ({"events": real_evidence().events[1:]}, "register 0"),
        ({"events": (*real_evidence().events, application_event("more", b""))}, "register 3"),
        ({"report_data": report_data_v2(bytes(32), SIGNER.address)}, "not the quote's"),
        ({"report_data": report_data_v2(bytes(32), USER.address)}, "stands on chain"),
        ({"quote": real_quote(REPORT_DATA, REGISTERS, debug=True)}, "debug"),
        ({"quote": real_quote(REPORT_DATA, REGISTERS, COMPOSE + "#")}, "another deployment"),
        ({"quote": real_quote(REPORT_DATA, REGISTERS)[:631]}, "fewer"),
    ],
)
def test_evidence_that_does_not_hold_together_is_refused(changes: dict[str, object], cause: str) -> None:
    with pytest.raises(EvidenceError, match=cause):
        verify_evidence(body_of(real_evidence(**changes)), signer=SIGNER.address, quote_verifier=lambda _: None)


def test_an_event_of_another_kind_cannot_pass_for_the_deployments() -> None:
    """The log is not signed: names of a machine's events can be anything, and the true event could be disguised as one of them."""
    true = real_evidence()
    boot, app_id, compose = true.events
    fake = COMPOSE.replace("example", "evil")
    disguised = replace(compose, event_type=1, event="separator", payload="")
    named = replace(boot, event="compose-hash", payload=sha256(fake.encode()).hexdigest())
    events = (named, app_id, disguised)
    assert replay(events) == true.registers
    quote = bytearray(true.quote)
    quote[232:280] = bytes(48)  # As on machines that do not set the register of the configuration.
    with pytest.raises(EvidenceError, match="another deployment"):
        verify_evidence(body_of(replace(true, quote=bytes(quote), events=events, compose_text=fake)), signer=SIGNER.address)


def test_members_may_also_be_json_that_is_not_in_strings() -> None:
    members = real_evidence().to_json()
    members["tcb_info"] = json.loads(str(members["tcb_info"]))
    members["event_log"] = json.loads(str(members["event_log"]))
    assert verify_evidence(json.dumps(members).encode(), signer=SIGNER.address).assurance is Assurance.FORM


@given(st.data())
def test_whatever_a_provider_answers_is_judged_or_refused(data: st.DataObject) -> None:
    body = bytearray(body_of(real_evidence()))
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=4)):
        body[place] = data.draw(st.integers(0, 255))
    content = data.draw(st.sampled_from([bytes(body), bytes(body[: data.draw(st.integers(0, len(body)))])]) | st.binary(max_size=50))
    with suppress(ComputeError):
        assert verify_evidence(content, signer=SIGNER.address, accept_simulated=True).signer == SIGNER.address
