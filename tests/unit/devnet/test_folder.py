"""The network's folder, its endpoints, its ports and the keys of its roles."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from zerog.devnet.endpoints import Account, ChainEndpoints, Endpoints, as_environment
from zerog.devnet.errors import FolderUnusableError, NetworkRunningError, RecordBrokenError
from zerog.devnet.folder import NetworkFolder, NetworkRecord
from zerog.devnet.settings import DevnetSettings, SettingsInvalidError
from zerog.devnet.subsystems import SUBSYSTEMS, chosen_ports
from zerog.networks import load, role_account
from zerog.primitives.keys import derive_accounts
from zerog.runtime.files import FileLock

CHAIN, STORAGE, DA, COMPUTE = SUBSYSTEMS


def test_reset_keeps_the_settings_alone(tmp_path: Path) -> None:
    folder = NetworkFolder.of(tmp_path)
    assert folder.reset() == []
    folder.prepare()
    (folder.path / "zerog.toml").write_text("[up]\nblock-time = 3\n")
    (folder.path / "chain").mkdir()
    (folder.path / "chain" / "blocks").write_bytes(b"1")
    (folder.path / "link").symlink_to(tmp_path)
    folder.write_record(NetworkRecord(network="local"))
    assert folder.reset() == ["chain", "link", "logs", "network.json"]
    assert tmp_path.exists()
    assert (folder.path / "zerog.toml").read_text() == "[up]\nblock-time = 3\n"
    folder.prepare()
    assert (folder.path / "zerog.toml").read_text() == "[up]\nblock-time = 3\n"


@pytest.mark.parametrize("holder", ["supervisor", "chain"])
def test_reset_is_refused_while_anything_runs(tmp_path: Path, holder: str) -> None:
    folder = NetworkFolder.of(tmp_path)
    folder.prepare()
    folder.write_record(NetworkRecord(network="local"))
    with FileLock.acquire(folder.run / f"{holder}.lock", command="test"), pytest.raises(NetworkRunningError):
        folder.reset()
    assert folder.read_record() == NetworkRecord(network="local")


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    folder = NetworkFolder.of(tmp_path / "file")
    for attempt in (folder.prepare, lambda: folder.acquire("zerog up")):
        with pytest.raises(FolderUnusableError, match="file: Not a directory"):
            attempt()


def test_a_record_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = NetworkFolder.of(tmp_path)
    folder.prepare()
    assert folder.read_record() is None
    (folder.path / "network.json").write_text('{"network": 7}')
    with pytest.raises(RecordBrokenError, match=r"network\.json"):
        folder.read_record()


@pytest.mark.parametrize(
    ("port_base", "record", "port"),
    [
        (None, None, 8545),
        (9000, None, 9545),
        (0, None, 0),
        (None, NetworkRecord(network="local", port_base=0, ports={"chain.rpc": 40001}), 40001),
        (0, NetworkRecord(network="local", port_base=0, ports={"chain.rpc": 40001}), 40001),
        (0, NetworkRecord(network="local", ports={"chain.rpc": 8545}), 0),
        (9000, NetworkRecord(network="local", port_base=0, ports={"chain.rpc": 40001}), 9545),
        (None, NetworkRecord(network="local", port_base=9000, ports={"chain.rpc": 9545}), 9545),
    ],
)
def test_a_port_stays_until_another_is_asked_for(port_base: int | None, record: NetworkRecord | None, port: int) -> None:
    assert chosen_ports(CHAIN, DevnetSettings(port_base=port_base), record) == {"rpc": port}


def test_all_ports_of_storage_move_with_the_base_and_further_nodes_listen_where_the_system_says() -> None:
    assert chosen_ports(STORAGE, DevnetSettings(), None) == {"indexer": 12345, "kv": 6789, "rpc": 5678, "admin": 5679, "grpc": 50051}
    moved = chosen_ports(STORAGE, DevnetSettings(port_base=22000, nodes=2), None)
    assert moved == {"indexer": 26345, "kv": 20789, "rpc": 19678, "admin": 19679, "grpc": 64051, "rpc.1": 0, "admin.1": 0, "grpc.1": 0}
    record = NetworkRecord(network="local", port_base=0, ports={"storage.rpc": 40001, "storage.rpc.1": 40002})
    kept = chosen_ports(STORAGE, DevnetSettings(nodes=2), record)
    assert kept == {"indexer": 0, "kv": 0, "rpc": 40001, "admin": 0, "grpc": 0, "rpc.1": 40002, "admin.1": 0, "grpc.1": 0}


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"nodes": 3}, "power of two up to 64, not 3"),
        ({"nodes": 0}, "power of two up to 64, not 0"),
        ({"nodes": 128}, "power of two up to 64, not 128"),
        ({"replicas": 0}, "1 to 16 replicas, not 0"),
    ],
    ids=str,
)
def test_a_number_of_nodes_that_cannot_be_is_refused(changes: dict[str, int], cause: str) -> None:
    with pytest.raises(SettingsInvalidError, match=cause):
        DevnetSettings(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("port_base", [1, 7999, 22001, -1])
def test_a_port_base_out_of_range_is_refused(port_base: int) -> None:
    with pytest.raises(SettingsInvalidError, match=str(port_base)):
        DevnetSettings(port_base=port_base)


def test_the_environment_says_what_the_endpoints_say_whatever_the_folder_is_called(tmp_path: Path) -> None:
    odd = "/a folder/it's $HOME"
    endpoints = Endpoints(
        network="local",
        chain_id=31337,
        pid=1,
        data_dir=odd,
        logs=odd,
        chain=ChainEndpoints(http="http://127.0.0.1:1", ws="ws://127.0.0.1:1"),
        accounts=[Account(address="0x1", private_key="0x2")],
    )
    (tmp_path / ".env").write_bytes(as_environment(endpoints))
    script = '. ./.env && printf "%s\\n" "$ZEROG_DATA_DIR" "$ZEROG_CHAIN_WS" "$ZEROG_ACCOUNTS_0_PRIVATE_KEY" "${ZEROG_STORAGE-unset}"'
    said = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=10).stdout
    assert said.splitlines() == [odd, "ws://127.0.0.1:1", "0x2", "unset"]
    assert msgspec.json.decode(endpoints.to_json(), type=Endpoints) == endpoints
    assert "0x2" not in repr(endpoints)


def test_no_role_has_the_key_of_a_test_account() -> None:
    genesis = load("local").genesis
    assert genesis is not None
    accounts = derive_accounts(genesis.mnemonic, 20)
    assert str(accounts[0].address) == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    roles = {role_account(genesis.mnemonic, subsystem.name, index).address for subsystem in SUBSYSTEMS for index in range(3)}
    assert len(roles) == 3 * len(SUBSYSTEMS)
    assert not roles & {account.address for account in accounts}


def test_services_of_da_stand_where_everybody_looks_for_them() -> None:
    ports = chosen_ports(DA, DevnetSettings(signers=2, port_base=9000), None)
    expected = {"gateway": 4100, "disperser": 52001, "encoder": 35000, "retriever": 35005, "signer.0": 35010, "signer.1": 35011}
    assert ports == expected
    assert set(chosen_ports(DA, DevnetSettings(port_base=0), None).values()) == {0}


def test_more_signers_than_are_registered_are_refused() -> None:
    with pytest.raises(SettingsInvalidError, match="signers"):
        DevnetSettings(signers=4)
