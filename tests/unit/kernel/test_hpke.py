"""Messages sealed by HPKE, against the vectors of RFC 9180 and an implementation that others wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhpke import AEADId, CipherSuite, KDFId, KEMId

from zerog._kernel import HpkeReceiver, HpkeSender, SealBrokenError, x25519_key_pair, x25519_public_key
from zerog.primitives import DecodeError

SUITE = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.CHACHA20_POLY1305)
PRIVATE_KEY, PUBLIC_KEY = x25519_key_pair(bytes(range(32)))
MESSAGES = st.lists(st.tuples(st.binary(max_size=200), st.binary(max_size=40)), min_size=1, max_size=5)


SEALED = {
    0: "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28",
    1: "6b53c051e4199c518de79594e1c4ab18b96f081549d45ce015be002090bb119e85285337cc95ba5f59992dc98c",
    2: "71146bd6795ccc9c49ce25dda112a48f202ad220559502cef1f34271e0cb4b02b4f10ecac6f48c32f878fae86b",
    4: "63357a2aa291f5a4e5f27db6baa2af8cf77427c7c1a909e0b37214dd47db122bb153495ff0b02e9e54a50dbe16",
    255: "18ab939d63ddec9f6ac2b60d61d36a7375d2070c9b683861110757062c52b8880a5f6b3936da9cd6c23ef2a95c",
    256: "7a4a13e9ef23978e2c520fd4d2e757514ae160cd0cd05e556ef692370ca53076214c0c40d4c728d6ed9e727a5b",
}
EXPORTED = {
    b"": "4bbd6243b8bb54cec311fac9df81841b6fd61f56538a775e7c80a9f40160606e",
    b"\0": "8c1df14732580e5501b00f82b10a1647b40713191b7c1240ac80e2b68808ba69",
    b"TestContext": "5acb09211139c43b3090489a9da433e8a30ee7188ba8b0a9a1ccf0c229283e53",
}


def test_the_vectors_of_the_rfc_hold_here_too() -> None:
    """RFC 9180, A.2.1: all of its messages, and the secrets that are exported."""
    private_key, public_key = x25519_key_pair(bytes.fromhex("1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df"))
    assert x25519_public_key(private_key) == public_key
    info = b"Ode on a Grecian Urn"
    sender = HpkeSender(public_key, info, bytes.fromhex("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b"))
    assert sender.encapsulated.hex() == "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
    receiver = HpkeReceiver(private_key, sender.encapsulated, info)
    messages = {}
    for number in range(257):
        beside = f"Count-{number}".encode()
        sealed = sender.seal(b"Beauty is truth, truth beauty", beside)
        messages[number] = sealed.hex()
        assert receiver.open(sealed, beside) == b"Beauty is truth, truth beauty"
    assert {number: messages[number] for number in SEALED} == SEALED
    for side in (sender, receiver):
        assert {about: side.export(about, 32).hex() for about in EXPORTED} == EXPORTED


@given(messages=MESSAGES, info=st.binary(max_size=40), seed=st.binary(min_size=32, max_size=32))
def test_what_we_seal_others_open(messages: list[tuple[bytes, bytes]], info: bytes, seed: bytes) -> None:
    sender = HpkeSender(PUBLIC_KEY, info, seed)
    receiver = SUITE.create_recipient_context(sender.encapsulated, SUITE.kem.deserialize_private_key(PRIVATE_KEY), info)
    assert [receiver.open(sender.seal(plain, beside), beside) for plain, beside in messages] == [plain for plain, _ in messages]
    assert receiver.export(b"about", 48) == sender.export(b"about", 48)


@given(messages=MESSAGES, info=st.binary(max_size=40))
def test_what_others_seal_we_open(messages: list[tuple[bytes, bytes]], info: bytes) -> None:
    encapsulated, sender = SUITE.create_sender_context(SUITE.kem.deserialize_public_key(PUBLIC_KEY), info)
    receiver = HpkeReceiver(PRIVATE_KEY, encapsulated, info)
    assert [receiver.open(sender.seal(plain, beside), beside) for plain, beside in messages] == [plain for plain, _ in messages]
    assert receiver.export(b"about", 48) == sender.export(b"about", 48)


def test_other_messages_are_refused_by_their_number() -> None:
    sender = HpkeSender(PUBLIC_KEY, b"", bytes(32))
    receiver = HpkeReceiver(PRIVATE_KEY, sender.encapsulated, b"")
    first, second = sender.seal(b"first", b""), sender.seal(b"second", b"")
    assert receiver.open(first, b"") == b"first"
    for wrong, beside in ((first, b""), (second[:-1], b""), (second, b"more"), (b"", b"")):
        with pytest.raises(SealBrokenError) as refused:
            receiver.open(wrong, beside)
        assert refused.value.args == (1,)
    assert receiver.open(second, b"") == b"second"


def test_a_key_that_gives_nothing_away_is_asked_for() -> None:
    with pytest.raises(DecodeError, match="everybody knows"):
        HpkeSender(bytes(32), b"", bytes(32))
    with pytest.raises(DecodeError, match="everybody knows"):
        HpkeReceiver(PRIVATE_KEY, bytes(32), b"")
    with pytest.raises(ValueError, match="8160"):
        HpkeSender(PUBLIC_KEY, b"", bytes(32)).export(b"", 8161)
