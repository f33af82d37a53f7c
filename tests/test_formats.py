"""One YAML reader, which reads what DVC reads or refuses."""

import math
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import loads_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from digitsum.formats import DEEPEST_YAML, load_yaml

PLAIN = [
    "042",
    "0o14",
    "0x1F",
    "0b11",
    "1_000",
    "1:30",
    "no",
    "yes",
    "on",
    "True",
    "TRUE",
    "true",
    "~",
    "null",
    "Null",
    "1e-3",
    "1e3",
    "1.5e-3",
    ".5",
    "5.",
    ".inf",
    "-.INF",
    ".nan",
    "0777",
    "+5",
    "-0",
    "1__0",
    "_1",
    "0o",
    "08",
    "09.5",
    "1e",
    "1E5",
    "12e03",
    "-2E+05",
    "1.0_1",
    "685_230.15",
    "190:20:30.15",
    "0x",
    "0xG",
    "1,000",
    "0.1",
    "-.5",
    "+.5e+3",
    ".5e3",
    "1.e5",
    "0b",
    "0b12",
    "0o8",
    "n",
    "y",
    "N",
    "Y",
    "off",
    "Off",
    "12e",
    "1_",
    "1_.5",
    "._5",
    "0_7",
    "-0o7",
    "+0x1f",
    "-0b1",
    "false",
    "FALSE",
    "fALSE",
    "NuLL",
    ".Inf",
    ".iNF",
    "nan",
    "inf",
    "-.nan",
    "2020-1-1",
    "20201-01-01",
    "1e+",
    "e5",
    "0.e0",
    "00",
    "0e0",
]


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and math.isnan(ours):
        return isinstance(theirs, float) and math.isnan(theirs)
    return type(ours) is type(theirs) and ours == theirs


def read(text: str) -> Any:
    try:
        return load_yaml(text)
    except yaml.YAMLError as error:
        return error


def dvc_reads(text: str) -> Any:
    try:
        return loads_yaml(text)
    except Exception as error:
        return error


@pytest.mark.parametrize("word", PLAIN)
def test_plain_scalars_are_those_of_dvc(word: str) -> None:
    theirs = loads_yaml(f"a: {word}")
    assert same(load_yaml(f"a: {word}")["a"], theirs["a"] if isinstance(theirs, dict) else theirs)


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="0123456789abefox_+-.:~ETNinfaull", max_size=8))
def test_scalars_are_read_as_dvc_reads_them_or_refused(word: str) -> None:
    ours, theirs = read(f"a: {word}\n"), dvc_reads(f"a: {word}\n")
    if isinstance(ours, yaml.YAMLError):
        return
    assert not isinstance(theirs, Exception), f"DVC refuses what is read as {ours}"
    assert same(ours["a"], theirs["a"]), word


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x",
        "a: &a [*a]",
        "a: 1\na: 2",
        "a: {b: 1, b: 2}",
        "a: !!bool x",
        "a: !!python/object/apply:os.system [true]",
        "a: 2020-13-45",
        "a: 2020-01-02",
        "a: " + "9" * 5000,
        "[" * 200_000,
        "[" * (DEEPEST_YAML + 1) + "]" * (DEEPEST_YAML + 1),
        "a: 1\n---\nb: 2",
        "<<: {a: 1}",
        "a: =",
        "? [1, 2]\n: 3",
        "a: [1",
        "a: \x00",
        "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other",
    ],
)
def test_what_is_not_plain_is_refused_in_one_error(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml(text)
