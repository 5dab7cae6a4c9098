"""A blob's way to its quorum: the straight one, its detours, and what holds on every way that random events lead."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerog.da.protocol.dispersal import (
    Action,
    Announced,
    BlockPlace,
    ConfirmationSent,
    Confirmed,
    Dispersal,
    DispersalState,
    Encoded,
    EncodingBegan,
    Event,
    Finalized,
    Resumed,
    SignaturesGathered,
    SignerSigned,
    SigningBegan,
    Step,
    StepFailed,
    StepLimits,
    TakenBack,
)
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobStatus
from zerog.primitives import Address, Hash32

ROOT = Hash32(b"\x11" * 32)
NAME = BlobName(ROOT, 1, 0)
PLACE = BlockPlace(7, Hash32(b"\x22" * 32), Hash32(b"\x33" * 32))
LATER = BlockPlace(9, Hash32(b"\x44" * 32), Hash32(b"\x55" * 32))
SIGNERS = [Address(bytes([number]) * 20) for number in (1, 2, 3)]
LIMITS = StepLimits(encode_s=100, announce_s=100, sign_s=50, confirm_s=100)

STRAIGHT: list[tuple[Event, Step, Action]] = [
    (EncodingBegan(), Step.ENCODING, Action.ENCODE),
    (Encoded(ROOT, bytes(64)), Step.ENCODED, Action.ANNOUNCE),
    (Announced(NAME, PLACE), Step.SUBMITTED, Action.SIGN),
    (SigningBegan(), Step.SIGNING, Action.SIGN),
    (SignerSigned(SIGNERS[0], 1024), Step.SIGNING, Action.SIGN),
    (SignerSigned(SIGNERS[1], 1024), Step.SIGNING, Action.SIGN),
    (SignaturesGathered(b"certificate"), Step.SIGNED, Action.CONFIRM),
    (ConfirmationSent(), Step.CONFIRMING, Action.CONFIRM),
    (Confirmed(LATER), Step.CONFIRMED, Action.WATCH),
    (Finalized(), Step.FINALIZED, Action.NOTHING),
]


def at(step: Step) -> Dispersal:
    """A blob at a step of the straight way; FAILED comes from the first one."""
    blob = Dispersal(DispersalState(since_s=0), LIMITS)
    if step is Step.FAILED:
        blob.receive(StepFailed("why", is_hopeless=True), 0)
    for event, _, _ in STRAIGHT:
        if blob.state.step is step:
            break
        blob.receive(event, 0)
    assert blob.state.step is step
    return blob


def test_the_straight_way() -> None:
    blob = Dispersal(DispersalState(since_s=0), LIMITS)
    assert (blob.next_action, blob.state.shown.status, blob.state.shown.step) == (Action.ENCODE, BlobStatus.PROCESSING, "received")
    for event, step, action in STRAIGHT:
        assert blob.receive(event, 1) is action
        assert blob.state.step is step
    shown = blob.state.shown
    assert (shown.status, shown.name, shown.reason, shown.step) == (BlobStatus.FINALIZED, NAME, "", "")


def test_a_name_is_shown_only_when_it_is_confirmed() -> None:
    assert at(Step.SIGNED).state.shown.name is None
    assert at(Step.CONFIRMED).state.shown.name == NAME


def test_a_signer_that_repeats_itself_counts_once() -> None:
    blob = at(Step.SUBMITTED)
    blob.receive(SigningBegan(), 0)
    for _ in range(5):
        blob.receive(SignerSigned(SIGNERS[0], 1024), 0)
    assert (blob.rows_signed, blob.is_signed_enough) == (1024, False)
    with pytest.raises(ValueError, match="does not belong"):
        blob.receive(SignaturesGathered(b""), 0)


@pytest.mark.parametrize(
    ("step", "back"),
    [
        (Step.RECEIVED, Step.RECEIVED),
        (Step.ENCODING, Step.RECEIVED),
        (Step.ENCODED, Step.ENCODED),
        (Step.SUBMITTED, Step.SUBMITTED),
        (Step.SIGNING, Step.SUBMITTED),
        (Step.SIGNED, Step.SIGNED),
        (Step.CONFIRMING, Step.SIGNED),
    ],
)
def test_a_failed_try_is_repeated_until_the_time_of_its_step_is_over(step: Step, back: Step) -> None:
    blob = at(step)
    blob.receive(StepFailed("not now"), 49)
    assert (blob.state.step, blob.state.since_s) == (back, 0)
    blob.receive(StepFailed("not now either"), 100)
    assert (blob.state.step, blob.state.shown.status, blob.state.shown.reason) == (Step.FAILED, BlobStatus.FAILED, "not now either")
    assert blob.next_action is Action.NOTHING


def test_a_hopeless_try_is_the_last_one() -> None:
    blob = at(Step.ENCODING)
    blob.receive(StepFailed("no blob", is_hopeless=True), 0)
    assert blob.state.step is Step.FAILED


def test_waiting_for_the_encoder_and_a_stopped_disperser_take_no_time() -> None:
    blob = at(Step.RECEIVED)
    blob.receive(EncodingBegan(), 1_000)
    blob.receive(StepFailed("busy"), 1_050)
    assert blob.state.step is Step.RECEIVED
    blob.receive(EncodingBegan(), 1_060)
    assert blob.seconds_left(1_060) == 40
    blob.receive(Resumed(), 9_000)
    assert blob.seconds_left(9_000) == 100


def test_what_the_chain_took_back_is_done_again() -> None:
    blob = at(Step.CONFIRMED)
    assert blob.receive(TakenBack(is_announced=True), 5) is Action.CONFIRM
    assert (blob.state.step, blob.state.certificate, blob.state.confirmed) == (Step.SIGNED, b"certificate", None)
    for step in (Step.SUBMITTED, Step.SIGNING, Step.SIGNED, Step.CONFIRMING, Step.CONFIRMED):
        blob = at(step)
        assert blob.receive(TakenBack(is_announced=False), 5) is Action.ANNOUNCE
        state = blob.state
        assert (state.step, state.root, state.name, state.certificate, state.restarts) == (Step.ENCODED, ROOT, None, None, 1)
    for step in (Step.RECEIVED, Step.ENCODING, Step.ENCODED):
        blob = at(step)
        before = blob.state
        blob.receive(TakenBack(is_announced=False), 5)
        assert blob.state == before


def test_a_chain_that_never_stands_ends_the_blob() -> None:
    blob = at(Step.SUBMITTED)
    for _ in range(3):
        blob.receive(TakenBack(is_announced=False), 5)
        blob.receive(Announced(NAME, PLACE), 5)
    blob.receive(TakenBack(is_announced=False), 5)
    assert blob.state.shown.reason == "the chain took back its announcement 4 times"


def test_a_blob_that_was_confirmed_by_another_is_signed_again_where_that_is_taken_back() -> None:
    blob = at(Step.SUBMITTED)
    blob.receive(Confirmed(LATER), 0)
    assert blob.receive(TakenBack(is_announced=True), 5) is Action.SIGN


EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.just(Resumed()),
    st.just(EncodingBegan()),
    st.just(Encoded(ROOT, bytes(64))),
    st.builds(Announced, st.builds(BlobName, st.just(ROOT), st.integers(0, 3), st.integers(0, 1)), st.sampled_from([PLACE, LATER])),
    st.just(SigningBegan()),
    st.builds(SignerSigned, st.sampled_from(SIGNERS), st.just(1024)),
    st.just(SignaturesGathered(b"certificate")),
    st.just(ConfirmationSent()),
    st.builds(Confirmed, st.sampled_from([PLACE, LATER])),
    st.just(Finalized()),
    st.builds(StepFailed, st.just("why"), st.booleans()),
    st.builds(TakenBack, st.booleans()),
)
LONG_WAY = st.lists(st.tuples(EVENTS, st.floats(0, 20)), max_size=60)


@settings(max_examples=300)
@given(LONG_WAY)
def test_whatever_comes_a_blob_is_at_a_step_with_all_that_it_needs(events: list[tuple[Event, float]]) -> None:
    blob = Dispersal(DispersalState(since_s=0), LIMITS)
    now_s = 0.0
    for event, passed_s in events:
        now_s += passed_s
        before = blob.state
        try:
            action = blob.receive(event, now_s)
        except ValueError:
            assert blob.state == before  # A refused event changes nothing.
            continue
        state = blob.state
        assert not before.step.is_last or isinstance(event, Resumed)
        assert Dispersal(state, LIMITS).next_action is action  # What is kept is enough to go on.
        if action not in (Action.ENCODE, Action.NOTHING):
            assert state.root == ROOT
        if action in (Action.SIGN, Action.CONFIRM, Action.WATCH):
            assert state.name is not None
            assert state.announced is not None
        if action is Action.CONFIRM:
            assert state.certificate is not None
        if action is Action.WATCH:
            assert state.confirmed is not None
        if state.step is Step.FAILED:
            assert state.reason
        assert state.since_s <= now_s
        if before.step is Step.CONFIRMED:
            assert state.step is not Step.FAILED or isinstance(event, TakenBack)


@settings(max_examples=100)
@given(LONG_WAY, st.lists(st.integers(0, 60), max_size=4))
def test_a_disperser_that_dies_at_any_point_loses_only_signatures_under_way(events: list[tuple[Event, float]], deaths: list[int]) -> None:
    alive, reborn = (Dispersal(DispersalState(since_s=0), LIMITS) for _ in range(2))
    now_s = 0.0
    for number, (event, passed_s) in enumerate(events):
        now_s += passed_s
        if number in deaths and reborn.state.step is not Step.SIGNING:
            reborn = Dispersal(reborn.state, LIMITS)
        outcomes = []
        for blob in (alive, reborn):
            try:
                outcomes.append(str(blob.receive(event, now_s)))
            except ValueError:
                outcomes.append("refused")
        assert outcomes[0] == outcomes[1]
        assert alive.state == reborn.state
    assert replace(alive.state) == reborn.state
