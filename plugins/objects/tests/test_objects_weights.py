"""How `objects` opens weights: the real loaders, on tiny random networks made here."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from moderation_objects import Objects
from moderation_objects.formats import torch_device
from moderation_objects.network import Limits

from moderation.detector import Device
from moderation.errors import (
    ConfigurationError,
    DetectorUnavailable,
    ModelCorrupt,
    ModelError,
)
from moderation.models import ModelStore
from moderation.testing.contract import DetectorContract
from moderation.testing.feed import frame_batches, look

CPU = Device("cpu", threads=1)
LIMITS = Limits(threshold=0.2, iou=0.7, classes=(0,))


def random_checkpoint(path: Path, names: dict[int, str], config: str = "yolo11n.yaml") -> Path:
    """What `YOLO.save` writes: an untrained network of that architecture."""
    import moderation_objects.upstream  # noqa: F401  # before ultralytics
    from ultralytics.nn.tasks import ClassificationModel, DetectionModel

    torch.manual_seed(0)
    kind = ClassificationModel if "cls" in config else DetectionModel
    network: Any = kind(config, nc=len(names), verbose=False)
    network.names = names
    network.task = "classify" if "cls" in config else "detect"
    torch.save({"model": network.half(), "train_args": {}}, path)
    return path


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pt"
    return random_checkpoint(path, {0: "person", 1: "knife"})


def listing(file: Path) -> ModelStore:
    """A model directory whose manifest lists one file, under the name `yolo11n`."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest = f'[yolo11n]\nfile = "{file.name}"\nsha256 = "{digest}"\n'
    (file.parent / "manifest.toml").write_text(manifest)
    return ModelStore((file.parent,))


class TestRandomWeights(DetectorContract):
    @pytest.fixture
    def models(self, random_weights: Path) -> ModelStore:
        return listing(random_weights)

    def make(self, models: ModelStore) -> Objects:
        return Objects(None, models)


def test_a_network_of_any_kind_of_its_own_runs(random_weights: Path) -> None:
    detector = Objects({"threshold": 0}, listing(random_weights))
    detector.load(CPU)
    evidence, _ = look(detector, frame_batches([np.full((48, 64, 3), 200, np.uint8)]))
    assert {each.label for each in evidence} <= {"Context/Person", "Violence/Weapons/Knife"}
    assert evidence
    assert detector.device_in_use == "cpu"


def test_a_checkpoint_may_be_named_by_its_path(random_weights: Path) -> None:
    detector = Objects({"model": str(random_weights)}, listing(random_weights))
    detector.load(CPU)
    assert detector.producer.model == "random.pt"


def test_a_checkpoint_that_no_manifest_lists_is_refused(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pt"
    stranger.write_bytes(b"anything")
    with pytest.raises(ModelError, match="no manifest lists its sha256"):
        Objects({"model": str(stranger)}).load(CPU)


def test_fault_083_a_flipped_byte_is_refused(random_weights: Path, tmp_path: Path) -> None:
    copy = tmp_path / "yolo11n.pt"
    copy.write_bytes(random_weights.read_bytes())
    store = listing(copy)
    damaged = bytearray(copy.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    copy.write_bytes(damaged)
    with pytest.raises(ModelCorrupt, match="sha256"):
        Objects(None, store).load(CPU)


class Bomb:
    """Unpickling it creates the file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_fault_084_a_malicious_checkpoint_is_not_executed(tmp_path: Path, zipped: bool) -> None:
    """Even when an operator was talked into listing it."""
    file, canary = tmp_path / "bomb.pt", tmp_path / "canary"
    torch.save({"model": Bomb(canary)}, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match="cannot be opened"):
        Objects(None, listing(file)).load(CPU)
    assert not canary.exists()


def test_fault_084_a_bare_pickle_is_not_executed(tmp_path: Path) -> None:
    file, canary = tmp_path / "bomb.pt", tmp_path / "canary"
    file.write_bytes(pickle.dumps(Bomb(canary), protocol=2))  # what torch itself writes
    with pytest.raises(ModelError, match="cannot be opened"):
        Objects(None, listing(file)).load(CPU)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["noise.pt", "noise.onnx"])
def test_bytes_that_are_no_network_are_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"no network at all")
    with pytest.raises(ModelError, match="cannot be opened"):
        Objects(None, listing(file)).load(CPU)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "network.safetensors"
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="no format"):
        Objects(None, listing(file)).load(CPU)


def test_a_network_for_another_task_is_refused(tmp_path: Path) -> None:
    file = random_checkpoint(tmp_path / "random.pt", {0: "person"}, "yolo11n-cls.yaml")
    with pytest.raises(ModelError, match="its task is classify"):
        Objects(None, listing(file)).load(CPU)


def test_a_network_of_which_nothing_would_be_reported_is_refused(tmp_path: Path) -> None:
    file = random_checkpoint(tmp_path / "random.pt", {0: "weld seam", 1: "crack"})
    with pytest.raises(ConfigurationError, match="no class of yolo11n has a label"):
        Objects(None, listing(file)).load(CPU)


def test_an_export_that_does_not_name_its_classes_is_refused(shared_data: Path) -> None:
    detector = Objects({"model": "yolox-nano"}, ModelStore((shared_data / "models",)))
    with pytest.raises(ModelError, match="does not say which classes"):
        detector.load(CPU)


def test_an_engine_needs_cuda(tmp_path: Path) -> None:
    file = tmp_path / "network.engine"
    file.write_bytes(b"")
    with pytest.raises(DetectorUnavailable, match="runs on cuda alone"):
        Objects(None, listing(file)).load(CPU)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_said() -> None:
    with pytest.raises(DetectorUnavailable, match="cuda was asked for"):
        torch_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1"])
def test_a_device_that_cannot_be_is_said(name: str) -> None:
    with pytest.raises(DetectorUnavailable):
        torch_device(name)


def test_auto_takes_a_device_that_is_there() -> None:
    assert torch.zeros(1, device=torch_device("auto")).sum() == 0


def python(code: str, home: Path) -> str:
    """Run in a fresh interpreter whose home is `home`; what it printed."""
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    environment.pop("OMP_NUM_THREADS", None)
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout


def test_registering_imports_no_engine(tmp_path: Path) -> None:
    code = (
        "import sys, moderation_objects; print(*{'torch', 'ultralytics', 'cv2'} & {*sys.modules})"
    )
    assert python(code, tmp_path).strip() == ""


WATCHED = """
import os, sys
events = []
hook = lambda name, args: events.append((name, args)) if name in {
    "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"} else None
sys.addaudithook(hook)
import cv2
threads = cv2.getNumThreads()
from PIL import Image
pillow_open = Image.open
from moderation.detector import Device
from moderation_objects.formats import open_network
from moderation.models import Model
from pathlib import Path
open_network(Model(name="x", path=Path(PATH), digest="", listed=True), Device("cpu"))
print([event for event in events if "uname" not in str(event)])
print("OMP_NUM_THREADS" in os.environ, cv2.getNumThreads() == threads, Image.open is pillow_open)
"""


def test_fault_086_loading_neither_calls_nor_writes_home(
    random_weights: Path, tmp_path: Path
) -> None:
    told = python(WATCHED.replace("PATH", repr(str(random_weights))), tmp_path)
    assert told.splitlines() == ["[]", "False True True"]
    assert list(tmp_path.rglob("*")) == []
