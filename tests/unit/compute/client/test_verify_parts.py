"""Answers whose settlement ran out of money: what is proven of each part, and that no part can be left out."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from anyio import to_thread

from tests.unit.compute.client.answers import signed_answer
from tests.unit.compute.provider.place import LEDGER, LEDGER_ADDRESS, ONE, PROVIDER, SERVICE_NAME, SIGNER, USERS, Place, offer, open_place
from tests.unit.compute.settlement.shop import TENTH, Shop, shop
from tests.unit.compute.settlement.test_settler import Ambush
from zerog.chain.client import ChainClient
from zerog.compute.client import AnswerRefutedError, ComputeClient, Verdict
from zerog.compute.protocol.receipts import ReceiptTree
from zerog.compute.provider.book import Charge
from zerog.compute.wire.answer_file import AnswerFile, read_answer_file
from zerog.compute.wire.provider import SettlementPlace
from zerog.primitives import Wei

pytestmark = pytest.mark.anyio
USER = USERS[3]
RETRIEVE = ([PROVIDER.address], SERVICE_NAME)
SERVICE = offer(input_price_wei=Wei(10**10))
TOKENS = 4 * TENTH // SERVICE.input_price_wei


async def verdict_on(place: Place, file: AnswerFile) -> Verdict:
    def verify() -> Verdict:
        with ChainClient(place.url) as chain, ComputeClient(chain=chain) as client:
            return client.verify(read_answer_file(file.to_bytes()))

    return await to_thread.run_sync(verify)


def changed(file: AnswerFile, **changes: Any) -> AnswerFile:
    assert file.settlement is not None
    return msgspec.structs.replace(file, settlement=msgspec.structs.replace(file.settlement, **changes))


async def refuse_the_unpaid(place: Place, broker: Shop, answers: list[tuple[Charge, AnswerFile]], paid: SettlementPlace) -> None:
    """The last of the entry's receipts is truly part of it, and the money never came to it: no file can say otherwise."""
    tree = ReceiptTree([charge.leaf for charge, _ in answers], [charge.fee_wei for charge, _ in answers])
    proof = tree.proof(len(answers) - 1)
    assert tree.root == paid.entry.requests_hash
    for told in (None, "0", "1"):
        forged = msgspec.structs.replace(paid, index=proof.index, proof=proof.proof, paid=told, remainders=[])
        with pytest.raises(AnswerRefutedError, match=r"paid here|paid nothing"):
            await verdict_on(place, msgspec.structs.replace(answers[-1][1], settlement=forged))


async def test_an_answer_that_was_paid_in_two_parts_is_followed_through_both(tmp_path: Path) -> None:
    async with open_place() as place:
        await place.serving(PROVIDER, "addOrUpdateService", SERVICE.to_abi(), value_wei=100 * ONE)
        await place.acknowledge()
        await place.fund(USER, 3 * ONE)
        await place.send(USER, LEDGER_ADDRESS, LEDGER, "retrieveFund", *RETRIEVE)
        await place.send(USER, LEDGER_ADDRESS, LEDGER, "transferFund", PROVIDER.address, SERVICE_NAME, ONE)
        await place.client.request("evm_increaseTime", 3_700)

        async def take_the_refund() -> None:
            await place.send(USER, LEDGER_ADDRESS, LEDGER, "retrieveFund", *RETRIEVE)

        async with shop(place, f"sqlite:///{tmp_path}/book.db", line=Ambush(take_the_refund)) as broker:
            answers = [signed_answer(SIGNER, SERVICE, USER.address, TOKENS) for _ in range(4)]
            for charge, _ in answers:
                assert charge.fee_wei == 4 * TENTH
                await broker.book.charge(charge)
            await broker.settler.settle()
            [first, second, third, fourth] = [await broker.place_of(charge.request_id) for charge, _ in answers]
            assert fourth is None
            for (_, file), whole_place in zip(answers, (first, second), strict=False):
                verdict = await verdict_on(place, msgspec.structs.replace(file, settlement=whole_place))
                assert verdict.state == "signed, settled", "the order decides which receipts the money covered"
                assert any("only behind it" in line for line in verdict.proven)
            half = msgspec.structs.replace(answers[2][1], settlement=third)
            verdict = await verdict_on(place, half)
            assert verdict.state == "signed, settled in part"
            assert verdict.settled is not None
            assert verdict.settled.paid_wei == 2 * TENTH
            changes: list[dict[str, Any]] = [{"remainders": []}, {"paid": None}, {"paid": str(TENTH)}, {"paid": str(4 * TENTH)}]
            for change in changes:
                with pytest.raises(AnswerRefutedError):
                    await verdict_on(place, changed(half, **change))
            assert third is not None
            await refuse_the_unpaid(place, broker, answers, third)

            await place.fund(USER, 3 * ONE)
            broker.settler._note_change(USER.address)
            await broker.settler.settle()
            whole = msgspec.structs.replace(answers[2][1], settlement=await broker.place_of(answers[2][0].request_id))
            assert (await verdict_on(place, whole)).state == "signed, settled"
            assert isinstance(whole.settlement, SettlementPlace)
            [rest] = whole.settlement.remainders
            assert rest.settlement is not None
            cheaper = msgspec.structs.replace(rest.remainder, paid=str(3 * TENTH), amount=str(TENTH))
            for remainder in (
                msgspec.structs.replace(rest, remainder=cheaper),
                msgspec.structs.replace(rest, settlement=whole.settlement),
                msgspec.structs.replace(rest, leaf=answers[2][0].leaf),
            ):
                with pytest.raises(AnswerRefutedError):
                    await verdict_on(place, changed(whole, remainders=[remainder]))
