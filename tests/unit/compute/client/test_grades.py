"""Grades: each can be had by what proves it, none without, and what is not proven is said."""

from dataclasses import dataclass, field, replace

import msgspec
import pytest
from anyio import to_thread

from tests.unit.compute.client.answers import signed_answer
from tests.unit.compute.protocol.test_attestation import body_of, real_evidence, real_quote
from tests.unit.compute.provider.place import ONE, PROVIDER, SIGNER, USERS, Place, offer, open_place
from zerog.chain.client import ChainClient
from zerog.compute.client import (
    AnswerRefutedError,
    ComputeClient,
    Grade,
    QuoteVerifier,
    Replay,
    Replayer,
    ReplayImpossibleError,
    ReplayTask,
    Verdict,
)
from zerog.compute.protocol.errors import EvidenceError
from zerog.compute.protocol.quotes import legacy_report_data
from zerog.compute.protocol.signing import sha256_hash
from zerog.compute.wire.answer_file import AnswerFile, SavedEvidence
from zerog.primitives import Wei

pytestmark = pytest.mark.anyio
SERVICE = offer(input_price_wei=Wei(10**10))


def with_evidence(file: AnswerFile, body: bytes) -> AnswerFile:
    return msgspec.structs.replace(file, evidence=SavedEvidence(body=body, sha256=sha256_hash(body)))


async def verdict_on(
    place: Place, file: AnswerFile, *, quote_verifier: QuoteVerifier | None = None, replayer: Replayer | None = None
) -> Verdict:
    def verify() -> Verdict:
        with ChainClient(place.url) as chain, ComputeClient(chain=chain) as client:
            return client.verify(file.to_bytes(), quote_verifier=quote_verifier, replayer=replayer)

    return await to_thread.run_sync(verify)


@dataclass
class Quotes:
    """Takes quotes for true, or not, and remembers them."""

    is_true: bool = True
    seen: list[bytes] = field(default_factory=list)

    def __call__(self, quote: bytes) -> None:
        self.seen.append(quote)
        if not self.is_true:
            raise EvidenceError("no processor has signed the quote")


@dataclass
class Model:
    """Gives the answer again, or another one, or cannot."""

    answer: bytes | None
    tasks: list[ReplayTask] = field(default_factory=list)

    def replay(self, task: ReplayTask) -> Replay:
        self.tasks.append(task)
        if self.answer is None:
            raise ReplayImpossibleError("the model is not here")
        return Replay(self.answer == task.answer, f"{len(task.answer)} bytes")


async def test_each_grade_is_had_by_what_proves_it() -> None:
    async with open_place() as place:
        await place.serving(PROVIDER, "addOrUpdateService", SERVICE.to_abi(), value_wei=100 * ONE)
        await place.acknowledge()
        _, plain = signed_answer(SIGNER, SERVICE, USERS[3].address, 100)
        evidence = real_evidence(report_data=legacy_report_data(SIGNER.address))
        evidence = replace(evidence, quote=real_quote(evidence.report_data, evidence.registers))
        shown = with_evidence(plain, body_of(evidence))

        unshown = await verdict_on(place, plain)
        assert unshown.grade is Grade.SIGNED
        assert any("holds no evidence" in line for line in unshown.not_proven)
        unchecked = await verdict_on(place, shown)
        assert unchecked.grade is Grade.SIGNED
        assert any("no verifier of Intel's certificates was given" in line for line in unchecked.not_proven)
        quotes = Quotes()
        verdict = await verdict_on(place, shown, quote_verifier=quotes)
        assert (verdict.grade, quotes.seen) == (Grade.TDX, [evidence.quote])
        assert "the quote is signed by a TDX processor" in verdict.proven
        assert any("model which computed" in line for line in verdict.not_proven)
        with pytest.raises(AnswerRefutedError, match="no processor") as refuted:
            await verdict_on(place, shown, quote_verifier=Quotes(is_true=False))
        assert refuted.value.check == "evidence"
        for other in (real_evidence(report_data=legacy_report_data(PROVIDER.address)), real_evidence(quote=b"none")):
            with pytest.raises(AnswerRefutedError, match="evidence"):
                await verdict_on(place, with_evidence(plain, body_of(other)), quote_verifier=quotes)

        model = Model(plain.response.body)
        replayed = await verdict_on(place, plain, replayer=model)
        assert (replayed.grade, replayed.state) == (Grade.REPLAYED, "replayed, not yet settled")
        assert not any("model which computed" in line for line in replayed.not_proven)
        [task] = model.tasks
        assert (task.request, task.path) == (plain.request.body, plain.request.path)
        assert plain.receipt is not None
        assert task.receipt == plain.receipt.receipt
        absent = await verdict_on(place, shown, quote_verifier=quotes, replayer=Model(None))
        assert absent.grade is Grade.TDX
        assert any("the model is not here" in line for line in absent.not_proven)
        with pytest.raises(AnswerRefutedError, match="another answer") as refuted:
            await verdict_on(place, plain, replayer=Model(b"other"))
        assert refuted.value.check == "replay"
        unpaid = await verdict_on(place, msgspec.structs.replace(plain, receipt=None), replayer=model)
        assert unpaid.grade is Grade.SIGNED


def test_grades_are_in_order() -> None:
    grades = [Grade.SIMULATED, Grade.SIGNED, Grade.TDX, Grade.REPLAYED]
    assert [grade.rank for grade in grades] == [0, 1, 2, 3]
    assert all(high.is_at_least(low) is (high.rank >= low.rank) for high in grades for low in grades)
