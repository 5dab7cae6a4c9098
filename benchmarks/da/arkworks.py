"""The peer: arkworks' own multiplication, as the official encoder calls it, in a program that cargo builds from our crate's example."""

import json
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["arkworks_version", "unit_s"]

ROOT: Final = Path(__file__).parents[2]
BUILD_LIMIT_S: Final = 900
RUN_LIMIT_S: Final = 120


def arkworks_version() -> str:
    """That of the lock file."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))
    versions = [package["version"] for package in lock["package"] if package["name"] == "ark-bn254"]
    return f"ark-bn254 {versions[0]}"


@cache
def unit_s() -> float:
    """Seconds of one multiplication of 2^20 points by 2^20 scalars, on all cores; the best of the program's runs."""
    build = ["cargo", "build", "--release", "--locked", "--package", "zerog-amt", "--example", "units", "--message-format", "json"]
    built = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=BUILD_LIMIT_S).stdout
    told = [json.loads(line) for line in built.splitlines()]
    (program,) = [each["executable"] for each in told if each["reason"] == "compiler-artifact" and each["target"]["name"] == "units"]
    done = subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True, timeout=RUN_LIMIT_S)
    return min(float(json.loads(line)["seconds"]) for line in done.stdout.splitlines())
