"""The wallet: its key, its limits, and days that end."""

import secrets
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zerog.chain.client.errors import ProviderNotAllowedError, SpendLimitError, WalletError
from zerog.chain.client.wallet import DEFAULT_LIMITS, Limits, Wallet, default_folder
from zerog.primitives import Address

PROVIDER = Address(b"\x02" * 20)
DAY_S = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000 * DAY_S

    def __call__(self) -> float:
        return self.now_s


def test_a_key_is_made_once_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    wallet = Wallet(tmp_path / "wallet")
    account = wallet.account()
    assert Wallet(tmp_path / "wallet").account() == account
    assert Wallet(tmp_path / "other").account() != account
    assert stat.S_IMODE((tmp_path / "wallet").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "wallet" / "key").stat().st_mode) == 0o600
    assert account.private_key.hex() not in repr(account)


@pytest.mark.parametrize("content", [b"", b"0x12", b"0x" + b"0" * 64, b"\xff\xfe"])
def test_a_broken_key_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(WalletError, match="no key"):
        Wallet(tmp_path).account()
    assert (tmp_path / "key").read_bytes() == content


def test_limits_are_default_until_they_are_set(tmp_path: Path) -> None:
    wallet = Wallet(tmp_path)
    assert wallet.limits() == DEFAULT_LIMITS
    limits = Limits(per_call_wei=5, providers=(PROVIDER,))
    wallet.set_limits(limits)
    assert Wallet(tmp_path).limits() == limits


def test_a_broken_file_stops_all_spending(tmp_path: Path) -> None:
    wallet = Wallet(tmp_path)
    for name in ("limits.json", "spent.json"):
        (tmp_path / name).write_bytes(b"{")
        with pytest.raises(WalletError, match=name), wallet.spending("request", PROVIDER, 1):
            pass
        (tmp_path / name).unlink()


def test_a_day_ends_and_the_next_begins_at_nothing(tmp_path: Path) -> None:
    clock = Clock()
    wallet = Wallet(tmp_path, clock)
    wallet.set_limits(Limits(per_call_wei=6, per_day_wei=10))
    with wallet.spending("request", PROVIDER, 6):
        pass
    with pytest.raises(SpendLimitError, match="a call"), wallet.spending("request", PROVIDER, 7):
        pass
    with pytest.raises(SpendLimitError, match="a day"), wallet.spending("request", PROVIDER, 5):
        pass
    with wallet.spending("transfer", PROVIDER, 6):
        assert wallet.spent_today("transfer") == 6
    with wallet.spending("request", PROVIDER, 4) as spending:
        assert wallet.spent_today("request") == 10
        spending.wei = 1
    assert wallet.spent_today("request") == 7
    clock.now_s += DAY_S
    assert wallet.spent_today("request") == 0
    with wallet.spending("request", PROVIDER, 6):
        pass
    assert wallet.spent_today("request") == 6


def test_what_is_given_back_on_another_day_is_not_taken_from_that_day(tmp_path: Path) -> None:
    clock = Clock()
    wallet = Wallet(tmp_path, clock)
    with wallet.spending("request", PROVIDER, 9) as spending:
        clock.now_s += DAY_S
        with wallet.spending("request", PROVIDER, 5):
            pass
        spending.wei = 0
    assert wallet.spent_today("request") == 5


def test_what_fails_inside_counts_unless_it_is_taken_back(tmp_path: Path) -> None:
    wallet = Wallet(tmp_path)
    with pytest.raises(RuntimeError), wallet.spending("request", PROVIDER, 9):
        raise RuntimeError
    assert wallet.spent_today("request") == 9


def test_nobody_else_is_paid_where_somebody_is_named(tmp_path: Path) -> None:
    wallet = Wallet(tmp_path)
    wallet.set_limits(Limits(providers=(PROVIDER,)))
    wallet.check_provider(PROVIDER)
    with pytest.raises(ProviderNotAllowedError), wallet.spending("request", Address(b"\x03" * 20), 0):
        pass


def test_many_threads_do_not_spend_more_than_the_limit_together(tmp_path: Path) -> None:
    Wallet(tmp_path).set_limits(Limits(per_day_wei=50))
    refused: list[SpendLimitError] = []

    def spend() -> None:
        try:
            with Wallet(tmp_path).spending("request", PROVIDER, 10):
                pass
        except SpendLimitError as error:
            refused.append(error)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refused), Wallet(tmp_path).spent_today("request")) == (3, 50)


SPENDERS = """
import os, random, signal, sys, time
from pathlib import Path
from zerog.chain.client.errors import SpendLimitError
from zerog.chain.client.wallet import Wallet
from zerog.primitives import Address

folder, done = Path(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND)
dice, children = random.Random(int(sys.argv[3])), []
for number in range(20):
    child = os.fork()
    if child == 0:
        try:
            while True:
                with Wallet(folder).spending("request", Address(bytes([2]) * 20), 10):
                    os.write(done, b"+")
        except SpendLimitError:
            os._exit(0)
    children.append(child)
for victim in dice.sample(children, 8):
    while os.fstat(done).st_size < dice.randrange(20):
        os.sched_yield()
    os.kill(victim, signal.SIGKILL)
killed = sum(os.WIFSIGNALED(os.waitpid(child, 0)[1]) for child in children)
print(killed)
"""
"""Twenty processes that spend as fast as they can, of which eight are killed wherever they are."""


def test_many_processes_do_not_spend_more_than_the_limit_together_wherever_they_are_killed(tmp_path: Path) -> None:
    Wallet(tmp_path / "wallet").set_limits(Limits(per_call_wei=10, per_day_wei=1000))
    done = tmp_path / "done"
    done.touch()
    program = [sys.executable, "-c", SPENDERS, str(tmp_path / "wallet"), str(done), str(secrets.randbits(32))]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    wallet = Wallet(tmp_path / "wallet")
    spent_wei = wallet.spent_today("request")
    assert done.stat().st_size * 10 <= spent_wei == 1000, "what was let go out was counted before"
    with pytest.raises(SpendLimitError), wallet.spending("request", PROVIDER, 10):
        pass
    left = {
        path.name for path in wallet.folder.iterdir() if not path.name.startswith(".spent.json.")
    }  # Drafts of those killed while writing.
    assert left <= {"limits.json", "lock", "spent.json"}


def test_the_wallet_of_public_networks_lies_where_no_reset_reaches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ZEROG_WALLET", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "zerog" / "wallet"
    monkeypatch.setenv("ZEROG_WALLET", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine"
