"""Reads PNG, JPEG and .npy files as gray images in 0..255."""

import io
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from digitsum.errors import InputError, one_line
from digitsum.formats import read_array

FORMATS = ("PNG", "JPEG")
MOST_PIXELS = 64_000_000  # in an image, checked before it is decoded; phone cameras have 50 million
TOO_LARGE = f"more than {MOST_PIXELS // 1_000_000} million pixels; crop it to the digits, or make it smaller"
MOST_BYTES = 256_000_000  # in a file that is not memory-mapped

Images = UInt8[np.ndarray, "n h w"]


def read_images(path: Path) -> Images:
    """The image in a PNG or JPEG file, or all images in a .npy file, which stays memory-mapped if it is uint8.

    Raises:
        InputError: if the file is missing, damaged, too large, or in another format.
    """
    if path.is_dir():
        raise InputError(f"{path}: a folder; name the images in it")
    if path.suffix == ".npy":
        return from_array(read_array(path), str(path))
    try:
        size = (
            path.stat().st_size or MOST_BYTES
        )  # a pipe has size 0; read() reserves all the memory that it is asked for
        with path.open("rb") as file:
            return decode(file.read(min(size, MOST_BYTES) + 1), str(path))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def decode(content: bytes, name: str) -> Images:
    """The images in the content of a file; errors call the file `name`.

    Raises:
        InputError: if the content is damaged, too large, or in another format.
    """
    if not content:
        raise InputError(f"{name}: empty; a PNG, JPEG or .npy file is expected")
    if len(content) > MOST_BYTES:
        raise InputError(f"{name}: more than {MOST_BYTES // 1_000_000} MB; make it smaller")
    if content.startswith(np.lib.format.MAGIC_PREFIX):
        try:
            return from_array(np.load(io.BytesIO(content), allow_pickle=False), name)
        except (ValueError, EOFError, SyntaxError, MemoryError, OverflowError, TypeError) as error:
            raise InputError(f"{name}: truncated, or not a plain .npy array ({one_line(error, 120)})") from error
    try:
        with warnings.catch_warnings(category=Image.DecompressionBombWarning, action="ignore"):
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(f"{name}: {TOO_LARGE}") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{name}: not an image, or damaged; a PNG, JPEG or .npy file is expected") from error
    if picture.width * picture.height > MOST_PIXELS:
        raise InputError(f"{name}: {TOO_LARGE}")
    try:
        return _gray(ImageOps.exif_transpose(picture), name)[None]
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise InputError(f"{name}: truncated or damaged ({one_line(error, 120)})") from error


def from_array(array: Shaped[np.ndarray, "..."], name: str) -> Images:
    """An array (height, width) or (n, height, width) as images; values in 0..255, 0..65535 or, if floats, 0..1.

    Raises:
        InputError: if the array has another shape, type or range, or images with too many pixels.
    """
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InputError(f"{name}: an array of shape {array.shape}; (height, width) or (n, height, width) expected")
    if array.dtype.kind not in "buif":
        raise InputError(f"{name}: an array of {array.dtype}; numbers expected")
    if array.shape[-2] * array.shape[-1] > MOST_PIXELS:
        raise InputError(f"{name}: {TOO_LARGE}")
    images = array[None] if array.ndim == 2 else array
    return images if images.dtype == np.uint8 else _scaled(images, name)


def _gray(picture: Image.Image, name: str) -> UInt8[np.ndarray, "h w"]:
    if picture.mode.startswith(("I", "F")):  # 16 bits and more
        return _scaled(np.asarray(picture), name)
    if not picture.has_transparency_data:
        return np.array(picture.convert("L"))
    # bright ink on a transparent page is meant for a dark page, and dark ink for a bright one
    gray, alpha = (np.asarray(band) for band in picture.convert("RGBA").convert("LA").split())
    solid = alpha > 127
    page = 0 if solid.any() and np.median(gray[solid]) > 127 else 255
    return np.rint((gray * (alpha / 255.0)) + page * (1 - alpha / 255.0)).astype(np.uint8)


def _scaled(values: Shaped[np.ndarray, "..."], name: str) -> UInt8[np.ndarray, "..."]:
    """Values scaled to 0..255; if some do not fit into a byte, the brightest becomes 255."""
    lowest, highest = (float(bound) for bound in (values.min(), values.max()))
    if not (lowest >= 0 and highest <= 65535):
        raise InputError(f"{name}: values from {lowest:g} to {highest:g}; 0..1, 0..255 or 0..65535 expected")
    if values.dtype.kind in "bf" and highest <= 1:
        factor = 255.0
    else:
        factor = 1.0 if highest <= 255 else 255 / highest
    return np.rint(values * factor).astype(np.uint8)
