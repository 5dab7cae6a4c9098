"""The flow: where files are placed, its roots, who may submit, what is refused, and that overpayment comes back."""

import random
from contextlib import nullcontext

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from web3.contract import Contract

from tests.contracts.storage.deployment import PRICE_WEI, RevertedError, Storage, deploy_storage, pattern_file, submission_of, submit_events
from tests.contracts.storage.model import FlowModel, fold, heights, node_roots, pattern
from tests.interop.web3py.common import Context, artefact, deploy
from zerog._kernel import keccak256
from zerog.chain.protocol.reverts import revert_reason
from zerog.contracts.storage import (
    FIXED_PRICE,
    FLOW,
    NotEnoughFeeError,
    NotEnoughGasError,
    Placement,
    RefundRefusedError,
    Submission,
    Submit,
    batch_submit_call,
    decode_batch_submit_result,
    decode_submit_result,
    flow_refusal,
    submit_call,
)
from zerog.primitives import ZERO_ADDRESS, Address, Hash32, Wei, decode_data
from zerog.storage.protocol.errors import InvalidSubmissionError
from zerog.storage.protocol.flow import FlowTree, start_sector
from zerog.storage.protocol.submission import check_submission

SOMEONE = Address(b"\x11" * 20)
LEGACY_SUBMIT = FLOW.functions["submit((uint256,bytes,(bytes32,uint256)[]))"]
LEGACY_BATCH = FLOW.functions["batchSubmit((uint256,bytes,(bytes32,uint256)[])[])"]
TAKE, REFUSE, REPEAT = range(3)


def refusal(storage: Storage, data: bytes, value: int = 0, gas: int | None = None) -> RevertedError:
    """How the flow refuses a call of the user."""
    with pytest.raises(RevertedError) as failure:
        storage.read(data, value=value, gas=gas)
    return failure.value


def facts(data: bytes) -> tuple[object, ...]:
    """Which of the flow's own errors it is, and its arguments."""
    error = flow_refusal(data)
    assert error is not None, data.hex()
    return (type(error), *vars(error).values())


FILE_ROOTS = {
    1: "d397b3b043d87fcd6fad1291ff0bfd16401c274896d8c63a923727f077b8e0b5",
    255: "037a0c9cbd377fa4d88832b1adb2de77b7a2939815debfc83137ecf1b89bf984",
    256: "e2a94a8afb5941b26a9be1be979c403e33559570b52961b48b3f7d36237fecc8",
    257: "24b74d6cdc150cad90a1ba71ff747a7e0d377f676fc78dbcc9218d22dafa503b",
    512: "5f4f176b8a1f76b09aa50006224b5e638d202941d2ef4f57f370305852864645",
    513: "e049f2ef01ba47692ee32f24428319a73872124e59965a362734d068eec7ffda",
    768: "6d7c4fcd7671d38afa95e3f95ba75ab82fb2df459f753885f0154e7627e67391",
    4096: "aef6d19a4161f0fabc7a71f56477d1c829d6ba7967d6a987750ff67fbfb430a5",
    4097: "b6c1b3198755cdcf3e030b73b31801aaea2ea41be49229e5e0b5eaa0be775ed8",
    262143: "f8f1aae97b95c26ee1d7b2190ac539b7f708c150b75d8f31f701ad1e1514b65a",
    262144: "4d533607c0f4423a9287d761e7394aa61552adb7d6a080cdb278ddb65b2eacb7",
    262145: "1458412a6ece9f4f9dc83ade0c68037378ef3e10fe484cea5d451cc10c9212d0",
    300000: "04f3f3c1a9b94c408cc91624244806a8ab53ffc5842647189d4060cf39d58318",
    524288: "3af70feaa83ba05461a297676ed6322a793fa2dcc130900f6988918511605705",
    524289: "2e97cf072a5571c775cb5882abcb07394670c26574b2f6fe618dc50c221a85fa",
    786432: "a19fb682db92e89f0ce29f55c6eeebe690e2d6d139ae62afb0b7b707b86083c8",
    1048577: "3bdc4fe98b58589538649dc2bfa4675ab5d18d30908256443d6e86ad70da2756",
    4194304: "83eefbcdf40866aaf387878bc2614410ce7637c02977fecce90779253e49b200",
    4456448: "889b5f23259aa98e971c0839f4c6fe1a9de7444ae7fced2bff6cd7354ef7e5f1",
    10485760: "0541f6e1bc3c67ceb5e4a26de5a0694e9cd33bcafb1ab4350fef40037c1b275f",
    10485761: "8c4faecc5763e42c3a9559ec833a62e5aa3ac3847bfb49ceade84b0bd830127f",
}
"""Roots of pattern files. Source: npm @0gfoundation/0g-ts-sdk 1.2.8."""


@pytest.fixture(scope="module")
def shared(context: Context) -> Storage:
    """A flow to which tests add what they do not count."""
    return deploy_storage(context)


@pytest.mark.parametrize("size", FILE_ROOTS)
def test_files_of_the_official_client_are_taken_with_its_nodes(shared: Storage, size: int) -> None:
    roots = node_roots(pattern(size))
    assert fold(roots).hex() == FILE_ROOTS[size]
    file = submission_of(size, zip(roots, heights(size), strict=True))
    event = shared.submit(file)
    assert event.submission == file
    assert event.placement.identity == keccak256(b"".join(roots))
    assert (event.placement.identity.hex() == FILE_ROOTS[size]) == (len(roots) == 2)


def test_flow_roots_are_those_of_the_official_contract(storage: Storage) -> None:
    vectors = [
        (1, 1, 2, "2014f3087d820492aa74c1e1a30cf4d6111e1f2459ef7cd80dd1e1bc2bc6593d"),
        (257, 2, 4, "367814d9bc498fbc34cd62181ce58e3a28c5b43c4c1a9e5c2b4e336c952a8ef5"),
        (513, 4, 7, "816e768bbe890941cdb5cb196cb047262170a63430b6162df77ab4bfe10ffc9f"),
        (4097, 16, 34, "863eb208090bc88349f4113583faad254bbd8e402e66ca9454dfb5492e892572"),
        (262145, 1024, 2176, "be6a9a1877e056ad7e827abeee1f50de8b04bfd98db91343ea4c7c849ffbb225"),
        (255, 2176, 2177, "dedd442fe7e4e66e681a0cf091fd0a6d07bcc94fdea2325a42fc95349e4648e6"),
        (786432, 4096, 7168, "e2989bab750730d6337096631b71ec211e02d0d03a485561798381fb69dd6b81"),
        (1, 7168, 7169, "e2989bab750730d6337096631b71ec211e02d0d03a485561798381fb69dd6b81"),
    ]
    for tx_seq, (size, start, length, root) in enumerate(vectors):
        event = storage.submit(pattern_file(size))
        assert (event.placement.tx_seq, event.placement.start) == (tx_seq, start)
        assert FLOW.function("tree").decode_result(storage.read(FLOW.function("tree").encode()))[0] == length
        assert storage.flow_root(tx_seq).hex() == storage.read(FLOW.function("computeFlowRoot").encode()).hex() == root


def test_an_empty_flow_holds_the_sentinel_alone(storage: Storage) -> None:
    assert FLOW.function("tree").decode_result(storage.read(FLOW.function("tree").encode())) == (1, 1)
    assert storage.read(FLOW.function("computeFlowRoot").encode()) == bytes(32)
    assert storage.flow_root(0) == bytes(32)


def random_submission(dice: random.Random) -> Submission:
    """A file of any size up to 16 GiB, small ones as often as large ones; of its bytes only the roots are drawn."""
    size = dice.randint(1, 1 << dice.randint(1, 34))
    return submission_of(size, [(dice.randbytes(32), height) for height in heights(size)], dice.randbytes(dice.randint(0, 40)))


def test_300_random_submissions_lie_where_the_rules_place_them(storage: Storage) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    model, tree, roots = FlowModel(), FlowTree(), list[bytes]()
    while len(roots) < 300:
        batch = [random_submission(dice) for _ in range(min(dice.randint(1, 12), 300 - len(roots)))]
        abi = [submission.to_abi() for submission in batch]
        calls = [batch_submit_call(batch, SOMEONE), LEGACY_BATCH.encode(abi)]
        if len(batch) == 1:
            calls = [submit_call(batch[0], SOMEONE), LEGACY_SUBMIT.encode(abi[0])]
        value = sum(submission.sectors for submission in batch) * PRICE_WEI
        events = submit_events(storage.send(storage.user, storage.flow, dice.choice(calls), value))
        assert [event.submission for event in events] == batch
        for event in events:
            nodes = [(node.root, node.height) for node in event.submission.nodes]
            assert (event.placement.tx_seq, event.placement.start) == (len(roots), model.submit(nodes))
            assert event.placement.sectors == event.submission.sectors
            assert event.placement.start == start_sector(tree.sectors, event.submission)
            tree.append(event.placement.start, event.submission.nodes)
            roots.append(model.root())
            assert tree.root == roots[-1]
    assert [storage.flow_root(tx_seq) for tx_seq in range(300)] == roots
    assert FLOW.function("tree").decode_result(storage.read(FLOW.function("tree").encode())) == (
        model.length,
        (model.length - 1).bit_length() + 1,
    )
    for name in ("numSubmissions", "submissionIndex"):
        assert int.from_bytes(storage.read(FLOW.function(name).encode())) == 300


def test_what_is_returned_is_what_the_events_say(storage: Storage) -> None:
    files = [pattern_file(size) for size in (513, 300000, 1)]
    value = sum(file.sectors for file in files) * PRICE_WEI
    both = [decode_batch_submit_result(storage.read(batch_submit_call(files, SOMEONE), value=value))]
    both.append(decode_batch_submit_result(storage.read(LEGACY_BATCH.encode([file.to_abi() for file in files]), value=value)))
    events = submit_events(storage.send(storage.user, storage.flow, batch_submit_call(files, SOMEONE), value))
    assert both == [[event.placement for event in events]] * 2

    expected = Placement(3, Hash32(keccak256(files[0].nodes[0].root + files[0].nodes[1].root)), 2306, 3)
    one = storage.read(submit_call(files[0], SOMEONE), value=30)
    assert decode_submit_result(one) == decode_submit_result(storage.read(LEGACY_SUBMIT.encode(files[0].to_abi()), value=30)) == expected
    assert storage.submit(files[0]).placement == expected


def test_an_empty_batch_changes_nothing_and_returns_its_value(storage: Storage) -> None:
    before = storage.balance(storage.user)
    receipt = storage.send(storage.user, storage.flow, batch_submit_call([], SOMEONE), 5)
    assert receipt["logs"] == []
    assert storage.balance(storage.user) == before - int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)


@pytest.mark.parametrize("form", ["submit", "legacy", "batch", "legacy batch"])
def test_the_event_names_who_sent_the_call(storage: Storage, form: str) -> None:
    file = pattern_file(513)
    calls = {
        "submit": submit_call(file, SOMEONE),
        "legacy": LEGACY_SUBMIT.encode(file.to_abi()),
        "batch": batch_submit_call([file], SOMEONE),
        "legacy batch": LEGACY_BATCH.encode([file.to_abi()]),
    }
    [event] = submit_events(storage.send(storage.user, storage.flow, calls[form], 30))
    assert event == Submit(Address(decode_data(storage.user.address)), event.placement, file)


def test_a_submitter_of_zero_is_refused(storage: Storage) -> None:
    file = pattern_file(513)
    for call in (submit_call(file, ZERO_ADDRESS), batch_submit_call([file], ZERO_ADDRESS)):
        assert revert_reason(refusal(storage, call, 30).data) == "Invalid submission"


@pytest.fixture(scope="module")
def probe(context: Context) -> Contract:
    """The flow's check of validity, for calls that leave no trace."""
    return deploy(context, context.accounts[1], artefact("testing/SubmissionProbe"))


def is_valid(probe: Contract, size: int, node_heights: list[int]) -> bool:
    """Whether the flow takes a file of this size and these heights."""
    answer: bool = probe.functions.valid((size, b"", [(b"\1" * 32, height) for height in node_heights])).call()
    return answer


HEIGHTS = st.one_of(
    st.lists(st.integers(0, 8), min_size=1, max_size=5),
    st.lists(st.integers(0, 60), min_size=1, max_size=5, unique=True).map(lambda found: sorted(found, reverse=True)),
    st.tuples(st.integers(3, 60), st.integers(0, 7)).map(
        lambda drawn: [drawn[0], *(drawn[0] - 1 - bit for bit in range(3) if drawn[1] >> bit & 1)]
    ),
)


@given(HEIGHTS, st.integers(0, 3), st.integers(-1, 1), st.booleans())
@example([0], 0, 0, True)
@example([3, 2, 1, 0], 0, 1, False)
@example([4], 1, 1, True)
@settings(max_examples=300, deadline=None)
def test_a_submission_is_valid_exactly_if_padding_gives_its_heights(
    probe: Contract, node_heights: list[int], units: int, offset: int, whole: bool
) -> None:
    """Lengths are drawn at the borders: whole units of padding below the capacity, and a byte or a sector beside them."""
    capacity = sum(1 << height for height in node_heights)
    unit = max(1, 1 << max(node_heights[0] - (4 if len(node_heights) == 1 else 3), 0))
    size = (capacity - units * unit) * 256 + offset * (256 if whole else 1)
    if size > 0:
        expected = heights(size) == node_heights
        assert is_valid(probe, size, node_heights) == expected
        with nullcontext() if expected else pytest.raises(InvalidSubmissionError):
            check_submission(submission_of(size, [(b"\1" * 32, height) for height in node_heights]))


def test_borders_of_validity(probe: Contract) -> None:
    assert not is_valid(probe, 0, [0])
    assert not is_valid(probe, 1, [])
    assert [is_valid(probe, size, [0]) for size in (1, 256, 257)] == [True, True, False]
    assert [is_valid(probe, size, [1, 0]) for size in (512, 513, 768, 769)] == [False, True, True, False]
    # Four levels apart, the same height twice, and rising.
    assert [is_valid(probe, 17 * 256, found) for found in ([4, 0], [4, 1])] == [False, True]
    assert [is_valid(probe, 512, found) for found in ([0, 0], [0, 1], [1])] == [False, False, True]
    # One node is padded by sixteenths of itself, several by sixteenths of the power of two above them.
    assert [is_valid(probe, size * 256, [10]) for size in (960, 961, 1024, 1025)] == [False, True, True, False]
    assert [is_valid(probe, size * 256, [10, 7]) for size in (1024, 1025, 1152, 1153)] == [False, True, True, False]
    assert [is_valid(probe, (1 << height) * 256, [height]) for height in (62, 63, 64, 65, 200)] == [True, True, False, False, False]
    assert not is_valid(probe, 1, [2**256 - 1])
    assert not is_valid(probe, 2**256 - 1, [63])


def test_a_fee_that_is_a_wei_short_is_refused_with_its_facts(storage: Storage) -> None:
    data = submit_call(pattern_file(513), SOMEONE)
    found = refusal(storage, data, 29)
    assert facts(found.data) == (NotEnoughFeeError, PRICE_WEI, 3, Wei(29))
    assert facts(refusal(storage, data).data) == (NotEnoughFeeError, PRICE_WEI, 3, Wei(0))


def test_a_batch_is_refused_where_its_money_ends(storage: Storage) -> None:
    files = [pattern_file(513), pattern_file(256), pattern_file(4097)]
    found = refusal(storage, batch_submit_call(files, SOMEONE), 219)
    assert facts(found.data) == (NotEnoughFeeError, PRICE_WEI, 18, Wei(179))
    storage.send(storage.user, storage.flow, batch_submit_call(files, SOMEONE), 219, succeeds=False)
    assert int.from_bytes(storage.read(FLOW.function("numSubmissions").encode())) == 0


def test_one_invalid_file_refuses_its_batch(storage: Storage) -> None:
    bad = submission_of(257, [(b"\1" * 32, 0)])
    for call in (batch_submit_call([pattern_file(1), bad], SOMEONE), LEGACY_BATCH.encode([pattern_file(1).to_abi(), bad.to_abi()])):
        assert revert_reason(refusal(storage, call, 1000).data) == "Invalid submission"


@pytest.mark.parametrize("batch", [False, True])
def test_what_is_paid_too_much_comes_back(storage: Storage, batch: bool) -> None:
    files = [pattern_file(513), pattern_file(300000)] if batch else [pattern_file(513)]
    fee = sum(file.sectors for file in files) * PRICE_WEI
    data = batch_submit_call(files, SOMEONE) if batch else submit_call(files[0], SOMEONE)
    before = storage.balance(storage.user)
    receipt = storage.send(storage.user, storage.flow, data, fee + 10**18)
    assert storage.balance(storage.user) == before - fee - int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert [storage.balance(holder) for holder in (storage.flow, storage.market, storage.reward)] == [0, 0, fee]


@pytest.mark.parametrize("together", [1, 5])
def test_an_estimate_holds_wherever_others_push_the_files(fresh: Context, together: int) -> None:
    """Clients add nothing to an estimate, and SDK 1.2.8 waits for ever when it was too little. Pricing chunks are those of `local`."""
    storage = deploy_storage(fresh, pricing_chunk_sectors=1 << 12)
    rng = random.Random(23)

    def file_below(size: int) -> Submission:
        drawn = rng.randrange(1, 1 << rng.randrange(1, size))
        return submission_of(drawn, [(rng.randbytes(32), height) for height in heights(drawn)])

    for _ in range(40 // together):
        files = [file_below(26) for _ in range(together)]
        data = submit_call(files[0], SOMEONE) if together == 1 else batch_submit_call(files, SOMEONE)
        request = {"from": storage.user.address, "to": storage.flow.address, "data": "0x" + data.hex(), "value": hex(10**9)}
        gas = fresh.send("eth_estimateGas", request)
        for _ in range(rng.randrange(1, 4)):
            storage.submit(file_below(28))
        receipt = fresh.send("eth_getTransactionReceipt", fresh.send("eth_sendTransaction", {**request, "gas": gas}))
        assert receipt["status"] == "0x1"


@pytest.mark.parametrize("top", [12, 20, 24, 32])
def test_no_batch_costs_more_than_is_asked_for_at_its_beginning(fresh: Context, top: int) -> None:
    storage = deploy_storage(fresh, pricing_chunk_sectors=1 << 12)
    rng = random.Random(top)
    for count in (1, 2, 6, 20):
        sizes = [max(1, rng.choice([rng.randrange(1 << top), 1 << rng.randrange(top)])) for _ in range(count)]
        files = [submission_of(size, [(rng.randbytes(32), height) for height in heights(size)]) for size in sizes]
        data, value = batch_submit_call(files, SOMEONE), sum(file.sectors for file in files) * PRICE_WEI
        needed = 180_000 + sum(gas_of(file.nodes[0].height) for file in files)
        found = refusal(storage, data, value, gas=200_000 + 40 * len(data))
        assert facts(found.data)[1] == needed + 260_000
        receipt = storage.send(storage.user, storage.flow, data, value)
        assert int(receipt["gasUsed"], 16) < needed + 21_000 + 16 * len(data)


def gas_of(height: int) -> int:
    """What is asked for a file whose first node has this height."""
    return 140_000 + 8_000 * max(0, height - 10) + (110_000 if 2 << height > 1 << 12 else 0)


def test_a_submission_without_gas_for_every_place_is_refused_before_it_does_anything(storage: Storage) -> None:
    error, needed, left = facts(refusal(storage, submit_call(pattern_file(513), SOMEONE), 30, gas=300_000).data)
    assert (error, needed) == (NotEnoughGasError, 580_000)
    assert isinstance(left, int)
    assert left < 300_000


def test_money_that_lies_in_the_flow_pays_for_nobody(storage: Storage) -> None:
    storage.context.send("anvil_setBalance", storage.flow.address, hex(10**18))
    assert facts(refusal(storage, submit_call(pattern_file(513), SOMEONE), 29).data) == (NotEnoughFeeError, PRICE_WEI, 3, Wei(29))
    storage.submit(pattern_file(513), 40)
    assert storage.balance(storage.flow) == 10**18


def test_an_account_with_code_takes_its_refund_refuses_it_or_submits_again(storage: Storage) -> None:
    caller = deploy(storage.context, storage.user, artefact("testing/FlowCaller"))
    data = submit_call(pattern_file(513), SOMEONE)
    calls = [decode_data(caller.encode_abi("send", [storage.flow.address, data, reply])) for reply in (TAKE, REFUSE, REPEAT)]

    [event] = submit_events(storage.send(storage.user, caller, calls[TAKE], 100))
    assert event.sender == decode_data(caller.address)
    assert storage.balance(caller) == 70

    with pytest.raises(RevertedError) as failure:
        storage.read(calls[REFUSE], to=caller, value=100)
    assert facts(failure.value.data) == (RefundRefusedError, Address(decode_data(caller.address)), Wei(70))
    [event] = submit_events(storage.send(storage.user, caller, calls[REFUSE], 30))
    assert event.placement.tx_seq == 1

    again = deploy(storage.context, storage.user, artefact("testing/FlowCaller"))
    repeat = decode_data(again.encode_abi("send", [storage.flow.address, data, REPEAT]))
    events = submit_events(storage.send(storage.user, again, repeat, 100))
    assert [event.placement.tx_seq for event in events] == [2, 3]
    assert (storage.balance(again), storage.balance(storage.flow)) == (40, 0)


def test_nothing_is_taken_before_the_launch(fresh: Context) -> None:
    storage = deploy_storage(fresh, deploy_delay=20)
    data = submit_call(pattern_file(513), SOMEONE)
    assert int.from_bytes(storage.read(FLOW.function("deployDelay").encode())) == 20
    first = int.from_bytes(storage.read(FLOW.function("firstBlock").encode()))
    calls = [data, batch_submit_call([], SOMEONE), *(FLOW.function(name).encode() for name in ("makeContext", "makeContextWithResult"))]
    calls += [FLOW.function("makeContextFixedTimes").encode(1), FLOW.function("queryContextAtPosition").encode(0)]
    for call in calls:
        assert revert_reason(refusal(storage, call, 30 if call == data else 0).data) == "Contract has not launched."
    fresh.send("hardhat_mine", hex(first - 1 - fresh.w3.eth.block_number))
    assert storage.submit(pattern_file(513)).placement.start == 2


def test_nothing_is_taken_in_a_pause(storage: Storage) -> None:
    pause, unpause = (FLOW.function(name).encode() for name in ("pause", "unpause"))
    storage.send(storage.admin, storage.flow, pause)
    assert int.from_bytes(storage.read(FLOW.function("paused").encode())) == 1
    file = pattern_file(513)
    calls = [submit_call(file, SOMEONE), LEGACY_SUBMIT.encode(file.to_abi()), batch_submit_call([file], SOMEONE)]
    calls += [LEGACY_BATCH.encode([file.to_abi()]), FLOW.function("makeContext").encode(), FLOW.function("extend").encode(0)]
    assert {refusal(storage, call).data.hex() for call in calls} == {"d93c0665"}
    storage.send(storage.admin, storage.flow, unpause)
    assert storage.submit(file).placement.tx_seq == 0


def test_only_those_with_a_role_change_anything(storage: Storage) -> None:
    unauthorized = FLOW.error("AccessControlUnauthorizedAccount")
    user = decode_data(storage.user.address)
    pauser = keccak256(b"PAUSER_ROLE")
    for call, role in (
        (FLOW.function("pause").encode(), pauser),
        (FLOW.function("unpause").encode(), pauser),
        (FLOW.function("setParams").encode(1, 1, SOMEONE), bytes(32)),
    ):
        assert unauthorized.decode(refusal(storage, call).data) == (user, role)
    for target, interface in ((storage.flow, FLOW), (storage.market, FIXED_PRICE)):
        arguments = (SOMEONE, 1) if target is storage.flow else (1, SOMEONE, SOMEONE)
        with pytest.raises(RevertedError) as failure:
            storage.read(interface.function("initialize").encode(*arguments), to=target, by=storage.admin)
        assert interface.error("InvalidInitialization").decode(failure.value.data) == ()


def test_parameters_are_set_once(fresh: Context) -> None:
    storage = deploy_storage(fresh, blocks_per_epoch=0)
    names = ("blocksPerEpoch", "firstBlock", "rootHistory")
    before = [storage.read(FLOW.function(name).encode()) for name in names]
    fresh.send("hardhat_mine", hex(50))
    storage.send(storage.user, storage.flow, FLOW.function("makeContext").encode())
    assert int.from_bytes(storage.read(FLOW.function("epoch").encode())) == 0
    for blocks in (25, 99):
        storage.send(storage.admin, storage.flow, FLOW.function("setParams").encode(blocks, 1, SOMEONE))
        after = [storage.read(FLOW.function(name).encode()) for name in names]
        assert after == [(25).to_bytes(32), *before[1:]]
