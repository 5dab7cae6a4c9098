"""The eight steps of the life of an AI answer, each on the public clients alone, each returning what it has shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from zerog.compute.client import AnswerRefutedError, ChatOptions, ProviderRefusedError, Replay, ReplayImpossibleError, ReplayTask
from zerog.compute.client.replaying import ExactReplayer, ModelPlaces
from zerog.compute.wire.answer_file import AnswerFile
from zerog.demo.errors import DataDifferError, DemoError, ForgeryTakenError, NoModelError
from zerog.demo.forging import forgeries
from zerog.demo.keeping import Folder
from zerog.demo.material import QUESTION, prompt_of
from zerog.demo.results import Answered, Paid, Published, Receipted, Refusal, Refused, Replayed, Stored, Verified
from zerog.primitives import Hash32
from zerog.sdk import Network, connect
from zerog.storage.client import find_submission

__all__ = ["Words", "ask", "keep", "publish", "refuse", "replay", "settle", "store", "verify"]

Words = Callable[[str], None]
"""Takes the words of an answer as they come."""

SETTLED_S_MAX: Final = 120.0
"""Providers of local networks settle within seconds."""
NO_MODEL: Final = "no_model"
"""What a provider says that has none."""
PUBLISHED_S_MAX: Final = 300.0
"""A provider publishes in order: what it settled before comes first."""
ANSWER_TOKENS_MAX: Final = 64
OPTIONS: Final = ChatOptions(max_tokens=ANSWER_TOKENS_MAX, temperature=0.0, seed=1)
"""The most likely word each time: the same question has the same answer, whoever asks."""


def store(network: Network, data: bytes) -> Stored:
    """Put the text on storage, fetch it again by its root, and look its submission up on the chain. Raises what the clients raise."""
    upload = network.storage.upload(data)
    if network.storage.read(upload.root) != data:  # Every segment of it was held against the root already.
        raise DataDifferError("the text")
    submitted = find_submission(network.chain, data, network.compute.market.flow)
    if submitted is None:
        raise DataDifferError("what the chain knows of the text")
    return Stored(
        root=upload.root,
        size_bytes=upload.size_bytes,
        transaction_hash=submitted.transaction_hash,
        block_number=submitted.block_number,
        fee_wei=upload.fee_wei,
        was_there=not upload.transaction_hashes,
    )


def ask(network: Network, root: Hash32, words: Words) -> Answered:
    """Ask about the text that is read from storage; what the request may cost is locked with the provider first."""
    prompt = prompt_of(root, network.storage.read(root).decode(), QUESTION)
    try:
        with network.compute.chat(prompt, options=OPTIONS) as stream:
            for piece in stream:
                words(piece)
            answer = stream.answer
    except ProviderRefusedError as error:
        if error.reason_code == NO_MODEL:
            raise NoModelError(error.reason) from None
        raise
    if answer.usage is None or answer.fee_wei is None:
        raise DemoError("the provider gives no receipts: with an official one the life of an answer ends here")
    return Answered(
        question=QUESTION,
        text=answer.text,
        provider=answer.file.provider,
        model=answer.file.model,
        prompt_tokens=answer.usage.prompt_tokens,
        completion_tokens=answer.usage.completion_tokens,
        fee_wei=answer.fee_wei,
        file=answer.file,
    )


def keep(file: AnswerFile, data: bytes, folder: Folder) -> Receipted:
    """Keep answer and text as files."""
    if file.receipt is None:
        raise DemoError("the answer has no receipt")
    folder.write(folder.text, data)
    folder.write(folder.answer, content := file.to_bytes())
    receipt, path = file.receipt.receipt, folder.name_of(folder.answer)
    return Receipted(request_id=receipt.id, leaf=file.receipt.leaf, signer=receipt.signer, path=path, size_bytes=len(content))


def settle(network: Network, file: AnswerFile, folder: Folder) -> Paid:
    """Wait until the provider has settled, and add the proof of it to the answer's file."""
    settled = network.compute.settled(file, timeout_s=SETTLED_S_MAX)
    folder.write(folder.answer, settled.to_bytes())
    at = network.compute.verify(settled).settled
    if settled.settlement is None or at is None:
        raise DemoError("the provider shows no settlement")
    return Paid(
        transaction_hash=at.transaction_hash,
        block_number=at.block_number,
        paid_wei=at.paid_wei,
        receipts_root=settled.settlement.entry.requests_hash,
        receipts=at.receipts,
        file=settled,
    )


def publish(network: Network, file: AnswerFile, folder: Folder) -> Published:
    """Wait until the settlement's receipts are on storage and DA, fetch both, and see that they are the same."""
    found = network.compute.published(file, timeout_s=PUBLISHED_S_MAX)
    confirmed = network.da.confirmation(found.blob_root, timeout_s=PUBLISHED_S_MAX)
    if network.da.get(confirmed.name) != found.data:
        raise DataDifferError("the published receipts")
    folder.write(folder.receipts, found.data)
    return Published(
        root=found.root,
        transaction_hash=found.transaction_hash,
        block_number=found.block_number,
        size_bytes=found.size_bytes,
        blob_root=confirmed.name.root,
        epoch=confirmed.name.epoch,
        quorum_id=confirmed.name.quorum_id,
        signers=len(confirmed.signers),
        members=confirmed.members,
        rows_signed=confirmed.rows_signed or 0,
        rows=confirmed.rows,
        rows_needed=confirmed.rows_needed,
        confirmation_transaction_hash=confirmed.transaction_hash,
        confirmation_block_number=confirmed.block_number,
        data=found.data,
    )


def verify(chain_url: str, folder: Folder) -> Verified:
    """Read the saved bytes, and check them with nothing but a node of the chain."""
    answer, data = folder.answer.read_bytes(), folder.text.read_bytes()
    with connect(chain_url) as chain:
        verdict = chain.compute.verify(answer, data=data)
    if verdict.settled is None or verdict.quoted is None:
        raise DemoError(f"the saved answer verifies as {verdict.state}")
    return Verified(
        grade=verdict.grade.value,
        state=verdict.state,
        data_root=verdict.quoted.root,
        data_block_number=verdict.quoted.block_number,
        proven=verdict.proven,
        not_proven=verdict.not_proven,
    )


def replay(chain_url: str, folder: Folder, model: Path | None) -> Replayed:
    """Run the model again on the saved request, where that can be done. `model` is its file, if the cache does not have it."""
    replayer = _Told(model)
    with connect(chain_url) as chain:
        verdict = chain.compute.verify(folder.answer.read_bytes(), replayer=replayer, data=folder.text.read_bytes())
    return Replayed(grade=verdict.grade.value, what=verdict.replayed, missing=replayer.missing, not_proven=verdict.not_proven)


class _Told:
    """A replay that remembers why it was not possible."""

    def __init__(self, model: Path | None) -> None:
        self._replayer: Final = ExactReplayer(ModelPlaces(file=model))
        self.missing: str | None = None

    def replay(self, task: ReplayTask) -> Replay:
        """See `Replayer.replay`."""
        try:
            return self._replayer.replay(task)
        except ReplayImpossibleError as error:
            self.missing = error.cause
            raise


def refuse(chain_url: str, file: AnswerFile, root: Hash32, folder: Folder) -> Refused:
    """Change answer, price, root and text, one at a time, and see each refused. Raises `ForgeryTakenError`."""
    data = folder.text.read_bytes()
    refusals = []
    with connect(chain_url) as chain:
        for forgery in forgeries(file, data, root):
            path = folder.changed(forgery.name)
            folder.write(path, forgery.answer if forgery.data == data else forgery.data)
            try:
                chain.compute.verify(forgery.answer, data=forgery.data)
            except AnswerRefutedError as error:
                refusals.append(Refusal(changed=forgery.changed, check=error.check, reason=error.cause, path=folder.name_of(path)))
            else:
                raise ForgeryTakenError(forgery.changed)
    return Refused(refusals=tuple(refusals))
