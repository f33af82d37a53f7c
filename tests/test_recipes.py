"""A recipe sets its values in params.yaml and nothing else; a bad recipe changes nothing and is refused in one line."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from hypothesis import HealthCheck, example, settings
from hypothesis import given as examples
from hypothesis import strategies as some

from digitsum.__main__ import main
from digitsum.errors import InputError
from digitsum.formats import load_yaml
from digitsum.params.loader import read_params
from digitsum.recipes import apply

TEXT = (ROOT / "params.yaml").read_text()
EPOCHS = yaml.safe_load(TEXT)["train"]["epochs"]
NUMBERS = some.one_of(some.integers(-2, 10), some.floats(allow_nan=False), some.just(1e-5), some.just(123456.789012))
VALUES = some.one_of(
    some.none(), some.booleans(), NUMBERS, some.lists(NUMBERS, max_size=3), some.text(max_size=5), some.just("mnist")
)
REUSED = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def leaves(values: dict, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, (*prefix, key))
        else:
            yield (*prefix, key), value


KEYS = [path for path, _ in leaves(load_yaml(TEXT))]


def nested(changes: dict[tuple[str, ...], Any]) -> dict:
    overlay: dict = {}
    for (*sections, last), value in changes.items():
        there = overlay
        for section in sections:
            there = there.setdefault(section, {})
        there[last] = value
    return overlay


def comments(text: str) -> list[str]:
    return re.findall(r"#.*", text)


def written(folder: Path, overlay: Any) -> tuple[Path, Path]:
    recipe, params = folder / "recipe.yaml", folder / "params.yaml"
    recipe.write_text(overlay if isinstance(overlay, str) else yaml.safe_dump(overlay))
    params.write_text(TEXT)
    return recipe, params


def assert_refused(recipe: Path, params: Path) -> None:
    before = params.read_bytes()
    with pytest.raises(InputError) as refused:
        apply(recipe, params)
    assert str(refused.value).startswith(f"{recipe}: ")
    assert "\n" not in str(refused.value)
    assert params.read_bytes() == before
    assert {path.name for path in params.parent.iterdir()} == {recipe.name, params.name}


@REUSED
@examples(some.dictionaries(some.sampled_from(KEYS), VALUES, max_size=4))
@example({("train", "learning_rate"): 1e-5, ("model", "shifts"): [0], ("ingest", "source"): "mnist"})
@example({("train", "augment", "rotate"): 7.25, ("model", "init_from"): "a b.safetensors"})
@example({("train", "epochs"): True})
def test_a_recipe_sets_its_values_and_no_others_or_is_refused(
    tmp_path: Path, changes: dict[tuple[str, ...], Any]
) -> None:
    recipe, params = written(tmp_path, nested(changes))
    try:
        lines = apply(recipe, params)
    except InputError:
        assert_refused(recipe, params)
        return
    after = params.read_text()
    assert dict(leaves(load_yaml(after))) == dict(leaves(load_yaml(TEXT))) | changes
    assert comments(after) == comments(TEXT)
    kept = [old for old, new in zip(TEXT.splitlines(), after.splitlines(), strict=True) if old == new]
    assert len(TEXT.splitlines()) - len(kept) <= len(changes)
    read_params(params)

    again = apply(recipe, params)
    assert params.read_text() == after
    assert again == [f"{params} already has the values of {recipe}"]
    changed = {path for path, value in leaves(load_yaml(after)) if dict(leaves(load_yaml(TEXT)))[path] != value}
    assert lines == again if not changed else {line.split(": ")[0] for line in lines} == {".".join(p) for p in changed}


@pytest.mark.parametrize(
    "overlay",
    [
        "",
        "- train",
        "train: 3",
        "train: [1",
        "train:\n  epochs: four",
        "train:\n  epochs: 0",
        "train:\n  epoch: 3",
        "trian:\n  epochs: 3",
        "train:\n  1: 3",
        "1: {}",
        "train:\n  augment: 3",
        "train:\n  augment:\n    flip: 1",
        "train: &train\n  augment: *train",
        "? [train]\n: {}",
        "train:\n  epochs: !!python/object/apply:os.getcwd []",
        "\x00",
    ],
)
def test_bad_recipes_are_refused(tmp_path: Path, overlay: str) -> None:
    assert_refused(*written(tmp_path, overlay))


def test_files_that_are_no_recipe_are_refused(tmp_path: Path) -> None:
    _, params = written(tmp_path, {})
    for recipe, reason in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "not readable")):
        with pytest.raises(InputError, match=f"^{recipe}: {reason}"):
            apply(recipe, params)
    (tmp_path / "recipe.yaml").write_bytes(b"\xff\xfe\xfa")
    assert_refused(tmp_path / "recipe.yaml", params)


def test_params_that_cannot_be_edited_are_named(tmp_path: Path) -> None:
    recipe, params = written(tmp_path, {"train": {"epochs": 4}})
    line = f"  epochs: {EPOCHS}"
    for text in (TEXT.replace(line, "  epochs: 0"), TEXT.replace(line, f"{line}\n{line}")):
        params.write_text(text)
        with pytest.raises(InputError, match=f"^{params}: "):
            apply(recipe, params)
        assert params.read_text() == text


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_of_the_project_hold(tmp_path: Path, recipe: Path) -> None:
    """Each is valid, changes something, and has a header that names the machine and the number of seeds."""
    params = tmp_path / "params.yaml"
    params.write_text(TEXT)
    assert all(" -> " in line for line in apply(recipe, params))
    header = "".join(re.findall(r"^#.*\n", recipe.read_text(), re.MULTILINE))
    assert "Machine:" in header
    assert "seed" in header


@pytest.mark.usefixtures("project")
def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    Path("recipe.yaml").write_text(f"train:\n  epochs: {EPOCHS + 1}\nmodel:\n  init_from: a.safetensors\n")
    monkeypatch.setattr(sys, "argv", ["digitsum", "use", "recipe.yaml"])
    main()
    assert capsys.readouterr().out == (
        f"model.init_from: null -> a.safetensors\ntrain.epochs: {EPOCHS} -> {EPOCHS + 1}\n"
    )
    Path("recipe.yaml").write_text("train:\n  epochs: 0\n")
    with pytest.raises(SystemExit, match=r"^error: recipe\.yaml: `train\.epochs` is 0; input should be greater"):
        main()
