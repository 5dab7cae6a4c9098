"""How the tests of engines ask them."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from zerog.compute.protocol.constants import ServiceType
from zerog.compute.provider.engines import Engine, EngineRequest

BOUNDARY = "the-boundary"


@dataclass(slots=True)
class Told:
    """A whole answer."""

    status: int
    content_type: str
    chunks: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def events(self) -> list[Any]:
        """Data of the events; `None` for `[DONE]`."""
        lines = [line[6:] for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return [None if line == b"[DONE]" else msgspec.json.decode(line) for line in lines]


def request(
    path: str = "/chat/completions", body: object = None, *, stream: bool = False, content_type: str = "application/json", **more: Any
) -> EngineRequest:
    """A request; `body` is bytes, or becomes JSON."""
    told = body if isinstance(body, bytes) else msgspec.json.encode(chat(stream=stream) if body is None else body)
    return EngineRequest(
        service_type=ServiceType.CHATBOT, path=path, body=told, content_type=content_type, model="scripted", stream=stream, **more
    )


def chat(words: str = "Hello", **more: object) -> dict[str, object]:
    return {"model": "scripted", "messages": [{"role": "user", "content": words}], **more}


async def ask(engine: Engine, asked: EngineRequest) -> Told:
    async with engine.answer(asked) as answer:
        return Told(answer.status, answer.content_type, [chunk async for chunk in answer.chunks()])


def form(fields: dict[str, str], files: dict[str, bytes]) -> tuple[bytes, str]:
    """A multipart body and its type."""
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    for name, data in files.items():
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        parts.append(head.encode() + data + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"
