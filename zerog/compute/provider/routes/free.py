"""The routes that cost nothing: what is offered, what was signed, what is owed."""

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import parse_qs

import msgspec
from anyio import to_thread

from zerog.compute.protocol.attestation import model_report_body, parse_nonce, quote_body
from zerog.compute.protocol.constants import SIGNING_ALGORITHM
from zerog.compute.protocol.e2ee import encryption_key_body
from zerog.compute.provider.book import StoredJob, StoredReceipt
from zerog.compute.provider.desk import Desk
from zerog.compute.provider.errors import (
    ForeignJobError,
    ForeignUserError,
    JobNotFoundError,
    ReceiptNotFoundError,
    RequestError,
    SignatureNotFoundError,
)
from zerog.compute.provider.offer import weights_of
from zerog.compute.provider.routes.exchange import Exchange
from zerog.primitives import Address, Data
from zerog.runtime.http.asgi import JSON

__all__ = ["FreeRoutes", "shown_job"]

WAIT_S: Final = 10.0
"""So long the signature of an answer that is still under way is waited for."""
PAGE_ROWS: Final = 50
NONCE_BYTES: Final = 32
RETRY_AFTER: Final = (b"retry-after", b"1")


class FreeRoutes:
    """Answers what is not charged."""

    def __init__(self, desk: Desk) -> None:
        self._desk: Final = desk

    async def models(self, exchange: Exchange) -> None:
        """`GET /v1/models`: what is offered at what price."""
        desk = self._desk
        address = str(desk.address)
        told = []
        for model in desk.catalogue.models:
            engine, _ = desk.engines.choose(model.service_type, model.id)
            told.append({**model.info(address), **desk.trust, **weights_of(engine.identity)})
        await exchange.answer_json({"object": "list", "data": told})

    async def unsettled_fee(self, exchange: Exchange, user: str) -> None:
        """`GET /v1/user/{address}/unsettledfee`: what its owner owes; the official client tops its account up by it."""
        address = _address(user)
        caller = await self._desk.authenticator.caller(exchange.authorization)
        if caller.user != address:
            raise ForeignUserError(str(address))
        unsettled_wei = await self._desk.book.unsettled_wei(address)
        await exchange.answer_json({"userAddress": str(address), "unsettledFee": str(unsettled_wei)})

    async def signature(self, exchange: Exchange, key: str) -> None:
        """`GET /v1/proxy/signature/{id}`: what was signed of an answer. Clients ask right after its last byte, or sooner."""
        key = _key_in(key)
        await self._desk.wait_for(key, WAIT_S)
        stored = await self._desk.book.signature(key)
        if stored is None:
            raise SignatureNotFoundError(key)
        told = {
            "text": stored.signed_text,
            "signature": str(Data(stored.text_signature)),
            "signing_address": str(stored.signing_address),
            "signing_algo": SIGNING_ALGORITHM,
            "provider_type": stored.provider_type,
            "provider_identity": stored.provider_identity,
            "tls_cert_fingerprint": stored.tls_cert_fingerprint,
        }
        await exchange.answer_json({name: value for name, value in told.items() if value is not None})

    async def receipt(self, exchange: Exchange, key: str) -> None:
        """`GET /v1/receipts/{id}`: the receipt of an answer, and the settlement that it is part of; its id is the secret."""
        key = _key_in(key)
        await self._desk.wait_for(key, WAIT_S)
        stored = await self._desk.book.receipt(key)
        if stored is None:
            raise ReceiptNotFoundError(key)
        settlement = await self._desk.settlement_of(key) if stored.settlement_entry_id is not None else None
        await exchange.answer_json({**_shown_receipt(stored), "settlement": settlement})

    async def receipts(self, exchange: Exchange) -> None:
        """`GET /v1/receipts?cursor&limit`: the caller's receipts, newest first."""
        caller = await self._desk.authenticator.caller(exchange.authorization)
        page = await self._desk.book.receipts(caller.user, *_page_of(exchange.query))
        await exchange.answer_json({"receipts": [_shown_receipt(row) for row in page.rows], "next_cursor": page.next_cursor})

    async def jobs(self, exchange: Exchange) -> None:
        """`GET /v1/jobs?cursor&limit`: the caller's jobs, newest first, without their results."""
        caller = await self._desk.authenticator.caller(exchange.authorization)
        page = await self._desk.book.jobs(caller.user, *_page_of(exchange.query))
        await exchange.answer_json({"jobs": [shown_job(row, with_answer=False) for row in page.rows], "next_cursor": page.next_cursor})

    async def job(self, exchange: Exchange, job_id: str) -> None:
        """`GET /v1/async/jobs/{id}`: how far a job is, and its result."""
        caller = await self._desk.authenticator.caller(exchange.authorization)
        job = await self._desk.book.job(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        if job.user != caller.user:
            raise ForeignJobError(job_id)
        headers = () if job.answer is not None else (RETRY_AFTER,)
        await exchange.answer_json(shown_job(job), 200, *headers)

    async def quote(self, exchange: Exchange) -> None:
        """`GET /v1/quote[?legacy=…]`: evidence of where the signing key lives; of a simulated enclave it says that it is none."""
        is_legacy = parse_qs(exchange.query).get("legacy", ["true"])[0].lower() != "false"
        body = await to_thread.run_sync(partial(quote_body, self._desk.enclave, legacy=is_legacy))
        await exchange.answer(200, body, JSON)

    async def encryption_key(self, exchange: Exchange) -> None:
        """`GET /v1/e2ee/pubkey`: what requests can be sealed to; evidence of the newer layout proves whose key it is."""
        await exchange.answer(200, encryption_key_body(self._desk.enclave), JSON)

    async def report(self, exchange: Exchange) -> None:
        """`GET /v1/proxy/attestation/report[?nonce=…]`: the same, bound to a number that the asker chose."""
        nonce = parse_nonce(parse_qs(exchange.query).get("nonce", [None])[0])
        enclave = self._desk.enclave
        body = await to_thread.run_sync(model_report_body, enclave, nonce if nonce is not None else secrets.token_bytes(NONCE_BYTES))
        await exchange.answer(200, body, JSON)


def shown_job(job: StoredJob, *, with_answer: bool = True) -> Mapping[str, object]:
    """A job as its owner sees it; the result is what the route would have answered, the key names its signature and receipt."""
    told: dict[str, object] = {"jobId": job.job_id, "status": job.state.value, "createdAt": job.created_at_ms // 1000}
    if job.finished_at_ms is not None:
        told["completedAt"] = job.finished_at_ms // 1000
    answer = job.answer
    if answer is None:
        return told
    if answer.status >= 400:
        told["errorMessage"] = msgspec.json.decode(answer.body)["error"]["message"]
        told["error"] = msgspec.Raw(answer.body)
    else:
        told["resKey"] = job.job_id
        if with_answer:
            told["result"] = msgspec.Raw(answer.body)
    return told


def _shown_receipt(stored: StoredReceipt) -> dict[str, object]:
    return {
        "receipt": msgspec.Raw(stored.receipt),
        "leaf": str(stored.leaf),
        "signature": str(Data(stored.receipt_signature)),
    }


def _key_in(name: str) -> str:
    """The key in the id of an answer: clients that do not see the header take that."""
    return name.removeprefix("chatcmpl-").removeprefix("msg_")


def _page_of(query: str) -> tuple[int | None, int]:
    """Raises `RequestError`."""
    asked = parse_qs(query)
    try:
        cursor = int(asked["cursor"][0]) if "cursor" in asked else None
        limit = int(asked.get("limit", [str(PAGE_ROWS)])[0])
    except ValueError:
        raise RequestError("cursor and limit are numbers") from None
    if limit < 1 or (cursor is not None and not 0 <= cursor < 2**63):
        raise RequestError("limit is at least 1, and cursor a number that a page before named")
    return cursor, limit


def _address(text: str) -> Address:
    try:
        return Address.from_json(text)
    except ValueError as error:
        raise RequestError(f"{text[:80]!r} is no address: {error}") from None
