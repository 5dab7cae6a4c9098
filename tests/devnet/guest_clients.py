"""Official clients that have no program of their own in tests/interop, as a guest of a real network runs them: `openai`, and stubs of DA.

`python -m tests.devnet.guest_clients openai KEY MODEL`, or `… da FILE`; the addresses are in the environment, as on the page.
"""

import os
import sys
from pathlib import Path

import anyio
import openai
from openai.types.chat import ChatCompletionMessageParam

from tests.unit.da.disperser import stubs as of_dispersers
from tests.unit.da.stubs import call, message

CONFIRMED, FINALIZED, FAILED = 2, 4, 3
BLOB_S_MAX = 90
QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]


def ask_openai(key: str, model: str) -> None:
    """A chat, in one piece and as a stream, with the address alone."""
    with openai.OpenAI(base_url=f"http://{os.environ['SERVICES']}:3080/v1/proxy", api_key=key, max_retries=0) as client:
        whole = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, max_tokens=12)
        streamed = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, max_tokens=12, stream=True)
        text = "".join(event.choices[0].delta.content or "" for event in streamed if event.choices)
    assert "Paris" in (whole.choices[0].message.content or "")
    assert text == whole.choices[0].message.content


async def carry_blob(data: bytes) -> None:
    """A blob to the disperser, its state, and back from disperser and retriever, by the published messages."""
    services = os.environ["SERVICES"]
    async with of_dispersers.channel(f"{services}:51001") as channel:
        sent = await of_dispersers.call(channel, "disperser.Disperser", "DisperseBlob", data=data)
        with anyio.fail_after(BLOB_S_MAX):
            while True:
                told = await of_dispersers.call(channel, "disperser.Disperser", "GetBlobStatus", request_id=sent.request_id)
                assert told.status != FAILED
                if told.status in (CONFIRMED, FINALIZED):
                    break
                await anyio.sleep(0.1)
        header = told.info.blob_header
        found = await of_dispersers.call(
            channel,
            "disperser.Disperser",
            "RetrieveBlob",
            storage_root=header.storage_root,
            epoch=header.epoch,
            quorum_id=header.quorum_id,
        )
        assert found.data == data
    asked = message("retriever.BlobRequest", storage_root=header.storage_root, epoch=header.epoch, quorum_id=header.quorum_id)
    assert (await call(f"{services}:34005", "retriever.Retriever", "RetrieveBlob", asked)).data == data


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["openai", key, model]:
            ask_openai(key, model)
        case ["da", file]:
            anyio.run(carry_blob, Path(file).read_bytes())
        case words:
            sys.exit(f"{words}: openai KEY MODEL, or da FILE")
