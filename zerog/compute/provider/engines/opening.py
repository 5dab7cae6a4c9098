"""From the words of settings to engines."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from zerog.compute.protocol.exact import ENGINE
from zerog.compute.provider.engines.errors import EngineSettingsError
from zerog.compute.provider.engines.exact import exact_engine
from zerog.compute.provider.engines.http import HttpRules
from zerog.compute.provider.engines.interface import PooledEngine
from zerog.compute.provider.engines.openai import EngineOptions, OpenAIEngine

__all__ = ["open_engines", "read_engines"]

NAMED: Final = re.compile(r"([A-Za-z0-9_.-]+)=(.*)", re.DOTALL)


def open_engines(
    engines: Sequence[str], keys: Sequence[str] = (), *, rules: HttpRules | None = None, model: str | None = None
) -> Mapping[str, PooledEngine]:
    """By name, the engines that `engines` lists: each a URL or `exact`, as it is or as `NAME=…`; the exact engine if it lists none.

    The exact engine serves `model`: a file (`….gguf`) or the name of a cached one. `keys` are `NAME=KEY`, or
    one `KEY` for all. Raises `EngineSettingsError`.
    """
    if not engines:
        return {ENGINE: exact_engine(ENGINE, model)}
    servers = read_engines([text for text in engines if _named(text)[1] != ENGINE], keys, rules=rules)
    opened: dict[str, PooledEngine] = {}
    for name, _ in map(_named, engines):
        if name in opened:
            raise EngineSettingsError(f"engine: two have the name {name!r}")
        opened[name] = OpenAIEngine(servers[name]) if name in servers else exact_engine(name, model)
    return opened


def read_engines(engines: Sequence[str], keys: Sequence[str] = (), *, rules: HttpRules | None = None) -> dict[str, EngineOptions]:
    """What `open_engines` opens. An engine without a name is found by its URL, but no message tells that. Raises `EngineSettingsError`."""
    urls: dict[str, str] = {}
    for name, url in map(_named, engines):
        if name in urls:
            raise EngineSettingsError(f"engine: two have the name {name!r}")
        urls[name] = url
    by_name: dict[str, str] = {}
    for text in keys:
        match = NAMED.fullmatch(text)
        if match and match[1] in urls:
            by_name[match[1]] = match[2]
        elif len(keys) == 1:
            by_name = dict.fromkeys(urls, text)
        else:
            raise EngineSettingsError("engine-key: of several keys each is NAME=KEY, with the name of an engine")
    return {
        name: EngineOptions(name=_told(name, url, number), url=url, key=by_name.get(name), rules=rules or HttpRules())
        for number, (name, url) in enumerate(urls.items(), 1)
    }


def _named(text: str) -> tuple[str, str]:
    """Name and what it names of `NAME=…`; what has no name is its own."""
    match = NAMED.fullmatch(text)
    return (match[1], match[2]) if match else (text, text)


def _told(name: str, url: str, number: int) -> str:
    """What an engine is called in messages."""
    return f"number {number}" if name == url else name
