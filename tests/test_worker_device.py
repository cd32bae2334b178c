"""The device of a worker: there, its own, and untouched by its main process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from moderation_workers import device
from moderation_workers.device import AUTO, CPU, Device, find, take
from moderation_workers.device_lock import DeviceLock

from moderation.errors import ConfigurationError

_TORCH = '''
"""Answers as torch does where there are GPUs 0 and 1; CUDA_VISIBLE_DEVICES hides some."""

import os
from types import SimpleNamespace

visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0,1")
seen = [each.strip() for each in visible.split(",") if each.strip()]


class cuda:
    is_available = staticmethod(lambda: bool(seen))
    device_count = staticmethod(lambda: len(seen))

    @staticmethod
    def get_device_properties(number):
        return SimpleNamespace(name="H100", uuid="uuid-" + seen[number][-1])


backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False))


class _Tensor:
    def add_(self, number):
        return self

    def item(self):
        return 1


def zeros(count, device):
    if os.path.exists(os.path.join(os.path.dirname(__file__), "ill")):
        raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable")
    return _Tensor()
'''


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two GPUs, in whatever process asks torch; the folder of what answers for it."""
    place = tmp_path / "torch"
    place.mkdir()
    (place / "torch.py").write_text(_TORCH)
    monkeypatch.setenv("PYTHONPATH", str(place))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(device, "_has_signs", lambda: True)
    return place


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "locks"


def names(devices: list[Device]) -> list[str]:
    return [each.name for each in devices]


# What there is


def test_the_cpu_is_always_there() -> None:
    assert find("cpu") == [CPU]


@pytest.mark.parametrize("asked", ["gpu", "cuda:", "cuda:x", "cuda:-1", ""])
def test_a_device_that_cannot_be_is_said(asked: str) -> None:
    with pytest.raises(ConfigurationError, match="no kind of device"):
        find(asked)


def test_auto_needs_no_torch_where_there_is_no_sign_of_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "_has_signs", lambda: False)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert find("auto") == [CPU]


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("asked", "meant"),
    [("auto", ["cuda:0", "cuda:1", "cpu"]), ("cuda", ["cuda:0", "cuda:1"]), ("cuda:1", ["cuda:1"])],
)
def test_what_is_asked_for_means_devices_best_first(asked: str, meant: list[str]) -> None:
    assert names(find(asked)) == meant


def test_fault_081_a_gpu_that_torch_does_not_see_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Torch itself answers here."""
    if find_spec("torch") is None:
        pytest.skip("torch is not installed")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ConfigurationError, match="cuda:0 was asked for, and this machine has only"):
        find("cuda:0")


@pytest.mark.usefixtures("gpus")
def test_a_gpu_beyond_those_there_are_is_refused_with_what_there_is() -> None:
    with pytest.raises(ConfigurationError, match=r"only cuda:0 \(H100\), cuda:1 \(H100\), cpu"):
        find("cuda:2")


def test_fault_081_a_gpu_that_does_not_compute_is_refused_with_what_its_driver_says(
    gpus: Path,
) -> None:
    (gpus / "ill").touch()
    with pytest.raises(ConfigurationError, match=r"cuda:0 does not compute .*busy or unavailable"):
        find("cuda:0")


def test_fault_081_a_driver_that_does_not_answer_is_not_waited_for(
    gpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_PROBE_S", 0.2)
    (gpus / "torch.py").write_text("import time\ntime.sleep(600)\n")
    with pytest.raises(ConfigurationError, match="did not answer"):
        find("cuda:0")
    assert find("auto") == [CPU]


def test_without_torch_the_detectors_choose_and_a_named_gpu_is_refused(gpus: Path) -> None:
    (gpus / "torch.py").write_text("raise ImportError('no torch')\n")
    assert find("auto") == [AUTO]
    with pytest.raises(ConfigurationError, match="torch, which would find it, is not installed"):
        find("cuda")


# What the pool's process is shown


@pytest.mark.usefixtures("gpus")
def test_the_pool_sees_its_own_gpu_alone() -> None:
    environment: dict[str, str] = {}
    find("cuda:1")[0].show(environment)
    assert environment == {"CUDA_VISIBLE_DEVICES": "1", "MODERATION_DEVICE": "cuda:0"}


@pytest.mark.usefixtures("gpus")
def test_a_gpu_is_counted_among_those_that_the_worker_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert [(each.mask, each.identity) for each in find("cuda")] == [
        ("1", "uuid-1"),
        ("0", "uuid-0"),
    ]


def test_a_pool_on_the_cpu_sees_no_gpu() -> None:
    environment = {"CUDA_VISIBLE_DEVICES": "0,1"}
    CPU.show(environment)
    assert environment == {"CUDA_VISIBLE_DEVICES": "", "MODERATION_DEVICE": "cpu"}


def test_detectors_that_choose_for_themselves_see_what_there_is() -> None:
    environment: dict[str, str] = {}
    AUTO.show(environment)
    assert environment == {"MODERATION_DEVICE": "auto"}


# Who holds it


@pytest.fixture
def holder(locks: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds GPU 0."""
    code = (
        "import sys; from pathlib import Path;"
        "from moderation_workers.device_lock import DeviceLock;"
        "print(DeviceLock(Path(sys.argv[1]), 'uuid-0').acquire(), flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(locks)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


@pytest.mark.usefixtures("gpus")
def test_fault_036_a_second_worker_is_refused_with_the_process_of_the_first(
    locks: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(ConfigurationError, match=rf"cuda:0 .* is held by process {holder.pid} on"):
        take("cuda:0", locks)


@pytest.mark.usefixtures("gpus", "holder")
def test_fault_036_one_gpu_is_known_by_whatever_number(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    with pytest.raises(ConfigurationError, match="is held by"):
        take("cuda:1", locks)


@pytest.mark.usefixtures("gpus")
def test_fault_036_a_process_that_was_killed_holds_nothing(
    locks: Path, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()
    taken, lock = take("cuda:0", locks)
    lock.release()
    assert taken.name == "cuda:0"


@pytest.mark.usefixtures("gpus", "holder")
@pytest.mark.parametrize("asked", ["cuda", "auto"])
def test_any_gpu_means_one_that_is_free(locks: Path, asked: str) -> None:
    (first, lock), (second, other) = take(asked, locks), take("cpu", locks)
    assert (first.name, second.name) == ("cuda:1", "cpu")
    lock.release()
    other.release()


@pytest.mark.usefixtures("gpus")
def test_auto_takes_the_cpu_where_every_gpu_is_held(locks: Path) -> None:
    taken = [take("auto", locks) for _ in range(4)]
    assert [each.name for each, _ in taken] == ["cuda:0", "cuda:1", "cpu", "cpu"]
    for _, lock in taken:
        lock.release()


@pytest.mark.usefixtures("gpus")
def test_those_who_share_a_gpu_go_together_and_with_nobody_else(locks: Path) -> None:
    shared = [take("cuda:0", locks, share=True)[1] for _ in range(2)]
    with pytest.raises(ConfigurationError, match=r"is held by process .*, which shares it"):
        take("cuda:0", locks)
    for lock in shared:
        lock.release()
    take("cuda:0", locks)[1].release()


@pytest.mark.usefixtures("gpus")
def test_slices_of_one_gpu_are_several_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-a0,MIG-b0")
    assert [each.identity for each in find("cuda")] == ["MIG-a0", "MIG-b0"]


def test_a_lock_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        DeviceLock(tmp_path / "file", "x").acquire()


# The worker


def worker(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """It ends before it asks for a broker."""
    code = "from moderation.cli import main; main()"
    kept = {name: value for name, value in os.environ.items() if "MODERATION" not in name}
    return subprocess.run(
        [sys.executable, "-c", code, "worker", *arguments],
        env={**kept, "MODERATION_HOME": str(home), "MODERATION_PLUGINS": "workers"},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.usefixtures("gpus")
def test_fault_081_a_worker_that_does_not_get_its_gpu_ends_with_one_sentence(
    tmp_path: Path,
) -> None:
    done = worker(tmp_path, "--device", "cuda:7")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "cuda:7 was asked for, and this machine has only" in done.stderr


@pytest.mark.usefixtures("gpus")
def test_fault_036_a_worker_whose_gpu_is_held_ends_with_one_sentence(tmp_path: Path) -> None:
    _, lock = take("cuda:0", tmp_path / "devices")
    done = worker(tmp_path, "--device", "cuda:0")
    lock.release()
    assert done.returncode == 2
    assert f"is held by process {os.getpid()}" in done.stderr


def test_fault_082_the_main_process_of_a_worker_imports_no_engine() -> None:
    code = (
        "import sys; from moderation_workers import app, command, device, tasks;"
        "sys.exit(sorted({'torch', 'onnxruntime', 'ctranslate2'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
