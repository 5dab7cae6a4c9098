"""Verdicts: what a saved answer proves, and that nothing in it can be changed without being found out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.compute.client.answers import signed_answer
from tests.unit.compute.client.conftest import Shop, open_shop
from tests.unit.compute.provider.place import ONE, PROVIDER
from zerog.chain.client import ChainClient
from zerog.compute.client import (
    AnswerRefutedError,
    ChatOptions,
    ComputeClient,
    Grade,
    NotSettledError,
    ProofUnavailableError,
    WrongChainError,
)
from zerog.compute.protocol.receipts import canonical_bytes, leaf_of, sign_receipt
from zerog.compute.protocol.signing import answer_text, sha256_hash, sign_text
from zerog.compute.wire.answer_file import AnswerFile
from zerog.compute.wire.provider import SignatureAnswer, SignedReceipt
from zerog.primitives import Account, Address, Data, Hash32

FORGER = Account.from_private_key(b"\x42" * 32)


@dataclass
class Kept:
    """One answer, before and after it was settled."""

    fresh: AnswerFile
    settled: AnswerFile


@pytest.fixture(scope="module")
def kept(shop: Shop) -> Iterator[Kept]:
    account = Account.from_private_key(b"\x33" * 32)
    shop.portal.call(shop.place.client.request, "hardhat_setBalance", str(account.address), hex(100 * ONE))
    with shop.client(account) as client:
        answers = [client.ask(f"Question {number}", options=ChatOptions(max_tokens=16)) for number in range(6)]
        with pytest.raises(NotSettledError):
            client.settled(answers[0].file, timeout_s=0.0)
        shop.settle()
        yield Kept(answers[0].file, client.settled(answers[0].file, timeout_s=10.0))


@pytest.fixture
def verifier(shop: Shop) -> Iterator[ComputeClient]:
    """Knows nothing but the URL of a node."""
    with shop.client(None) as client:
        yield client


def test_an_answer_that_is_not_settled_says_so(kept: Kept, verifier: ComputeClient) -> None:
    verdict = verifier.verify(kept.fresh.to_bytes())
    assert (verdict.grade, verdict.settled, verdict.state) == (Grade.SIMULATED, None, "simulated, not yet settled")
    assert any("no settlement" in line for line in verdict.not_proven)
    assert any("simulated" in line for line in verdict.not_proven)


def test_a_settled_answer_is_proven_to_the_money(kept: Kept, verifier: ComputeClient) -> None:
    verdict = verifier.verify(kept.settled.to_bytes())
    assert verdict.state == "simulated, settled"
    assert verdict.settled is not None
    assert (verdict.settled.is_whole, verdict.settled.receipts) == (True, 6)
    assert verdict.fee_wei is not None
    assert verdict.settled.total_fee_wei > verdict.fee_wei > 0
    assert any("prices on chain" in line for line in verdict.proven)


def test_the_provider_is_not_needed(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        account = Account.from_private_key(b"\x34" * 32)
        shop.portal.call(shop.place.client.request, "hardhat_setBalance", str(account.address), hex(100 * ONE))
        with shop.client(account) as client:
            answer = client.ask("?", options=ChatOptions(max_tokens=8))
            shop.settle()
            content = client.settled(answer.file, timeout_s=0.0).to_bytes()
            gone = msgspec.structs.replace(answer.file, url="http://127.0.0.1:1")
            with pytest.raises(ProofUnavailableError) as unavailable:
                client.settled(gone, timeout_s=0.1)
            assert "has published no proof" in unavailable.value.remedy
        shop.portal.call(shop.place.serving, PROVIDER, "removeService")
        with ChainClient(shop.place.url) as chain, ComputeClient(chain=chain) as verifier:
            verdict = verifier.verify(content)
        assert verdict.settled is not None
        assert any("acknowledged in block" in line for line in verdict.proven)
        assert any("not today" in line for line in verdict.not_proven)


def _replaced(kept: AnswerFile, **changes: Any) -> AnswerFile:
    return msgspec.structs.replace(kept, **changes)


def _forged(file: AnswerFile) -> AnswerFile:
    """Everything is consistent, but signed by somebody else."""
    if file.receipt is None:
        raise AssertionError("there is a receipt")
    receipt = msgspec.structs.replace(file.receipt.receipt, signer=FORGER.address)
    leaf = leaf_of(canonical_bytes(receipt))
    signature = SignatureAnswer(
        text=file.signature.text,
        signature=Data(sign_text(file.signature.text, FORGER.private_key)),
        signing_address=FORGER.address,
        signing_algo="ecdsa",
    )
    signed = SignedReceipt(receipt=receipt, leaf=leaf, signature=Data(sign_receipt(leaf, FORGER.private_key)))
    return _replaced(file, signature=signature, receipt=signed, settlement=None)


def _with_place(file: AnswerFile, **changes: Any) -> AnswerFile:
    if file.settlement is None:
        raise AssertionError("it is settled")
    return _replaced(file, settlement=msgspec.structs.replace(file.settlement, **changes))


def _other_answer(file: AnswerFile) -> AnswerFile:
    body = file.response.body.replace(b"e", b"a", 1)
    return _replaced(file, response=msgspec.structs.replace(file.response, body=body, sha256=sha256_hash(body)))


@pytest.mark.parametrize(
    ("change", "check"),
    [
        pytest.param(_forged, "service", id="signed by another key"),
        pytest.param(_other_answer, "signature", id="another answer with its own hash"),
        pytest.param(lambda file: _replaced(file, provider=Address(b"\x09" * 20)), "receipt", id="another provider"),
        pytest.param(lambda file: _replaced(file, url="http://127.0.0.1:1"), "service", id="another URL"),
        pytest.param(lambda file: _replaced(file, contract=Address(b"\x09" * 20)), "service", id="another contract"),
        pytest.param(lambda file: _replaced(file, receipt=None), "settlement", id="a settlement without a receipt"),
        pytest.param(lambda file: _with_place(file, count=7), "settlement", id="another number of receipts"),
        pytest.param(lambda file: _with_place(file, index=1), "settlement", id="another place in the tree"),
        pytest.param(lambda file: _with_place(file, proof=[]), "settlement", id="no way to the root"),
        pytest.param(lambda file: _with_place(file, paid="1"), "settlement", id="paid in part, it says"),
        pytest.param(lambda file: _with_place(file, transaction_hash=Hash32(b"\1" * 32)), "settlement", id="no such transaction"),
        pytest.param(lambda file: _with_place(file, block_number=1), "settlement", id="another block"),
    ],
)
def test_what_does_not_hold_is_named(kept: Kept, verifier: ComputeClient, change: Callable[[AnswerFile], AnswerFile], check: str) -> None:
    with pytest.raises(AnswerRefutedError) as refuted:
        verifier.verify(change(kept.settled).to_bytes())
    assert refuted.value.check == check


def test_an_answer_of_another_chain_is_refused(kept: Kept, shop: Shop) -> None:
    with ChainClient(shop.place.url) as chain, ComputeClient(chain=chain) as client:
        client.market.__dict__["chain_id"] = 16602
        with pytest.raises(WrongChainError, match="chain 31337"):
            client.verify(kept.settled)


def _charge(shop: Shop, user: Address, prompt_tokens: int) -> AnswerFile:
    """What this provider would have signed."""
    service = shop.portal.call(shop.provider.running.chain.service)
    assert service is not None
    return signed_answer(shop.provider.running.desk.enclave.signer, service.params, user, prompt_tokens)[1]


def test_a_fee_that_follows_from_no_price_is_refused(shop: Shop, verifier: ComputeClient) -> None:
    """The provider signs it all the same."""
    file = _charge(shop, Address(b"\x08" * 20), 1_000)
    assert file.receipt is not None
    receipt = msgspec.structs.replace(file.receipt.receipt, input_fee="10000000000001", fee="10000000000001")
    leaf = leaf_of(canonical_bytes(receipt))
    enclave = shop.provider.running.desk.enclave.signer
    signed = SignedReceipt(receipt=receipt, leaf=leaf, signature=Data(sign_receipt(leaf, enclave.private_key)))
    with pytest.raises(AnswerRefutedError, match="follows from no price"):
        verifier.verify(_replaced(file, receipt=signed))
    assert verifier.verify(file).fee_wei == 10**13


def test_more_tokens_than_the_answer_says_are_not_charged(shop: Shop, verifier: ComputeClient) -> None:
    file = _charge(shop, Address(b"\x08" * 20), 1_000)
    enclave = shop.provider.running.desk.enclave.signer
    response = file.response.body.replace(b"1000", b"999")
    text = answer_text(file.request.sha256, sha256_hash(response))
    assert file.receipt is not None
    receipt = msgspec.structs.replace(file.receipt.receipt, response_sha256=sha256_hash(response), signed_text=text)
    leaf = leaf_of(canonical_bytes(receipt))
    told = _replaced(
        file,
        response=msgspec.structs.replace(file.response, body=response, sha256=sha256_hash(response)),
        signature=msgspec.structs.replace(file.signature, text=text, signature=Data(sign_text(text, enclave.private_key))),
        receipt=SignedReceipt(receipt=receipt, leaf=leaf, signature=Data(sign_receipt(leaf, enclave.private_key))),
    )
    with pytest.raises(AnswerRefutedError, match="1000 prompt tokens are charged, and the answer says 999"):
        verifier.verify(told)


def test_an_official_provider_gives_no_receipt(kept: Kept, verifier: ComputeClient) -> None:
    verdict = verifier.verify(_replaced(kept.fresh, receipt=None))
    assert (verdict.fee_wei, verdict.request_id) == (None, None)
    assert any("no receipt" in line for line in verdict.not_proven)
