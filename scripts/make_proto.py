"""Generate the Python classes of every .proto file beside it, or below another folder: `python scripts/make_proto.py [FOLDER]`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEADER = '"""Made by `make proto` from {source}; not to be edited."""\n'


def make(target: Path) -> list[Path]:
    """The files that were made, each at the place below `target` that it has below the root of the tree."""
    made = []
    for source in sorted((ROOT / "zerog").glob("**/*.proto")):
        name = source.relative_to(ROOT)
        options = [f"--proto_path={ROOT}", f"--python_out={target}", f"--pyi_out={target}"]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, str(name)], check=True)
        for suffix in ("_pb2.py", "_pb2.pyi"):
            file = target / name.with_name(name.stem + suffix)
            file.write_text(HEADER.format(source=name.name) + file.read_text(encoding="utf-8"), encoding="utf-8")
            made.append(file)
    return made


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
