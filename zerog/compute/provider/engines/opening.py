"""From the words of settings to engines."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from zerog.compute.provider.engines.errors import EngineSettingsError
from zerog.compute.provider.engines.http import HttpRules
from zerog.compute.provider.engines.interface import PooledEngine
from zerog.compute.provider.engines.openai import EngineOptions, OpenAIEngine
from zerog.compute.provider.engines.scripted import ScriptedEngine

__all__ = ["SCRIPTED", "open_engines", "read_engines"]

SCRIPTED: Final = "scripted"
"""Name of the engine that answers where none is given."""
NAMED: Final = re.compile(r"([A-Za-z0-9_.-]+)=(.*)", re.DOTALL)


def open_engines(engines: Sequence[str], keys: Sequence[str] = (), *, rules: HttpRules | None = None) -> Mapping[str, PooledEngine]:
    """By name, the engines that `engines` lists as `URL` or `NAME=URL`; the scripted engine if it lists none.

    `keys` are `NAME=KEY`, or one `KEY` for all. Raises `EngineSettingsError`.
    """
    if not engines:
        return {SCRIPTED: ScriptedEngine()}
    opened: dict[str, PooledEngine] = {}
    servers = read_engines([text for text in engines if text != SCRIPTED], keys, rules=rules)
    if SCRIPTED in engines:
        opened[SCRIPTED] = ScriptedEngine()
    opened.update({name: OpenAIEngine(options) for name, options in servers.items()})
    return opened


def read_engines(engines: Sequence[str], keys: Sequence[str] = (), *, rules: HttpRules | None = None) -> dict[str, EngineOptions]:
    """What `open_engines` opens. An engine without a name is found by its URL, but no message tells that. Raises `EngineSettingsError`."""
    urls: dict[str, str] = {}
    for text in engines:
        match = NAMED.fullmatch(text)
        name, url = match.groups() if match else (text, text)
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


def _told(name: str, url: str, number: int) -> str:
    """What an engine is called in messages."""
    return f"number {number}" if name == url else name
