"""`zerog compute list`, `account`, `chat`, `key` and `limit`: inference and its money."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import cyclopts

from zerog.cli.amounts import amount_of, shown_amount
from zerog.cli.compute_options import ComputeArgumentError, ComputePlace, Flag, provider_of
from zerog.cli.interrupts import HeldInterrupt, hold_first_interrupt
from zerog.cli.kept_answers import SETTLE_S_MAX, check_savable, save_answer
from zerog.cli.output import AsJson, OutputLostError, WorkingFolder, print_json, say
from zerog.compute.client import (
    Answer,
    ChatOptions,
    ChatStream,
    ComputeClient,
    Limits,
    Message,
    Money,
    ProviderMoney,
)
from zerog.compute.protocol.additional_info import AdditionalInfo
from zerog.compute.protocol.errors import AdditionalInfoError
from zerog.compute.wire.answer_file import AnswerFile
from zerog.contracts.compute import InferenceService

__all__ = ["account", "chat", "key", "limit", "list_"]

Place = Annotated[ComputePlace, cyclopts.Parameter(name="*")]
PLACE: Final = ComputePlace()


def list_(
    *,
    all_services: Annotated[bool, cyclopts.Parameter(name="--all", negative="")] = False,
    models: Annotated[bool, Flag] = False,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """List the services of the market.

    Parameters
    ----------
    all_services
        Also those whose signer the contract's owner has not acknowledged, which cannot be paid.
    models
        Ask each provider for its models.
    """
    with place.connect(directory, paying=False) as compute:
        services = compute.services(unusable=all_services)
        catalogue = {service.provider: compute.models(service.provider) for service in services} if models else {}
    if json:
        told = [
            _service_facts(service) | ({"models": [model.id for model in catalogue[service.provider]]} if models else {})
            for service in services
        ]
        print_json(told)
        return
    for service in services:
        params = service.params
        state = "  simulated enclave" if _is_simulated(service) else ""
        state += "" if service.is_signer_acknowledged else "  not acknowledged"
        print(f"{service.provider}  {params.service_type:<14}  {params.model}{state}")
        print(f"  {params.url}  {params.input_price_wei} wei in, {params.output_price_wei} wei out")
        for model in catalogue.get(service.provider, ()):
            print(f"  model {model.id}")
    if not services:
        say("there is none")


def account(address: str | None = None, /, *, place: Place = PLACE, json: AsJson = False, directory: WorkingFolder = Path()) -> None:
    """Show where the money is: wallet, ledger, and what lies with each provider.

    Parameters
    ----------
    address
        Whose; that of the key if nobody is named.
    """
    with place.connect(directory) as compute:
        money = compute.money(None if address is None else provider_of(address))
    if json:
        print_json(_money_facts(money))
        return
    print(f"wallet    {shown_amount(money.wallet_wei):>28}  {money.address}")
    if money.ledger is None:
        say("no ledger yet: make one with `zerog compute fund deposit 3`")
        return
    print(f"ledger    {shown_amount(money.ledger.total_wei):>28}  of it {shown_amount(money.ledger.available_wei)} available")
    for item in money.providers:
        print(f"provider  {shown_amount(item.balance_wei):>28}  {item.provider}  {item.model or 'no service any more'}")
        print(f"          {shown_amount(item.locked_wei):>28}  locked for requests{_unsettled(item)}")
        for refund in item.refunds:
            when = "now" if refund.refundable_at_s <= money.chain_time_s else f"from {_time(refund.refundable_at_s)} on"
            print(f"          {shown_amount(refund.amount_wei):>28}  asked back, refundable {when}")


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Who is asked, and how the answer is made."""

    model: str | None = None
    """Name of the model; without one the cheapest service answers."""
    provider: str | None = None
    """Address of the provider."""
    system: str | None = None
    """What the model is to keep in mind."""
    max_tokens: int | None = None
    """Length of the answer at most."""
    temperature: float | None = None
    """How freely it chooses its words."""
    seed: int | None = None
    """Where its dice begin, for models that can repeat an answer."""
    no_fund: Annotated[bool, Flag] = False
    """Do not move any money."""
    encrypted: Annotated[bool, Flag] = False
    """Encrypt prompt and answer, so that only the provider's enclave reads them. What it has to show for that, --enclave says."""

    @contextmanager
    def ask(self, compute: ComputeClient, text: str) -> Iterator[ChatStream]:
        """Raises what `ComputeClient.chat` does, and `ComputeArgumentError`."""
        messages = ([Message("system", self.system)] if self.system is not None else []) + [Message("user", text)]
        options = ChatOptions(max_tokens=self.max_tokens, temperature=self.temperature, seed=self.seed)
        provider = None if self.provider is None else provider_of(self.provider)
        with compute.chat(
            messages, model=self.model, provider=provider, options=options, encrypted=self.encrypted, fund=not self.no_fund
        ) as stream:
            yield stream


def chat(
    *prompt: str,
    asking: Annotated[Asking, cyclopts.Parameter(name="*")] = Asking(),
    save: Annotated[Path | None, cyclopts.Parameter(name=["--save", "-o"])] = None,
    without_key: Annotated[bool, Flag] = False,
    enclave: Literal["mock", "form", "tdx"] | None = None,
    wait_settled: Annotated[bool, Flag] = False,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Ask a model, print the answer as it comes, and pay for it.

    Money that is missing goes from the wallet into the ledger and on to the provider first, within the limits of `zerog compute limit`.

    Parameters
    ----------
    prompt
        What to ask; without words it is read from the standard input.
    save
        File to keep request, answer, signature and receipt in. Ctrl-C then ends the printing; the answer, which is paid, is still kept.
    without_key
        Of an encrypted answer: leave out of the file what opens it. It proves the same, and tells nobody what was said, you included.
    enclave
        What the enclave's evidence has to show before anything is encrypted to it: tdx (a quote that a processor signed, the default), form
        (one whose signature nobody has checked), or mock (a simulated enclave, the default on a local network).
    wait_settled
        Wait until the answer is settled on chain, and keep the proof of that too.
    """
    if wait_settled and save is None:
        raise ComputeArgumentError("--wait-settled adds to what --save keeps: name a file")
    if (without_key or enclave is not None) and not asking.encrypted:
        raise ComputeArgumentError("--without-key and --enclave are about what is --encrypted")
    text = " ".join(prompt) if prompt else sys.stdin.read()
    if not text:
        raise ComputeArgumentError("there is nothing to ask")
    if save is not None:
        check_savable(save)
    with place.connect(directory, enclave=enclave) as compute:
        with asking.ask(compute, text) as stream, _read_on(save) as interrupt:
            lost = _print_words(stream, quietly=json, save=save, interrupt=interrupt)
            answer = stream.answer
            kept = answer.file.without_opening if without_key else answer.file
            if save is not None:
                save_answer(save, kept)
            if interrupt is not None and interrupt.came:
                say(f"the answer is kept in {save}")
        if wait_settled and save is not None:
            kept = compute.settled(kept, timeout_s=SETTLE_S_MAX)
            save_answer(save, kept)
    if lost is not None:
        raise lost  # What was asked is paid and kept all the same.
    if json:
        print_json(_answer_facts(answer, kept, save))
        return
    say(_told(answer, kept, save))


def key(
    action: Literal["create", "revoke", "revoke-all", "list"],
    provider: str | None = None,
    number: int | None = None,
    /,
    *,
    days: float | None = None,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Make or revoke API keys, with which OpenAI clients spend what lies with a provider.

    Parameters
    ----------
    action
        create prints a new key, revoke makes one worthless, revoke-all all of them, list shows those made here.
    provider
        Its address.
    number
        Of the key: 0 to 254; create chooses a free one by itself.
    days
        How long the key lives; for ever if nothing is said.
    """
    if action == "list":
        records = place.wallet(directory).key_records()
        told = [{"provider": str(one.provider), "number": one.token_id, "expires_at_ms": one.expires_at_ms} for one in records]
        if json:
            print_json(told)
        else:
            for record in records:
                print(f"{record.token_id:>3}  {record.provider}  {_end(record.expires_at_ms)}")
        return
    if provider is None or (action == "revoke" and number is None):
        raise ComputeArgumentError("name the provider, and to revoke a key its number")
    address = provider_of(provider)
    with place.connect(directory) as compute:
        if action == "create":
            made = compute.create_key(address, token_id=number, lifetime_s=None if days is None else days * 86_400)
            url = f"{compute.service(address).params.url}/v1/proxy"
            if json:
                print_json({"key": made.key, "number": made.token_id, "expires_at_ms": made.expires_at_ms, "base_url": url})
                return
            print(made.key)
            say(f"key {made.token_id}, {_end(made.expires_at_ms)}; base URL {url}")
        elif action == "revoke" and number is not None:
            done = compute.revoke_key(address, number)
            say(f"key {number} is worthless since block {done.block_number}")
        else:
            done = compute.revoke_all_keys(address)
            say(f"all keys and sessions are worthless since block {done.block_number}")


def limit(
    *,
    per_call: str | None = None,
    per_day: str | None = None,
    allow: tuple[str, ...] = (),
    allow_all: Annotated[bool, Flag] = False,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Show or set what the wallet lets go out. Transfers to providers and fees of requests are counted each by themselves.

    Parameters
    ----------
    per_call
        Of one transfer, and of the highest fee of one request: an amount, or none.
    per_day
        Of all transfers of a day, and of all fees of a day: an amount, or none.
    allow
        Only these providers may be paid; can be given several times.
    allow_all
        Every provider may be paid.
    """
    wallet = place.wallet(directory)
    limits = wallet.limits()
    if per_call is not None or per_day is not None or allow or allow_all:
        limits = Limits(
            per_call_wei=limits.per_call_wei if per_call is None else _limit(per_call),
            per_day_wei=limits.per_day_wei if per_day is None else _limit(per_day),
            providers=() if allow_all else tuple(map(provider_of, allow)) or limits.providers,
        )
        wallet.set_limits(limits)
    spent = {"transfers": wallet.spent_today("transfer"), "requests": wallet.spent_today("request")}
    if json:
        print_json(
            {
                "per_call_wei": None if limits.per_call_wei is None else str(limits.per_call_wei),
                "per_day_wei": None if limits.per_day_wei is None else str(limits.per_day_wei),
                "providers": [str(provider) for provider in limits.providers],
                "spent_today_wei": {kind: str(wei) for kind, wei in spent.items()},
            }
        )
        return
    for name, wei in (("a call", limits.per_call_wei), ("a day", limits.per_day_wei)):
        print(f"{name:<8} {'no limit' if wei is None else shown_amount(wei)}")
    print(f"today    {shown_amount(spent['transfers'])} to providers, fees of {shown_amount(spent['requests'])}")
    for provider in limits.providers or ("every provider",):
        print(f"pays     {provider}")


def _read_on(save: Path | None) -> AbstractContextManager[HeldInterrupt | None]:
    """An answer to `save` is read to its end, whether or not somebody still looks on."""
    if save is None:
        return nullcontext()
    return hold_first_interrupt(f"the whole answer is charged: it is read on and kept in {save}; Ctrl-C again gives it up")


def _print_words(
    stream: ChatStream, *, quietly: bool, save: Path | None, interrupt: HeldInterrupt | None
) -> OutputLostError | BrokenPipeError | None:
    """Print an answer as it comes. One to `save` is read on when nobody wants its words any more; returns what failed then."""
    lost: OutputLostError | BrokenPipeError | None = None
    for words in _with_end(stream):
        is_left = interrupt is not None and interrupt.came
        if quietly or is_left or lost is not None:
            continue
        try:
            sys.stdout.write(words)
            sys.stdout.flush()
        except (OutputLostError, BrokenPipeError) as error:
            if save is None:
                raise
            lost = error
    return lost


def _with_end(stream: ChatStream) -> Iterator[str]:
    yield from stream
    yield "\n"


# ---- words and facts ---------------------------------------------------------------------------------------------


def _limit(text: str) -> int | None:
    return None if text == "none" else amount_of(text)


def _is_simulated(service: InferenceService) -> bool:
    try:
        return AdditionalInfo.from_json(service.params.additional_info).is_simulated
    except AdditionalInfoError:
        return False


def _unsettled(money: ProviderMoney) -> str:
    return f", {shown_amount(money.unsettled_wei)} owed and not settled yet" if money.unsettled_wei else ""


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _end(expires_at_ms: int) -> str:
    return f"until {_time(expires_at_ms // 1000)}" if expires_at_ms else "for ever"


def _told(answer: Answer, file: AnswerFile, save: Path | None) -> str:
    used, fee = answer.usage, answer.fee_wei
    cost = "" if used is None or fee is None else f"{used.prompt_tokens} + {used.completion_tokens} tokens for {shown_amount(fee)}, "
    note = None if answer.file.receipt is None else answer.file.receipt.receipt.engine.note
    key = ", with the key that opens it" if file.opening is not None else ""
    kept = f"; kept in {save}{key}" if save is not None else ""
    return f"{cost}answer {answer.request_id} of {answer.file.provider}{kept}" + (f"\nnote: {note}" if note else "")


def _answer_facts(answer: Answer, file: AnswerFile, save: Path | None) -> dict[str, object]:
    used = answer.usage
    return {
        "text": answer.text,
        "request_id": answer.request_id,
        "provider": str(file.provider),
        "model": file.model,
        "usage": None if used is None else {"prompt_tokens": used.prompt_tokens, "completion_tokens": used.completion_tokens},
        "fee_wei": None if answer.fee_wei is None else str(answer.fee_wei),
        "settled": file.settlement is not None,
        "file": None if save is None else str(save),
    }


def _service_facts(service: InferenceService) -> dict[str, object]:
    params = service.params
    return {
        "provider": str(service.provider),
        "service_type": params.service_type,
        "model": params.model,
        "url": params.url,
        "input_price_wei": str(params.input_price_wei),
        "output_price_wei": str(params.output_price_wei),
        "verifiability": params.verifiability,
        "signer": str(params.signer),
        "acknowledged": service.is_signer_acknowledged,
        "simulated": _is_simulated(service),
    }


def _money_facts(money: Money) -> dict[str, object]:
    ledger = money.ledger
    return {
        "address": str(money.address),
        "wallet_wei": str(money.wallet_wei),
        "ledger": None
        if ledger is None
        else {"total_wei": str(ledger.total_wei), "available_wei": str(ledger.available_wei), "locked_wei": str(ledger.locked_wei)},
        "providers": [
            {
                "provider": str(item.provider),
                "model": item.model,
                "balance_wei": str(item.balance_wei),
                "locked_wei": str(item.locked_wei),
                "pending_refund_wei": str(item.pending_refund_wei),
                "refunds": [{"amount_wei": str(refund.amount_wei), "refundable_at": refund.refundable_at_s} for refund in item.refunds],
                "unsettled_wei": None if item.unsettled_wei is None else str(item.unsettled_wei),
                "acknowledged": item.acknowledged,
            }
            for item in money.providers
        ],
    }
