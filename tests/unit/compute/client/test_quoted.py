"""Which data an answer is about: the request names and quotes a file, and the chain knows it; anything less is refused."""

from collections.abc import Callable, Iterator

import pytest

from tests.unit.compute.client.conftest import Shop
from tests.unit.compute.provider.place import ONE
from zerog.chain.client import ChainClient
from zerog.compute.client import AnswerRefutedError, Assurance, ChatOptions, ComputeClient
from zerog.compute.wire.answer_file import AnswerFile
from zerog.primitives import Account, Hash32
from zerog.storage.client import find_submission
from zerog.storage.client.submitting import Submitter
from zerog.storage.protocol.merkle import FileTree, file_root

DATA = "Four score and seven years ago: a “text”\nof two lines, with \\ and é.\n".encode()
UNKNOWN = b"nobody has told the chain of this"

Ask = Callable[[str], AnswerFile]


@pytest.fixture(scope="module")
def account(shop: Shop) -> Account:
    """Who asks; it has submitted `DATA`."""
    account = Account.from_private_key(b"\x51" * 32)
    shop.portal.call(shop.place.client.request, "hardhat_setBalance", str(account.address), hex(100 * ONE))
    with ChainClient(shop.place.url) as chain, ComputeClient(chain=chain) as client:
        submitter = Submitter(chain, account, client.market.flow)
        sent = submitter.send([FileTree(DATA).submission(b"tags do not matter")], submitter.price_per_sector_wei())
        assert chain.wait_for_receipt(sent.hash).succeeded
    return account


@pytest.fixture(scope="module")
def ask(shop: Shop, account: Account) -> Iterator[Ask]:
    with shop.client(account) as client:
        yield lambda prompt: client.ask(prompt, options=ChatOptions(max_tokens=8)).file


@pytest.fixture
def verifier(shop: Shop) -> Iterator[ComputeClient]:
    with shop.client(None) as client:
        yield client


def prompt_of(data: bytes, root: Hash32 | None = None) -> str:
    return f"File {root or file_root(data)}:\n{data.decode()}\nWhat does it say?"


def refusal(verifier: ComputeClient, file: AnswerFile, data: bytes) -> str:
    with pytest.raises(AnswerRefutedError) as refused:
        verifier.verify(file, data=data)
    assert refused.value.check == "data"
    return refused.value.cause


def test_a_quoted_file_is_proven_with_its_root_and_its_block(ask: Ask, account: Account, verifier: ComputeClient) -> None:
    verdict = verifier.verify(ask(prompt_of(DATA)), data=DATA)
    assert verdict.quoted is not None
    assert (verdict.quoted.root, verdict.quoted.size_bytes, verdict.quoted.sender) == (file_root(DATA), len(DATA), account.address)
    assert (
        f"the request quotes the whole of the file {file_root(DATA)}, which the chain knows since block {verdict.quoted.block_number}"
        in (verdict.proven)
    )
    assert any("still keep the file" in line for line in verdict.not_proven)


def test_without_data_nothing_is_said_of_it(ask: Ask, verifier: ComputeClient) -> None:
    verdict = verifier.verify(ask(prompt_of(DATA)))
    assert verdict.quoted is None
    assert not any("quote" in line for line in (*verdict.proven, *verdict.not_proven))


def test_other_data_has_another_root_than_the_request_names(ask: Ask, verifier: ComputeClient) -> None:
    other = DATA.replace(b"seven", b"eight")
    assert refusal(verifier, ask(prompt_of(DATA)), other) == (f"its root is {file_root(other)}, and the request names {file_root(DATA)}")


def test_a_request_that_names_no_file_proves_nothing_of_one(ask: Ask, verifier: ComputeClient) -> None:
    assert refusal(verifier, ask(DATA.decode()), DATA).endswith("the request names no file")


def test_a_request_that_leaves_a_part_of_the_text_away_does_not_quote_it(ask: Ask, verifier: ComputeClient) -> None:
    file = ask(prompt_of(DATA.partition(b"\n")[0], file_root(DATA)))
    assert "does not quote all of its text" in refusal(verifier, file, DATA)


def test_data_that_the_chain_does_not_know_is_refused(ask: Ask, verifier: ComputeClient) -> None:
    assert "the chain knows of no file" in refusal(verifier, ask(prompt_of(UNKNOWN)), UNKNOWN)


@pytest.mark.parametrize(("data", "cause"), [(b"", "it is empty"), (b"\xff\xfe", "it is no text in UTF-8")])
def test_what_no_request_can_quote_is_refused(ask: Ask, verifier: ComputeClient, data: bytes, cause: str) -> None:
    assert cause in refusal(verifier, ask(prompt_of(DATA)), data)


def test_a_sealed_request_shows_its_data_to_those_who_have_its_key(shop: Shop, account: Account, verifier: ComputeClient) -> None:
    with shop.client(account, least_assurance=Assurance.MOCK) as client:
        file = client.ask(prompt_of(DATA), options=ChatOptions(max_tokens=8), encrypted=True).file
    assert verifier.verify(file, data=DATA).quoted is not None
    assert "the file holds no key" in refusal(verifier, file.without_opening, DATA)


def test_the_first_of_several_submissions_counts_whatever_their_tags(shop: Shop, account: Account) -> None:
    with ChainClient(shop.place.url) as chain, ComputeClient(chain=chain) as client:
        flow = client.market.flow
        first = find_submission(chain, DATA, flow)
        submitter = Submitter(chain, account, flow)
        sent = submitter.send([FileTree(DATA).submission(b"others")], submitter.price_per_sector_wei())
        assert chain.wait_for_receipt(sent.hash).succeeded
        assert find_submission(chain, DATA, flow) == first
        assert find_submission(chain, DATA + b"\0", flow) is None  # The same root, and another length.
        assert file_root(DATA + b"\0") == file_root(DATA)
