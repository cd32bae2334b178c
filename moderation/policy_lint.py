"""What is wrong in a policy file, and what only smells: `moderation policy lint`."""

from __future__ import annotations

from collections.abc import Iterator

from moderation.policy import Policy, check
from moderation.rule import Clause, Rule
from moderation.taxonomy import CONTEXT, Taxonomy, is_within
from moderation.toml_document import Level, Problem, TomlDocument
from moderation.toml_places import KeyPath
from moderation.verdict import Action

__all__ = ["lint"]


def lint(text: str, where: str, taxonomy: Taxonomy | None = None) -> list[Problem]:
    """Every error of a policy's text; when there is none, every warning. In the file's order."""
    taxonomy = taxonomy or Taxonomy.default()
    document = TomlDocument.parse(text, where)
    policy, problems = check(document, taxonomy)
    if policy is None:
        return problems
    return sorted({*_of_policy(policy, document, taxonomy), *_of_rules(policy, document)})


def _of_policy(policy: Policy, document: TomlDocument, taxonomy: Taxonomy) -> Iterator[Problem]:
    if not any(required.share for required in policy.coverage.values()):
        yield _warning(
            document, ("coverage",), "no detector is required to have looked",
            "a video that nobody looked at is approved; name what must look in [coverage]",
        )  # fmt: skip
    if policy.unknown_labels.mode == "ignore":
        yield _warning(
            document, ("unknown_labels", "mode"), "labels that nothing decides are ignored",
            'what a new detector sees is approved; "review" is safe',
        )  # fmt: skip
    else:
        for path in _undecided(policy, taxonomy):
            yield _warning(
                document, ("rules",), f"nothing decides {path}, so it is reviewed",
                "write a rule for it, or allow it",
            )  # fmt: skip


def _undecided(policy: Policy, taxonomy: Taxonomy) -> Iterator[str]:
    """The undecided labels that are not below another one."""
    undecided = {label.path for label in taxonomy if label.is_violation}
    undecided -= {path for path in undecided if policy.decides(path)}
    for path in sorted(undecided):
        if path.rpartition("/")[0] not in undecided:
            yield path


def _of_rules(policy: Policy, document: TomlDocument) -> Iterator[Problem]:
    own = len(document.data.get("rules", []))
    for index, rule in enumerate(policy.rules[:own]):
        path: KeyPath = ("rules", index)
        for number, clause in enumerate(rule.clauses):
            where = path if rule.label else (*path, "all" if rule.all else "any", number)
            yield from _of_clause(rule, clause, document, where)
        if rule.action is Action.REJECT and not _needs_two_sights(rule):
            yield _warning(
                document, (*path, "action"), f"{rule.id} rejects on a single sight",
                "corroborate it with min_samples = 2, min_duration or min_count",
            )  # fmt: skip
        for other in policy.rules:
            if other is not rule and _swallows(other, rule):
                yield _warning(
                    document, path, f"{rule.id} never adds to {other.id}",
                    "that rule fires whenever this one does, and as strongly",
                )  # fmt: skip


def _of_clause(
    rule: Rule, clause: Clause, document: TomlDocument, path: KeyPath
) -> Iterator[Problem]:
    if any(is_within(clause.label, carved) for carved in clause.except_):
        yield _warning(
            document, (*path, "except"), f"{rule.id} can never fire",
            f"its except leaves nothing of {clause.label}",
        )  # fmt: skip
    for carved in clause.except_:
        if not is_within(carved, clause.label):
            yield _warning(
                document, (*path, "except"), f"{carved} does not lie under {clause.label}",
                "this part of except does nothing",
            )  # fmt: skip
    if is_within(clause.label, CONTEXT) and not rule.all:
        yield _warning(
            document, path, f"{rule.id} fires on {clause.label}, which is no violation",
            "combine it with a violation in `all`",
        )  # fmt: skip
    if clause.min_score == 0:
        yield _warning(
            document, (*path, "min_score"), f"{rule.id} fires on scores of 0",
            "0.5 is a usual threshold",
        )  # fmt: skip


def _needs_two_sights(rule: Rule) -> bool:
    if rule.all or (rule.min_count or 0) > 1:
        return True
    return not any(clause.is_corroborated_by(samples=1, duration_us=0) for clause in rule.clauses)


def _swallows(strong: Rule, weak: Rule) -> bool:
    """Whether `strong` fires on all that `weak` fires on, with an action no less severe."""
    if weak.all or strong.all or weak.min_count or strong.min_count:
        return False
    if strong.action is not weak.action and strong.action is not Action.REJECT:
        return False
    if strong.severity is not weak.severity:
        return False
    return all(any(_is_looser(a, b) for a in strong.clauses) for b in weak.clauses)


def _is_looser(loose: Clause, tight: Clause) -> bool:
    return (
        is_within(tight.label, loose.label)
        and not loose.except_
        and (not loose.detectors or set(tight.detectors) == set(loose.detectors))
        and loose.min_score <= tight.min_score
        and _asks_no_more(loose, tight)
    )


def _asks_no_more(loose: Clause, tight: Clause) -> bool:
    """Whether every segment that corroborates `tight` corroborates `loose`."""
    if loose.is_corroborated_by(samples=1, duration_us=0):
        return True
    asked = [
        (loose.min_samples, tight.min_samples),
        (loose.min_duration, tight.min_duration),
    ]
    given = [(low, value) for low, value in asked if value is not None]
    return bool(given) and all(low is not None and low <= value for low, value in given)


def _warning(document: TomlDocument, path: KeyPath, message: str, hint: str) -> Problem:
    return document.problem(path, message, hint, Level.WARNING)
