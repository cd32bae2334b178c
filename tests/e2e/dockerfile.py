"""Dockerfiles without an engine: what they say, and their first stage run on this machine."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Instruction", "build", "instructions", "stages"]

_PATIENCE_S = 280

_FASTER = {"UV_COMPILE_BYTECODE": "0", "UV_LINK_MODE": "hardlink"}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One of a Dockerfile, such as `RUN` with all that stands behind it."""

    name: str
    text: str


def instructions(file: Path) -> list[Instruction]:
    """In their order, each on one line, without comments."""
    lines = (line for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    parts = (line.partition(" ") for line in whole.splitlines() if line.strip())
    return [Instruction(name, text.strip()) for name, _, text in parts]


def stages(file: Path) -> list[list[Instruction]]:
    """Its instructions, a list from each `FROM` on."""
    found: list[list[Instruction]] = []
    for each in instructions(file):
        if each.name == "FROM":
            found.append([])
        if found:
            found[-1].append(each)
    return found


def build(file: Path, context: Path, root: Path) -> None:
    """Do what the first stage does, with `root` in place of `/`.

    What differs from the image: its base is this machine with its Python; files are linked to
    uv's cache, and their bytecode is made when it is needed.
    """
    environment, folder = _environment(), root
    for each in stages(file)[0]:
        match each.name:
            case "ENV":
                environment |= {**_variables(each.text, environment, root), **_FASTER}
            case "ARG":
                environment |= _variables(each.text, environment, root)
            case "WORKDIR":
                folder = root / each.text.lstrip("/")
                folder.mkdir(parents=True)
            case "COPY":
                *sources, target = each.text.split()
                for source in sources:
                    _copy(context, source, folder / target)
            case "RUN":
                _run(each.text, folder, environment)
            case other:
                if other != "FROM":
                    raise NotImplementedError(f"{file.name}: {other}")


def _run(command: str, folder: Path, environment: Mapping[str, str]) -> None:
    plain = re.sub(r"--mount=\S+\s+", "", command)
    done = subprocess.run(
        ["sh", "-c", plain],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{plain}\n{done.stdout}\n{done.stderr}")


def _environment() -> dict[str, str]:
    """Ours with its caches and package registries, but for what is ours alone."""
    ours = ("MODERATION", "PYTHON", "VIRTUAL_ENV", "UV_PROJECT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


def _variables(text: str, environment: Mapping[str, str], root: Path) -> dict[str, str]:
    pairs = (each.partition("=") for each in shlex.split(text))
    return {
        name: value.replace("/opt/", f"{root}/opt/").replace("$PATH", environment["PATH"])
        for name, _, value in pairs
    }


def _copy(context: Path, source: str, target: Path) -> None:
    """As the engine: what `.dockerignore` keeps out is not there."""
    ignored = _Ignored(context / ".dockerignore")
    if ignored(source):
        raise FileNotFoundError(f"{source} is kept out by .dockerignore")
    place = context / source
    if place.is_dir():
        shutil.copytree(
            place,
            target,
            ignore=lambda at, names: ignored.among(Path(at).relative_to(context), names),
        )
    else:
        into = target.parent if target.name == place.name else target
        into.mkdir(parents=True, exist_ok=True)
        shutil.copy2(place, into / place.name)


class _Ignored:
    """The patterns of one file; of those that match a path or a folder above it, the last holds."""

    def __init__(self, file: Path) -> None:
        lines = (line.strip() for line in file.read_text().splitlines())
        self._patterns = [line for line in lines if line and not line.startswith("#")]

    def __call__(self, path: str) -> bool:
        above = ["/".join(path.split("/")[: depth + 1]) for depth in range(path.count("/") + 1)]
        verdict = False
        for pattern in self._patterns:
            plain = pattern.removeprefix("!")
            if any(_matches(each, plain) for each in above):
                verdict = not pattern.startswith("!")
        return verdict

    def among(self, folder: Path, names: Iterable[str]) -> list[str]:
        """Those of the names in a folder of the context."""
        return [name for name in names if self((folder / name).as_posix())]


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatch(path.rpartition("/")[2], pattern.removeprefix("**/"))
    return path.count("/") == pattern.count("/") and fnmatch.fnmatch(path, pattern)
