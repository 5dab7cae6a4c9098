"""The proof that compute works: a user of the network's own pays for one short chat, and sees who signed it; later it is only read."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import anyio
import httpx
import msgspec

from zerog.chain.client import AsyncChainClient, ReceiptTimeoutError
from zerog.compute.client.attestation import check_enclave
from zerog.compute.protocol.constants import EPHEMERAL_TOKEN_ID, ServiceType
from zerog.compute.protocol.signing import answer_text, recover_text_signer
from zerog.compute.protocol.tokens import SessionToken, make_api_key
from zerog.compute.provider.service import ComputeProvider
from zerog.compute.wire.provider import SignatureAnswer
from zerog.contracts.compute import LEDGER_MANAGER, InferenceService
from zerog.devnet.blocks import making_blocks
from zerog.devnet.chain_place import ChainPlace
from zerog.primitives import Account, Address, decode_hook
from zerog.primitives.errors import RefusalError

__all__ = ["ComputeNotProvenError", "prove_compute"]

USER_ACCOUNT: Final = 2
"""Which of the accounts of compute pays for the proof."""
SERVICE_NAME: Final = "inference-v1.0"
DEPOSIT_WEI: Final = 3 * 10**18
"""The least that makes a ledger."""
TRANSFER_WEI: Final = 2 * 10**18
"""What the official client locks as well before it calls a provider."""
PROOF_S_MAX: Final = 50.0
BLOCK_S_MAX: Final = 10.0
LOOK_S: Final = 0.05
TOKEN_MS: Final = 3_600_000
STATUS_OK: Final = 200


@dataclass(eq=False)
class ComputeNotProvenError(RefusalError):
    """A step of the proof failed."""

    cause: str

    code = "compute_not_proven"
    remedy = "look at `zerog logs compute`"
    http_status = 503

    def __str__(self) -> str:
        return f"what proves compute {self.cause}"


async def prove_compute(place: ChainPlace, provider: ComputeProvider, url: str) -> Mapping[str, object]:
    """See that the signer is acknowledged and its evidence speaks of it; the first time pay for a chat, and hold its signature against it.

    Later starts add no block and no charge. On a chain where nobody pays for our roles only the evidence is looked at. Raises
    `ComputeNotProvenError`, and what the chain and the provider answer wrong.
    """
    try:
        with anyio.fail_after(PROOF_S_MAX):
            user = place.role_account("compute", USER_ACCOUNT)
            async with (
                httpx.AsyncClient(trust_env=False, timeout=PROOF_S_MAX) as http,
                AsyncChainClient(place.url) as chain,
                making_blocks(chain, wanted=user is not None),
            ):
                service = await _service(provider, wait=user is not None)
                verdict = await check_enclave(url, service.params.signer, http=http, accept_simulated=True)
                proof = None if user is None else await _chat_once(place, provider, user, service, url, http=http, chain=chain)
    except TimeoutError:
        raise ComputeNotProvenError(f"did not come within {PROOF_S_MAX:g} seconds") from None
    return {"proof": proof, "assurance": verdict.assurance.value}


async def _service(provider: ComputeProvider, *, wait: bool) -> InferenceService:
    """The service as it stands on chain, once its signer is acknowledged if somebody is there who does that."""
    chain = provider.running.chain
    while True:
        service = await chain.service(max_age_s=0)
        if service is not None and (service.is_signer_acknowledged or not wait):
            return service
        with anyio.move_on_after(LOOK_S):
            await chain.wait_for_news()


async def _chat_once(
    place: ChainPlace,
    provider: ComputeProvider,
    user: Account,
    service: InferenceService,
    url: str,
    *,
    http: httpx.AsyncClient,
    chain: AsyncChainClient,
) -> str | None:
    """Key of the chat; `None` if the user has an account already, or chats are not what is served."""
    if service.params.service_type != ServiceType.CHATBOT or await provider.running.chain.accounts([user.address]):
        return None
    if place.network is None:
        return None
    ledger = place.network.addresses["ledger_manager"]
    await _send(chain, user, ledger, LEDGER_MANAGER.function("depositFund").encode(), value_wei=DEPOSIT_WEI)
    transfer = LEDGER_MANAGER.function("transferFund").encode(bytes(service.provider), SERVICE_NAME, TRANSFER_WEI)
    await _send(chain, user, ledger, transfer)
    key = await _chat(http, url, user, service)
    provider.release_models()  # Nobody else has asked yet.
    await provider.running.settler.settle()
    return key


async def _chat(http: httpx.AsyncClient, url: str, user: Account, service: InferenceService) -> str:
    body = msgspec.json.encode(
        {"model": service.params.model, "messages": [{"role": "user", "content": "Are you there?"}], "max_tokens": 8}
    )
    headers = {"authorization": f"Bearer {_api_key(user, service.provider)}", "content-type": "application/json"}
    answer = await http.post(f"{url}/v1/proxy/chat/completions", content=body, headers=headers)
    if answer.status_code != STATUS_OK:
        raise ComputeNotProvenError(f"was refused by the provider: {answer.status_code} {answer.text[:500]}")
    key = answer.headers["zg-res-key"]
    found = await http.get(f"{url}/v1/proxy/signature/{key}")
    if found.status_code != STATUS_OK:
        raise ComputeNotProvenError(f"has no signature: {found.status_code} {found.text[:500]}")
    signature = msgspec.json.decode(found.content, type=SignatureAnswer, dec_hook=decode_hook)
    if signature.text != answer_text(sha256(body).digest(), sha256(answer.content).digest()):
        raise ComputeNotProvenError("is signed as another request or answer")
    if recover_text_signer(signature.text, signature.signature) != service.params.signer:
        raise ComputeNotProvenError("is signed by another key than the one on chain")
    return str(key)


def _api_key(user: Account, provider: Address) -> str:
    now_ms = int(time.time() * 1000)
    token = SessionToken(
        address=user.address,
        provider=provider,
        timestamp_ms=now_ms,
        expires_at_ms=now_ms + TOKEN_MS,
        nonce=f"{now_ms}-proof".ljust(32, "0"),
        generation=0,
        token_id=EPHEMERAL_TOKEN_ID,
    )
    return make_api_key(token, user.private_key)


async def _send(chain: AsyncChainClient, account: Account, to: Address, data: bytes, *, value_wei: int = 0) -> None:
    sent = await chain.send(to, value_wei=value_wei, data=data, account=account)
    try:
        receipt = await chain.wait_for_receipt(sent, timeout_s=BLOCK_S_MAX)
    except ReceiptTimeoutError:
        raise ComputeNotProvenError(f"is in no block after {BLOCK_S_MAX:g} seconds: the chain makes none on demand") from None
    if not receipt.succeeded:
        raise ComputeNotProvenError(f"was refused by the ledger in transaction {sent}")
