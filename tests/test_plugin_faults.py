"""What plugins do wrong, by the rows of the catalogue of faults: seen by nobody is never approved.

What costs a process is in `services/test_plugin_faults_fleet.py`.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moderation import device_faults
from moderation.config import MediaLimits, Settings
from moderation.detector import Audio, Degraded, Detector, Device, Frames
from moderation.errors import PluginError
from moderation.evidence import Box, Evidence
from moderation.manifest import Manifest, Weights, sha256_of
from moderation.media.frames import AudioChunk, FrameBatch
from moderation.panel import Panel
from moderation.pipeline import Pipeline
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.scan import Scan
from moderation.store import Store
from moderation.testing.clips import WHITE, Clip, tone
from moderation.testing.detectors import Brightness, as_plugin
from moderation.timeline import Instant, Span
from moderation.verdict import Action, Coverage, CoverageStatus

POLICY = """
schema = "moderation.policy/v1"
name = "test"
version = "1"

[coverage]
{required} = 1.0

[[rules]]
id = "weapon"
label = "Violence/Weapons"
action = "reject"
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s of white with a tone: `Brightness` sees somebody in every one of 5 samples."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return Clip(64, 48, fps=5).show(4, WHITE).hear(tone(4)).write(path)


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_faults, "_spent", type(device_faults._spent)())


def scanned(
    clip: Path, home: Path, *classes: type[Detector[Any]], required: str, **settings: Any
) -> Scan:
    """The clip's stored scan, under a policy that requires one of the detectors."""
    registry = Registry()
    registry.register(as_plugin(*classes), "mine")
    chosen = Settings(home=home, media=MediaLimits(unchanged_below=0), **settings)
    judge = Policy.parse(POLICY.format(required=required), "test.toml")
    with Store.open(f"sqlite:///{home / 'moderation.db'}") as store:
        Pipeline(chosen, Panel(registry, chosen), judge, store).scan(str(clip))
        (stored,) = store.scans()
    return stored


def covered(scan: Scan, name: str) -> Coverage:
    return next(each for each in scan.coverage if each.detector == name)


class Faulty(Brightness):
    """Sees one thing, then does what the test says."""

    name = "faulty"
    labels = {"bright": "Context/Person", "gun": "Violence/Weapons/Firearm"}

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        feed = iter(batches)
        first = next(feed)[0]
        yield self.evidence("bright", 0.9, first.span)
        yield from self.goes_wrong(first.span)
        list(feed)

    def goes_wrong(self, span: Span) -> Iterator[Evidence]:
        raise NotImplementedError


def faulty(goes_wrong: Callable[[Any, Span], Iterable[Any]]) -> type[Faulty]:
    class Made(Faulty):
        def goes_wrong(self, span: Span) -> Iterator[Evidence]:
            yield from goes_wrong(self, span)

    return Made


# Raising and ending


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), SystemExit(0), KeyboardInterrupt(), GeneratorExit()]
)
def test_fault_072_a_plugin_that_raises_costs_its_own_coverage_and_the_approval(
    clip: Path, tmp_path: Path, error: BaseException
) -> None:
    def raises(_: Any, __: Span) -> Iterable[Any]:
        raise error

    scan = scanned(clip, tmp_path, faulty(raises), Brightness, required="faulty")
    assert covered(scan, "faulty").status is CoverageStatus.FAILED
    assert covered(scan, "brightness").status is CoverageStatus.COMPLETE
    assert scan.verdict.action is Action.INCOMPLETE
    assert len(scan.evidence) == 6, "what it saw before is kept"


def test_fault_075_an_exit_code_of_0_is_no_success(clip: Path, tmp_path: Path) -> None:
    def leaves(_: Any, __: Span) -> Iterable[Any]:
        sys.exit(0)

    scan = scanned(clip, tmp_path, faulty(leaves), required="faulty")
    assert scan.verdict.action is Action.INCOMPLETE
    assert covered(scan, "faulty").reason == "SystemExit: 0"


# Saying what cannot be


IMPOSSIBLE: dict[str, Callable[[Any, Span], object]] = {
    "score nan": lambda it, span: it.evidence("gun", math.nan, span),
    "score inf": lambda it, span: it.evidence("gun", math.inf, span),
    "score 2": lambda it, span: it.evidence("gun", 2, span),
    "score none": lambda it, span: it.evidence("gun", None, span),
    "before the video": lambda it, _: it.evidence("gun", 0.9, Span.from_seconds(-5, -4)),
    "time nan": lambda it, _: it.evidence("gun", 0.9, Span.from_seconds(math.nan, 1)),
    "backwards": lambda it, _: it.evidence("gun", 0.9, Span(Instant(2), Instant(1))),
    "best elsewhere": lambda it, span: it.evidence("gun", 0.9, span, best=Instant(10**9)),
    "box outside": lambda it, span: it.evidence("gun", 0.9, span, box=Box(0, 0, 1.5, 1)),
    "box nan": lambda it, span: it.evidence("gun", 0.9, span, box=Box(math.nan, 0, 1, 1)),
    "no label": lambda it, span: it.evidence("tank", 0.9, span),
    "after the video": lambda it, _: it.evidence("gun", 0.9, Span.from_seconds(1e9, 1e9)),
    "detail nan": lambda it, span: it.evidence("gun", 0.9, span, x=math.nan),
    "detail object": lambda it, span: it.evidence("gun", 0.9, span, x=object()),
    "huge text": lambda it, span: it.evidence("gun", 0.9, span, text="x" * 200_000),
    "huge detail": lambda it, span: it.evidence("gun", 0.9, span, x="x" * 200_000),
    "no evidence": lambda _, __: "gun",
}


@pytest.fixture(scope="module")
def impossible(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Scan:
    """One scan by all who say what cannot be, every one of them required."""

    def saying(what: str) -> type[Faulty]:
        made = faulty(lambda it, span: [IMPOSSIBLE[what](it, span)])
        made.name = what.replace(" ", "_")
        return made

    classes = [saying(what) for what in IMPOSSIBLE]
    required = " = 1.0\n".join(each.name for each in classes)
    return scanned(clip, tmp_path_factory.mktemp("home"), *classes, Brightness, required=required)


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_fault_073_what_cannot_be_is_refused_and_is_no_approval(
    impossible: Scan, what: str
) -> None:
    name = what.replace(" ", "_")
    assert covered(impossible, name).status is CoverageStatus.FAILED
    assert any(missing.startswith(name) for missing in impossible.verdict.missing)
    assert {each.label for each in impossible.evidence} == {"Context/Person"}


def test_fault_073_what_cannot_be_costs_nobody_else(impossible: Scan) -> None:
    assert covered(impossible, "brightness").status is CoverageStatus.COMPLETE
    assert impossible.verdict.action is Action.INCOMPLETE


def test_fault_073_a_flood_of_findings_is_capped_and_counted(clip: Path, tmp_path: Path) -> None:
    def floods(it: Any, span: Span) -> Iterable[Evidence]:
        seen = it.evidence("gun", 0.9, span)
        return (seen for _ in range(100_000))

    scan = scanned(clip, tmp_path, faulty(floods), required="faulty", max_evidence=50)
    assert len(scan.evidence) <= 100
    assert "99950 pieces of evidence were not kept" in covered(scan, "faulty").reason
    assert scan.verdict.action is Action.REJECT


# What plugins share


def test_fault_077_the_others_get_the_frames_as_they_were(clip: Path, tmp_path: Path) -> None:
    class Painter(Brightness):
        """Blackens whatever of a batch can be written to."""

        name = "a_painter"  # before the other

        def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
            for batch in batches:
                for pixels in (batch[0].image, batch.letterbox(64).images):
                    with pytest.raises(ValueError, match="read-only"):
                        pixels[:] = 0
            yield from ()

    scan = scanned(clip, tmp_path, Painter, Brightness, required="a_painter")
    assert covered(scan, "a_painter").status is CoverageStatus.COMPLETE
    assert len(scan.evidence) == 5


def test_fault_077_the_others_get_the_sound_as_it_was(clip: Path, tmp_path: Path) -> None:
    class Silencer(Detector[AudioChunk]):
        name = "silencer"
        wants = Audio(seconds=1)
        labels = {}

        def detect(self, batches: Iterable[AudioChunk]) -> Iterator[Evidence | Degraded]:
            for chunk in batches:
                np.copyto(chunk.samples, 0)
            yield from ()

    scan = scanned(clip, tmp_path, Silencer, required="silencer")
    assert "read-only" in covered(scan, "silencer").reason


# Which plugins there are


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Install a distribution that announces a plugin of its own name."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setenv("PYTHONPATH", str(place))

    def write(name: str, code: str) -> None:
        about = place / f"{name}-1.dist-info"
        about.mkdir()
        (place / f"{name}.py").write_text(code)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[moderation]\n{name} = {name}\n")

    return write


SEER = """
from moderation import Detector, Frames, hookimpl

class Seer(Detector):
    name = "seer"
    wants = Frames()
    labels = {}

    def detect(self, batches):
        yield from ()

@hookimpl
def register_detectors(register):
    register(Seer)
"""


def command(home: Path, plugins: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if "MODERATION" not in name}
    return subprocess.run(
        [sys.executable, "-c", "from moderation.cli import main; main()", *arguments],
        env={**kept, "MODERATION_HOME": str(home), "MODERATION_PLUGINS": plugins},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_fault_078_two_detectors_of_one_name_are_refused_with_both_distributions(
    install: Callable[[str, str], None],
) -> None:
    install("plugin_one", SEER)
    install("plugin_two", SEER)
    with pytest.raises(PluginError, match=r"of plugin_one .* and of plugin_two "):
        Registry.installed(["plugin_one", "plugin_two"])


def test_fault_078_a_worker_with_two_detectors_of_one_name_does_not_start(
    install: Callable[[str, str], None], tmp_path: Path
) -> None:
    install("plugin_one", SEER)
    install("plugin_two", SEER)
    done = command(tmp_path, "plugin_one,plugin_two,workers", "worker")
    assert done.returncode != 0
    assert "two detectors are named seer" in done.stderr
    assert "plugin_one" in done.stderr
    assert "plugin_two" in done.stderr


def test_fault_078_a_plugin_that_cannot_be_imported_is_in_every_coverage(
    install: Callable[[str, str], None], clip: Path, tmp_path: Path
) -> None:
    install("plugin_broken", "from moderation import NothingOfThisVersion\n")
    registry = Registry.installed(["plugin_broken"])
    settings = Settings(home=tmp_path)
    judge = Policy.parse(POLICY.format(required="seer"), "test.toml")
    with Store.open(f"sqlite:///{tmp_path / 'moderation.db'}") as store:
        scan = Pipeline(settings, Panel(registry, settings), judge, store).scan(str(clip))
    assert "NothingOfThisVersion" in covered(scan, "plugin_broken").reason
    assert scan.verdict.action is Action.INCOMPLETE


def test_fault_079_what_is_installed_and_not_allowed_is_never_imported(
    install: Callable[[str, str], None], tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    install("plugin_canary", f"open({str(canary)!r}, 'w')\n{SEER}")
    install("plugin_one", SEER)
    done = command(tmp_path, "plugin_one", "plugins")
    assert done.returncode == 0, done.stderr
    assert not canary.exists()


# The device


@pytest.mark.parametrize(
    "text",
    ["CUDA out of memory. Tried to allocate 2 GiB", "CUDA error: unspecified launch failure"],
)
def test_fault_080_081_a_device_that_gives_out_while_loading_wants_another_process(
    clip: Path, tmp_path: Path, text: str
) -> None:
    class Heavy(Brightness):
        name = "heavy"

        def load(self, device: Device) -> None:
            raise RuntimeError(text)

    registry = Registry()
    registry.register(as_plugin(Heavy, Brightness), "mine")
    panel = Panel(registry, Settings(home=tmp_path))
    panel.load()
    assert device_faults.is_spent()
    assert text in panel.device_fault
    assert panel.absent[0].status is CoverageStatus.FAILED
    assert scanned(clip, tmp_path, Heavy, required="heavy").verdict.action is Action.INCOMPLETE


class Greedy(Brightness):
    """Wants memory for each frame of a batch; there is some for `room` of them."""

    name = "greedy"
    wants = Frames(per_second=1, batch=16)
    room = 2

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        for batch in batches:
            if len(batch) > self.room:
                raise MemoryError("Unable to allocate 7 PiB")
            yield from super().detect([batch])


def test_fault_080_a_batch_that_is_too_large_is_halved_and_nothing_is_missed(
    clip: Path, tmp_path: Path
) -> None:
    scan = scanned(clip, tmp_path, Greedy, required="greedy")
    seen = covered(scan, "greedy")
    assert (seen.status, seen.examined, len(scan.evidence)) == (CoverageStatus.COMPLETE, 5, 5)
    assert seen.reason == "batch halved to 2: out of memory"
    assert scan.verdict.action is Action.APPROVE


def test_fault_080_a_frame_that_is_too_much_is_no_approval_and_is_looked_at_again(
    clip: Path, tmp_path: Path
) -> None:
    class Greediest(Greedy):
        room = 0

    scan = scanned(clip, tmp_path, Greediest, Brightness, required="greedy")
    assert covered(scan, "greedy").status is CoverageStatus.FAILED
    assert covered(scan, "brightness").status is CoverageStatus.COMPLETE
    assert scan.verdict.action is Action.INCOMPLETE
    assert "ran out of memory" in scan.cut_short, "so it is not taken for the next time"
    assert device_faults.is_spent()


def test_a_bug_while_loading_wants_no_other_process(tmp_path: Path) -> None:
    class Buggy(Brightness):
        name = "buggy"

        def load(self, device: Device) -> None:
            raise RuntimeError("a bug")

    registry = Registry()
    registry.register(as_plugin(Buggy), "mine")
    panel = Panel(registry, Settings(home=tmp_path))
    panel.load()
    assert (panel.device_fault, device_faults.is_spent()) == ("", False)


# Weights


class Weighing(Brightness):
    """Loads weights and signs with them; keeps what it read."""

    name = "weighing"

    def load(self, device: Device) -> None:
        self.content = self.model("weights").path.read_bytes()


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in a model directory, with its digest in the manifest."""
    place = tmp_path / "models"
    place.mkdir()
    file = place / "weights.bin"
    file.write_bytes(b"right" * 100)
    (place / "manifest.toml").write_text(
        f'[weights]\nfile = "weights.bin"\nsha256 = "{sha256_of(file)}"\n'
    )
    entry = Weights(name="weights", files={"weights.bin": sha256_of(file)})
    monkeypatch.setattr(Weighing, "manifest", Manifest({"weights": entry}))
    return file


@pytest.mark.parametrize("damage", ["flipped", "truncated", "gone"])
def test_fault_083_damaged_weights_are_not_used_and_nothing_is_approved(
    clip: Path, tmp_path: Path, weights: Path, damage: str
) -> None:
    whole = weights.read_bytes()
    if damage == "gone":
        weights.unlink()
    else:
        weights.write_bytes(b"X" + whole[1:] if damage == "flipped" else whole[:-1])
    models = (weights.parent,)
    scan = scanned(clip, tmp_path, Weighing, Brightness, required="weighing", models=models)
    assert scan.verdict.action is Action.INCOMPLETE
    told = "not on this machine" if damage == "gone" else "sha256"
    assert told in covered(scan, "weighing").reason
    assert {each.detector for each in scan.evidence} == {"brightness"}


def test_fault_085_weights_replaced_while_they_are_in_use_are_not_signed_with(
    weights: Path, tmp_path: Path
) -> None:
    before = sha256_of(weights)
    registry = Registry()
    registry.register(as_plugin(Weighing), "mine")
    panel = Panel(registry, Settings(home=tmp_path, models=(weights.parent,)))
    panel.load()
    weights.write_bytes(b"other" * 100)
    panel.load()
    (detector,) = panel.detectors
    assert isinstance(detector, Weighing)
    seen = detector.evidence("bright", 0.9, Span.at(Instant(0)))
    assert seen.producer.digest == before
    assert detector.content == b"right" * 100


# Twice the same


@pytest.mark.parametrize("batch", [1, 3])
def test_fault_087_a_batch_of_any_size_sees_the_same(
    clip: Path, tmp_path: Path, batch: int
) -> None:
    class Batched(Brightness):
        wants = Frames(per_second=1, batch=batch)

    def seen(home: str, detector: type[Brightness]) -> list[str]:
        (tmp_path / home).mkdir()
        scan = scanned(clip, tmp_path / home, detector, required="brightness")
        return [scan.verdict.action, *(each.id for each in scan.evidence)]

    assert seen("one", Batched) == seen("two", Brightness)
