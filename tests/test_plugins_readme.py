"""`plugins/README.md`: its plugin, installed as it says, is found and passes the contract."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from moderation.registry import Registry

README = Path(__file__).parents[1] / "plugins" / "README.md"


def block(file: str) -> str:
    """The code that stands in the README under the name of a file."""
    found = re.search(
        rf"^`{file}`.*?^```\w+\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE
    )
    assert found is not None, f"{README} shows no {file}"
    return found[1]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory that holds the README's plugin as an installer would leave it."""
    for file in ("moderation_phones.py", "test_phones.py"):
        (tmp_path / file).write_text(block(file))
    project = tomllib.loads(block("pyproject.toml"))["project"]
    name, version = project["name"], project["version"]
    info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = project["entry-points"]["moderation"].items()
    listing = "".join(f"{key} = {value}\n" for key, value in points)
    (info / "entry_points.txt").write_text(f"[moderation]\n{listing}")
    return tmp_path


def test_the_example_is_found_by_its_entry_point(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(site))
    (plugin,) = Registry.installed(allowed=["phones"]).plugins
    assert (plugin.distribution, plugin.version, plugin.error) == ("moderation-phones", "1.0", "")
    assert [each.name for each in plugin.detectors] == ["phone_numbers"]


def test_the_example_passes_the_contract_with_the_test_shown(site: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_phones.py"],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed is not None
    assert int(passed[1]) >= 10


def test_the_example_is_short() -> None:
    written = [line for line in block("moderation_phones.py").splitlines() if line.strip()]
    assert len(written) <= 16
