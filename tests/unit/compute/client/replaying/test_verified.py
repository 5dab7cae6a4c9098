"""A saved answer of an exact engine, bought on a chain and replayed by `verify`; and what a provider's own signature does not cover up."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anyio.from_thread import start_blocking_portal

from tests.unit.compute.client.conftest import Shop
from tests.unit.compute.provider.place import ONE, PROVIDER, open_place
from tests.unit.compute.provider.test_role import registered, running
from zerog.compute.client import AnswerRefutedError, ChatOptions, ComputeClient, Grade
from zerog.compute.client.market import weights_of
from zerog.compute.client.replaying import ExactReplayer, NotReplayableError
from zerog.compute.protocol.exact import ServedModel, tokens_sha256
from zerog.compute.protocol.receipts import Receipt, canonical_bytes, leaf_of, sign_receipt
from zerog.compute.protocol.signing import answer_text, sha256_hash, sign_text
from zerog.compute.provider.engines import ExactEngine
from zerog.compute.wire.answer_file import AnswerFile
from zerog.compute.wire.provider import SignedReceipt
from zerog.primitives import Account, Data, Hash32
from zerog.testing.byte_model import END_TOKEN, ByteModel

TRUTH = "A tree has leaves, and a root."
LIE = TRUTH.replace("a root", "no root")


def truthful() -> ByteModel:
    return ByteModel(lambda _: TRUTH)


def here(sha256: Hash32) -> ServedModel:
    """A cache with one model in it."""
    if sha256 != ByteModel.sha256:
        raise NotReplayableError("it is not here", "fetch it")
    return truthful()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        place = stack.enter_context(portal.wrap_async_context_manager(open_place()))
        engines = {"exact": ExactEngine("exact", truthful)}
        folder = tmp_path_factory.mktemp("provider")
        provider, _ = stack.enter_context(portal.wrap_async_context_manager(running(place, folder, engines=engines)))
        portal.call(registered, place, provider)
        portal.call(place.acknowledge, PROVIDER.address)
        yield Shop(portal, place, provider)


@pytest.fixture(scope="module")
def buyer(shop: Shop) -> Iterator[ComputeClient]:
    account = Account.from_private_key(b"\x35" * 32)
    shop.portal.call(shop.place.client.request, "hardhat_setBalance", str(account.address), hex(100 * ONE))
    with shop.client(account) as client:
        yield client


@pytest.fixture(scope="module")
def kept(buyer: ComputeClient) -> AnswerFile:
    return buyer.ask("What does a tree have?", options=ChatOptions(max_tokens=64, seed=5)).file


@pytest.fixture
def verifier(shop: Shop) -> Iterator[ComputeClient]:
    """Knows nothing but the URL of a node, and has the model."""
    with shop.client(None) as client:
        yield client


def test_an_answer_is_replayed_with_the_tokens_that_the_client_asked_for(shop: Shop, kept: AnswerFile, verifier: ComputeClient) -> None:
    service = shop.portal.call(shop.provider.running.chain.service)
    assert service is not None
    named = weights_of(service)
    assert named is not None
    assert (named.sha256, named.root, service.params.model) == (ByteModel.sha256, ByteModel.root, "bytes")
    verdict = verifier.verify(kept.to_bytes(), replayer=ExactReplayer(here))
    assert (verdict.grade, verdict.state) == (Grade.REPLAYED, "replayed, not yet settled")
    assert any("each of its 31 tokens was chosen again" in line for line in verdict.proven)
    assert not any("computed the answer" in line for line in verdict.not_proven)


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_without_tokens_is_replayed_too(stream: bool, buyer: ComputeClient, verifier: ComputeClient) -> None:
    options = ChatOptions(max_tokens=64, token_ids=False, stream=stream)
    file = buyer.ask("And what else?", options=options).file
    assert b"token_ids" not in file.response.body
    verdict = verifier.verify(file, replayer=ExactReplayer(here))
    assert any("found from its text" in line for line in verdict.proven)


def test_without_the_model_the_grade_stays_what_it_was(kept: AnswerFile, verifier: ComputeClient) -> None:
    def nowhere(_: Hash32) -> ServedModel:
        raise NotReplayableError("it is not here", "fetch it")

    verdict = verifier.verify(kept, replayer=ExactReplayer(nowhere))
    assert verdict.grade is Grade.SIMULATED
    assert any("it is not here; fetch it" in line for line in verdict.not_proven)


def signed_anew(shop: Shop, file: AnswerFile, body: bytes, **texts: str) -> AnswerFile:
    """What a provider signs who wants this answer to be believed, with a receipt that says so."""
    key = shop.provider.running.desk.enclave.signer.private_key
    assert file.receipt is not None
    old = file.receipt.receipt
    text = answer_text(file.request.sha256, sha256_hash(body))
    engine = msgspec.structs.replace(old.engine, parameters={**(old.engine.parameters or {}), **texts})
    receipt: Receipt = msgspec.structs.replace(old, response_sha256=sha256_hash(body), signed_text=text, engine=engine)
    leaf = leaf_of(canonical_bytes(receipt))
    return msgspec.structs.replace(
        file,
        response=msgspec.structs.replace(file.response, body=body, sha256=sha256_hash(body)),
        signature=msgspec.structs.replace(file.signature, text=text, signature=Data(sign_text(text, key))),
        receipt=SignedReceipt(receipt=receipt, leaf=leaf, signature=Data(sign_receipt(leaf, key))),
    )


def lied(body: bytes) -> tuple[bytes, dict[str, str]]:
    """Words and tokens of a lie, and their hash."""
    told = LIE.encode()
    tokens = [*told, END_TOKEN]

    def changed(line: bytes) -> bytes:
        if not line.startswith(b"data: {"):
            return line
        event = msgspec.json.decode(line[6:])
        for choice in event["choices"]:
            choice["token_ids"] = [tokens.pop(0) for _ in choice.get("token_ids") or []]
            if choice["delta"].get("content"):
                choice["delta"]["content"] = bytes(token for token in choice["token_ids"] if token != END_TOKEN).decode()
        return b"data: " + msgspec.json.encode(event)

    committed = str(tokens_sha256(tokens))
    return b"\n".join([changed(line) for line in body.split(b"\n")]), {"completion_tokens_sha256": committed}


@pytest.mark.parametrize(
    ("forge", "check"),
    [
        pytest.param(lied, "token", id="another token"),
        pytest.param(lambda body: (body.replace(b'"content":"A', b'"content":"B'), {}), "text", id="another word"),
        pytest.param(lambda body: (body.replace(b'"seed":5', b'"seed":6'), {}), "seed", id="another seed in the answer"),
        pytest.param(lambda body: (body, {"seed": "6"}), "seed", id="another seed in the receipt"),
        pytest.param(lambda body: (body, {"temperature": "0"}), "parameters", id="another temperature"),
        pytest.param(lambda body: (body, {"prompt_tokens_sha256": "0x" + "00" * 32}), "prompt", id="another prompt"),
    ],
)
def test_what_the_provider_signs_is_not_true_for_that(
    shop: Shop, kept: AnswerFile, verifier: ComputeClient, forge: Callable[[bytes], tuple[bytes, dict[str, Any]]], check: str
) -> None:
    body, texts = forge(kept.response.body)
    file = signed_anew(shop, kept, body, **texts)
    assert verifier.verify(file).grade is Grade.SIMULATED  # Its signature is in order.
    with pytest.raises(AnswerRefutedError) as refuted:
        verifier.verify(file, replayer=ExactReplayer(here))
    assert refuted.value.check == check


def test_another_file_is_another_model(kept: AnswerFile, verifier: ComputeClient, tmp_path: Path) -> None:
    class Changed(ByteModel):
        sha256 = Hash32(b"\7" * 32)  # type: ignore[misc]

    with pytest.raises(AnswerRefutedError, match="the receipt names the file"):
        verifier.verify(kept, replayer=ExactReplayer(lambda _: Changed()))
