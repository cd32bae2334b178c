"""A policy file: what it says is kept, what it gets wrong is told line by line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from moderation import policy as policy_module
from moderation.errors import PolicyError
from moderation.policy import Policy, built_in
from moderation.policy_lint import lint
from moderation.rule import Clause
from moderation.taxonomy import Taxonomy
from moderation.toml_document import Level
from moderation.verdict import Action, Severity

HEAD = 'schema = "moderation.policy/v1"\nname = "t"\nversion = "1"\n'
RULE = '[[rules]]\nid = "r"\naction = "review"\n'


def policy(body: str = "") -> Policy:
    return Policy.parse(HEAD + body, "t.toml")


def errors(body: str) -> list[str]:
    """The messages with their lines, the file's name left out; the body starts at line 4."""
    with pytest.raises(PolicyError) as caught:
        policy(body)
    return [line.removeprefix("t.toml:") for line in str(caught.value).split("\n")]


def warnings(body: str) -> list[str]:
    problems = lint(HEAD + body, "t.toml")
    assert all(problem.level is Level.WARNING for problem in problems)
    return [problem.message for problem in problems]


# Reading


def test_a_rule_keeps_what_it_says() -> None:
    rule = policy(
        '[[rules]]\nid = "w"\nlabel = "Violence/Weapons"\n'
        'except = ["Violence/Weapons/Knife"]\ndetectors = ["objects"]\nmin_score = 0.4\n'
        'min_samples = 2\nmin_duration = "1.5s"\naction = "reject"\nseverity = "high"\n'
        'description = "d"\n'
    ).rules[0]
    (clause,) = rule.clauses
    assert (rule.id, rule.action, rule.severity) == ("w", Action.REJECT, Severity.HIGH)
    assert (clause.label, clause.except_) == ("Violence/Weapons", ("Violence/Weapons/Knife",))
    assert (clause.detectors, clause.min_score, clause.min_samples) == (("objects",), 0.4, 2)
    assert clause.min_duration == 1_500_000


def test_a_combination_keeps_its_clauses_and_its_window() -> None:
    rule = policy(
        RULE + 'all = [{ label = "Violence/Threat" }, { label = "Violence/Weapons", '
        'min_score = 0.4 }]\nwithin = "10s"\n'
    ).rules[0]
    assert [clause.label for clause in rule.clauses] == ["Violence/Threat", "Violence/Weapons"]
    assert [clause.min_score for clause in rule.clauses] == [0.5, 0.4]
    assert rule.within == 10_000_000


def test_a_clause_covers_its_descendants_and_not_its_exceptions() -> None:
    clause = Clause.model_validate({"label": "Violence", "except": ["Violence/Weapons"]})
    assert clause.covers("Violence")
    assert clause.covers("Violence/Graphic violence/Explosion")
    assert clause.covers("Violence/Of a kind that is not known")
    assert not clause.covers("Violence/Weapons/Knife")
    assert not clause.covers("Hate")


def test_either_samples_or_duration_corroborate() -> None:
    clause = Clause.model_validate({"label": "Hate", "min_samples": 2, "min_duration": "1s"})
    assert not clause.is_corroborated_by(samples=1, duration_us=999_999)
    assert clause.is_corroborated_by(samples=2, duration_us=0)
    assert clause.is_corroborated_by(samples=1, duration_us=1_000_000)


def test_a_requirement_is_a_number_or_a_table() -> None:
    asked = policy("[coverage]\nnudity = 0.95\nspeech = { share = 0.9, allow_degraded = true }\n")
    assert asked.coverage["nudity"].share == 0.95
    assert not asked.coverage["nudity"].allow_degraded
    assert asked.coverage["speech"].allow_degraded
    assert asked.required == ("nudity", "speech")


def test_a_share_of_zero_is_not_required() -> None:
    assert policy("[coverage]\nobjects = 0\n").required == ()


def test_a_file_is_read_from_its_path(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(HEAD, "utf-8")
    assert Policy.read(file) == policy()


def test_a_policy_that_is_not_there_is_answered_with_the_ones_that_are() -> None:
    with pytest.raises(PolicyError, match="give a TOML file or one of default, light"):
        Policy.read("no-such.toml")


def test_a_policy_travels_to_another_process() -> None:
    here = Policy.read("default")
    there = pickle.loads(pickle.dumps(here))
    assert there == here
    assert there.ref == here.ref


# Its digest


def test_comments_layout_and_spelling_of_durations_do_not_change_the_digest() -> None:
    plain = policy('[segments]\nmax_gap = "2s"\n' + RULE + 'label = "Hate"\n')
    other = policy(
        "# a comment\nsegments = { max_gap = '2000ms' }\n\n"
        '[[rules]]\nlabel = "Hate"\n  action = "review" # another\nid = "r"\n'
    )
    assert other.ref == plain.ref


@pytest.mark.parametrize(
    "body",
    [
        RULE + 'label = "Hate"\nmin_score = 0.51\n',
        RULE + 'label = "Hate/Slur"\n',
        RULE + 'label = "Hate"\ndescription = "x"\n',
        RULE + 'label = "Hate"\n[coverage]\nspeech = 0.9\n',
    ],
)
def test_another_meaning_is_another_digest(body: str) -> None:
    assert policy(body).ref.digest != policy(RULE + 'label = "Hate"\n').ref.digest


@pytest.mark.parametrize("name", built_in())
def test_the_canonical_text_restores_the_policy(name: str) -> None:
    judged = Policy.read(name)
    restored = Policy.restore(judged.canonical)
    assert restored == judged
    assert restored.ref == judged.ref


def test_a_stored_text_that_is_no_policy_is_refused() -> None:
    with pytest.raises(PolicyError, match="a stored policy does not hold"):
        Policy.restore("{}")


# Upon another policy


def test_a_policy_takes_over_what_it_does_not_say() -> None:
    base, ours = Policy.read("default"), policy('extends = "default"\n')
    assert (ours.name, ours.description) == ("t", "")
    assert (ours.rules, ours.coverage, ours.allow) == (base.rules, base.coverage, base.allow)


def test_a_rule_of_the_same_id_replaces_the_one_below() -> None:
    ours = policy('extends = "default"\n[[rules]]\nid = "hate"\nlabel = "Hate"\naction = "reject"')
    assert [rule.action for rule in ours.rules if rule.id == "hate"] == [Action.REJECT]
    assert len(ours.rules) == len(Policy.read("default").rules)


def test_what_is_allowed_adds_to_what_the_policy_below_allows() -> None:
    ours = policy('extends = "default"\nallow = ["Gambling"]\n')
    assert ours.allow == ("Gambling", *Policy.read("default").allow)


def test_light_requires_all_that_default_requires_but_objects() -> None:
    light, default = Policy.read("light"), Policy.read("default")
    assert set(light.required) == set(default.required) - {"objects"}
    assert light.rules == default.rules


def test_errors_above_another_policy_name_own_lines() -> None:
    assert errors(f'extends = "default"\n{RULE}label = "Hats"\n') == [
        "8: the taxonomy has no label 'Hats': did you mean 'Hate'?"
    ]


# Errors


def test_every_error_of_a_file_is_told_in_its_order() -> None:
    assert errors(
        'unknown_labels = "review"\n'
        "[coverage]\n"
        "speech = { shar = 0.5, share = 2 }\n"
        "[[rules]]\n"
        'id = "a"\n'
        'label = "Violence/Weapon"\n'
        "min_scor = 0.5\n"
        'action = "rejct"\n'
        "[[rules]]\n"
        'id = "a"\n'
        'action = "review"\n'
        "all = [\n"
        '  { label = "Hate", min_score = nan },\n'
        '  { min_duration = 3, label = "Knive" },\n'
        "]\n"
    ) == [
        "4: unknown_labels is a table: [name], or { key = value }",
        "6: unknown key 'shar': did you mean 'share'?",
        "6: share: input should be less than or equal to 1",
        "9: the taxonomy has no label 'Violence/Weapon': did you mean 'Violence/Weapons'?",
        "10: unknown key 'min_scor': did you mean 'min_score'?",
        "11: action cannot be 'rejct': did you mean 'reject'?",
        "13: a second rule has the id 'a': give each rule its own id",
        "16: min_score: input should be a finite number",
        '17: min_duration: a duration is a text such as "10s", "500ms" or "1.5m"',
        "17: the taxonomy has no label 'Knive': did you mean 'Violence/Weapons/Knife'?",
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("a = \n", "4: this is no TOML: Invalid value"),
        (
            'extends = "defalt"\n',
            "4: there is no built-in policy 'defalt': did you mean 'default'?",
        ),
        ("rules = 3\n", "4: rules is a list: [[name]], or [item, item]"),
        ("taxonomy = '0'\n", "4: written for taxonomy '0', and this is '1'"),
        (RULE, "4: a rule has exactly one of label, any and all: keep one of the three"),
        (RULE + 'label = "Hate"\nwithin = "1s"\n', "4: within is the window of min_count or all"),
        (RULE + 'label = "Hate"\nmin_count = 2\n', "4: within is the window of min_count or all"),
        (
            RULE + 'label = "Hate"\nmin_count = 2\nmin_samples = 2\nwithin = "1s"\n',
            "4: min_count counts in a window, min_samples and min_duration in a segment",
        ),
        (
            RULE + 'all = [{ label = "Hate" }]\nwithin = "1s"\n',
            "4: all needs two conditions or more: use label for a single one",
        ),
        (
            RULE + 'any = [{ label = "Hate" }]\nmin_score = 0.4\n',
            "4: min_score cannot stand beside any or all: write it inside each of them",
        ),
        ('[[rules]]\nid = "r"\nlabel = "Hate"\n', "4: the key 'action' is missing"),
        (RULE + 'label = "Hate"\nmin_samples = 0\n', "8: min_samples: input should be greater"),
        (RULE + 'label = "Hate"\nmin_score = true\n', "8: min_score: input should be a valid num"),
        (
            '[[rules]]\nid = "unknown-label"\nlabel = "Hate"\naction = "review"\n',
            "5: the id 'unknown-label' is taken by the core",
        ),
    ],
)
def test_an_error_names_its_line_and_the_next_step(body: str, message: str) -> None:
    (error,) = errors(body)
    assert error.startswith(message)


def test_a_missing_head_is_told_key_by_key() -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse("", "empty.toml")
    assert "empty.toml:1: the key 'schema' is missing" in str(caught.value)
    assert "empty.toml:1: the key 'version' is missing" in str(caught.value)


# Warnings


@pytest.mark.parametrize("name", built_in())
def test_the_policies_of_the_core_are_without_a_warning(name: str) -> None:
    text = (Path(__file__).parents[1] / "moderation" / "policies" / f"{name}.toml").read_text()
    assert lint(text, name) == []


@pytest.mark.parametrize("name", built_in())
def test_the_policies_of_the_core_decide_every_violation(name: str) -> None:
    judged = Policy.read(name)
    violations = [label.path for label in Taxonomy.default() if label.is_violation]
    assert [path for path in violations if not judged.decides(path)] == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('label = "Hate"\naction = "reject"', "r rejects on a single sight"),
        ('label = "Hate"\nmin_samples = 1\naction = "reject"', "r rejects on a single sight"),
        ('label = "Hate"\nmin_score = 0\naction = "review"', "r fires on scores of 0"),
        ('label = "Hate"\nexcept = ["Hate"]\naction = "review"', "r can never fire"),
        (
            'label = "Hate"\nexcept = ["Scam"]\naction = "review"',
            "Scam does not lie under Hate",
        ),
        (
            'label = "Context/Person"\naction = "review"',
            "r fires on Context/Person, which is no violation",
        ),
        (
            'label = "Hate/Slur"\naction = "review"\n[[rules]]\nid = "s"\nlabel = "Hate"\n'
            'action = "review"',
            "r never adds to s",
        ),
    ],
)
def test_a_rule_that_smells_is_told(rule: str, message: str) -> None:
    assert message in warnings(f'[[rules]]\nid = "r"\n{rule}\n')


@pytest.mark.parametrize(
    "rule",
    [
        'label = "Hate"\nmin_samples = 2\naction = "reject"',
        'label = "Hate"\nmin_count = 2\nwithin = "9s"\naction = "reject"',
        'all = [{ label = "Hate" }, { label = "Context/Person" }]\nwithin = "9s"\n'
        'action = "reject"',
        'label = "Hate"\naction = "review"\n[[rules]]\nid = "s"\nlabel = "Hate"\n'
        'min_score = 0.9\nmin_samples = 2\naction = "reject"',
        'label = "Hate"\naction = "review"\n[[rules]]\nid = "s"\nlabel = "Hate"\n'
        'min_samples = 2\nseverity = "critical"\naction = "review"',
    ],
)
def test_a_rule_that_does_not_smell_is_not_told(rule: str) -> None:
    body = f'[[rules]]\nid = "r"\n{rule}\n[unknown_labels]\nmode = "ignore"\n'
    assert warnings("[coverage]\nspeech = 1\n" + body) == [
        "labels that nothing decides are ignored"
    ]


def test_of_two_rules_only_the_one_that_adds_nothing_is_told() -> None:
    told = warnings(
        RULE + 'label = "Hate"\nmin_score = 0.9\nmin_samples = 3\n'
        '[[rules]]\nid = "s"\naction = "review"\nlabel = "Hate"\nmin_samples = 2\n'
    )
    assert [message for message in told if "adds" in message] == ["r never adds to s"]


def test_what_nothing_decides_is_told_once_for_each_family() -> None:
    told = warnings("[coverage]\nspeech = 1\n" + RULE + 'label = "Hate"\n')
    assert "nothing decides Violence, so it is reviewed" in told
    assert "nothing decides Violence/Weapons, so it is reviewed" not in told
    assert "nothing decides Hate, so it is reviewed" not in told


def test_a_policy_that_requires_no_look_is_told() -> None:
    assert "no detector is required to have looked" in warnings("")


def test_warnings_name_the_line_that_they_are_about() -> None:
    problems = lint(HEAD + RULE + 'label = "Hate"\nmin_score = 0\n', "t.toml")
    assert [p.line for p in problems if p.message == "r fires on scores of 0"] == [8]


def test_the_example_of_the_documentation_holds() -> None:
    lines = (policy_module.__doc__ or "").split("\n")
    example = "\n".join(line[4:] for line in lines if line.startswith("    "))
    shown = Policy.parse(example, "docstring")
    assert shown.required == Policy.read("default").required
    assert [rule.id for rule in shown.rules[:3]] == ["weapon", "swearing", "threat-with-weapon"]
