"""Samples: pieces of confirmed blobs that a round's seed makes good enough, each credited once to the signer of its row."""

import dataclasses
from collections.abc import Iterator, Sequence

import pytest

from tests.contracts.da.entrance import Da, root_of
from tests.contracts.da.samples import AlikeRows
from zerog._kernel import AmtSetup, EncodedBlob, amt_sample, amt_slice_parts, g1_from_flagless
from zerog.contracts.da import DA_ENTRANCE, G1, SampleRange, SampleResponse, SampleTask
from zerog.contracts.da_refusals import EntranceRefusal
from zerog.da.protocol.sampling import Sample, data_quality, line_quality, verify_sample
from zerog.primitives import Hash32

BLOBS = tuple(AlikeRows(salt) for salt in range(8))
"""A round finds three samples in a blob, give or take; so many blobs leave no round without some."""
MAX_TARGET = (2**256 - 1) // 128
SAMPLE_GAS = range(200_000, 300_000)
"""As the documentation says: 100,000 of it is what DASigners asks for looking at the epoch."""


@pytest.fixture(scope="module")
def confirmed() -> Da:
    """A chain in its second epoch, where the blobs of the first are confirmed, and the first round has begun."""
    da = Da()
    for blob in BLOBS:
        da.announce(blob.root)
    da.confirm([da.submission(blob.root) for blob in BLOBS])
    da.next_epoch()
    return da


@pytest.fixture
def da(confirmed: Da) -> Iterator[Da]:
    """That chain, and as it was at the end of another test."""
    height = confirmed.height
    now = confirmed.now
    yield confirmed
    confirmed.chain.unwind(height)
    confirmed.now = now


def found(da: Da, seed: Hash32, epoch: int = 1) -> list[SampleResponse]:
    target = da.number("podasTarget")
    return [response for blob in BLOBS for response in blob.found(seed, target, epoch=epoch)]


def owner_of(da: Da, response: SampleResponse) -> bytes:
    return da.quorum(response.epoch).members[response.line_index]


def test_qualities_are_those_of_the_vectors() -> None:
    of_line = line_quality(b"\x22" * 32, 3, 0, Hash32(b"\x11" * 32), 1500)
    assert of_line == 0xEAC38F4D5906D8CD1B02F84A7FD14863DB2E6814C82E9AE6B8F1D83EC103B075
    assert data_quality(of_line, 5, bytes(range(256)) * 4) == 0xEC9980A544213EB57CAEF66D289A7D8B99C94894E2AFEFD4D9AD5A1EF3A567DD


def test_a_sample_is_taken_once_and_credits_the_signer_of_its_row(da: Da) -> None:
    """The contract finds the same qualities as what finds those of the vectors."""
    seed = da.next_round()
    samples = found(da, seed)
    assert samples
    for count, response in enumerate(samples[:5], start=1):
        sample = Sample(response.data, response.proof, response.blob_roots)
        verify_sample(sample, response.data_root, response.line_index, response.subline_index)
        reward = da.number("activedReward") // da.number("rewardRatio")
        [event] = da.sample(response).named("DAReward")
        assert event == (
            *(owner_of(da, response), da.number("sampleRound"), 1, 0, response.data_root),
            *(response.quality, response.line_index, response.subline_index, reward),
        )
        assert da.number("roundSubmissions") == count
        assert da.sample_refusal(response) == EntranceRefusal.REPEATED_SAMPLE
    task = SampleTask.decode(da.view(da.entrance, DA_ENTRANCE.function("sampleTask").encode()))
    assert task.rest_submissions == 40 - min(5, len(samples))


def test_whatever_is_wrong_with_a_sample_is_named(da: Da) -> None:
    seed = da.next_round()
    right = found(da, seed)[0]
    bent = bytearray(right.data)
    bent[0] ^= 1
    of_line = line_quality(seed, 1, 0, right.data_root, right.line_index)
    bent_quality = (of_line + data_quality(of_line, right.subline_index, bytes(bent))) % 2**256
    cases: list[tuple[EntranceRefusal, dict[str, object]]] = [
        (EntranceRefusal.OTHER_SEED, {"sample_seed": root_of(1)}),
        (EntranceRefusal.POOR_QUALITY, {"quality": MAX_TARGET + 1}),
        (EntranceRefusal.NOT_CONFIRMED, {"data_root": root_of(1)}),
        (EntranceRefusal.NOT_CONFIRMED, {"quorum_id": 1}),
        (EntranceRefusal.NOT_CONFIRMED, {"epoch": 2}),
        (EntranceRefusal.WRONG_LINE, {"line_index": 3072}),
        (EntranceRefusal.WRONG_LINE, {"line_index": 2**32 - 1}),
        (EntranceRefusal.WRONG_SUBLINE, {"subline_index": 32}),
        (EntranceRefusal.WRONG_QUALITY, {"quality": right.quality - 1}),
        (EntranceRefusal.OTHER_COSET_ROOT, {"proof": right.proof[:-1]}),
        (EntranceRefusal.OTHER_COSET_ROOT, {"proof": (*right.proof, right.proof[-1])}),
        (EntranceRefusal.OTHER_COSET_ROOT, {"proof": (root_of(1), *right.proof[1:])}),
        (EntranceRefusal.OTHER_COSET_ROOT, {"blob_roots": (root_of(1), root_of(1), root_of(1))}),
    ]
    for expected, change in cases:
        assert da.sample_refusal(dataclasses.replace(right, **change)) == expected, change  # type: ignore[arg-type]
    assert bent_quality != right.quality
    assert da.sample_refusal(dataclasses.replace(right, data=bytes(bent))) in (
        EntranceRefusal.WRONG_QUALITY,
        EntranceRefusal.QUALITY_OVERFLOW,
    )
    other = (right.line_index // 1024 + 1) % 3
    roots: Sequence[Hash32] = [root if coset != other else root_of(1) for coset, root in enumerate(right.blob_roots)]
    assert da.sample_refusal(dataclasses.replace(right, blob_roots=tuple(roots))) == EntranceRefusal.OTHER_DATA_ROOT  # type: ignore[arg-type]
    da.sample(right)


def test_data_of_another_length_is_refused_even_where_its_quality_is_good(da: Da) -> None:
    seed = da.next_round()
    target = da.number("podasTarget")
    blob = BLOBS[0]
    for line in range(3072):
        of_line = line_quality(seed, 1, 0, blob.root, line)
        if of_line > target // 2:
            continue
        for attempt in range(400):
            data = attempt.to_bytes(4) * 128
            if (quality := of_line + data_quality(of_line, 0, data)) <= target:
                wrong = dataclasses.replace(blob.response(seed, line, 0), data=data, quality=quality)
                assert da.sample_refusal(wrong) == EntranceRefusal.WRONG_LENGTH
                return
    pytest.fail("no data was good enough")


def test_the_sum_of_qualities_must_not_overflow(da: Da) -> None:
    seed = da.next_round()
    target = da.number("podasTarget")
    for line in range(3072):
        of_line = line_quality(seed, 1, 0, BLOBS[0].root, line)
        for subline in range(32):
            total = of_line + data_quality(of_line, subline, BLOBS[0].pieces[subline])
            if total >= 2**256 and total % 2**256 <= target:
                overflowing = BLOBS[0].response(seed, line, subline)
                assert overflowing.quality <= target
                assert da.sample_refusal(overflowing) == EntranceRefusal.QUALITY_OVERFLOW
                return
    pytest.fail("no sum overflowed to something good enough")


def test_before_the_first_round_and_from_the_current_epoch_nothing_is_taken() -> None:
    da = Da()
    da.announce(BLOBS[0].root)
    da.confirm([da.submission(BLOBS[0].root)])
    assert da.number("sampleRound") == 0
    zero = BLOBS[0].response(Hash32(bytes(32)), 0, 0)
    assert da.sample_refusal(zero) == EntranceRefusal.NO_ROUND
    seed = da.next_round()
    current = BLOBS[0].response(seed, 0, 0)
    assert da.number("currentEpoch") == 1
    assert da.sample_refusal(dataclasses.replace(current, quality=1)) == EntranceRefusal.CURRENT_EPOCH


def test_after_the_window_of_epochs_a_blob_is_not_sampled_any_more(da: Da) -> None:
    da.send(da.admin, da.entrance, "setEpochWindowSize", 2)
    assert SampleRange.decode(da.view(da.entrance, DA_ENTRANCE.function("sampleRange").encode())) == SampleRange(0, 1)
    da.next_epoch()
    assert da.number("currentEpoch") == 3
    assert SampleRange.decode(da.view(da.entrance, DA_ENTRANCE.function("sampleRange").encode())) == SampleRange(1, 2)
    seed = da.next_round()
    da.sample(found(da, seed)[0])
    da.next_epoch()
    assert SampleRange.decode(da.view(da.entrance, DA_ENTRANCE.function("sampleRange").encode())) == SampleRange(2, 3)
    late = dataclasses.replace(BLOBS[0].response(da.next_round(), 0, 0), quality=1)
    assert da.sample_refusal(late) == EntranceRefusal.EPOCH_OVER


def test_a_round_takes_twice_as_many_samples_as_it_aims_at(da: Da) -> None:
    da.next_round()
    for goal in (5, 1):
        da.send(da.admin, da.entrance, "setRoundSubmissions", goal)
        da.next_round()
        assert da.number("targetRoundSubmissions") == goal
    samples = found(da, Hash32(da.read(da.entrance, "currentSampleSeed")))
    assert len(samples) >= 3
    for response in samples[:2]:
        da.sample(response)
    assert da.sample_refusal(samples[2]) == EntranceRefusal.ROUND_FULL
    before = da.number("podasTarget") >> 32
    da.next_round()
    assert da.number("podasTarget") == before - before // 8 << 32


def test_a_sample_of_a_former_round_is_not_taken_in_the_next(da: Da) -> None:
    old = found(da, da.next_round())[0]
    da.next_round()
    assert da.sample_refusal(old) == EntranceRefusal.OTHER_SEED


def test_pieces_of_an_encoded_blob_are_taken(da: Da) -> None:
    """The rows that the encoder makes, with their paths; the blob is one of the vectors."""
    blob = AmtSetup.insecure((123_456_789).to_bytes(32)).encode(bytes((7 * index + 3) % 256 for index in range(1000)))
    root = Hash32(blob.data_root)
    assert root.hex() == "10b419e55586a4375faca5c4aeedc1e94a7ecbb4a6a79a72fd93b9eec453f0e1"
    commitment = G1.from_words(g1_from_flagless(blob.commitment))
    da.confirm([da.submission(root, commitment=commitment, quorum=da.quorum(2))])
    da.next_epoch()
    for _ in range(20):
        for response in pieces_found(blob, da.next_round(), da.number("podasTarget")):
            [event] = da.sample(response).named("DAReward")
            assert event[0] == owner_of(da, response)
            return
    pytest.fail("twenty rounds found nothing, where each should find three")


def pieces_found(blob: EncodedBlob, seed: Hash32, target: int) -> Iterator[SampleResponse]:
    """All that a round finds in a blob of the second epoch."""
    root = Hash32(blob.data_root)
    for line in range(3072):
        of_line = line_quality(seed, 2, 0, root, line)
        if of_line > target:
            continue
        [piece] = blob.slices(line, line + 1)
        _, row, path, coset_roots = amt_slice_parts(piece)
        for subline in range(32):
            data, siblings = amt_sample(row, subline)
            if (quality := of_line + data_quality(of_line, subline, data)) <= target:
                above = [path[start : start + 32] for start in range(0, len(path), 32)]
                first, second, third = map(Hash32, coset_roots)
                yield SampleResponse(
                    sample_seed=seed,
                    epoch=2,
                    quorum_id=0,
                    line_index=line,
                    subline_index=subline,
                    quality=quality,
                    data_root=root,
                    blob_roots=(first, second, third),
                    proof=tuple(map(Hash32, (*siblings, *above))),
                    data=data,
                )


def test_gas_of_a_sample_is_bounded(da: Da) -> None:
    first, *others = found(da, da.next_round())
    da.sample(first)
    for response in others[:3]:
        assert da.sample(response).gas_used in SAMPLE_GAS
