"""Figures of the term lists on labelled text, against a linear model.

    python tests/eval/text_eval.py [--data DIR] [--half develop|report|all] [--json FILE]

A text counts as flagged when any hit, of any label, scores at least `FLOOR`: what the default
policy sends to a person. The column `hate` counts hits under Hate/ and Violence/ only. The lists
were written looking at the half `develop` of each set; the figures to quote are those of the
other half, `report`, whose rows were not read; its totals and shares by group were. The halves
are drawn by a checksum of the template a case was made from (HateCheck) or of the text itself, so
that they stay the same from run to run. Hatemoji's halves share their templates: its figure says
less about unseen text than HateCheck's.

The linear model (`models/profanity_check`, formula in its SOURCE.md) flags at 0.5. It was trained
on Davidson's tweets: its figure there is on its own training data.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from moderation_text.lexicon import Lexicon
from moderation_text.matcher import Hit, Matcher

FLOOR = 0.5
"""Score from which a hit is shown to a person."""

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
HATE = ("Hate/", "Violence/")


@dataclass(frozen=True)
class Row:
    """One labelled text; `group` is its functionality or topic, `key` decides its half."""

    text: str
    positive: bool
    group: str
    key: str
    case: str = ""
    twin: str = ""


@dataclass(frozen=True)
class Figures:
    """How one detector did on one set."""

    rows: int
    precision: float
    recall: float
    f1: float
    macro_f1: float
    false_alarms: float

    @classmethod
    def of(cls, truth: Sequence[bool], flagged: Sequence[bool]) -> Figures:
        count = Counter(zip(truth, flagged, strict=True))
        tp, fp = count[True, True], count[False, True]
        fn, tn = count[True, False], count[False, False]
        f1, other = _f1(tp, fp, fn), _f1(tn, fn, fp)
        return cls(
            len(truth),
            _ratio(tp, tp + fp),
            _ratio(tp, tp + fn),
            f1,
            (f1 + other) / 2,
            _ratio(fp, fp + tn),
        )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _f1(tp: int, fp: int, fn: int) -> float:
    return _ratio(2 * tp, 2 * tp + fp + fn)


class LinearModel:
    """The profanity model as arrays: five calibrated linear SVMs over TF-IDF, averaged."""

    _token = re.compile(r"(?u)\b\w\w+\b")

    def __init__(self, path: Path) -> None:
        arrays = np.load(path, allow_pickle=False)
        self.vocabulary = {str(word): index for index, word in enumerate(arrays["vocab"])}
        self.idf, self.coef, self.intercept = arrays["idf"], arrays["coef"], arrays["intercept"]
        self.cal_a, self.cal_b = arrays["cal_a"], arrays["cal_b"]

    def flags(self, text: str) -> bool:
        words = self._token.findall(text.lower())
        counts = Counter(self.vocabulary[word] for word in words if word in self.vocabulary)
        index = np.array(list(counts), dtype=int)
        weights = np.array(list(counts.values()), dtype=float) * self.idf[index]
        norm = float(np.linalg.norm(weights)) or 1.0
        distance = self.coef[:, index] @ (weights / norm) + self.intercept
        return float(np.mean(1 / (1 + np.exp(self.cal_a * distance + self.cal_b)))) >= 0.5


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def davidson(data: Path) -> Iterator[Row]:
    names = {"0": "hate", "1": "offensive", "2": "neither"}
    for row in _rows(data / "davidson" / "labeled_data.csv"):
        group = names[row["class"]]
        yield Row(row["tweet"], group != "neither", group, row["tweet"])


def hatecheck(data: Path) -> Iterator[Row]:
    for row in _rows(data / "hatecheck" / "test_suite_cases.csv"):
        yield Row(
            row["test_case"],
            row["label_gold"] == "hateful",
            row["functionality"],
            row["case_templ"],
            row["case_id"],
            row["ref_case_id"] if row["functionality"].startswith("spell_") else "",
        )


def hatecheck_arabic(data: Path) -> Iterator[Row]:
    name = "hatecheck_cases_final_arabic.csv"
    for row in _rows(data / "hatecheck_multilingual" / name):
        positive = row["label_gold"] == "hateful"
        yield Row(row["test_case"], positive, row["functionality"], row["case_templ"])


def hatemoji(data: Path) -> Iterator[Row]:
    for row in _rows(data / "hatemoji" / "hatemojicheck_test.csv"):
        yield Row(row["text"], row["label_gold"] == "1", row["functionality"], row["text"])


def cold(data: Path) -> Iterator[Row]:
    for row in _rows(data / "cold_zh" / "dev.csv"):
        yield Row(row["TEXT"], row["label"] == "1", row["topic"], row["TEXT"])


def multihateclip(language: str) -> Callable[[Path], Iterator[Row]]:
    def rows(data: Path) -> Iterator[Row]:
        for row in _rows(data / "multihateclip" / f"{language}.csv"):
            text = "\n".join((row["title"], row["description"], row["transcript"]))
            yield Row(text, row["label"] != "Normal", row["label"], row["video_id"])

    return rows


SETS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "Davidson (en)": davidson,
    "HateCheck (en)": hatecheck,
    "Hatemoji (en)": hatemoji,
    "MultiHateClip (en)": multihateclip("english"),
    "MultiHateClip (zh)": multihateclip("chinese"),
    "COLD (zh)": cold,
    "HateCheck (ar)": hatecheck_arabic,
}


def halved(rows: Iterable[Row], half: str) -> list[Row]:
    """The rows of one half: `develop` is what the lists were written on."""
    return [
        row
        for row in rows
        if half == "all" or ("report", "develop")[zlib.crc32(row.key.encode()) % 2 == 0] == half
    ]


def flagged(hits: Iterable[Hit], labels: tuple[str, ...] = ("",)) -> bool:
    return any(hit.score >= FLOOR and hit.term.label.startswith(labels) for hit in hits)


def evaluate(rows: Sequence[Row], matcher: Matcher, linear: LinearModel) -> dict[str, Any]:
    """The figures of one set, and the share flagged in each of its groups."""
    found = [matcher.find(row.text) for row in rows]
    ours = [flagged(hits) for hits in found]
    truth = [row.positive for row in rows]
    groups: dict[str, list[bool]] = {}
    for row, flag in zip(rows, ours, strict=True):
        groups.setdefault(row.group, []).append(flag)
    labels = Counter(
        label for hits in found for label in {h.term.label for h in hits if h.score >= FLOOR}
    )
    return {
        "ours": asdict(Figures.of(truth, ours)),
        "hate": asdict(Figures.of(truth, [flagged(hits, HATE) for hits in found])),
        "linear": asdict(Figures.of(truth, [linear.flags(row.text) for row in rows])),
        "groups": {name: [sum(flags), len(flags)] for name, flags in sorted(groups.items())},
        "labels": dict(labels.most_common()),
    }


def twins(rows: Sequence[Row], flags: Callable[[str], bool]) -> dict[str, list[int]]:
    """Per obfuscation: of the plain twins that are flagged, how many still are when disguised."""
    plain = {row.case: row.text for row in rows}
    kept: dict[str, list[int]] = {}
    for row in rows:
        if row.twin in plain and flags(plain[row.twin]):
            pair = kept.setdefault(row.group, [0, 0])
            pair[0] += flags(row.text)
            pair[1] += 1
    return kept


def lexicon_recall(data: Path, matcher: Matcher) -> dict[str, list[int]]:
    """Per category of the surge list: how many of its terms are flagged, and how many there are."""
    found: dict[str, list[int]] = {}
    for row in _rows(data / "lexicon_surge" / "profanity_en.csv"):
        pair = found.setdefault(row["category_1"], [0, 0])
        pair[0] += flagged(matcher.find(row["text"]))
        pair[1] += 1
    return found


def _print_set(name: str, result: dict[str, Any], verbose: bool) -> None:
    for who in ("ours", "hate", "linear"):
        f = result[who]
        figures = " ".join(
            f"{f[key]:9.3f}" for key in ("precision", "recall", "f1", "macro_f1", "false_alarms")
        )
        print(f"{name if who == 'ours' else '':20} {who:7} {f['rows']:6} {figures}")
    if verbose:
        _print_shares("flagged by group", result["groups"])
        print("    hits by label:", result["labels"])


def _print_shares(title: str, shares: dict[str, list[int]]) -> None:
    print(f"    {title}:")
    for name, (part, whole) in shares.items():
        print(f"      {name:28} {part:5} / {whole:<5} {_ratio(part, whole):6.1%}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(os.environ.get("MODERATION_TEST_DATA", SHARED))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--half", choices=("develop", "report", "all"), default="report")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--brief", action="store_true", help="without the groups of each set")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    texts = arguments.data / "text"
    matcher = Matcher(Lexicon.load())
    linear = LinearModel(arguments.data / "models" / "profanity_check" / "profanity_linear.npz")
    results: dict[str, Any] = {"half": arguments.half, "floor": FLOOR}
    print(f"half: {arguments.half}; flagged: any hit with a score of at least {FLOOR}")
    columns = ("precision", "recall", "F1", "macro-F1", "false al.")
    print(f"{'set':20} {'':7} {'rows':>6} " + " ".join(f"{column:>9}" for column in columns))
    for name, load in SETS.items():
        results[name] = evaluate(halved(load(texts), arguments.half), matcher, linear)
        _print_set(name, results[name], not arguments.brief)
    every_case = list(hatecheck(texts))
    results["twins"] = twins(every_case, lambda text: flagged(matcher.find(text)))
    results["twins linear"] = twins(every_case, linear.flags)
    results["surge"] = lexicon_recall(texts, matcher)
    _print_shares("HateCheck, all: disguised twins still flagged, ours", results["twins"])
    _print_shares("HateCheck, all: disguised twins still flagged, linear", results["twins linear"])
    _print_shares("surge list: terms flagged", results["surge"])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
