"""End-to-end encryption: with a client that shares no code with ours, with our own, and with all who break the rules."""

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.compute.protocol.plain_e2ee import PlainClient, encode, envelope_hash
from tests.unit.compute.protocol.vectors import SIGNER, USER
from zerog._kernel import x25519_key_pair
from zerog.compute.protocol.attestation import SimulatedEnclave
from zerog.compute.protocol.e2ee import (
    OpenedRequest,
    PublishedKey,
    ResponseOpener,
    ResponseSealer,
    encryption_key_body,
    open_request,
    parse_encryption_key,
    seal_request,
)
from zerog.compute.protocol.errors import ComputeError, EncryptionError, SignedTextError, StaleEncryptionKeyError, UnsealableAnswerError
from zerog.compute.protocol.profiles import ANTHROPIC, CHAT, EMBEDDING, IMAGE, Profile, profile_of

ENCLAVE = SimulatedEnclave.from_keys(SIGNER, bytes(range(32)), version="0.1.0")
OTHER = SimulatedEnclave.from_keys(SIGNER, bytes(32), version="0.1.0")
RECIPIENT = PublishedKey(ENCLAVE.encryption_public_key, SIGNER.address)
CLIENT_PRIVATE, CLIENT_PUBLIC = x25519_key_pair(b"c" * 32)
REQUEST = {"model": "m", "temperature": 0.5, "messages": [{"role": "user", "content": "a secret"}], "tools": [], "stream": True}
IMAGE_REQUEST: dict[str, object] = {"model": "m", "prompt": "a secret", "response_format": "b64_json"}
ANSWER = {"id": "1", "model": "m", "usage": {"total_tokens": 3}, "choices": [{"message": {"content": "hidden"}}], "logprobs_of_vendor": [1]}
CHUNKS = [
    {"id": "1", "model": "m", "choices": [{"delta": {"content": "hid"}}]},
    {"id": "1", "model": "m", "choices": [{"delta": {"content": "den"}}]},
    {"id": "1", "model": "m", "choices": [], "usage": {"total_tokens": 3}},
]
EVENTS = [
    {"type": "message_start", "message": {"id": "1", "content": [], "usage": {"input_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hidden"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "ping"},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]


def client() -> PlainClient:
    return PlainClient(ENCLAVE.encryption_public_key, str(SIGNER.address))


def opened(envelope: object, profile: Profile = CHAT) -> OpenedRequest:
    return open_request(json.dumps(envelope).encode(), profile, ENCLAVE)


def payloads(events: bytes) -> list[bytes]:
    return [line.removeprefix(b"data: ") for line in events.splitlines() if line.startswith(b"data: ")]


def test_a_foreign_clients_request_opens_and_its_answer_too() -> None:
    plain = client()
    envelope = plain.seal(REQUEST, ["messages", "tools"])
    request = opened(envelope)
    assert json.loads(request.body) == REQUEST
    sealer = ResponseSealer(CHAT, request, b"s" * 32)
    frame = json.loads(sealer.seal_answer(json.dumps(ANSWER).encode()))
    assert b"hidden" not in json.dumps(frame).encode()
    assert frame["usage"] == ANSWER["usage"]
    assert "logprobs_of_vendor" not in frame
    assert plain.open(frame) == ANSWER
    assert sealer.text() == f"zg-sig-v1/e2ee-ct:{envelope_hash(envelope).hex()}:{envelope_hash(frame).hex()}"


def test_a_foreign_client_opens_a_stream_in_its_order() -> None:
    plain = client()
    sealer = ResponseSealer(CHAT, opened(plain.seal(REQUEST, ["messages", "tools"])), b"s" * 32)
    events = b"".join(sealer.seal_event(json.dumps(chunk).encode()) for chunk in CHUNKS) + sealer.seal_event(b" [DONE]")
    *frames, done = payloads(events)
    assert done == b"[DONE]"
    answers = [plain.open(json.loads(frame)) for frame in frames]
    assert answers == [*CHUNKS, {"choices": []}]
    assert [json.loads(frame)["_e2ee"]["final"] for frame in frames] == [False, False, False, True]
    assert sealer.finish() == b""


def sealed_by_us(request: dict[str, object], profile: Profile) -> tuple[OpenedRequest, ResponseOpener]:
    sealed = seal_request(request, profile, recipient=RECIPIENT, client_public_key=CLIENT_PUBLIC, seed=b"r" * 32)
    request_again = open_request(sealed.body, profile, ENCLAVE)
    assert json.loads(request_again.body) == request
    assert request_again.binding == sealed.binding
    return request_again, ResponseOpener(profile, CLIENT_PRIVATE, sealed.binding)


def test_our_client_and_our_enclave_agree() -> None:
    request, opener = sealed_by_us(REQUEST, CHAT)
    sealer = ResponseSealer(CHAT, request, b"s" * 32)
    assert opener.open_answer(sealer.seal_answer(json.dumps(ANSWER).encode())) == ANSWER
    opener.check_text(sealer.text())
    for wrong in (sealer.text()[:-1] + "0", sealer.text().replace("e2ee-ct", "plain"), sealer.text().replace("e2ee-ct", "e2ee-ct-stream")):
        if wrong != sealer.text():
            with pytest.raises(SignedTextError):
                opener.check_text(wrong)


def test_a_stream_is_whole_only_with_its_last_frame() -> None:
    request, opener = sealed_by_us(REQUEST, CHAT)
    sealer = ResponseSealer(CHAT, request, b"s" * 32)
    for chunk in CHUNKS:
        assert opener.open_frame(payloads(sealer.seal_event(json.dumps(chunk).encode()))[0]) == chunk
        assert not opener.is_complete
        with pytest.raises(SignedTextError):
            opener.check_text(sealer.text())
    opener.open_frame(payloads(sealer.finish())[0])
    assert opener.is_complete
    opener.check_text(sealer.text())
    with pytest.raises(UnsealableAnswerError, match="final"):
        sealer.seal_event(json.dumps(CHUNKS[0]).encode())


def test_frames_open_in_order_alone() -> None:
    request, opener = sealed_by_us(REQUEST, CHAT)
    sealer = ResponseSealer(CHAT, request, b"s" * 32)
    frames = [payloads(sealer.seal_event(json.dumps(chunk).encode()))[0] for chunk in CHUNKS]
    opener.open_frame(frames[0])
    for wrong in (frames[0], frames[2]):
        with pytest.raises(EncryptionError, match="order"):
            opener.open_frame(wrong)
    assert opener.open_frame(frames[1]) == CHUNKS[1]


def test_the_messages_api_seals_by_the_kind_of_event() -> None:
    request, opener = sealed_by_us({"model": "m", "messages": [], "system": "a secret"}, ANTHROPIC)
    sealer = ResponseSealer(ANTHROPIC, request, b"s" * 32)
    stream = [sealer.seal_event(json.dumps(event).encode()) for event in EVENTS]
    assert stream[2].startswith(b"event: content_block_delta\ndata: ")
    frames = [payloads(event)[0] for event in stream]
    assert [json.loads(frame)["_e2ee"]["sealed_fields"] for frame in frames] == [[], ["content_block"], ["delta"], [], [], ["delta"], []]
    assert [opener.open_frame(frame) for frame in frames] == EVENTS
    assert opener.is_complete
    assert sealer.finish() == b""
    opener.check_text(sealer.text())


def test_an_image_answer_counts_its_images() -> None:
    request, opener = sealed_by_us(IMAGE_REQUEST, IMAGE)
    sealer = ResponseSealer(IMAGE, request, b"s" * 32)
    frame = sealer.seal_answer(json.dumps({"created": 1, "data": [{"b64_json": "QQ=="}, {"b64_json": "Qg=="}]}).encode())
    assert json.loads(frame)["usage"] == {"output_images": 2}
    assert opener.open_answer(frame)["data"] == [{"b64_json": "QQ=="}, {"b64_json": "Qg=="}]


def test_embeddings_are_sealed_too() -> None:
    request, opener = sealed_by_us({"model": "m", "input": ["a", "b"], "encoding_format": "float"}, EMBEDDING)
    answer = {"object": "list", "model": "m", "usage": {"prompt_tokens": 2}, "data": [{"index": 0, "embedding": [0.5]}]}
    assert opener.open_answer(ResponseSealer(EMBEDDING, request, b"s" * 32).seal_answer(json.dumps(answer).encode())) == answer


def test_the_published_key_goes_both_ways() -> None:
    body = encryption_key_body(ENCLAVE)
    assert parse_encryption_key(body) == RECIPIENT
    members = json.loads(body)
    assert sorted(members) == ["enc_pub", "kem_id", "key_id", "signer_address", "simulated", "v"]
    for change in ({"v": 2}, {"v": True}, {"kem_id": "0x0010"}, {"key_id": "AAAAAAAAAAA"}, {"enc_pub": "AA"}, {"signer_address": "0x1"}):
        with pytest.raises(EncryptionError):
            parse_encryption_key(json.dumps({**members, **change}).encode())


def test_a_request_for_another_key_is_told_to_seal_again() -> None:
    stale = PlainClient(OTHER.encryption_public_key, str(SIGNER.address)).seal(REQUEST, ["messages"])
    with pytest.raises(StaleEncryptionKeyError) as refusal:
        opened(stale)
    assert refusal.value.http_status == 409
    assert str(refusal.value).startswith("e2ee_key_mismatch")


@pytest.mark.parametrize(
    ("sealed", "metadata", "cause"),
    [
        (["messages"], {"v": 2}, "version"),
        (["messages"], {"v": True}, "version"),
        (["messages"], {"kem_id": "0x0010"}, "KEM"),
        (["messages"], {"signer_addr": str(USER.address)}, "signer"),
        (["messages"], {"signer_addr": None}, "address"),
        (["messages"], {"client_eph_pub": encode(bytes(31))}, "client_eph_pub"),
        (["messages"], {"client_eph_pub": encode(bytes(32))}, "everybody knows"),
        (["messages"], {"enc": encode(bytes(32))}, "enc"),
        (["messages"], {"enc": "AA"}, "enc"),
        (["tools"], {}, "must seal messages"),
        ([], {}, "must seal messages"),
        (["messages", "messages"], {}, "twice"),
        (["messages", "_e2ee"], {}, "_e2ee"),
        (["messages", ""], {}, "names"),
        (["messages", "tools"], {"inside": {"messages": []}}, "sealed_fields"),
        (["messages"], {"inside": {"messages": [], "tools": []}}, "sealed_fields"),
        (["messages"], {"inside": {"messages": [], "_e2ee": {}}}, "sealed_fields"),
        (["messages"], {"inside": []}, "no JSON object"),
        (["messages", "tools"], {"keep": "tools"}, "in clear as well"),
        (["messages"], {"unbound_fields": "model"}, "array of names"),
        (["messages"], {"unbound_fields": [1]}, "array of names"),
        (["messages"], {"unbound_fields": ["messages"]}, "sealed and unbound"),
        (["messages"], {"unbound_fields": ["_e2ee"]}, "_e2ee"),
        (["messages"], {"unbound_fields": ["model", "model"]}, "twice"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(sealed: list[str], metadata: dict[str, object], cause: str) -> None:
    with pytest.raises(EncryptionError, match=cause) as refusal:
        opened(client().seal(REQUEST, sealed, **metadata))
    assert refusal.value.http_status == 400


def test_unbound_members_may_change_on_the_way_and_no_others() -> None:
    envelope = client().seal(REQUEST, ["messages"], unbound_fields=["model"])
    assert json.loads(opened({**envelope, "model": "alias"}).body)["model"] == "alias"
    del envelope["model"]
    assert "model" not in json.loads(opened(envelope).body)
    for change in ({"temperature": 1.0}, {"added": 1}, {"_e2ee": {**envelope["_e2ee"], "unbound_fields": ["model", "temperature"]}}):
        with pytest.raises(EncryptionError, match="changed on the way"):
            opened({**envelope, **change})


@pytest.mark.parametrize(
    ("request_members", "profile", "sealed", "metadata"),
    [
        ({"model": "m", "prompt": "p"}, IMAGE, ["prompt"], {}),
        ({"model": "m", "prompt": "p", "response_format": "url"}, IMAGE, ["prompt"], {}),
        (IMAGE_REQUEST, IMAGE, ["prompt", "response_format"], {}),
        (IMAGE_REQUEST, IMAGE, ["prompt"], {"unbound_fields": ["response_format"]}),
        ({"messages": [], "system": "s"}, ANTHROPIC, ["messages"], {}),
        ({"input": "a"}, EMBEDDING, ["model"], {}),
    ],
)
def test_each_kind_of_call_keeps_its_own_secrets(
    request_members: dict[str, object], profile: Profile, sealed: list[str], metadata: dict[str, object]
) -> None:
    with pytest.raises(EncryptionError, match="a sealed"):
        opened(client().seal(request_members, sealed, **metadata), profile)
    if not metadata:
        with pytest.raises(EncryptionError):
            seal_request(
                request_members, profile, recipient=RECIPIENT, client_public_key=CLIENT_PUBLIC, seed=bytes(32), sealed_fields=sealed
            )


def test_numbers_keep_their_digits_on_the_way_to_the_engine() -> None:
    numbers = {
        "model": "m",
        "messages": [{"seed": 2**64 + 1, "small": 1e-300, "float": 1.0}],
        "seed": 2**60 + 1,
        "temperature": 0.30000000000000004,
    }
    envelope = client().seal({**numbers, "seed": 7}, ["messages"])
    assert json.loads(opened(envelope).body)["messages"] == numbers["messages"]
    sealed = seal_request(numbers, CHAT, recipient=RECIPIENT, client_public_key=CLIENT_PUBLIC, seed=bytes(32))
    assert json.loads(open_request(sealed.body, CHAT, ENCLAVE).body) == numbers
    for text in (b"1e400", b"-1e400", b'"\\ud800"'):
        with pytest.raises(EncryptionError):
            open_request(sealed.body.replace(b'"temperature":', b'"further":' + text + b',"temperature":'), CHAT, ENCLAVE)


def test_calls_without_a_profile_take_no_sealed_requests() -> None:
    assert profile_of("/chat/completions") is profile_of("/v1/chat/completions/") is CHAT
    for path in ("/audio/transcriptions", "/images/edits", "/audio/speech", "/"):
        with pytest.raises(EncryptionError):
            profile_of(path)


@pytest.mark.parametrize("answer", [b"null", b"[]", b"", b"{", b'{"_e2ee":{}}', b'{"a":1,"a":1}'])
def test_an_answer_that_cannot_be_sealed_is_not_sent(answer: bytes) -> None:
    request, _ = sealed_by_us(REQUEST, CHAT)
    for seal in (ResponseSealer(CHAT, request, bytes(32)).seal_answer, ResponseSealer(CHAT, request, bytes(32)).seal_event):
        with pytest.raises(UnsealableAnswerError) as refusal:
            seal(answer)
        assert refusal.value.http_status == 502


@pytest.mark.parametrize(
    "event",
    [
        {"type": "novelty", "delta": "content"},
        {"type": ["ping"]},
        {"delta": "content"},
        {"type": "message_start", "message": {"content": [{"text": "content"}]}},
    ],
)
def test_an_event_of_an_unknown_kind_is_not_sent(event: dict[str, object]) -> None:
    request, _ = sealed_by_us({"messages": []}, ANTHROPIC)
    with pytest.raises(UnsealableAnswerError):
        ResponseSealer(ANTHROPIC, request, bytes(32)).seal_event(json.dumps(event).encode())


def test_what_is_unknown_never_rides_beside_an_event_in_clear() -> None:
    request, _ = sealed_by_us({"messages": []}, ANTHROPIC)
    sealer = ResponseSealer(ANTHROPIC, request, bytes(32))
    events = sealer.seal_event(b'{"type":"ping","delta":"leak","vendor":"leak"}') + sealer.seal_event(
        b'{"type":"error","error":{},"x":"leak"}'
    )
    assert b"leak" not in events


Change = Callable[[dict[str, object], dict[str, object]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda frame, _: frame.update(usage={"total_tokens": 4}),
        lambda frame, _: frame.update(choices=[]),
        lambda _, metadata: metadata.update(final=False),
        lambda _, metadata: metadata.update(final=1),
        lambda _, metadata: metadata.update(v=2),
        lambda _, metadata: metadata.pop("enc"),
        lambda _, metadata: metadata.update(sealed_fields=[]),
        lambda _, metadata: metadata.update(sealed_fields=["choices", "usage"]),
        lambda _, metadata: metadata.update(unbound_fields=["model", "usage"]),
        lambda _, metadata: metadata.update(ciphertext="AAAA"),
        lambda frame, _: frame.pop("_e2ee"),
    ],
)
def test_an_answer_that_breaks_a_rule_is_refused(change: Change) -> None:
    request, opener = sealed_by_us(REQUEST, CHAT)
    frame = json.loads(ResponseSealer(CHAT, request, b"s" * 32).seal_answer(json.dumps(ANSWER).encode()))
    change(frame, frame["_e2ee"])
    with pytest.raises(EncryptionError):
        opener.open_answer(json.dumps(frame).encode())


def test_a_router_may_write_its_name_of_the_model_and_a_trace() -> None:
    request, opener = sealed_by_us(REQUEST, CHAT)
    frame = json.loads(ResponseSealer(CHAT, request, b"s" * 32).seal_answer(json.dumps(ANSWER).encode()))
    assert opener.open_answer(json.dumps({**frame, "model": "alias", "x_0g_trace": {}}).encode())["model"] == "alias"


@pytest.mark.parametrize(
    ("frame", "metadata"),
    [
        ({"type": "message_stop", "delta": "content"}, {"sealed_fields": []}),
        ({"type": "content_block_delta"}, {"sealed_fields": []}),
        ({"type": "ping"}, {"sealed_fields": ["delta"]}),
        ({"type": "ping"}, {"sealed_fields": [], "unbound_fields": ["type"]}),
        ({"type": "novelty"}, {"sealed_fields": ["delta"]}),
        ({"type": "message_start", "message": {"content": ["content"]}}, {"sealed_fields": []}),
    ],
)
def test_a_mislabelled_event_is_refused(frame: dict[str, object], metadata: dict[str, object]) -> None:
    _, opener = sealed_by_us({"messages": []}, ANTHROPIC)
    with pytest.raises(EncryptionError, match=r"seal|clear|type"):
        opener.open_frame(json.dumps({**frame, "_e2ee": {"v": 1, "final": False, "ciphertext": "AA", **metadata}}).encode())


def test_an_image_answer_without_a_count_is_refused() -> None:
    request, opener = sealed_by_us(IMAGE_REQUEST, IMAGE)
    frame = json.loads(ResponseSealer(IMAGE, request, b"s" * 32).seal_answer(b'{"data":[]}'))
    for usage in ({}, {"output_images": 1.0}, {"output_images": None}, {"output_images": -1}, None):
        with pytest.raises(EncryptionError, match="count"):
            opener.open_answer(json.dumps({**frame, "usage": usage}).encode())


@settings(max_examples=200)
@given(st.data())
def test_whatever_comes_is_opened_or_refused(data: st.DataObject) -> None:
    envelope = json.dumps(client().seal(REQUEST, ["messages"], unbound_fields=["model"])).encode()
    body = bytearray(envelope)
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=3)):
        body[place] = data.draw(st.integers(0, 255))
    content = data.draw(st.sampled_from([bytes(body), envelope[: data.draw(st.integers(0, len(envelope)))]]) | st.binary(max_size=40))
    readers: list[Callable[[], object]] = [
        lambda: ResponseOpener(CHAT, CLIENT_PRIVATE, OPENED.binding).open_frame(content),
        lambda: ResponseSealer(CHAT, OPENED, bytes(32)).seal_answer(content),
        lambda: parse_encryption_key(content),
    ]
    for read in readers:
        with suppress(ComputeError):
            read()
    with suppress(ComputeError):
        assert json.loads(open_request(content, CHAT, ENCLAVE).body)["messages"] == REQUEST["messages"]


OPENED = open_request(json.dumps(client().seal(REQUEST, ["messages"])).encode(), CHAT, ENCLAVE)
