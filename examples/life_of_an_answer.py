"""The life of an AI answer, step by step with its proofs: `python examples/life_of_an_answer.py`, beside `zerog up --wait`.

What `zerog demo` shows, on the public clients alone. Read it from top to bottom; every wait has its deadline.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import zerog
from zerog.compute.client import AnswerRefutedError, ChatOptions

DATA = Path(__file__).with_name("gettysburg.txt").read_bytes()
QUESTION = "What does Lincoln ask of the living? Answer in one sentence."


def live(saved: Path) -> str:
    """From the stored text to the published receipts; leaves the answer in a file. Returns the URL of the chain."""
    with zerog.connect("local") as network:
        upload = network.storage.upload(DATA)  # A transaction writes the root on the chain, then a node takes the bytes.
        text = network.storage.read(upload.root).decode()  # Every segment is held against the root.
        print(f"stored     {upload.root}, for {upload.fee_wei} wei")

        prompt = f"File {upload.root} of 0G Storage:\n\n{text}\nQuestion: {QUESTION}"
        with network.compute.chat(prompt, options=ChatOptions(max_tokens=64, temperature=0.0, seed=1)) as stream:
            print("answered  ", end="")  # Money is locked with the provider first; then words come as they are made.
            for words in stream:
                print(words, end="", flush=True)
        answer = stream.answer  # Its bytes are held against the provider's signature and receipt.
        print(f"\nowed       {answer.fee_wei} wei, by the receipt {answer.request_id}")

        paid = network.compute.settled(answer.file, timeout_s=60)  # The way from the receipt to the root that the contract was called with.
        saved.write_bytes(paid.to_bytes())
        receipts = network.compute.published(paid, timeout_s=60)  # On storage, and with the same bytes on DA.
        blob = network.da.confirmation(receipts.blob_root, timeout_s=60)
        assert network.da.get(blob.name) == receipts.data
        print(f"published  {receipts.root}, blob signed for {blob.rows_signed} of {blob.rows} rows")
        return network.chain.url


def check(saved: Path, chain_url: str) -> None:
    """Whoever has the file and the text needs one node of the chain, and no provider."""
    with zerog.connect(chain_url) as chain:
        verdict = chain.compute.verify(saved.read_bytes(), data=DATA, replay=True)  # The model has to choose the same words again.
        print(f"verified   {verdict.state}", *verdict.proven, sep="\n           + ")
        print("not proven", *verdict.not_proven, sep="\n           - ")
        try:
            chain.compute.verify(saved.read_bytes(), data=DATA.replace(b"Liberty", b"liberty"))
        except AnswerRefutedError as refusal:
            print(f"refused    {refusal}")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        check(Path(folder) / "answer.json", live(Path(folder) / "answer.json"))
