"""HTTP to providers: which URLs are called, and what comes of answers that are too long, encoded, or none at all."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from zerog.compute.client import ProviderAnswerError, ProviderRefusedError, ProviderUnreachableError, UnsafeUrlError
from zerog.compute.client.connection import JSON_BYTES_MAX, ProviderConnection, check_service_url
from zerog.compute.wire.provider import ModelsAnswer
from zerog.runtime.ports import listen

LOCAL = "http://127.0.0.1:8545"
PUBLIC = "https://evmrpc.0g.ai"
NEAR, OWN_ID = "http://192.168.7.7:8545", 424_242


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:80", "http://10.0.0.1", "http://192.168.1.1", "http://169.254.169.254/latest", "http://[::1]", "http://0.0.0.0"],
)
def test_private_addresses_are_called_on_a_local_chain_only(url: str) -> None:
    check_service_url(url, LOCAL)
    with pytest.raises(UnsafeUrlError):
        check_service_url(url, PUBLIC)
    with pytest.raises(UnsafeUrlError):
        ProviderConnection(url, PUBLIC)


def test_a_network_of_our_own_at_a_private_address_has_its_services_at_private_addresses() -> None:
    for url in ("http://10.0.0.1:3080", "http://172.16.0.9", "http://192.168.1.1", "http://[fd00::7]", "https://1.1.1.1"):
        check_service_url(url, NEAR, OWN_ID)
        ProviderConnection(url, NEAR, OWN_ID).close()
    for url in ("http://127.0.0.1:80", "http://169.254.169.254/latest", "http://0.0.0.0", "http://[::1]", "http://[::ffff:10.0.0.1]"):
        with pytest.raises(UnsafeUrlError):
            check_service_url(url, NEAR, OWN_ID)


@pytest.mark.parametrize("chain", [(NEAR, 16_661), (NEAR, 16_602), (NEAR, None), (PUBLIC, 16_602), ("http://1.1.1.1:8545", OWN_ID)])
def test_a_node_of_a_public_chain_at_a_private_address_leads_to_public_addresses_alone(chain: tuple[str, int | None]) -> None:
    with pytest.raises(UnsafeUrlError):
        check_service_url("http://10.0.0.1:3080", *chain)
    check_service_url("https://1.1.1.1", *chain)


@pytest.mark.parametrize(
    "url", ["", "ftp://1.1.1.1", "http://", "http://user:word@1.1.1.1", "http://a b", "http://1.1.1.1:x", "file:///etc/passwd"]
)
def test_what_is_no_plain_url_is_never_called(url: str) -> None:
    for chain_url in (LOCAL, PUBLIC):
        with pytest.raises(UnsafeUrlError):
            check_service_url(url, chain_url)


def test_public_addresses_are_called() -> None:
    check_service_url("https://1.1.1.1:8443/base", PUBLIC)


class Handler(BaseHTTPRequestHandler):
    """Answers as its path says."""

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[1]
        status, headers, body = ANSWERS[name]
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the tests say what they ask."""


ANSWERS: dict[str, tuple[int, list[tuple[str, str]], bytes]] = {
    "good": (200, [], b'{"data":[{"id":"m"}]}'),
    "long": (200, [], b" " * (JSON_BYTES_MAX + 1)),
    "deep": (200, [], b"[" * 100_000),
    "text": (200, [], b"hello"),
    "packed": (200, [("content-encoding", "gzip")], b"\x1f\x8b"),
    "elsewhere": (302, [("location", "/good")], b""),
    "official": (400, [], json.dumps({"error": "the words of a broker"}).encode()),
    "ours": (402, [], json.dumps({"error": {"message": "m; r", "code": "c", "cause": "why", "remedy": "what to do"}}).encode()),
    "html": (502, [], b"<html>"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_good_answer_is_read(server: str) -> None:
    with ProviderConnection(server + "/", LOCAL) as connection:
        assert [model.id for model in connection.get("/good", ModelsAnswer).data] == ["m"]


@pytest.mark.parametrize("name", ["long", "deep", "text", "packed"])
def test_what_is_no_answer_is_the_provider_s_fault(server: str, name: str) -> None:
    with ProviderConnection(server, LOCAL) as connection, pytest.raises(ProviderAnswerError):
        connection.get(f"/{name}", ModelsAnswer)


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [("elsewhere", 302, "HTTP 302"), ("official", 400, "the words of a broker"), ("ours", 402, "402 c): why"), ("html", 502, "HTTP 502")],
)
def test_refusals_are_told_in_the_provider_s_own_words(server: str, name: str, status: int, words: str) -> None:
    with ProviderConnection(server, LOCAL) as connection, pytest.raises(ProviderRefusedError) as refused:
        connection.get(f"/{name}", ModelsAnswer)
    assert refused.value.status == status
    assert words in str(refused.value)
    assert refused.value.remedy == ("what to do" if name == "ours" else "see what the provider says")


def test_nobody_there_is_said() -> None:
    with listen("127.0.0.1", 0) as socket:
        port = socket.getsockname()[1]
    with ProviderConnection(f"http://127.0.0.1:{port}", LOCAL) as connection, pytest.raises(ProviderUnreachableError):
        connection.get("/good", ModelsAnswer)
