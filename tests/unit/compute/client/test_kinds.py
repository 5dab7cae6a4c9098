"""Saved answers of every kind: chats in one piece and as streams, messages, pictures, sound, embeddings, encrypted ones; all are paid,
settled, proven by one URL, and refuted once anything in them is another."""

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest

from tests.unit.compute.client.conftest import Shop, open_shop
from tests.unit.compute.client.flipping import flipped
from tests.unit.compute.provider.place import ONE, PROVIDER
from zerog.compute.client import Answer, AnswerRefutedError, ChatOptions, ComputeClient, FormFile, Verdict, encode_form
from zerog.compute.client.errors import EnclaveUnprovenError, ProviderAnswerError, ServiceUnknownError
from zerog.compute.client.sealing import Recipient, SealedTalk
from zerog.compute.protocol.e2ee import PublishedKey
from zerog.compute.protocol.envelope import compact
from zerog.compute.protocol.errors import SimulatedEvidenceError
from zerog.compute.protocol.evidence import Assurance
from zerog.compute.protocol.profiles import CHAT
from zerog.compute.protocol.signing import sha256_hash
from zerog.compute.wire.answer_file import AnswerFile, AnswerFileError, Opening
from zerog.compute.wire.forms import FormError
from zerog.primitives import Account

MODELS = """
[[model]]
id = "talk"
input_price = 100
output_price = 200
[[model]]
id = "paint"
service_type = "text-to-image"
output_price = 5000
[[model]]
id = "touch-up"
service_type = "image-editing"
output_price = 7000
[[model]]
id = "hear"
service_type = "speech-to-text"
input_price = 90
[[model]]
id = "say"
service_type = "text-to-speech"
input_price = 3
[[model]]
id = "place"
service_type = "embedding"
input_price = 2
"""
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
SECOND_BYTES = 16_000
SOUND = b"".join(
    (
        b"RIFF" + (36 + SECOND_BYTES).to_bytes(4, "little") + b"WAVEfmt ",
        (16).to_bytes(4, "little") + bytes.fromhex("01000100") + (8_000).to_bytes(4, "little") + SECOND_BYTES.to_bytes(4, "little"),
        bytes.fromhex("02001000") + b"data" + SECOND_BYTES.to_bytes(4, "little") + bytes(SECOND_BYTES),
    )
)
"""A second of silence in a WAV file."""
BOUNDARY = "a-boundary-of-this-test"
SHORT = ChatOptions(max_tokens=12)


def post(path: str, **body: Any) -> Callable[[ComputeClient], Answer]:
    return lambda client: client.post(path, json.dumps(body).encode(), provider=PROVIDER.address)


def send_form(path: str, file: FormFile, **fields: str) -> Callable[[ComputeClient], Answer]:
    body, content_type = encode_form(fields, {"image" if "image" in path else "file": file}, boundary=BOUNDARY)
    return lambda client: client.post(path, body, content_type=content_type, provider=PROVIDER.address)


ASKED: dict[str, Callable[[ComputeClient], Answer]] = {
    "chat": lambda client: client.ask("Hello?", options=ChatOptions(max_tokens=12, stream=False)),
    "stream": lambda client: client.ask("Hello?", options=SHORT),
    "messages": post("/messages", model="talk", max_tokens=12, messages=[{"role": "user", "content": "Hello?"}]),
    "messages stream": post("/messages", model="talk", stream=True, max_tokens=12, messages=[{"role": "user", "content": "Hello?"}]),
    "pictures": post("/images/generations", model="paint", prompt="A tree.", n=2, size="16x16", response_format="b64_json"),
    "linked pictures": post("/images/generations", model="paint", prompt="A tree.", n=2, size="16x16", response_format="url"),
    "edited picture": send_form(
        "/images/edits", FormFile("tree.png", PICTURE, "image/png"), model="touch-up", prompt="Greener.", size="16x16"
    ),
    "transcription": send_form("/audio/transcriptions", FormFile("a.wav", SOUND, "audio/wav"), model="hear"),
    "subtitles": send_form("/audio/transcriptions", FormFile("a.wav", SOUND, "audio/wav"), model="hear", response_format="vtt"),
    "speech": post("/audio/speech", model="say", input="Hello.", voice="alloy", response_format="wav"),
    "embeddings": post("/embeddings", model="place", input="A tree.", dimensions=8),
    "encrypted": lambda client: client.ask("Hello?", options=ChatOptions(max_tokens=12, stream=False), encrypted=True),
    "encrypted stream": lambda client: client.ask("Hello?", options=SHORT, encrypted=True),
    "encrypted pictures": lambda client: client.post(
        "/images/generations",
        json.dumps({"model": "paint", "prompt": "A secret tree.", "response_format": "b64_json", "size": "16x16"}).encode(),
        provider=PROVIDER.address,
        encrypted=True,
    ),
}


@pytest.fixture(scope="module")
def bazaar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("bazaar")
    (folder / "models.toml").write_text(MODELS)
    with open_shop(folder / "provider", models=folder / "models.toml") as shop:
        yield shop


@pytest.fixture(scope="module")
def answers(bazaar: Shop) -> dict[str, Answer]:
    """One of each kind, all settled together."""
    account = Account.from_private_key(secrets.token_bytes(32))
    bazaar.portal.call(bazaar.place.client.request, "hardhat_setBalance", str(account.address), hex(100 * ONE))
    with bazaar.client(account, least_assurance=Assurance.MOCK) as client:
        given = {name: ask(client) for name, ask in ASKED.items()}
        bazaar.settle()
        return {name: _with(answer, client.settled(answer.file, timeout_s=10.0)) for name, answer in given.items()}


def _with(answer: Answer, file: AnswerFile) -> Answer:
    return Answer(answer.text, answer.request_id, answer.body, file)


@pytest.fixture(scope="module")
def verifier(bazaar: Shop) -> Iterator[ComputeClient]:
    with bazaar.client(None) as client:
        yield client


def lines(verdict: Verdict) -> str:
    return "\n".join((*verdict.proven, "not proven:", *verdict.not_proven))


@pytest.mark.parametrize("name", ASKED)
def test_each_kind_is_proven_to_the_money(answers: dict[str, Answer], verifier: ComputeClient, name: str) -> None:
    answer = answers[name]
    verdict = verifier.verify(answer.file.to_bytes())
    assert verdict.state == "simulated, settled"
    assert verdict.settled is not None
    assert (verdict.settled.is_whole, verdict.settled.receipts) == (True, len(ASKED))
    assert verdict.fee_wei == answer.fee_wei
    assert answer.fee_wei
    assert verdict.answer == answer.body
    assert verdict.is_sealed is name.startswith("encrypted")
    assert "not above what was used at the highest prices" in lines(verdict)


@pytest.mark.parametrize("name", ASKED)
def test_each_byte_of_each_kind_counts(answers: dict[str, Answer], verifier: ComputeClient, name: str) -> None:
    seed = secrets.randbits(32)
    for member, changed in flipped(answers[name].file, seed):
        try:
            verifier.verify(changed)
        except (AnswerRefutedError, AnswerFileError):
            continue
        else:
            pytest.fail(f"seed {seed}: a bit of {member} of {name}")


def replaced(file: AnswerFile, part: str, body: bytes) -> AnswerFile:
    """Another body with its own hash, as somebody would write it who forges a file."""
    saved = getattr(file, part)
    return msgspec.structs.replace(file, **{part: msgspec.structs.replace(saved, body=body, sha256=sha256_hash(body))})


def refusal_of(verifier: ComputeClient, file: AnswerFile) -> AnswerRefutedError:
    with pytest.raises(AnswerRefutedError) as refuted:
        verifier.verify(file.to_bytes())
    return refuted.value


def test_another_picture_or_another_order_is_found_out(answers: dict[str, Answer], verifier: ComputeClient) -> None:
    file = answers["pictures"].file
    told = json.loads(file.response.body)
    first, second = told["data"]
    assert first != second
    for data in ([second, first], [first], [first, second, second], [], [{"b64_json": "AAAA"}, second], "none"):
        assert refusal_of(verifier, replaced(file, "response", json.dumps({**told, "data": data}).encode())).check in (
            "signature",
            "response",
        )
    other = replaced(file, "response", json.dumps({**told, "created": 1}).encode())
    assert refusal_of(verifier, other).check == "receipt", "what stands beside the pictures only the receipt binds"
    unbound = verifier.verify(msgspec.structs.replace(other, receipt=None, settlement=None))
    assert "what the answer says beside its pictures" in lines(unbound)


def test_of_a_picture_behind_an_address_the_hash_is_known(answers: dict[str, Answer], verifier: ComputeClient) -> None:
    file = answers["linked pictures"].file
    linked = json.loads(file.response.body)["data"]
    verdict = verifier.verify(file)
    for picture in linked:
        digest = sha256_hash(httpx.get(picture["url"]).content).hex()
        assert any(digest in line for line in verdict.not_proven), "who fetches it can compare"
    swapped = replaced(file, "response", json.dumps({**json.loads(file.response.body), "data": linked[::-1]}).encode())
    assert refusal_of(verifier, swapped).check == "receipt"
    fewer = replaced(file, "response", json.dumps({**json.loads(file.response.body), "data": linked[:1]}).encode())
    assert refusal_of(verifier, fewer).check == "signature"


def test_a_form_is_the_one_that_was_sent(answers: dict[str, Answer], verifier: ComputeClient) -> None:
    file = answers["edited picture"].file
    assert refusal_of(verifier, replaced(file, "request", file.request.body.replace(b"Greener.", b"Redder."))).check == "signature"
    assert refusal_of(verifier, replaced(file, "request", file.request.body.replace(b"touch-up", b"paint"))).check == "request"
    for content_type in (
        f"multipart/form-data; boundary={BOUNDARY}x",
        "multipart/form-data",
        f"Multipart/form-data; boundary={BOUNDARY}",
        "application/json",
    ):
        request = msgspec.structs.replace(file.request, content_type=content_type)
        assert refusal_of(verifier, msgspec.structs.replace(file, request=request)).check == "request"


def test_the_type_of_sound_and_text_is_said_not_to_be_proven(answers: dict[str, Answer], verifier: ComputeClient) -> None:
    for name, media_type in (("subtitles", "text/vtt"), ("speech", "audio/wav"), ("transcription", "application/json")):
        verdict = verifier.verify(answers[name].file)
        assert f"are to be read as {media_type}" in lines(verdict)
        response = msgspec.structs.replace(answers[name].file.response, content_type="text/html")
        assert refusal_of(verifier, msgspec.structs.replace(answers[name].file, response=response)).check == "response"


def test_an_encrypted_answer_proves_itself_without_its_key(answers: dict[str, Answer], verifier: ComputeClient) -> None:
    answer = answers["encrypted stream"]
    sealed = answer.file.without_opening
    assert answer.text
    assert b"Hello?" not in sealed.to_bytes()
    assert answer.text.split()[0].encode() not in sealed.response.body
    verdict = verifier.verify(sealed.to_bytes())
    assert (verdict.state, verdict.request, verdict.answer) == ("simulated, settled", None, None)
    assert "the file holds no key" in lines(verdict)
    opened = verifier.verify(answer.file)
    assert opened.request is not None
    assert json.loads(opened.request)["messages"] == [{"role": "user", "content": "Hello?"}]
    assert "sealed and opened again" in lines(opened)


def test_no_other_words_fit_an_encrypted_request(answers: dict[str, Answer], verifier: ComputeClient) -> None:
    file = answers["encrypted"].file
    opening = file.opening
    assert opening is not None
    other = compact({"messages": [{"role": "user", "content": "Goodbye?"}]})
    foreign = answers["encrypted stream"].file.opening
    assert foreign is not None
    for changed in (
        msgspec.structs.replace(opening, words=other),
        msgspec.structs.replace(opening, words=opening.words + b" "),
        msgspec.structs.replace(opening, secret=foreign.secret),
        msgspec.structs.replace(opening, secret=b"short"),
        msgspec.structs.replace(opening, recipient=bytes(32)),
    ):
        assert refusal_of(verifier, msgspec.structs.replace(file, opening=changed)).check == "opening"
    assert opening.secret.hex() not in repr(file)


def test_no_frame_of_an_encrypted_stream_can_be_left_out_moved_or_added(answers: dict[str, Answer], verifier: ComputeClient) -> None:
    file = answers["encrypted stream"].file.without_opening
    events = file.response.body.split(b"\n\n")
    assert len(events) > 5
    spoken = b'data: {"choices":[{"delta":{"content":"a lie"}}]}'
    for changed in (events[1:], [*events[:3], *events[4:]], [events[0], events[2], events[1], *events[3:]], [spoken, *events], events[:2]):
        assert refusal_of(verifier, replaced(file, "response", b"\n\n".join(changed))).check in ("response", "signature")


def test_an_opening_of_what_was_never_sealed_is_refused(answers: dict[str, Answer], verifier: ComputeClient) -> None:
    opening = Opening(words=b"{}", recipient=bytes(32), secret=bytes(32))
    assert refusal_of(verifier, msgspec.structs.replace(answers["chat"].file, opening=opening)).check == "opening"


def test_nothing_is_encrypted_to_an_enclave_that_shows_too_little(bazaar: Shop) -> None:
    account = Account.from_private_key(secrets.token_bytes(32))
    with bazaar.client(account) as client, pytest.raises(SimulatedEvidenceError):
        client.ask("Hello?", encrypted=True)
    with bazaar.client(account, least_assurance=Assurance.FORM) as client, pytest.raises((SimulatedEvidenceError, EnclaveUnprovenError)):
        client.ask("Hello?", encrypted=True)
    with bazaar.client(account) as client:
        assert client.money().ledger is None, "nothing was paid before the enclave was looked at"


def test_what_nobody_answers_is_refused_before_anything_is_paid(bazaar: Shop) -> None:
    with bazaar.client(Account.from_private_key(secrets.token_bytes(32))) as client:
        with pytest.raises(ServiceUnknownError, match="/videos"):
            client.post("/videos", b"{}")
        with pytest.raises(ServiceUnknownError, match="text-to-image"):
            client.post("/images/generations", b"{}")
        with pytest.raises(FormError):
            client.post("/images/edits", b"no form", content_type="multipart/form-data", provider=PROVIDER.address)


def test_a_plain_answer_to_an_encrypted_request_is_not_shown(bazaar: Shop, answers: dict[str, Answer]) -> None:
    """The provider, or whoever stands between, cannot put words into an encrypted answer."""
    enclave = bazaar.provider.running.desk.enclave
    recipient = Recipient(PublishedKey(enclave.encryption_public_key, enclave.signer.address), b"")
    talk = SealedTalk.begin({"model": "talk", "messages": []}, CHAT, recipient, "http://provider.test")
    with pytest.raises(ProviderAnswerError, match="in clear"):
        talk.opened(b'{"choices":[{"delta":{"content":"a lie"}}]}')
    with pytest.raises(ProviderAnswerError, match="breaks off"):
        talk.opened(b'{"error":{"message":"no engine"}}')
    with pytest.raises(ProviderAnswerError, match="changed on the way"):
        talk.opened(answers["encrypted"].file.response.body)
    with pytest.raises(ProviderAnswerError, match="cut off"):
        talk.opening()
