"""The command as people run it: a process of its own, its exit code, stdout and stderr."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import jsonschema
import pytest

from moderation.testing.clips import BLACK, Clip, numbered, solid, written

Done: TypeAlias = "subprocess.CompletedProcess[str]"
Run: TypeAlias = Callable[..., Done]

COMMAND = str(Path(sys.executable).parent / "moderation")

POLICY = """
schema = "moderation.policy/v1"
name = "text-only"
version = "1"
[coverage]
screen_text = 0.95
terms = 0.95
[[rules]]
id = "drugs"
label = "Illegal goods/Drugs"
action = "{action}"
severity = "high"
"""


def environment(home: Path) -> dict[str, str]:
    """Only the text plugin: it needs no weights but those in its wheels, and loads fast."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "COLUMNS": "100",
        "MODERATION_HOME": str(home / "data"),
        "MODERATION_OFFLINE": "1",
        "MODERATION_PLUGINS": "text",
        "MODERATION_POLICY": str(home / "policy.toml"),
    }


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `moderation` in an empty folder with a policy of its own."""
    (tmp_path / "policy.toml").write_text(POLICY.format(action="review"))

    def call(*arguments: str, **more: str) -> Done:
        return subprocess.run(
            [COMMAND, *arguments], cwd=tmp_path, env={**environment(tmp_path), **more},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    return call


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bad.mp4` offers drugs on the screen, `good.mp4` is black."""
    folder = tmp_path_factory.mktemp("clips")
    offer = written(solid(0, 60, 0), "buy cocaine here", height=0.15)
    Clip(640, 360, fps=5).show(2, offer).write(folder / "bad.mp4")
    Clip(640, 360, fps=5).show(2, BLACK).write(folder / "good.mp4")
    return folder


def test_help_names_every_command(run: Run) -> None:
    shown = run("--help").stdout
    for name in ("demo", "doctor", "models", "plugins", "policy", "queue", "report", "scan"):
        assert name in shown


def test_scan_prints_the_verdicts(run: Run, clips: Path) -> None:
    done = run("scan", str(clips / "bad.mp4"), str(clips / "good.mp4"))
    assert done.returncode == 0
    assert "review" in done.stdout
    assert "approve" in done.stdout
    assert "[2/2] good.mp4" in done.stderr


def test_json_goes_to_stdout_and_holds_to_its_schema(run: Run, clips: Path) -> None:
    done = run("scan", str(clips / "bad.mp4"), "--format", "json")
    schema = json.loads(run("report", "--schema").stdout)
    documents = json.loads(done.stdout)
    jsonschema.validate(documents[0], schema)
    assert documents[0]["verdict"]["reasons"][0]["rule"] == "drugs"
    assert documents[0]["video"]["has_audio"] is False


def test_the_second_scan_is_the_stored_one(run: Run, clips: Path) -> None:
    first, second = (
        json.loads(run("scan", str(clips / "bad.mp4"), "--format", "json").stdout)[0]
        for _ in range(2)
    )
    assert first == second


def test_nothing_is_left_outside_its_home(run: Run, clips: Path, tmp_path: Path) -> None:
    """Engines report to their makers and keep notes in the user's home, unless they are told."""
    run("scan", str(clips / "bad.mp4"))
    assert {each.name for each in tmp_path.iterdir()} == {"data", "policy.toml"}


def test_a_report_takes_its_form_from_the_files_suffix(
    run: Run, clips: Path, tmp_path: Path
) -> None:
    run("scan", str(clips / "good.mp4"), "--output", "report.json")
    assert json.loads((tmp_path / "report.json").read_text())[0]["verdict"]["action"] == "approve"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_is_full_is_one_sentence(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(POLICY.format(action="review"))
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [COMMAND, "scan", str(clips / "good.mp4")], cwd=tmp_path, env=environment(tmp_path),
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert "No space left" in done.stderr or "no room" in done.stderr


def test_a_termination_ends_like_an_interruption(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(POLICY.format(action="review"))
    long = Clip(640, 360, fps=1).show(300, numbered(1)).write(tmp_path / "long.mp4")
    process = subprocess.Popen(
        [COMMAND, "scan", str(long)], cwd=tmp_path, env=environment(tmp_path),
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    process.stderr.readline()
    process.terminate()
    _, told = process.communicate(timeout=60)
    assert (process.returncode, "interrupted" in told) == (130, True)


def test_fail_on_gives_exit_code_1(run: Run, clips: Path) -> None:
    bad, good = str(clips / "bad.mp4"), str(clips / "good.mp4")
    assert run("scan", bad, "--fail-on", "review").returncode == 1
    assert run("scan", bad, "--fail-on", "reject").returncode == 0
    assert run("scan", good, "--fail-on", "review").returncode == 0


def test_one_bad_file_loses_nothing_of_the_others(run: Run, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is no video")
    done = run("scan", "gone.mp4", "text.mp4", str(clips / "good.mp4"), "--format", "json")
    actions = [each["verdict"]["action"] for each in json.loads(done.stdout)]
    assert done.returncode == 3
    assert actions == ["incomplete", "incomplete", "approve"]
    assert "2 of 3 videos were not scanned" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["scan"], "Missing argument"),
        (["scan", "--format", "xml", "x.mp4"], "'xml' is not one of"),
        (["scan", "--polcy", "x", "x.mp4"], "No such option"),
        (["scan", "--policy", "gone.toml", "x.mp4"], "gone.toml cannot be read"),
        (["frobnicate"], "No such command"),
        (["queue", "show", "nothing"], "no review item begins with nothing"),
        (["report", "--since", "yesterday"], "is no time"),
        (["report", "--since", "-5d"], "is no time"),
        (["models", "pull", "nothing"], "MODERATION_OFFLINE is set"),
        (["models", "pull"], "say --all"),
    ],
)
def test_a_wrong_call_is_exit_code_2_and_one_sentence(
    run: Run, arguments: list[str], sentence: str
) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_setting_that_does_not_hold_is_exit_code_2(run: Run) -> None:
    done = run("plugins", MODERATION_THREADS="many")
    assert (done.returncode, "threads does not hold" in done.stderr) == (2, True)


def test_a_report_does_not_overwrite_the_video(run: Run, clips: Path) -> None:
    video = str(clips / "good.mp4")
    done = run("scan", video, "--format", "json", "--output", video)
    assert (done.returncode, "would overwrite" in done.stderr) == (2, True)


def test_debug_shows_the_traceback(run: Run) -> None:
    assert "Traceback" in run("scan", "--policy", "gone.toml", "x.mp4", "--debug").stderr


def test_a_report_file_is_whole_or_not_there(run: Run, clips: Path, tmp_path: Path) -> None:
    target = tmp_path / "gone" / "report.json"
    done = run("scan", str(clips / "good.mp4"), "--format", "json", "--output", str(target))
    assert done.returncode == 2
    assert not target.exists()
    assert [each.name for each in tmp_path.iterdir() if "report" in each.name] == []


def test_the_csv_has_a_row_per_segment(run: Run, clips: Path) -> None:
    run("scan", str(clips / "bad.mp4"))
    rows = list(csv.DictReader(io.StringIO(run("report", "--format", "csv").stdout)))
    assert {row["label"] for row in rows} >= {"Illegal goods/Drugs", "Context/Screen text"}


def test_the_report_filters_by_verdict_and_time(run: Run, clips: Path) -> None:
    run("scan", str(clips / "bad.mp4"), str(clips / "good.mp4"))
    shown = run("report", "--verdict", "review", "--since", "1h", "--format", "json").stdout
    assert [each["video"]["uri"] for each in json.loads(shown)] == [str(clips / "bad.mp4")]
    assert json.loads(run("report", "--since", "2999-01-01", "--format", "json").stdout) == []


def test_the_html_report_is_one_file(run: Run, clips: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    run("scan", str(clips / "bad.mp4"), "--format", "html", "--output", str(page))
    html = page.read_text()
    assert "buy cocaine" in html
    assert "data:image/jpeg" in html
    assert 'src="http' not in html


def test_what_needs_a_person_is_in_the_queue(run: Run, clips: Path) -> None:
    run("scan", str(clips / "bad.mp4"))
    listed = run("queue").stdout
    assert "review" in listed
    item = listed.splitlines()[1].split()[0]
    assert "drugs" in run("queue", "show", item).stdout


def test_a_hostile_name_commands_no_terminal_and_hides_no_queue(run: Run, clips: Path) -> None:
    """Colours, a title, a line that looks like an error, mark-up of rich, and no UTF-8."""
    folder = clips / "a["
    folder.mkdir()
    path = folder / "b]\x1b]0;owned\x07\x1b[31m\nerror [bold]\udcff.mp4"
    path.write_bytes((clips / "bad.mp4").read_bytes())
    scanned = run("scan", os.fspath(path))
    listed = run("queue", PYTHONIOENCODING="utf-8:strict")
    assert (scanned.returncode, listed.returncode) == (0, 0)
    for told in (scanned.stdout, scanned.stderr, listed.stdout):
        assert "\x1b" not in told
        assert "[bold]" in told
    assert not [line for line in scanned.stderr.splitlines() if line.startswith("error")]


@pytest.mark.parametrize("since", ["99999999999d", "0001-01-01T00:00+23:59"])
def test_a_time_that_no_calendar_has_is_a_wrong_call(run: Run, since: str) -> None:
    done = run("report", "--since", since)
    assert (done.returncode, "is no time" in done.stderr) == (2, True)


def test_a_misspelt_label_is_a_wrong_call(run: Run) -> None:
    assert run("report", "--label", "Violenz").returncode == 2


def test_data_is_utf_8_in_any_locale(run: Run, clips: Path) -> None:
    path = clips / "日本.mp4"
    path.write_bytes((clips / "good.mp4").read_bytes())
    done = run("scan", str(path), "--format", "json", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)[0]["video"]["uri"].endswith("日本.mp4")


def test_files_of_one_name_in_two_folders_are_two(run: Run, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.mp4").touch()
        subprocess.run(
            [COMMAND, "scan", "x.mp4"],
            cwd=tmp_path / folder,
            env=environment(tmp_path),
            check=False,
        )
    rows = list(csv.DictReader(io.StringIO(run("report", "--rows", "videos").stdout)))
    assert {row["video"] for row in rows} == {str(tmp_path / each / "x.mp4") for each in "ab"}


def test_an_empty_queue_says_so(run: Run) -> None:
    assert "nothing waits" in run("queue", "list").stdout


def test_plugins_are_listed_with_their_detectors(run: Run) -> None:
    rows = json.loads(run("plugins", "--json").stdout)
    assert [(row["name"], row["status"]) for row in rows] == [("text", "loaded")]
    assert {each["name"] for each in rows[0]["detectors"]} == {"screen_text", "terms"}


def test_models_are_listed_and_verified(run: Run) -> None:
    assert "package:rapidocr" in run("models", "list").stdout
    entries = json.loads(run("models", "list", "--json").stdout)
    assert all(each["present"] and len(each["sha256"]) == 64 for each in entries)
    done = run("models", "verify")
    assert (done.returncode, "corrupt" in done.stdout) == (0, False)


def test_weights_with_another_digest_are_found(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "weights"
    own.mkdir()
    (own / "net.onnx").write_bytes(b"tampered")
    (own / "manifest.toml").write_text(f'[net]\nfile = "net.onnx"\nsha256 = "{"0" * 64}"\n')
    done = run("models", "verify", MODERATION_MODELS=str(own))
    assert (done.returncode, "corrupt  net" in done.stdout) == (3, True)


def test_doctor_opens_real_sessions(run: Run) -> None:
    done = run("doctor")
    assert done.returncode == 0, done.stdout
    assert "screen_text" in done.stdout
    assert "on cpu" in done.stdout


def test_doctor_says_what_holds_the_decoder(run: Run) -> None:
    line = next(line for line in run("doctor").stdout.splitlines() if "decoder" in line)
    assert "held by rlimits" in line


def test_doctor_says_what_would_not_work(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "moderation.db").write_bytes(b"no database at all" * 100)
    assert run("doctor").returncode == 3


def test_lint_shows_each_problem_with_its_line(run: Run, tmp_path: Path) -> None:
    wrong = POLICY.format(action="review").replace("Illegal goods/Drugs", "Illegal goods/Drug")
    (tmp_path / "mine.toml").write_text(wrong)
    done = run("policy", "lint", "mine.toml")
    assert done.returncode == 2
    assert "mine.toml:10" in done.stdout
    assert "Illegal goods/Drugs" in done.stdout


def test_a_built_in_policy_can_be_copied(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(run("policy", "show", "default").stdout)
    assert run("policy", "lint", "mine.toml").returncode == 0


def test_fault_112_a_locked_database_is_one_sentence(run: Run, clips: Path, tmp_path: Path) -> None:
    run("scan", str(clips / "good.mp4"))
    with sqlite3.connect(tmp_path / "data" / "moderation.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        done = run("scan", str(clips / "bad.mp4"))
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "locked" in done.stderr


def test_a_foreign_database_is_left_alone(run: Run, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with sqlite3.connect(tmp_path / "data" / "moderation.db") as other:
        other.execute("CREATE TABLE theirs (id INTEGER)")
    done = run("scan", str(clips / "good.mp4"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    with sqlite3.connect(tmp_path / "data" / "moderation.db") as other:
        assert [name for (name,) in other.execute("SELECT name FROM sqlite_master")] == ["theirs"]


def test_ctrl_c_keeps_what_is_done_and_writes_no_half_report(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(POLICY.format(action="review"))
    long = tmp_path / "long.mp4"
    # Every frame is another, so that reading them takes far longer than this test waits.
    Clip(640, 360, fps=1).show(300, numbered(1)).write(long)
    page = tmp_path / "report.json"
    arguments = [
        "scan",
        str(clips / "bad.mp4"),
        str(long),
        "--format",
        "json",
        "--output",
        str(page),
    ]
    process = subprocess.Popen(
        [COMMAND, *arguments], cwd=tmp_path, env=environment(tmp_path),
        stderr=subprocess.PIPE, text=True,
        # A background job, as CI may run us, ignores it, and so would its children.
        preexec_fn=_heed_interrupts,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[2/2]"):
            break
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: 1 videos were scanned and are stored" in told
    assert "Traceback" not in told
    assert not page.exists()
    with sqlite3.connect(tmp_path / "data" / "moderation.db") as database:
        assert database.execute("SELECT count(*) FROM scan").fetchone() == (1,)


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(POLICY.format(action="review"))
    process = subprocess.Popen(
        [COMMAND, "policy", "show", "default"], cwd=tmp_path, env=environment(tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait(timeout=30) == 141
