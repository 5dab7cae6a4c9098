"""An indexer whose nodes are all dead still answers, and says what is missing; it lets nobody in who may not talk to it."""

import pytest

from tests.unit.storage.indexer.running import RefusedError, running_indexer
from zerog.storage.indexer.settings import IndexerSettings, IndexerSettingsError

ROOT = "0x" + "11" * 32
DEAD = "http://127.0.0.1:9"


async def test_lists_are_never_null() -> None:
    async with running_indexer([DEAD]) as indexer:
        assert await indexer.call("indexer_getShardedNodes") == {"trusted": [], "discovered": []}
        assert await indexer.call("indexer_getNodeLocations") == {}
        assert await indexer.call("indexer_getSelectedNodes", 0, "min", True, None) == {"trusted": [], "discovered": []}


async def test_what_cannot_be_done_is_an_error_that_says_so() -> None:
    async with running_indexer([DEAD]) as indexer:
        with pytest.raises(RefusedError, match="cannot select a subset from the returned nodes") as refused:
            await indexer.call("indexer_getSelectedNodes", 1, "min", True, [])
        assert refused.value.code == -32000
        with pytest.raises(RefusedError, match="no storage node answers"):
            await indexer.call("indexer_getFileLocations", ROOT)
        with pytest.raises(RefusedError, match="no storage node answers"):
            await indexer.call("zgs_getStatus", path="/node")
        with pytest.raises(RefusedError) as refused:
            await indexer.call("zgs_getStatus")
        assert refused.value.code == -32601, "the methods of nodes are below /node"


async def test_it_is_alive_but_not_ready() -> None:
    async with running_indexer([DEAD]) as indexer:
        assert (await indexer.http.get("/healthz")).status_code == 200
        ready = await indexer.http.get("/readyz")
        assert (ready.status_code, ready.json()["error"]["code"]) == (503, "no_storage_node")
        metrics = (await indexer.http.get("/metrics")).text
        assert "zerog_indexer_nodes 1\n" in metrics
        assert "zerog_indexer_nodes_live 0\n" in metrics


@pytest.mark.parametrize("path", ["/", "/node", "/node/", "/node/segments"])
async def test_foreign_pages_and_rebound_names_get_403(path: str) -> None:
    async with running_indexer() as indexer:
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            for content_type in ("application/json", "text/plain"):
                answer = await indexer.http.post(path, content=b"{}", headers={**headers, "Content-Type": content_type})
                assert answer.status_code == 403


async def test_a_page_of_this_machine_may_ask_and_read() -> None:
    origin = {"Origin": "http://localhost:5173"}
    async with running_indexer() as indexer:
        for path in ("/", "/node"):
            preflight = await indexer.http.options(path, headers={**origin, "Access-Control-Request-Method": "POST"})
            assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, origin["Origin"])
            assert "content-type" in preflight.headers["access-control-allow-headers"]
            body = {"jsonrpc": "2.0", "id": 1, "method": "indexer_getShardedNodes"}
            answer = await indexer.http.post(path, json=body, headers=origin)
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin["Origin"])


async def test_ids_are_echoed_exactly() -> None:
    async with running_indexer() as indexer:
        for path in ("/", "/node"):
            body = b'{"jsonrpc":"2.0","id":18014398509481985,"method":"indexer_getShardedNodes"}'
            answer = await indexer.http.post(path, content=body, headers={"Content-Type": "application/json"})
            assert b'"id":18014398509481985' in answer.content


async def test_without_a_router_nothing_is_served_at_its_path() -> None:
    async with running_indexer(router=False) as indexer:
        assert (await indexer.http.post("/node", json={})).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"nodes": ("ftp://x",)},
        {"nodes": ("http://a b",)},
        {"nodes": ("http://x:5678", "http://x:5678")},
        {"admin_urls": ("x:5679",)},
        {"public_url": "indexer.example"},
        {"port": 70_000},
        {"discover_ports": (0,)},
        {"hedge_s": 0.0},
        {"buffer_bytes": 10},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(IndexerSettingsError):
        IndexerSettings(**wrong)  # type: ignore[arg-type]
