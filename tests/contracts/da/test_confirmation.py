"""Blobs at the entrance: announced and paid, confirmed by two thirds of their quorum's rows, once."""

import dataclasses

import pytest

from tests.contracts.da.entrance import ALL, COMMITMENT, Da, RevertedError, root_of
from zerog._kernel import bls_aggregate_g1
from zerog.contracts.da import DA_ENTRANCE, G1, G2, decode_g1, submit_original_data_call, submit_verified_commit_roots_call
from zerog.contracts.da_refusals import EntranceRefusal

CONFIRMATION_GAS = range(1_210_000, 1_260_000)
"""As the documentation says. A million is asked for the sum of public keys, 113,000 for the pairing, and the bitmap takes 6,000 as data."""


@pytest.fixture
def begun(da: Da) -> Da:
    """In the first epoch."""
    da.announce(root_of(0))
    return da


def without_first_rows(da: Da, signer: int, count: int) -> bytes:
    """The bits of the first two signers' rows, but for the first `count` rows of one of them."""
    quorum, addresses = da.quorum(), [da.signers[index].account.address for index in (0, 1)]
    bitmap = bytearray(quorum.bitmap(addresses))
    for row in quorum.rows_of(addresses[signer])[:count]:
        bitmap[row // 8] ^= 1 << row % 8
    return bytes(bitmap)


def test_announcing_draws_one_quorum_for_all_blobs_of_a_call(da: Da) -> None:
    events = da.announce(root_of(1), root_of(2), root_of(1))
    assert [(root, epoch, quorum_id) for _, root, epoch, quorum_id, _ in events] == [
        (root_of(1), 1, 0),
        (root_of(2), 1, 0),
        (root_of(1), 1, 0),
    ]
    assert da.announce(value=0) == []


def test_announcing_costs_the_price_of_each_blob_and_keeps_what_is_paid_too_much(da: Da) -> None:
    da.send(da.admin, da.entrance, "setBlobPrice", 1000)
    assert da.refusal(da.other, da.entrance, "submitOriginalData", [root_of(1), root_of(2)], value=1999) == EntranceRefusal.FEE_TOO_LOW
    [*_, (*_, told)] = da.announce(root_of(1), root_of(2), value=2500)
    assert told == 1000
    assert da.number("currentEpochReward") == da.chain.balance(da.entrance.address) == 2500


def test_without_signers_nothing_is_announced(begun: Da) -> None:
    """Nobody took part in the second epoch."""
    begun.mine(100)
    price = begun.number("blobPrice")
    assert begun.refusal(begun.disperser, begun.entrance, "submitOriginalData", [root_of(1)], value=price) == EntranceRefusal.NO_SIGNERS
    begun.send(begun.other, begun.entrance, "sync")
    assert begun.number("currentEpoch") == 2
    begun.next_epoch()
    assert [event[2:4] for event in begun.announce(root_of(1))] == [(3, 0)]


def test_2048_rows_confirm_and_2047_do_not(begun: Da) -> None:
    """Rows of a signer before its first bit do not count."""
    assert begun.aggregate_key(without_first_rows(begun, 0, 1)).hit_rows == 2047
    short = begun.submission(root_of(1), (0, 1), bitmap=without_first_rows(begun, 0, 1))
    assert begun.confirmation_refusal(short) == EntranceRefusal.TOO_FEW_ROWS
    assert not begun.is_confirmed(root_of(1))
    enough = begun.submission(root_of(1), (0, 1))
    assert begun.aggregate_key(enough.quorum_bitmap).hit_rows == 2048
    receipt = begun.confirm([enough])
    assert receipt.events == [("ErasureCommitmentVerified", root_of(1), 1, 0)]
    assert begun.is_confirmed(root_of(1))
    assert decode_g1(begun.view(begun.entrance, DA_ENTRANCE.function("verifiedErasureCommitment").encode(root_of(1), 1, 0))) == COMMITMENT


def test_one_bit_at_a_signers_first_row_is_enough(begun: Da) -> None:
    quorum, bitmap = begun.quorum(), bytearray(384)
    for signer in begun.signers[:2]:
        first = quorum.rows_of(signer.account.address)[0]
        bitmap[first // 8] |= 1 << first % 8
    begun.confirm([begun.submission(root_of(1), (0, 1), bitmap=bytes(bitmap))])
    assert begun.is_confirmed(root_of(1))


def test_only_the_last_row_of_a_signer_counts_as_one(begun: Da) -> None:
    bits = without_first_rows(begun, 1, 1023)
    assert begun.aggregate_key(bits).hit_rows == 1025
    assert begun.confirmation_refusal(begun.submission(root_of(1), (0, 1), bitmap=bits)) == EntranceRefusal.TOO_FEW_ROWS


def test_one_signer_alone_and_nobody_at_all_confirm_nothing(begun: Da) -> None:
    assert begun.confirmation_refusal(begun.submission(root_of(1), (2,))) == EntranceRefusal.TOO_FEW_ROWS
    nothing = dataclasses.replace(
        begun.submission(root_of(1)), quorum_bitmap=bytes(384), aggregate_key=G2((0, 0), (0, 0)), signature=G1(0, 0)
    )
    assert begun.confirmation_refusal(nothing) == EntranceRefusal.TOO_FEW_ROWS


def test_a_public_key_in_g2_with_its_parts_exchanged_is_refused(begun: Da) -> None:
    """As signers are registered, real part first: the pairing takes it for a point off the curve."""
    right = begun.submission(root_of(1))
    (x_real, x_imaginary), (y_real, y_imaginary) = right.aggregate_key.to_abi()
    wrong = dataclasses.replace(right, aggregate_key=G2((x_imaginary, x_real), (y_imaginary, y_real)))
    assert begun.confirmation_refusal(wrong) == EntranceRefusal.PAIRING_FAILED
    begun.confirm([right])


def test_whatever_is_changed_in_what_was_signed_is_refused(begun: Da) -> None:
    begun.next_epoch()
    right = begun.submission(root_of(1), (0, 1))
    quorum = begun.quorum()
    others = quorum.bitmap([begun.signers[index].account.address for index in (0, 2)])
    everybody = quorum.bitmap([signer.account.address for signer in begun.signers])
    double = G1.from_words(bls_aggregate_g1([right.signature.words, right.signature.words]))
    changes: dict[str, object] = {
        "data_root": root_of(2),
        "epoch": 2,
        "erasure_commitment": G1.from_words(bls_aggregate_g1([COMMITMENT.words, COMMITMENT.words])),
        "quorum_bitmap": others,
        "aggregate_key": begun.submission(root_of(1)).aggregate_key,
        "signature": double,
    }
    for name, value in changes.items():
        changed = dataclasses.replace(right, **{name: value})  # type: ignore[arg-type]
        assert begun.confirmation_refusal(changed) == EntranceRefusal.WRONG_SIGNATURE, name
    assert begun.confirmation_refusal(dataclasses.replace(right, quorum_bitmap=everybody)) == EntranceRefusal.WRONG_SIGNATURE
    begun.confirm([right])


def test_points_off_the_curve_and_unknown_quorums_are_refused(begun: Da) -> None:
    right = begun.submission(root_of(1))
    off_curve = dataclasses.replace(right, signature=G1(right.signature.x, right.signature.y + 1))
    assert begun.confirmation_refusal(off_curve) == "NotOnCurve"
    assert begun.confirmation_refusal(dataclasses.replace(right, erasure_commitment=G1(0, 0))) == "ZeroCommitment"
    for change in ({"quorum_id": 1}, {"epoch": 2}, {"quorum_bitmap": bytes(383)}, {"quorum_bitmap": bytes(385)}):
        changed = dataclasses.replace(right, **change)
        assert begun.confirmation_refusal(changed) == "", "the precompiled contract gives no reason"
    assert not begun.is_confirmed(root_of(1))


def test_what_is_confirmed_is_passed_over_whatever_comes_again(begun: Da) -> None:
    first, second = begun.submission(root_of(1), (0, 1)), begun.submission(root_of(2))
    begun.confirm([first])
    garbage = dataclasses.replace(first, erasure_commitment=G1(3, 3), signature=G1(9, 9), quorum_bitmap=b"")
    receipt = begun.confirm([garbage, second, first, second])
    assert receipt.events == [("ErasureCommitmentVerified", root_of(2), 1, 0)]
    assert begun.read(begun.entrance, "verifiedErasureCommitment", root_of(1), 1, 0) == COMMITMENT.to_abi()
    assert begun.confirm([first, second]).gas_used < 80_000


def test_one_bad_blob_stops_all_of_its_call(begun: Da) -> None:
    with pytest.raises(RevertedError, match=EntranceRefusal.TOO_FEW_ROWS):
        begun.confirm([begun.submission(root_of(1)), begun.submission(root_of(2), (0,))])
    assert not begun.is_confirmed(root_of(1))


def test_a_blob_can_be_confirmed_that_nobody_announced_and_after_its_epoch(begun: Da) -> None:
    begun.next_epoch()
    begun.next_epoch()
    begun.confirm([begun.submission(root_of(99))])
    assert begun.is_confirmed(root_of(99), 1)
    assert not begun.is_confirmed(root_of(99), 2)


def test_a_quorum_of_another_epoch_signs_for_itself(begun: Da) -> None:
    begun.next_epoch()
    begun.confirm([begun.submission(root_of(5), ALL, quorum=begun.quorum(2))])
    assert (begun.is_confirmed(root_of(5), 1), begun.is_confirmed(root_of(5), 2)) == (False, True)


def test_gas_of_a_blob_is_as_documented(begun: Da) -> None:
    begun.announce(root_of(1))
    announced = begun.transact(begun.disperser, begun.entrance, submit_original_data_call([root_of(2)]), begun.number("blobPrice")).gas_used
    assert 150_000 < announced < 180_000
    confirmed = [begun.confirm([begun.submission(root_of(number), (0, 1))]).gas_used for number in (3, 4, 5)]
    assert all(gas in CONFIRMATION_GAS for gas in confirmed), confirmed
    estimate = begun.confirm([begun.submission(root_of(number), (0, 1)) for number in range(10, 14)]).gas_used / 4
    assert estimate < max(confirmed)


def test_a_confirmation_needs_no_more_gas_than_it_says(begun: Da) -> None:
    call = submit_verified_commit_roots_call([begun.submission(root_of(1))])
    used = begun.confirm([begun.submission(root_of(2))]).gas_used
    begun.transact(begun.other, begun.entrance, call, gas=used * 13 // 10)
    assert begun.is_confirmed(root_of(1))
