"""`zerog verify` and `zerog compute receipt`: what a saved answer proves, and the proof that it was paid."""

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, Literal, cast

import cyclopts
import msgspec

from zerog.cli.amounts import shown_amount
from zerog.cli.compute_options import ComputeArgumentError, ComputePlace, Flag, provider_of
from zerog.cli.kept_answers import SETTLE_S_MAX, read_answer, read_quoted, save_answer
from zerog.cli.output import AsJson, WorkingFolder, print_json, say
from zerog.cli.replaying import replayer_of
from zerog.compute.client import ComputeClient, Grade, NotSettledError, ProviderAnswerError, Verdict
from zerog.compute.client.words import words_of
from zerog.compute.protocol.receipts import Receipt
from zerog.compute.protocol.sealed_proof import event_payloads
from zerog.primitives import Address

__all__ = ["receipt", "receipts", "verify"]

Place = Annotated[ComputePlace, cyclopts.Parameter(name="*")]
PLACE: Final = ComputePlace()
EXIT_REFUSED: Final = 1
WIDTH: Final = 118
HOW_TO_REACH: Final = {
    Grade.TDX: "`tdx` needs evidence in the file and a verifier of quotes, which comes with no command: "
    "give one to `verify(..., quote_verifier=...)` in Python",
    Grade.REPLAYED: "`replayed` runs the model again: add --replay, which is possible for answers of the exact engine",
}
"""What is missing, by the grade that was asked for."""
NOT_REPLAYED: Final = "the model could not be run again on this machine; the list under NOT PROVEN says why"


def receipt(
    file: Path,
    /,
    *,
    wait: Annotated[bool, cyclopts.Parameter(name=["--wait", "--wait-settled"], negative="")] = False,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Ask the provider for the settlement of a saved answer, and add the proof of it to the file.

    Parameters
    ----------
    wait
        Wait until it is settled.
    """
    kept = read_answer(file)
    with place.connect(directory, paying=False) as compute:
        compute.verify(kept)
        settled = compute.settled(kept, timeout_s=SETTLE_S_MAX if wait else 0.0)
        verdict = compute.verify(settled)
    if verdict.settled is None:
        raise NotSettledError(verdict.request_id or "")
    if settled != kept:
        save_answer(file, settled)
    if json:
        print_json({"file": str(file), **_settled_facts(verdict)})
        return
    print(verdict.settled.transaction_hash)
    part = "" if verdict.settled.is_whole else f", {shown_amount(verdict.settled.paid_wei)} of it so far"
    say(f"paid in block {verdict.settled.block_number}{part}, among {verdict.settled.receipts} receipts: the proof is in {file} now")


def receipts(
    provider: str | None = None,
    /,
    *,
    most: int = 20,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """List what a provider says that it has charged you for, newest first.

    Parameters
    ----------
    provider
        Its address; the one with which your money lies, if it is one.
    most
        How many receipts at most.
    """
    with place.connect(directory) as compute:
        found = list(islice(compute.receipts(_provider(provider, compute)), most))
    if json:
        print_json([_receipt_facts(one) for one in found])
        return
    for one in found:
        used = f"{one.usage.prompt_tokens} + {one.usage.completion_tokens} tokens"
        used = f"{one.usage.images} pictures" if one.usage.images else f"{one.usage.seconds} s" if one.usage.seconds else used
        when = datetime.fromtimestamp(one.created_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        print(f"{when}  {one.id}  {one.model}, {used}: {shown_amount(int(one.fee))}")
    if not found:
        say("there is none")


def verify(
    file: Path,
    /,
    *,
    at_least: Literal["simulated", "signed", "tdx", "replayed"] | None = None,
    settled: Annotated[bool, Flag] = False,
    show: Annotated[bool, Flag] = False,
    replay: Annotated[bool, Flag] = False,
    model: Path | None = None,
    data: Path | None = None,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Check a saved answer: its bytes, its signature, its receipt and its settlement, against one chain node and nothing else.

    The exit code is 1 if it proves less than asked for, which is `signed`, or `simulated` on a local network, and `replayed` with --replay.

    Parameters
    ----------
    file
        What `zerog compute chat --save` has kept.
    at_least
        How much it has to prove.
    settled
        It has to be settled.
    show
        Print what was asked and answered, too.
    replay
        Run the model again on the request, and see whether it gives this answer.
    model
        The model's file, for --replay; by default it is taken from the cache, or fetched from 0G Storage.
    data
        A text that the request has to quote, under the root that it has on 0G Storage, which the chain has to know.
    """
    answer, quoted = read_answer(file), None if data is None else read_quoted(data)
    usual = "replayed" if replay else "simulated" if place.is_local(directory) else "signed"
    needed = Grade(at_least or usual)
    with place.connect(directory, paying=False) as compute:
        replayer = replayer_of(place.place(directory), compute, answer, model) if replay else None
        verdict = compute.verify(answer, replayer=replayer, data=quoted)
    is_enough = verdict.grade.is_at_least(needed) and (verdict.settled is not None or not settled)
    if json:
        print_json(_facts(verdict, enough=is_enough, show=show))
        return 0 if is_enough else EXIT_REFUSED
    print("\n".join(_lines(verdict, file)))
    if show:
        print("\n".join(_shown("asked", verdict.request)))
        print("\n".join(_shown("answered", verdict.answer)))
    if not is_enough:
        say(f"this is less than was asked for: {needed.value}{', settled' if settled else ''}")
        if needed in HOW_TO_REACH and not verdict.grade.is_at_least(needed):
            say(NOT_REPLAYED if replay and needed is Grade.REPLAYED else HOW_TO_REACH[needed])
    return 0 if is_enough else EXIT_REFUSED


def _provider(named: str | None, compute: ComputeClient) -> Address:
    """Raises `ComputeArgumentError` where several could be meant, or none."""
    if named is not None:
        return provider_of(named)
    providers = [account.provider for account in compute.market.accounts(compute.account.address)]
    if len(providers) != 1:
        raise ComputeArgumentError(f"name the provider: your money lies with {len(providers)} of them (`zerog compute account`)")
    return providers[0]


# ---- words and facts ---------------------------------------------------------------------------------------------


def _lines(verdict: Verdict, file: Path) -> Iterator[str]:
    """A verdict for a person: the sum of it, the facts, and both lists."""
    yield f"{file}: {verdict.state}"
    yield ""
    sealed = ", encrypted from end to end" if verdict.is_sealed else ""
    yield _fact("answer", f"{verdict.service_type.value}, model {verdict.model}{sealed}")
    if verdict.engine is not None:
        note = f": {verdict.engine.note}" if verdict.engine.note else ""
        yield _fact("computed", f"by {verdict.engine.name} {verdict.engine.version}, as the provider says{note}")
    yield _fact("provider", str(verdict.provider))
    yield _fact("signed by", str(verdict.signer))
    if verdict.fee_wei is not None:
        yield _fact("cost", f"{shown_amount(verdict.fee_wei)}, owed by {verdict.user}")
    if verdict.settled is not None:
        yield _fact("paid", f"{shown_amount(verdict.settled.paid_wei)} in block {verdict.settled.block_number}")
        yield _fact("", f"transaction {verdict.settled.transaction_hash}")
    if verdict.quoted is not None:
        yield _fact("asked of", f"the file {verdict.quoted.root}")
    for title, mark, findings in (("proven", "+", verdict.proven), ("not proven", "-", verdict.not_proven)):
        yield ""
        yield title
        for finding in findings:
            yield from textwrap.wrap(finding, WIDTH, initial_indent=f"  {mark} ", subsequent_indent="    ", break_long_words=False)


def _fact(name: str, value: str) -> str:
    return f"  {name:<10} {value}"


def _shown(what: str, body: bytes | None) -> Iterator[str]:
    """Text as it is; of anything else how much there is."""
    yield ""
    yield what
    if body is None:
        yield "  encrypted, and the file holds no key"
        return
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or not all(character.isprintable() or character.isspace() for character in text):
        yield f"  {len(body)} bytes that are no text"
        return
    for line in _readable(body, text):
        yield f"  {line}"


def _readable(body: bytes, text: str) -> list[str]:
    """What a model says in a stream as one text; JSON with its members below each other; other text as it is."""
    events = event_payloads(body)
    try:
        if events:
            said = "".join(word for event in events for word in words_of(event, "the answer"))
            return said.splitlines() or [event.decode() for event in events]
        return msgspec.json.format(body, indent=2).decode().splitlines()
    except (msgspec.DecodeError, ProviderAnswerError):
        return text.splitlines()


def _facts(verdict: Verdict, *, enough: bool, show: bool) -> dict[str, object]:
    content = {"request": _text_of(verdict.request), "answer": _text_of(verdict.answer)} if show else {}
    return {
        "grade": verdict.grade.value,
        "state": verdict.state,
        "enough": enough,
        "request_id": verdict.request_id,
        "user": None if verdict.user is None else str(verdict.user),
        "provider": str(verdict.provider),
        "signer": str(verdict.signer),
        "service_type": verdict.service_type.value,
        "model": verdict.model,
        "engine": None if verdict.engine is None else {"name": verdict.engine.name, "note": verdict.engine.note},
        "encrypted": verdict.is_sealed,
        "fee_wei": None if verdict.fee_wei is None else str(verdict.fee_wei),
        "settled": _settled_facts(verdict) or None,
        "data": None if verdict.quoted is None else {"root": str(verdict.quoted.root), "block": verdict.quoted.block_number},
        "proven": verdict.proven,
        "not_proven": verdict.not_proven,
        **content,
    }


def _receipt_facts(receipt: Receipt) -> dict[str, object]:
    return cast("dict[str, object]", msgspec.to_builtins(receipt, enc_hook=str))


def _text_of(body: bytes | None) -> str | None:
    return None if body is None else body.decode(errors="replace")


def _settled_facts(verdict: Verdict) -> dict[str, object]:
    settled = verdict.settled
    if settled is None:
        return {}
    return {
        "transaction_hash": str(settled.transaction_hash),
        "block": settled.block_number,
        "whole": settled.is_whole,
        "paid_wei": str(settled.paid_wei),
        "receipts": settled.receipts,
        "total_fee_wei": str(settled.total_fee_wei),
    }
