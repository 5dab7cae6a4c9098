"""A client of end-to-end encryption that shares no code with ours: pyhpke, and the rules of the specification written out plainly."""

import base64
import json
from hashlib import sha256

from pyhpke import AEADId, CipherSuite, ContextInterface, KDFId, KEMId

SUITE = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.CHACHA20_POLY1305)


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def sorted_json(value: object) -> bytes:
    """Canonical for the names and numbers of these tests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def beside(envelope: dict) -> bytes:  # type: ignore[type-arg]
    metadata = {name: value for name, value in envelope["_e2ee"].items() if name != "ciphertext"}
    bound = {name: value for name, value in envelope.items() if name not in metadata.get("unbound_fields", ())}
    return sorted_json({**bound, "_e2ee": metadata})


def envelope_hash(envelope: dict) -> bytes:  # type: ignore[type-arg]
    ciphertext = decode(envelope["_e2ee"]["ciphertext"])
    return sha256(sha256(beside(envelope)).digest() + sha256(ciphertext).digest()).digest()


class PlainClient:
    """Keys of one request and its answer."""

    def __init__(self, public_key: bytes, signer: str) -> None:
        self.public_key, self.signer = public_key, signer
        self.pair = SUITE.kem.derive_key_pair(b"a client's key for one answer...")
        self._receiver: ContextInterface | None = None

    @property
    def client_key(self) -> bytes:
        return self.pair.public_key.to_public_bytes()

    def seal(self, request: dict, sealed: list[str], **metadata: object) -> dict:  # type: ignore[type-arg]
        """The envelope of a request; `metadata` overrides what stands in it, also with what breaks the rules."""
        encapsulated, sender = SUITE.create_sender_context(SUITE.kem.deserialize_public_key(self.public_key), b"0g-pc/v1/seal")
        inside = metadata.pop("inside", {name: request[name] for name in sealed if name in request})
        envelope = {name: value for name, value in request.items() if name not in sealed or metadata.get("keep") == name}
        metadata.pop("keep", None)
        envelope["_e2ee"] = {
            "v": 1,
            "kem_id": "0x0020",
            "key_id": encode(sha256(self.public_key).digest()[:8]),
            "signer_addr": self.signer,
            "client_eph_pub": encode(self.client_key),
            "enc": encode(encapsulated),
            "sealed_fields": sealed,
            **metadata,
        }
        associated = beside(envelope) if isinstance(envelope["_e2ee"].get("unbound_fields", []), list) else b""
        envelope["_e2ee"]["ciphertext"] = encode(sender.seal(json.dumps(inside).encode(), associated))
        return envelope

    def open(self, frame: dict) -> dict:  # type: ignore[type-arg]
        """The next frame of the answer, whole again."""
        if self._receiver is None:
            encapsulated = decode(frame["_e2ee"]["enc"])
            self._receiver = SUITE.create_recipient_context(encapsulated, self.pair.private_key, b"0g-pc/v1/resp")
        opened = json.loads(self._receiver.open(decode(frame["_e2ee"]["ciphertext"]), beside(frame)))
        assert sorted(opened) == sorted(frame["_e2ee"]["sealed_fields"])
        return {**{name: value for name, value in frame.items() if name != "_e2ee"}, **opened}
