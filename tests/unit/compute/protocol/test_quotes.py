"""TDX quotes by their offsets, on a real one; and logs of events that lead to its kind of registers."""

import base64
from hashlib import sha384

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.compute.protocol.vectors import SIGNER
from zerog.compute.protocol.errors import EvidenceError
from zerog.compute.protocol.quotes import (
    LogEvent,
    application_event,
    legacy_report_data,
    parse_report_data,
    parse_tdx_quote,
    replay,
    report_data_v2,
)

REAL_REPORT_DATA = base64.b64decode("Syyg1D5MaiXr4JlaZerYGeeMbbh5pgkwmATx3E4JiU3UW0MBlAspf3bW5iLBzqKuZgYX1AAAAAEAAAAAAAAAAA==")
REAL_QUOTE = (
    bytes.fromhex("040002008100000000000000" + "939a7233f79c4ca9940a0db3957f0607" + "1eadadc7f30fb7f911d24aa522afc59000000000")
    + bytes.fromhex("0b010400000000000000000000000000")
    + bytes.fromhex("7bf063280e94fb051f5dd7b1fc59ce9aac42bb961df8d44b709c9b0ff87a7b4df648657ba6d1189589feab1d5a3c9a9d")
    + bytes(48 + 8)
    + bytes.fromhex("0000001000000000" + "e702060000000000")
    + bytes.fromhex("b24d3b24e9e3c16012376b52362ca09856c4adecb709d5fac33addf1c47e193da075b125b6c364115771390a5461e217")
    + bytes.fromhex("018779f38c1cc5d1e643fbfc7238bae2c227f7ffa4c72c049802942658acfc5bee")
    + bytes(15 + 48 + 48)
    + bytes.fromhex("b2de1841af6de2472a3682135b2df9f69ef61231395ff3b7fdbf911d3bfb913c26ed93e43947e37d53316f9d3e99cfa5")
    + bytes.fromhex("b598fde9491427341bc4683b75d10d3e36770af3a36a6954d8b6b7b22aa66358f13e1f172e51b7d6e6710d99a8d8532f")
    + bytes.fromhex("c812d42bfff1c75382e91a37c867ab117b97eb5e8d6797488928ea38e5fd38b5ed2f87d9613d392507f1c3af94657c93")
    + bytes.fromhex("d9bd03da555cf06092605287e274b7e03b1786b7388e9c5cde539e87e9b98a01bd3f4498cd414824c639968bf9f5c925")
    + REAL_REPORT_DATA
)
"""Head and body of a provider's quote. Source: 0gfoundation/0g-pc-e2ee, `protocol/attest/testdata/dstack_quote_prefix.json`."""


def test_a_real_quote_is_read_by_its_offsets() -> None:
    quote = parse_tdx_quote(REAL_QUOTE)
    assert quote.mrtd.hex().startswith("b24d3b24e9e3c160")
    assert quote.mr_config_id.hex().startswith("018779f38c1cc5d1")
    assert [register.hex()[:16] for register in quote.registers] == [
        "b2de1841af6de247",
        "b598fde949142734",
        "c812d42bfff1c753",
        "d9bd03da555cf060",
    ]
    assert quote.report_data == REAL_REPORT_DATA
    assert not quote.is_debug


def test_a_real_report_names_a_key_and_a_signer() -> None:
    bound = parse_report_data(REAL_REPORT_DATA)
    assert bound.encryption_public_key == REAL_REPORT_DATA[:32]
    assert str(bound.signer).lower() == "0xd45b4301940b297f76d6e622c1cea2ae660617d4"
    assert report_data_v2(REAL_REPORT_DATA[:32], bound.signer) == REAL_REPORT_DATA


def test_the_legacy_layout_is_the_address_as_text() -> None:
    data = legacy_report_data(SIGNER.address)
    assert data == b"0x325744be57db298C2652c672B32Eb12875d92D83" + bytes(22)
    assert parse_report_data(data).signer == SIGNER.address
    assert parse_report_data(data).encryption_public_key is None


@pytest.mark.parametrize(
    "data",
    [b"", bytes(64), b"0x".ljust(64, b"\0"), b"0x" + b"zz" * 20 + bytes(22), legacy_report_data(SIGNER.address)[:-1] + b"\1", b"\1" * 64],
)
def test_other_layouts_are_refused(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        parse_report_data(data)


@pytest.mark.parametrize("quote", [b"", REAL_QUOTE[:600], b"\3" + REAL_QUOTE[1:], REAL_QUOTE[:4] + b"\0" + REAL_QUOTE[5:]])
def test_what_is_no_tdx_quote_is_refused(quote: bytes) -> None:
    with pytest.raises(EvidenceError):
        parse_tdx_quote(quote)


def test_a_debug_enclave_shows() -> None:
    assert parse_tdx_quote(REAL_QUOTE[:168] + b"\1" + REAL_QUOTE[169:]).is_debug


def test_events_lead_to_the_registers() -> None:
    boot = LogEvent(imr=0, event_type=2, digest="11" * 48, event="", payload="")
    start = application_event("app-id", b"\xaa")
    digest = sha384((0x08000001).to_bytes(4, "little") + b":app-id:\xaa").digest()
    assert replay([boot, start]) == (
        sha384(bytes(48) + b"\x11" * 48).digest(),
        bytes(48),
        bytes(48),
        sha384(bytes(48) + digest).digest(),
    )


@given(st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8)), min_size=2, max_size=5, unique=True))
def test_the_order_of_events_counts(events: list[tuple[str, bytes]]) -> None:
    logged = [application_event(name, payload) for name, payload in events]
    assert replay(logged) != replay(logged[::-1])


@pytest.mark.parametrize(
    "event",
    [
        LogEvent(imr=4, event_type=1, digest="00" * 48, event="", payload=""),
        LogEvent(imr=-1, event_type=1, digest="00" * 48, event="", payload=""),
        LogEvent(imr=3, event_type=0x08000001, digest="00" * 48, event="app-id", payload="aa"),
        LogEvent(imr=3, event_type=0x08000001, digest="", event="app-id", payload="zz"),
        LogEvent(imr=0, event_type=1, digest="zz", event="", payload=""),
    ],
)
def test_an_event_that_cannot_be_is_refused(event: LogEvent) -> None:
    with pytest.raises(EvidenceError):
        replay([event])
