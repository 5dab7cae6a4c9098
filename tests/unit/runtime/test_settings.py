"""Where the values of settings come from, and that flags carry them between processes unchanged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cyclopts
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.runtime.settings import as_flags, fill


@dataclass(frozen=True, kw_only=True)
class TinySettings:
    """One field of each kind."""

    host: str = "127.0.0.1"
    port: int = 1
    folder: Path | None = None
    interval_s: float | None = None
    eager: bool = True
    rules: Literal["old", "new"] = "old"


COMMAND = ("tiny", "run")


def filled(folder: Path, *flags: str) -> TinySettings:
    return fill(TinySettings, flags, command=COMMAND, state_folder=folder)


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert filled(tmp_path).port == 1
    (tmp_path / "zerog.toml").write_text("[tiny.run]\nport = 2\ninterval = 0.5\n")
    assert filled(tmp_path) == TinySettings(port=2, interval_s=0.5)
    monkeypatch.setenv("ZEROG_TINY_RUN_PORT", "3")
    assert filled(tmp_path) == TinySettings(port=3, interval_s=0.5)
    assert filled(tmp_path, "--port", "4", "--no-eager") == TinySettings(port=4, interval_s=0.5, eager=False)


@pytest.mark.parametrize(
    ("file", "flags"),
    [
        ("[tiny.run]\nprot = 2\n", ()),
        ("", ("--port", "many")),
        ("", ("--rules", "none")),
        ("", ("--unknown",)),
        ("[tiny.run]\nport = 'x'", ()),
    ],
)
def test_a_value_that_does_not_fit_is_refused(tmp_path: Path, file: str, flags: tuple[str, ...]) -> None:
    (tmp_path / "zerog.toml").write_text(file)
    with pytest.raises(cyclopts.CycloptsError):
        filled(tmp_path, *flags)


@given(
    st.builds(
        TinySettings,
        host=st.from_regex(r"[a-z][a-z.]{0,10}", fullmatch=True),
        port=st.integers(0, 65535),
        folder=st.none() | st.just(Path("/a folder/with space")),
        interval_s=st.none() | st.floats(0, 1e9),
        eager=st.booleans(),
        rules=st.sampled_from(["old", "new"]),
    )
)
def test_settings_survive_the_way_through_flags(settings: TinySettings) -> None:
    assert filled(Path("/nowhere"), *as_flags(settings)) == settings
