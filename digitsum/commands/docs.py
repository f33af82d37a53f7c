"""Write the references docs/params.md and docs/commands.md, from params.yaml and from the arguments of the commands."""

import re
from argparse import Action, ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

from digitsum import places
from digitsum.commands import commands

EXAMPLE = "python -m digitsum docs"
PARAMS, COMMANDS = Path("docs/params.md"), Path("docs/commands.md")
GENERATED = "`python -m digitsum docs` writes this page, and a test checks that the page is up to date."
LINE = re.compile(r"(?P<indent> *)(?P<key>\w+):(?: (?P<value>[^#]*?))?(?: *# (?P<comment>.*))?")  # of params.yaml


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run() -> None:
    from digitsum.files import write_text

    for path, text in ((PARAMS, params_page(Path(places.PARAMS).read_text())), (COMMANDS, commands_page())):
        write_text(path, text)
        print(f"docs      {path}")


def params_page(text: str) -> str:
    """The reference of params, from the text of params.yaml and the classes of its sections."""
    from digitsum.params.loader import sections

    lines = ["# Params", "", "This page answers: what is each key of `params.yaml`, and which values may it have?"]
    lines += ["", GENERATED]
    schemas = {name: kind.model_json_schema() for name, kind in sections().items()}
    table: list[str] = []
    path: list[str] = []
    for line in text.splitlines():
        if (match := LINE.fullmatch(line)) is None:
            continue
        path[len(match["indent"]) // 2 :] = [match["key"]]
        name, meaning = ".".join(path), match["comment"] or ""
        schema = _schema_of(schemas[path[0]], path[1:])
        if len(path) == 1:
            lines += [*table, "", f"## {name}", "", schema["description"]]
            table = ["", "| key | default | values | meaning |", "|---|---|---|---|"]
        elif "properties" in schema:
            table.append(_row(f"`{name}`", "", "", meaning))
        else:
            choices = " | ".join(schema.get("enum", []))
            meaning = meaning.replace(choices, "").strip(" :;") if choices else meaning
            table.append(_row(f"`{name}`", f"`{match['value']}`", _values(schema), meaning))
    return "\n".join([*lines, *table]) + "\n"


def _schema_of(section: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    schema = section
    for key in keys:
        schema = schema["properties"][key]
        if "$ref" in schema:
            schema = section["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
TYPES = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}


def _values(schema: dict[str, Any]) -> str:
    """A JSON schema in words."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(map(_values, schema["anyOf"]))
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])}: {_values(schema['prefixItems'][0])}"
    if schema["type"] == "array":
        length = f" of {schema['minItems']} or more" if "minItems" in schema else ""
        return f"list{length}: {_values(schema['items'])}"
    bounds = [f"{words} {schema[bound]:,}" for bound, words in BOUNDS.items() if bound in schema]
    return ", ".join([TYPES[schema["type"]], *bounds])


def commands_page() -> str:
    """The reference of the command line, from the arguments that each command declares."""
    lines = ["# Commands", "", "This page answers: which commands are there besides the stages, and what do they take?"]
    lines += ["", GENERATED, "`--help` prints the same.", "", "| command | what it does |", "|---|---|"]
    lines += [_row(f"[{name}](#{name})", command.__doc__ or "") for name, command in commands().items()]
    for name, command in commands().items():
        parser = ArgumentParser()
        command.add_arguments(parser)
        usage = fill(" ".join([f"python -m digitsum {name}", *_usage(parser)]), 100, subsequent_indent=4 * " ")
        lines += ["", f"## {name}", "", command.__doc__ or "", "", "```text", usage, "```"]
        if arguments := _arguments(parser):
            lines += ["", "| argument | meaning |", "|---|---|"]
            lines += [_row(f"`{_name(action)}`", _help(action)) for action in arguments]
        lines += ["", "For example:", "", "```console no-test", f"$ {command.EXAMPLE}", "```"]
    return "\n".join(lines) + "\n"


def _arguments(parser: ArgumentParser) -> list[Action]:
    return [action for action in parser._actions if action.dest != "help"]


def _usage(parser: ArgumentParser) -> Iterator[str]:
    """One word for each argument. argparse's own usage differs between versions of Python and widths of terminals."""
    alternatives = {id(group._group_actions[0]): group for group in parser._mutually_exclusive_groups}
    inside = {id(action) for group in alternatives.values() for action in group._group_actions[1:]}
    for action in _arguments(parser):
        if group := alternatives.get(id(action)):
            words = " | ".join(map(_name, group._group_actions))
            yield f"({words})" if group.required else f"[{words}]"
        elif id(action) not in inside:
            name = _name(action)
            if action.nargs == "+":
                name = f"{name} [{name} ...]"
            yield name if action.required and action.nargs != "?" else f"[{name}]"


def _name(action: Action) -> str:
    """The name of an argument, and for an option the value that it takes."""
    if action.choices is not None:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    else:
        value = str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return value
    return action.option_strings[-1] if action.nargs == 0 else f"{action.option_strings[-1]} {value}"


def _help(action: Action) -> str:
    return (action.help or "") % vars(action)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
