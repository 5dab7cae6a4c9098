"""Sockets that signers wrote on chain: what is one, and where they may lead."""

import pytest

from zerog.da.client.sockets import SocketMalformedError, SocketPrivateError, SocketUnknownError, grpc_target, parse_socket


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("1.2.3.4:34000", "1.2.3.4", 34000),
        ("http://1.2.3.4:34000", "1.2.3.4", 34000),
        ("http://node.example.org:1/", "node.example.org", 1),
        ("[2001:db8::1]:65535", "2001:db8::1", 65535),
    ],
)
def test_host_and_port_are_read(text: str, host: str, port: int) -> None:
    assert parse_socket(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.2.3.4",
        ":34000",
        "1.2.3.4:",
        "1.2.3.4:0",
        "1.2.3.4:65536",
        "1.2.3.4:1234567",
        "1.2.3.4:+80",
        "1.2.3.4:٨٠",
        "https://1.2.3.4:80",
        "http://http://1.2.3.4:80",
        "user@1.2.3.4:80",
        "1.2.3.4:80,5.6.7.8:80",
        "a b:80",
        "unix:/tmp/x:80",
        "::1:80",
        "x" * 300 + ":80",
        "http://1.2.3.4:80/path",
    ],
)
def test_anything_else_is_no_socket(text: str) -> None:
    with pytest.raises(SocketMalformedError):
        parse_socket(text)


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:80",
        "localhost:80",
        "10.1.2.3:80",
        "172.16.0.1:80",
        "192.168.1.1:80",
        "169.254.169.254:80",
        "100.64.0.1:80",
        "0.0.0.0:80",
        "224.0.0.1:80",
        "255.255.255.255:80",
        "2130706433:80",
        "0x7f.1:80",
        "[::1]:80",
        "[::]:80",
        "[::ffff:127.0.0.1]:80",
        "[::ffff:8.8.8.8]:80",
        "[2002:7f00:1::]:80",
        "[fe80::1]:80",
        "[fd00::1]:80",
        "[ff02::1]:80",
    ],
)
async def test_private_addresses_are_refused_in_every_spelling(text: str) -> None:
    with pytest.raises(SocketPrivateError):
        await grpc_target(text, allow_private=False)


@pytest.mark.parametrize(
    ("text", "target"),
    [("http://8.8.8.8:80", "ipv4:8.8.8.8:80"), ("[2606:4700:4700::1111]:80", "ipv6:[2606:4700:4700::1111]:80")],
)
async def test_public_addresses_are_called_as_they_were_checked(text: str, target: str) -> None:
    assert await grpc_target(text, allow_private=False) == target


async def test_on_a_network_of_our_own_signers_may_be_here() -> None:
    assert await grpc_target("127.0.0.1:34010", allow_private=True) == "ipv4:127.0.0.1:34010"


async def test_a_name_that_nobody_knows_is_told() -> None:
    with pytest.raises(SocketUnknownError):
        await grpc_target("no-such-host.invalid:80", allow_private=True)
