"""Who stands between a client and a model's server: nobody, our provider on a chain of its own, or LiteLLM's proxy."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from benchmarks.compute.load import Order, Seen
from benchmarks.compute.market import LEDGER, NETWORK, ONE, SERVING, Wallet
from benchmarks.connection import PeerSpokeWronglyError, RpcFailedError
from benchmarks.nodes import START_LIMIT_S, ZEROG_COMMAND, Node, free_port, process_processor_seconds, zerog
from zerog.compute.protocol.tokens import SessionToken, make_api_key
from zerog.contracts.compute import INFERENCE_SERVING, LEDGER_MANAGER
from zerog.networks import role_account
from zerog.primitives import Account, derive_accounts

__all__ = ["MODEL", "Place", "Upstream", "direct", "ensure_litellm", "litellm", "provider", "upstream"]

ROOT: Final = Path(__file__).parents[2]
LITELLM: Final = ROOT / ".venv-litellm" / "bin" / "litellm"
MODEL: Final = "m"
USERS: Final = 16
LITELLM_KEY: Final = "sk-benchmark-0123456789abcdef0123456789abcdef"
POLL_S: Final = 0.1
LOAD_LIMIT_S: Final = 90.0
RECOVER_LIMIT_S: Final = 60.0
QUICK_S: Final = 0.3
"""A chat that takes no longer shows that nothing else is under way."""
FLAGS: Final = ("--concurrent", "0", "--concurrent-per-user", "0", "--requests-per-minute", "0", "--context-tokens", "8192")
"""Limits raised; what a request can cost at most is small, so that many are paid for at once."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where chats are asked for."""

    name: str
    url: str
    pid: int
    """Of the program, or of the server where there is none between."""
    headers: list[dict[str, str]] = field(default_factory=lambda: [{}])

    def load(self, order: Order) -> Seen:
        """Run the generator against it. Raises `PeerSpokeWronglyError` when an answer was none."""
        told = json.dumps(asdict(replace(order, url=self.url + "/chat/completions", headers=self.headers)))
        command = [sys.executable, "-m", "benchmarks.compute.load"]
        before_s = process_processor_seconds(self.pid)
        done = subprocess.run(command, input=told, capture_output=True, text=True, cwd=ROOT, timeout=LOAD_LIMIT_S, check=True)
        seen = Seen(**json.loads(done.stdout))
        if seen.failures or not seen.answers + seen.events:
            raise PeerSpokeWronglyError(f"{self.name}: {seen.failures} of {seen.answers} answers failed: {seen.failure}")
        return replace(seen, processor_s=process_processor_seconds(self.pid) - before_s)

    def recover(self) -> None:
        """Wait until it has done with what nobody waits for any more. Raises `PeerSpokeWronglyError`."""
        until, cause = time.monotonic() + RECOVER_LIMIT_S, "its chats take long"
        while time.monotonic() < until:
            asked = time.monotonic()
            cause = self.refusal()
            if not cause and time.monotonic() - asked < QUICK_S:
                return
        raise PeerSpokeWronglyError(f"{self.name} does not recover from a load: {cause}")

    def refusal(self) -> str:
        """Ask for one chat; empty if it is answered."""
        body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}).encode()
        headers = {"Content-Type": "application/json", **self.headers[-1]}
        request = urllib.request.Request(f"{self.url}/chat/completions", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=RECOVER_LIMIT_S) as answer:
                answer.read()
                return ""
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read()[:300]!r}"
        except OSError as error:
            return str(error)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A model's server that runs."""

    url: str
    pid: int


@contextmanager
def upstream(*, latency_s: float = 0.0, events: int = 16, event_interval_s: float = 0.0) -> Iterator[Upstream]:
    """A server that answers after so long, in a process of its own."""
    flags = ["--latency", str(latency_s), "--events", str(events), "--event-interval", str(event_interval_s)]
    with subprocess.Popen(
        [sys.executable, "-m", "zerog.testing.upstream", *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise OSError("the server has no pipes")
        try:
            yield Upstream(process.stdout.readline().strip(), process.pid)
        finally:
            process.stdin.close()
            process.wait(timeout=START_LIMIT_S)


@contextmanager
def direct(behind: Upstream) -> Iterator[Place]:
    """Nobody between."""
    yield Place("direct", behind.url, behind.pid)


@contextmanager
def provider(behind: Upstream) -> Iterator[Place]:
    """Our provider as an operator starts it, durable as by default, with sixteen users who have money there."""
    with zerog() as node, tempfile.TemporaryDirectory(prefix="benchmark-provider-") as folder:
        port = free_port()
        settings = ["--chain-url", node.url, "--port", str(port), "--engine", behind.url, "--model", MODEL, *FLAGS]
        log = Path(folder) / "log"
        with log.open("wb") as written:
            process = subprocess.Popen([*ZEROG_COMMAND, "compute", "run", "--dir", folder, *settings], stdout=written, stderr=written)
        try:
            users = admit_users(node)
            place = Place("zerog", f"http://127.0.0.1:{port}/v1/proxy", process.pid, users)
            wait_for_answer(place, process, log)
            yield place
        finally:
            process.terminate()
            process.wait(timeout=START_LIMIT_S)


def admit_users(node: Node) -> list[dict[str, str]]:
    """Acknowledge the provider's signer as the contract's owner, and give users money there. The header of each."""
    if NETWORK.genesis is None:
        raise OSError("the network of our own has no genesis")
    mnemonic = NETWORK.genesis.mnemonic
    seller, owner = (role_account(mnemonic, "compute", index) for index in (0, 1))
    users = derive_accounts(mnemonic, USERS, "m/44'/60'/0'/8")
    connection = node.connect()
    connection.call_many([("anvil_setBalance", ["0x" + user.address.hex(), hex(1_000 * ONE)]) for user in users])
    query = {"to": str(SERVING), "data": "0x" + INFERENCE_SERVING.function("getService").encode(seller.address).hex()}
    until = time.monotonic() + START_LIMIT_S
    while not answers(node, query):
        if time.monotonic() > until:
            raise PeerSpokeWronglyError("the provider did not register")
        time.sleep(POLL_S)  # noqa: TID251 - the provider tells nobody here when it is there.
    acknowledge = INFERENCE_SERVING.function("acknowledgeTEESignerByOwner").encode(seller.address)
    nonce = int(str(connection.call("eth_getTransactionCount", str(owner.address), "latest")), 16)
    sent = [Wallet(owner, nonce).signed(SERVING, acknowledge)]
    for user in users:
        wallet = Wallet(user)
        sent.append(wallet.signed(LEDGER, LEDGER_MANAGER.function("addLedger").encode(""), 100 * ONE))
        sent.append(wallet.signed(LEDGER, LEDGER_MANAGER.function("transferFund").encode(seller.address, "inference-v1.0", 50 * ONE)))
    connection.call_many([("eth_sendRawTransaction", [raw]) for raw in sent])
    return [{"Authorization": "Bearer " + key_of(user, seller)} for user in users]


def answers(node: Node, query: dict[str, str]) -> bool:
    """Whether a call does not revert."""
    try:
        node.connect().call("eth_call", query, "latest")
    except RpcFailedError:
        return False
    return True


def key_of(user: Account, seller: Account) -> str:
    """A day's key for our provider."""
    now_ms = int(time.time() * 1000)
    token = SessionToken(
        address=user.address,
        provider=seller.address,
        timestamp_ms=now_ms,
        expires_at_ms=now_ms + 20 * 3_600_000,
        nonce=f"{now_ms}-benchmark".ljust(32, "0"),
        generation=0,
        token_id=255,
    )
    return make_api_key(token, user.private_key)


@contextmanager
def litellm(behind: Upstream) -> Iterator[Place]:
    """LiteLLM's proxy as its manual starts it for production: one worker, a master key, no database."""
    with tempfile.TemporaryDirectory(prefix="benchmark-litellm-") as folder:
        port = free_port()
        model = {"model_name": MODEL, "litellm_params": {"model": f"openai/{MODEL}", "api_base": behind.url, "api_key": "none"}}
        path = Path(folder) / "config.yaml"
        path.write_text(json.dumps({"model_list": [model], "litellm_settings": {"telemetry": False}}))  # JSON is YAML.
        environment = {
            **os.environ, "LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MASTER_KEY": LITELLM_KEY,
        }  # fmt: skip
        environment.pop("PYTHONPATH", None)
        log = Path(folder) / "log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [LITELLM, "--config", path, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"],
                stdout=written, stderr=written, env=environment, cwd=folder,
            )  # fmt: skip
        try:
            place = Place("litellm", f"http://127.0.0.1:{port}/v1", process.pid, [{"Authorization": f"Bearer {LITELLM_KEY}"}])
            wait_for_answer(place, process, log)
            yield place
        finally:
            process.terminate()
            process.wait(timeout=START_LIMIT_S)


def wait_for_answer(place: Place, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until a chat is answered. Raises `PeerSpokeWronglyError`."""
    until, cause = time.monotonic() + START_LIMIT_S, ""
    while time.monotonic() < until and process.poll() is None:
        cause = place.refusal()
        if not cause:
            return
        time.sleep(POLL_S)  # noqa: TID251 - a foreign program tells nobody when it is there.
    raise PeerSpokeWronglyError(f"{place.name} answers no chat: {cause}\n{log.read_text(errors='replace')[-2_000:]}")


def ensure_litellm() -> str:
    """Version of what stands in its own virtual environment, which `make bench` makes."""
    if not LITELLM.exists():
        raise SystemExit("LiteLLM is missing: `make bench` installs it into .venv-litellm")
    code = "from importlib.metadata import version; print(version('litellm'))"
    return subprocess.run([LITELLM.with_name("python"), "-c", code], check=True, capture_output=True, text=True).stdout.strip()
