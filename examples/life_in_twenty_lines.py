"""The life of an AI answer, beside `zerog up --wait`: stored, asked, paid, published, verified, replayed, and refused when changed."""

import zerog
from zerog.compute.client import AnswerRefutedError, ChatOptions

data = b"The world will little note, nor long remember what we say here, but it can never forget what they did here."
with zerog.connect("local") as network:
    root = network.storage.upload(data).root  # On chain now: whoever has the root can fetch the bytes, and know that they are these.
    prompt = f"File {root} of 0G Storage:\n\n{network.storage.read(root).decode()}\n\nQuestion: What will the world never forget?"
    answer = network.compute.ask(prompt, options=ChatOptions(max_tokens=48, temperature=0.0))
    paid = network.compute.settled(answer.file, timeout_s=60)  # With the way from the signed receipt to the payment on chain.
    receipts = network.compute.published(paid, timeout_s=60)  # On storage and DA: they prove the payment when the provider is gone.
    blob = network.da.confirmation(receipts.blob_root, timeout_s=60)
    print(f"{answer.text} ({answer.fee_wei} wei; receipts confirmed by {len(blob.signers)} of {blob.members} signers)")
with zerog.connect(network.chain.url) as chain:  # From here on there are saved bytes and one node of the chain.
    print(chain.compute.verify(paid.to_bytes(), data=data, replay=True).state)
    try:
        chain.compute.verify(paid.to_bytes(), data=data.upper())
    except AnswerRefutedError as refusal:
        print(f"refused: {refusal}")
