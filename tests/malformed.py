"""Malformed files of every format that is read, made from a seed: (kind, what is wrong, content)."""

import gzip
import io
import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import safetensors.torch
import torch

Case = tuple[str, bytes]  # what is wrong, and the content


def everything(rng: np.random.Generator, model: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Hundreds of files that must be refused; `model` is a model file."""
    for kind, cases in {
        "data0.npy": arrays(rng, np.zeros((3, 40, 168), np.uint8)),
        "lab0.npy": arrays(rng, np.zeros(3, np.uint8)),
        "train-images-idx3-ubyte": images(rng),
        "train-labels-idx1-ubyte": labels(rng),
        "model.safetensors": models(rng, model),
        "params.yaml": params(rng),
        "recipe.yaml": recipes(),
        "dvc.yaml": pipelines(),
        "dvc.lock": locks(),
        "metrics.json": figures(rng),
        "dataset.json": descriptions(),
        "manifest.json": manifests(),
        "predictions.csv": tables(rng),
        "weights.pth": weights(rng),
    }.items():
        for what, content in cases:
            yield kind, what, content


def junk(rng: np.random.Generator) -> Iterator[Case]:
    """What no format is."""
    yield "empty", b""
    yield "zeros", bytes(1000)
    for size in (1, 7, 64, 5000):
        yield f"{size} random bytes", b"\xfe" + rng.bytes(size)
    yield "an archive", b"PK\x03\x04" + rng.bytes(60)
    yield "compressed", gzip.compress(rng.bytes(30))
    yield "UTF-16", "a: 1".encode("utf-16")


def cut(rng: np.random.Generator, whole: bytes, times: int) -> Iterator[Case]:
    for at in sorted(rng.choice(len(whole) - 1, times, replace=False).tolist()):
        yield f"cut at {at}", whole[:at]


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def header(text: str, body: bytes = b"") -> bytes:
    line = text.encode("latin1").ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(line)) + line + body


def arrays(rng: np.random.Generator, good: np.ndarray) -> Iterator[Case]:
    yield from junk(rng)
    yield from cut(rng, npy(good), 10)
    for kind in ("m8[s]", "M8[D]", "c8", "f4", "f8", "?", "S3", "U2", "V4", "O", [("a", "u1")]):
        wrong = np.zeros(good.shape, kind)
        yield f"dtype {kind}", npy(wrong)
    yield "NaN", npy(np.full(good.shape, np.nan))
    yield "another rank", npy(good[..., None])
    yield "a scalar", npy(good[(0,) * good.ndim])
    yield "nothing in it", npy(good[:0])
    yield "negative", npy(np.full(good.shape, -1, np.int16))
    yield "too high", npy(np.full(good.shape, 999, np.int16))
    shape = "({}" + ", 40, 168)" if good.ndim == 3 else "({},)"
    for rows in (10**9, 10**15, 2**63, 2**70, 10**30, -1, -(10**20)):
        yield f"{rows} rows", header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape.format(rows)}}}")
    for text in (
        "", "{", "{'descr': '|u1'}", "(" * 110, "[" * 110, "-" * 100 + "1",
        "{'descr': '|u1', 'fortran_order': 3, 'shape': 5}",
        "{'descr': ('|u1', 'x', 'y'), 'fortran_order': False, 'shape': (1,)}", "'''", "\x00", "{'descr': 'x' * 10, }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 40, 168)} if 1 else 2", "a\n\tb\n c", "0777", "\\",
        "{'descr': '<f99', 'fortran_order': False, 'shape': (1,)}", "{1: 2}", "__import__('os').system('true')",
    ):  # fmt: skip
        yield f"header {text[:20]!r}", header(text, bytes(6720))
    yield "version 9", b"\x93NUMPY\x09\x00" + bytes(100)
    yield "a long header", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b" " * 100


def idx(shape: tuple[int, ...], kind: int = 8, body: bytes | None = None) -> bytes:
    size = int(np.prod(shape)) if body is None else 0
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape) + (bytes(size) if body is None else body)


def images(rng: np.random.Generator) -> Iterator[Case]:
    yield from junk(rng)
    yield from cut(rng, idx((10, 28, 28)), 6)
    yield "more than it says", idx((10, 28, 28)) + b"\0"
    yield "floats", idx((10, 28, 28), 13)
    yield "labels", idx((10,))
    yield "another size", idx((10, 32, 32))
    yield "four dimensions", idx((10, 1, 28, 28))
    yield "huge", idx((2**32 - 1, 2**32 - 1, 2**32 - 1), body=b"")
    yield "no dimension", idx((), body=b"")
    yield "other count", idx((11, 28, 28))


def labels(rng: np.random.Generator) -> Iterator[Case]:
    yield from junk(rng)
    yield from cut(rng, idx((10,)), 6)
    yield "not digits", idx((10,), body=bytes(range(1, 11)))
    yield "two dimensions", idx((10, 1))
    yield "other count", idx((9,))


def models(rng: np.random.Generator, whole: bytes) -> Iterator[Case]:
    yield from junk(rng)
    yield from cut(rng, whole, 12)
    yield "a header of 2 to the 40", struct.pack("<Q", 2**40) + b"{}"
    yield "a header of 90 MB", struct.pack("<Q", 90_000_000) + b" " * 1000
    size = struct.unpack("<Q", whole[:8])[0]
    metadata = json.loads(whole[8 : 8 + size])["__metadata__"]
    tensors = safetensors.torch.load(whole)

    def saved(changed: dict[str, torch.Tensor], description: Any = None) -> bytes:
        text = metadata["digitsum"] if description is None else json.dumps(description)
        return safetensors.torch.save(changed, {"digitsum": text})

    for name in tensors:
        if tensors[name].is_floating_point():
            for value in (float("nan"), float("inf")):
                yield f"{value} in {name}", saved(tensors | {name: torch.full_like(tensors[name], value)})
        yield (
            f"no {name}",
            saved(
                {other: tensor for other, tensor in tensors.items() if other != name or name == "temperature"}
                | ({"x": torch.zeros(1)} if name == "temperature" else {})
            ),
        )
        yield f"complex {name}", saved(tensors | {name: tensors[name].to(torch.complex64)})
        yield f"half {name}", saved(tensors | {name: tensors[name].to(torch.float16)})
        yield (
            f"longer {name}",
            saved(tensors | {name: torch.cat([tensors[name].flatten(), torch.ones(1, dtype=tensors[name].dtype)])}),
        )
        if name.endswith("running_var"):
            yield f"negative {name}", saved(tensors | {name: -torch.ones_like(tensors[name])})
    for value in (0.0, -1.0, 1e30):
        yield f"temperature {value}", saved(tensors | {"temperature": torch.tensor(value)})
    yield "offset 1e9", saved(tensors | {"offset": torch.tensor(1e9)})
    good = json.loads(metadata["digitsum"])

    def changed(section: str, **values: Any) -> Any:
        return good | {section: good[section] | values}

    for section, name, values in (
        ("data", "width", (10**6, 10**12, 0, -3, 1.5, "x", None, True)),
        ("data", "height", (10**6, 0, 27.5, [40])),
        ("data", "digits", (0, 9, 10**9, "4")),
        ("data", "std", (0, -1, "NaN", None)),
        ("data", "mean", ("dark", None, [])),
        ("params", "shifts", ([0] * 100_000, [], [99], "0", None, [0.5])),
        ("params", "small_channels", (512, 10**9, 3, "8")),
        ("params", "head", ("slots", "direct", "none", 3, None)),
        ("params", "backbone", ("medium", "large", "resnet18", "os", None)),
    ):
        for value in values:
            yield f"{section}.{name} {str(value)[:20]}", saved(tensors, changed(section, **{name: value}))
    for other in ({}, [], None, 3, {"params": 1, "data": 2}, "deep", good | {"data": {**good["data"], "more": 1}}):
        yield (
            f"description {str(other)[:30]}",
            saved(tensors, other) if other is not None else safetensors.torch.save(tensors),
        )
    yield "deep JSON", safetensors.torch.save(tensors, {"digitsum": "[" * 100_000})
    yield "a long integer", safetensors.torch.save(tensors, {"digitsum": '{"data": ' + "9" * 9000 + "}"})


DEEP = "[" * 5000 + "]" * 5000
TEXTS: dict[str, str] = {
    "deep": f"a: {DEEP}", "brackets": "[" * 50_000, "aliases": "a: &x [1, 2]\nb: [*x, *x]", "recursive": "a: &a [*a]",
    "a tag": "a: !!python/object/apply:os.system [true]", "twice": "a: 1\na: 2", "a date": "a: 2020-13-45",
    "a long integer": "a: " + "9" * 5000, "documents": "a: 1\n---\nb: 2", "a list": "- 1\n- 2", "a number": "3",
    "a control character": "a: \x01", "tabs": "a:\n\t- b", "a quote": 'a: "b', "nothing": "# only a comment\n",
    "conflict": "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n",
    "merge": "<<: {a: 1}", "a list as key": "? [1]\n: 2",
}  # fmt: skip


def yaml(key: str) -> Iterator[Case]:
    for what, text in TEXTS.items():
        yield what, text.encode()
        if what not in ("a list", "a number", "nothing", "documents", "conflict"):
            yield f"{what} within", (f"{key}:\n" + "".join(f"  {line}\n" for line in text.splitlines())).encode()
    yield "no UTF-8", b"a: \xff\xfe"
    yield "other keys", b"other: {a: 1}"
    for value in ("3", "[]", "text", "null", "true", "{a: b}", "{a: [1, 2]}"):
        yield f"{key} is {value}", f"{key}: {value}\n".encode()


def params(rng: np.random.Generator) -> Iterator[Case]:
    yield from junk(rng)
    yield from yaml("train")


def recipes() -> Iterator[Case]:
    yield from yaml("train")


def pipelines() -> Iterator[Case]:
    yield from yaml("stages")


def locks() -> Iterator[Case]:
    yield from yaml("stages")
    for entry in ("{cmd: a, deps: 3}", "{deps: []}", "{cmd: a, outs: [3]}", "{cmd: a, outs: [{path: x}]}",
                  "{cmd: a, params: 3}",
                  "{cmd: a, deps: [{path: b, md5: 1}], outs: [{path: b, md5: 1}]}"):  # fmt: skip
        yield entry, f"schema: '2.0'\nstages:\n  train: {entry}\n".encode()


def texts() -> Iterator[Case]:
    for text in (
        "{",
        "[1,",
        "nul",
        DEEP,
        "[" * 200_000,
        "9" * 9000,
        "[]",
        "3",
        '"a"',
        "null",
        "{'a': 1}",
        "\x00",
        "{}{}",
    ):
        yield text[:20], text.encode()
    yield "no UTF-8", b'{"a": "\xff"}'


def figures(rng: np.random.Generator) -> Iterator[Case]:
    yield from junk(rng)
    yield from texts()
    for value in ("NaN", "Infinity", "-Infinity", '"0.5"', "null", "[0.5]", "true", "{}", "1e999"):
        yield value, f'{{"accuracy": {value}}}'.encode()


def descriptions() -> Iterator[Case]:
    good = {"source": "digits", "digits": 4, "height": 40, "width": 168, "mean": 0.1, "std": 0.2}
    yield from texts()
    for name in good:
        yield f"no {name}", json.dumps({key: value for key, value in good.items() if key != name}).encode()
        yield f"{name} is a list", json.dumps(good | {name: []}).encode()
    yield "more", json.dumps(good | {"more": 1}).encode()


def manifests() -> Iterator[Case]:
    good: dict[str, Any] = {"source": "digits", "kind": "glyphs", "origin": {}, "sha256": {}}
    yield from texts()
    for name, value in (("sha256", []), ("sha256", {"images.npy": 3}), ("sha256", {"../x": "a"}), ("kind", "other"),
                        ("kind", []), ("origin", 3), ("source", None), ("sha256", {})):  # fmt: skip
        yield f"{name} {value}", json.dumps(good | {name: value}).encode()


def tables(rng: np.random.Generator) -> Iterator[Case]:
    yield from junk(rng)
    columns = "strip,sum,predicted,probability,probability_of_sum,read,centres,read_given_sum,centres_given_sum"
    columns += ",digits,digit_centres,glyphs"
    good = "0,9,9,0.5,0.5,1 2 3 3,1 2 3 4,1 2 3 3,1 2 3 4,,,"
    for number in range(9):
        for value in ("x", "-5", "1e400", "nan", '"', "1;2"):
            if value == "-5" and number >= 5:
                continue  # the places of glyphs may lie outside of a strip
            fields = good.split(",")
            fields[number] = value
            yield f"{value} in column {number}", f"{columns}\n{','.join(fields)}\n".encode()
    yield "too many fields", f"{columns}\n{good}\n{good},1,2\n".encode()
    yield "no columns", f"a,b\n{good}\n".encode()
    yield "null bytes", f"{columns}\n\x00\x00\n".encode()


def weights(rng: np.random.Generator) -> Iterator[Case]:
    yield from junk(rng)

    def saved(value: Any) -> bytes:
        file = io.BytesIO()
        torch.save(value, file)
        return file.getvalue()

    yield from cut(rng, saved({"conv1.weight": torch.zeros(64, 3, 7, 7)}), 4)
    for what, value in {
        "a tensor": torch.zeros(3),
        "a list": [1],
        "other names": {"a": torch.zeros(1)},
        "text": "x",
    }.items():
        yield what, saved(value)
