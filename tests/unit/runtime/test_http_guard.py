"""Who may talk to a role: hosts, origins, developers."""

import pytest

from zerog.runtime.http.guard import AccessRules, Guard, is_loopback_name

LOCAL = AccessRules()
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only the rule for it is tested, nothing is bound.


def judge(rules: AccessRules, *, host: str | None = "localhost:8545", origin: str | None = None) -> int:
    """The status with which a request is refused; 200 if it is not."""
    headers = [(b"accept", b"*/*")]
    if host is not None:
        headers.append((b"host", host.encode("latin-1")))
    if origin is not None:
        headers.append((b"origin", origin.encode("latin-1")))
    refusal = Guard(rules).verdict(headers).refusal
    return 200 if refusal is None else refusal.http_status


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8545", "LOCALHOST:1", "localhost.", "127.0.0.1:8545", "127.8.9.1", "[::1]:8545", "[::1]", "node.localhost:80"],
)
def test_every_name_of_this_machine_passes_as_host(host: str) -> None:
    assert judge(LOCAL, host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8545",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "notlocalhost",
        "192.168.1.7:8545",
        "10.0.0.1",
        "0.0.0.0:8545",
        "[2001:db8::1]:8545",
        "user@localhost",
        "localhost@evil.example",
        "localhost/evil.example",
        "localhost evil.example",
        "localhost:8545:8545",
        "localhost:port",
        "[::1",
        "",
        "::1",
        "\xff",
    ],
)
def test_every_other_host_is_refused(host: str) -> None:
    assert judge(LOCAL, host=host) == 403


def test_a_request_has_exactly_one_host() -> None:
    assert judge(LOCAL, host=None) == 400
    refusal = Guard(LOCAL).verdict([(b"host", b"localhost"), (b"host", b"evil.example")]).refusal
    assert refusal is not None
    assert refusal.http_status == 400


def test_a_request_has_at_most_one_origin() -> None:
    headers = [(b"host", b"localhost"), (b"origin", b"http://evil.example"), (b"origin", b"http://localhost")]
    refusal = Guard(LOCAL).verdict(headers).refusal
    assert refusal is not None
    assert refusal.http_status == 403


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "http://localhost:3000",
        "https://localhost",
        "http://127.0.0.1:5173",
        "http://[::1]:3000",
        "http://app.localhost:8080",
        "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn",
        "moz-extension://6bd0d2f5-7d5e-4d3e-a3c8-08b2a9c0b3aa",
        "safari-web-extension://ABCDEF",
    ],
)
def test_loopback_origins_extensions_and_programs_pass(origin: str | None) -> None:
    assert judge(LOCAL, origin=origin) == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://evil.example:8545",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "null",
        "",
        "file://",
        "ftp://localhost",
        "http://evil.example#http://localhost",
        "http://localhost@evil.example",
        "http://localhost/path",
        "localhost",
        "https://192.168.1.7",
        "chrome-extension-evil://x",
    ],
)
def test_every_other_origin_is_refused(origin: str) -> None:
    assert judge(LOCAL, origin=origin) == 403


@pytest.mark.parametrize(("site", "is_served"), [("cross-site", False), ("same-site", True), ("same-origin", True), ("none", True)])
def test_what_a_foreign_page_embeds_is_refused(site: str, *, is_served: bool) -> None:
    headers = [(b"host", b"localhost"), (b"sec-fetch-site", site.encode())]
    assert (Guard(LOCAL).verdict(headers).refusal is None) is is_served
    assert Guard(AccessRules(allowed_hosts=("*",))).verdict(headers).refusal is None
    assert Guard(LOCAL).verdict([*headers, (b"origin", b"http://localhost:3000")]).refusal is None


def test_configured_hosts_pass_as_host_and_origin() -> None:
    rules = AccessRules(allowed_hosts=("Node.example", "10.0.0.5:8545"))
    assert judge(rules, host="node.example:8545", origin="https://node.example") == 200
    assert judge(rules, host="10.0.0.5:8545") == 200
    assert judge(rules, host="10.0.0.5:9000") == 403
    assert judge(rules, origin="https://other.example") == 403


def test_a_configured_origin_is_no_host() -> None:
    rules = AccessRules(allowed_hosts=("https://remix.example/", "null"))
    assert judge(rules, origin="https://remix.example") == 200
    assert judge(rules, origin="http://remix.example") == 403
    assert judge(rules, origin="null") == 200
    assert judge(rules, host="remix.example") == 403


def test_a_star_lets_everybody_in() -> None:
    assert judge(AccessRules(allowed_hosts=("*",)), host="evil.example", origin="https://evil.example") == 200


def test_a_bound_address_passes_as_host() -> None:
    assert judge(AccessRules(bind_host="192.168.1.7"), host="192.168.1.7:8545") == 200
    assert judge(AccessRules(bind_host="192.168.1.7"), host="192.168.1.8:8545") == 403
    assert judge(AccessRules(bind_host="2001:db8::1"), host="[2001:DB8:0::1]:8545") == 200


def test_on_all_interfaces_every_address_but_no_name_passes_as_host() -> None:
    for bind_host in (EVERYWHERE, "::"):
        rules = AccessRules(bind_host=bind_host)
        assert judge(rules, host="192.168.1.7:8545") == 200
        assert judge(rules, host="evil.example:8545") == 403
        assert judge(rules, host="192.168.1.7:8545", origin="http://192.168.1.7:3000") == 403


def test_a_permitted_page_may_read_the_answer() -> None:
    verdict = Guard(LOCAL).verdict([(b"host", b"localhost"), (b"origin", b"http://localhost:3000")])
    assert (b"access-control-allow-origin", b"http://localhost:3000") in verdict.cors_headers
    assert (b"vary", b"origin") in verdict.cors_headers


def may_use_dev(rules: AccessRules, authorization: str | None = None) -> bool:
    headers = [(b"host", b"localhost")] + ([(b"authorization", authorization.encode())] if authorization else [])
    return Guard(rules).may_use_dev(headers)


def test_developers_methods_are_there_on_loopback_and_elsewhere_for_the_token() -> None:
    assert may_use_dev(LOCAL)
    assert may_use_dev(AccessRules(bind_host="localhost"))
    assert not may_use_dev(AccessRules(dev_methods=False))
    assert not may_use_dev(AccessRules(dev_methods=False, token="t0ken"), "Bearer t0ken")
    assert not may_use_dev(AccessRules(bind_host=EVERYWHERE))
    assert not may_use_dev(AccessRules(bind_host=EVERYWHERE), "Bearer ")
    assert not may_use_dev(AccessRules(bind_host=EVERYWHERE, token="t0ken"))
    assert not may_use_dev(AccessRules(bind_host=EVERYWHERE, token="t0ken"), "Bearer wrong")
    assert not may_use_dev(AccessRules(bind_host=EVERYWHERE, token=""), "Bearer ")
    assert may_use_dev(AccessRules(bind_host=EVERYWHERE, token="t0ken"), "Bearer t0ken")


def test_the_token_is_not_in_the_rules_text() -> None:
    assert "t0ken" not in repr(AccessRules(token="t0ken"))


def test_remembered_verdicts_do_not_grow_for_ever() -> None:
    guard = Guard(LOCAL)
    for number in range(5_000):
        assert guard.verdict([(b"host", b"evil%d.example" % number)]).refusal is not None
    assert guard.verdict([(b"host", b"localhost")]).refusal is None


@pytest.mark.parametrize(
    ("name", "is_loopback"),
    [("LocalHost", True), ("::1", True), ("[::1]", True), ("127.255.0.1", True), ("::ffff:8.8.8.8", False), ("1.1", False), ("", False)],
)
def test_loopback_names(name: str, *, is_loopback: bool) -> None:
    assert is_loopback_name(name) is is_loopback
