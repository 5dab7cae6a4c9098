"""Answers as an enclave would have signed them, of any size and price."""

from uuid import uuid4

import msgspec

from tests.unit.compute.provider.place import PROVIDER, SERVING_ADDRESS
from zerog.compute.protocol.constants import ServiceType
from zerog.compute.protocol.fees import Prices, Usage, fee_of
from zerog.compute.protocol.receipts import EngineIdentity, Receipt, canonical_bytes, leaf_of, sign_receipt
from zerog.compute.protocol.signing import answer_text, sha256_hash, sign_text
from zerog.compute.provider.book import Charge
from zerog.compute.wire.answer_file import AnswerFile, SavedRequest, SavedResponse
from zerog.compute.wire.provider import SignatureAnswer, SignedReceipt
from zerog.contracts.compute import ServiceParams
from zerog.primitives import Account, Address, Data


def signed_answer(signer: Account, params: ServiceParams, user: Address, prompt_tokens: int) -> tuple[Charge, AnswerFile]:
    """An answer so long that its fee matters, as the provider's enclave would have signed it."""
    request_id = str(uuid4())
    request = msgspec.json.encode({"model": params.model, "messages": [{"role": "user", "content": request_id}]})
    response = msgspec.json.encode({"choices": [], "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": 0}})
    text, usage = answer_text(sha256_hash(request), sha256_hash(response)), Usage(prompt_tokens=prompt_tokens)
    fee = fee_of(ServiceType.CHATBOT, Prices(input_wei=params.input_price_wei, output_wei=params.output_price_wei), usage)
    receipt = Receipt(
        version=1,
        id=request_id,
        chain_id=31337,
        provider=PROVIDER.address,
        user=user,
        service_type=ServiceType.CHATBOT,
        model=params.model,
        request_sha256=sha256_hash(request),
        response_sha256=sha256_hash(response),
        signed_text=text,
        usage=usage,
        **Receipt.fees(fee),
        created_at_ms=1_700_000_000_000,
        signer=signer.address,
        engine=EngineIdentity(name="test", version="1"),
    )
    leaf = leaf_of(canonical_bytes(receipt))
    charge = Charge(
        request_id=request_id,
        user=user,
        fee_wei=fee.total_wei,
        receipt=canonical_bytes(receipt),
        leaf=leaf,
        receipt_signature=sign_receipt(leaf, signer.private_key),
        signed_text=text,
        text_signature=sign_text(text, signer.private_key),
        signing_address=signer.address,
        created_at_ms=receipt.created_at_ms,
    )
    file = AnswerFile(
        chain_id=31337,
        contract=SERVING_ADDRESS,
        provider=PROVIDER.address,
        url=params.url,
        model=params.model,
        request=SavedRequest(path="/v1/proxy/chat/completions", content_type="application/json", body=request, sha256=sha256_hash(request)),
        response=SavedResponse(status=200, content_type="application/json", body=response, sha256=sha256_hash(response)),
        signature=SignatureAnswer(text=text, signature=Data(charge.text_signature), signing_address=signer.address, signing_algo="ecdsa"),
        receipt=SignedReceipt(receipt=receipt, leaf=leaf, signature=Data(charge.receipt_signature)),
    )
    return charge, file
