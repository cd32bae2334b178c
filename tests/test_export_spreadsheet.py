"""What a spreadsheet makes of the CSV report; only where LibreOffice is installed."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from moderation.reports import FORMATS, ReportOptions
from moderation.testing.scans import make_evidence, make_scan
from tests.test_export_hostile import HIDDEN, PAYLOADS, QUOTED

ALL = (*PAYLOADS, *HIDDEN, *QUOTED)

FORMULA = re.compile(r"<table:table-cell[^>]*table:formula=")


@pytest.fixture(scope="module")
def soffice() -> str:
    found = shutil.which("soffice")
    if found is None:
        pytest.skip("there is no LibreOffice")
    return found


def content_of(soffice: str, table: Path) -> str:
    """The XML of what LibreOffice reads from a CSV file."""
    profile = f"-env:UserInstallation={(table.parent / 'profile').as_uri()}"
    command = [soffice, profile, "--headless", "--convert-to", "ods", "--outdir", str(table.parent)]
    subprocess.run([*command, table], check=True, capture_output=True, timeout=200)
    with zipfile.ZipFile(table.with_suffix(".ods")) as archive:
        return archive.read("content.xml").decode()


def test_libreoffice_takes_a_bare_formula_for_one(soffice: str, tmp_path: Path) -> None:
    """Otherwise the next test would prove nothing."""
    table = tmp_path / "bare.csv"
    table.write_text('"=1+1","text"\n')
    assert FORMULA.search(content_of(soffice, table))


def test_row_125_libreoffice_calculates_nothing(soffice: str, tmp_path: Path) -> None:
    table, stream = tmp_path / "report.csv", io.StringIO(newline="")
    scans = (
        make_scan(make_evidence(each, text=each, subject=each), name=each, id=str(number))
        for number, each in enumerate(ALL)
    )
    FORMATS["csv"](scans, stream, ReportOptions(bom=True))
    table.write_text(stream.getvalue(), encoding="utf-8", newline="")
    content = content_of(soffice, table)
    assert content.count("<table:table-row") >= len(ALL)
    assert FORMULA.search(content) is None
