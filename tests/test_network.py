"""The model file rebuilds the model by itself; a file that is something else is refused."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from conftest import files_no_larger_than

from digitsum.errors import InputError
from digitsum.model.architecture import SumModel
from digitsum.model.temperature import best_temperature, temper
from digitsum.params.model import ModelParams
from digitsum.strips.dataset import Description


@pytest.fixture
def strips(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (7, 40, 168), dtype=np.uint8)


@pytest.fixture
def model(tiny_model_params: ModelParams, description: Description) -> SumModel:
    torch.manual_seed(0)
    return SumModel(tiny_model_params, description)


@pytest.mark.parametrize("head", ["columns", "direct"])
def test_file_round_trip(
    tmp_path: Path, tiny_model_params: ModelParams, description: Description, strips: np.ndarray, head: str
) -> None:
    torch.manual_seed(0)
    model = SumModel(tiny_model_params.model_copy(update={"head": head}), description)
    model(torch.from_numpy(strips))  # moves the statistics of the normalisation layers
    model.trained_on = {"source": "a test"}
    model.write(tmp_path / "model.safetensors")
    back = SumModel.read(tmp_path / "model.safetensors")
    assert back.data == description
    assert back.trained_on == {"source": "a test"}
    said, again = model.predict(strips), back.predict(strips)
    assert np.array_equal(said.log_probability, again.log_probability)
    assert (said.digits is None) == (head == "direct")


def test_prediction_does_not_depend_on_the_batch(model: SumModel, strips: np.ndarray) -> None:
    together, apart = model.predict(strips), model.predict(strips, batch_size=2)
    np.testing.assert_allclose(together.log_probability, apart.log_probability, rtol=1e-4, atol=1e-5)
    assert np.array_equal(together.digits, apart.digits)
    np.testing.assert_allclose(np.exp(together.log_probability).sum(axis=1), 1, rtol=1e-5)


def test_of_a_batch_the_first_strips_may_have_more_digits(model: SumModel, strips: np.ndarray) -> None:
    model.eval()
    batch = torch.from_numpy(strips)
    usual, mixed = model(batch), model(batch, dense=3, k=8)
    torch.testing.assert_close(mixed[:3], model.for_strips(8, 168).eval()(batch)[:3])
    torch.testing.assert_close(mixed[3:, :37], usual[3:])
    assert (mixed[3:, 37:] == -torch.inf).all()
    # a process's share may have no others
    torch.testing.assert_close(model(batch, dense=7, k=8), model.for_strips(8, 168).eval()(batch))


def test_no_strips_have_no_predictions(model: SumModel, strips: np.ndarray) -> None:
    said = model.predict(strips[:0])
    assert said.log_probability.shape == (0, 37)
    assert said.digits is not None
    assert said.digits.shape == (0, 4)


def test_reading_of_known_sums_adds_up_to_them(model: SumModel, strips: np.ndarray) -> None:
    free, sums = model.predict(strips), np.array([0, 5, 9, 18, 27, 35, 36])
    said = model.predict(strips, batch_size=2, sums=sums)
    assert said.digits.sum(axis=1).tolist() == sums.tolist()
    assert (np.diff(said.centres, axis=1) >= model.backbone.stride).all()
    np.testing.assert_allclose(said.log_probability, free.log_probability, rtol=1e-4, atol=1e-5)
    predicted = free.log_probability.argmax(axis=1)
    wrong = free.digits.sum(axis=1) != predicted
    again = model.predict(strips, sums=predicted)
    assert np.array_equal(again.digits[~wrong], free.digits[~wrong])


def test_temperature_goes_with_the_model_and_moves_no_prediction(
    tmp_path: Path, model: SumModel, strips: np.ndarray
) -> None:
    as_is = model.predict(strips).log_probability
    model.temperature.fill_(2.5)
    model.write(tmp_path / "model.safetensors")
    tempered = SumModel.read(tmp_path / "model.safetensors").predict(strips).log_probability
    np.testing.assert_allclose(tempered, temper(as_is, 2.5), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(temper(tempered, 1 / 2.5), as_is, rtol=1e-4, atol=1e-4)
    assert np.array_equal(tempered.argmax(axis=1), as_is.argmax(axis=1))


def test_file_from_before_temperatures_has_temperature_one(tmp_path: Path, model: SumModel) -> None:
    path = tmp_path / "model.safetensors"
    model.write(path)
    with safetensors.safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del tensors["temperature"]
    safetensors.torch.save_file(tensors, path, metadata)
    assert SumModel.read(path).temperature == 1


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_best_temperature_undoes_what_was_done(rng: np.random.Generator, true_temperature: float) -> None:
    """Of sums drawn from known distributions, which are then stated at another temperature."""
    honest = temper(2 * rng.standard_normal((4000, 37)), 1.0)
    sums = np.array([rng.choice(37, p=np.exp(row)) for row in honest])
    found = best_temperature(temper(honest, 1 / true_temperature), sums)
    assert found == pytest.approx(true_temperature, rel=0.05)


def test_centres_are_in_pixels_of_the_strip(model: SumModel, strips: np.ndarray) -> None:
    centres = model.predict(strips).centres
    assert centres.shape == (7, 4)
    assert (np.diff(centres, axis=1) >= model.backbone.stride).all()
    assert centres.min() >= 0
    assert centres.max() < 168


@pytest.mark.parametrize("backbone", ["small", "medium", "large", "resnet18"])
def test_column_is_centred_on_its_pixel(
    tiny_model_params: ModelParams, description: Description, backbone: str
) -> None:
    """A dot moves the features of the column that it is over more than those of any other."""
    torch.manual_seed(0)
    model = SumModel(tiny_model_params.model_copy(update={"backbone": backbone}), description).eval()
    dark = torch.zeros(1, 40, 168)
    for column in (5, 10, 15):
        dot = dark.clone()
        dot[:, 10:30, model.backbone.stride * column] = 255
        moved = (model.features(dot) - model.features(dark)).abs().sum((0, 1, 2))
        weights = moved / moved.sum()
        centre = (weights * torch.arange(len(weights))).sum().item()
        assert abs(centre - column) < 0.5


def test_masked_features_are_not_seen(model: SumModel, strips: np.ndarray) -> None:
    """Strips that differ only where nothing is seen are the same."""
    model.eval()
    mask = torch.ones(7, *model.feature_shape)
    assert torch.equal(model(torch.from_numpy(strips), mask), model(torch.from_numpy(strips)))
    said = model(torch.from_numpy(strips), 0 * mask)
    assert torch.equal(said, said[:1].expand_as(said))


@pytest.mark.parametrize("digits", [1, 2, 8])
def test_other_strips(tiny_model_params: ModelParams, description: Description, digits: int) -> None:
    data = replace(description, digits=digits, height=33, width=42 * digits)
    model = SumModel(tiny_model_params, data)
    assert model(torch.zeros(2, 33, 42 * digits)).shape == (2, 9 * digits + 1)


def test_strip_with_fewer_columns_than_digits_is_refused(
    tiny_model_params: ModelParams, description: Description
) -> None:
    with pytest.raises(InputError, match=r"strip\.width leaves 4 columns of the feature map for 8 digits"):
        SumModel(tiny_model_params, replace(description, digits=8, width=28))


def test_files_that_are_no_model_are_refused(tmp_path: Path, model: SumModel) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match="no such file"):
        SumModel.read(path)
    model.write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="truncated, or not a model"):
        SumModel.read(path)
    torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="truncated, or not a model"):
        SumModel.read(path)
    safetensors.torch.save_file({"weights": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="not a model of digitsum"):
        SumModel.read(path)


@pytest.mark.parametrize(
    ("name", "value"), [("digits", 0), ("width", -1), ("std", 0.0), ("mean", "dark"), ("std", "NaN")]
)
def test_model_of_impossible_strips_is_refused(tmp_path: Path, model: SumModel, name: str, value: object) -> None:
    object.__setattr__(model.data, name, value)  # past its own check
    model.write(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=f"not a model of digitsum .*{name}"):
        SumModel.read(tmp_path / "model.safetensors")


def test_description_with_more_than_is_known_here_is_refused(description: Description) -> None:
    with pytest.raises(ValueError, match="polarity"):
        Description(**asdict(description), polarity="dark")


def test_full_disk_is_said_in_a_line(tmp_path: Path, model: SumModel) -> None:
    file = tmp_path / "model.safetensors"
    with (
        files_no_larger_than(1000),
        pytest.raises(InputError, match=r"model\.safetensors: cannot be written \(.*\); free"),
    ):
        model.write(file)
    assert not list(tmp_path.iterdir())


def test_file_says_nothing_of_where_a_backbone_starts(tmp_path: Path, model: SumModel) -> None:
    file = tmp_path / "model.safetensors"
    model.params = model.params.model_copy(update={"init_from": "of-the-sender.safetensors"})
    model.write(file)
    assert SumModel.read(file).params.init_from is None


def test_pretrained_weights_come_from_a_file_and_are_folded_to_grey(
    tmp_path: Path, tiny_model_params: ModelParams, description: Description
) -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    weights = resnet18().state_dict()
    torch.save(weights, tmp_path / "w.pth")
    wanted = {"backbone": "resnet18", "pretrained": True, "weights_file": str(tmp_path / "w.pth")}
    model = SumModel(tiny_model_params.model_copy(update=wanted), description)
    assert torch.equal(model.backbone[0].weight, weights["conv1.weight"].sum(1, keepdim=True))
    assert torch.equal(model.backbone[-1][1].conv2.weight, weights["layer4.1.conv2.weight"])
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="not the state dict"):
        SumModel(tiny_model_params.model_copy(update=wanted), description)
    for text in ("no weights at all", "error: not found", "a", "tar"):
        (tmp_path / "w.pth").write_text(text)
        with pytest.raises(InputError, match=r"w\.pth: not a file of torchvision's weights"):
            SumModel(tiny_model_params.model_copy(update=wanted), description)
    (tmp_path / "w.safetensors").write_bytes(b"\x08" + bytes(7) + b"no JSON!")
    with pytest.raises(InputError, match=r"w\.safetensors: not a file of torchvision's weights"):
        SumModel(
            tiny_model_params.model_copy(update=wanted | {"weights_file": str(tmp_path / "w.safetensors")}), description
        )
    (tmp_path / "w.pth").unlink()
    with pytest.raises(InputError, match=r"model\.weights_file"):
        SumModel(tiny_model_params.model_copy(update=wanted), description)


@pytest.mark.parametrize("shifts", [(0,), (-3, 0, 3)])
def test_probabilities_are_means_over_shifts(model: SumModel, strips: np.ndarray, shifts: tuple[int, ...]) -> None:
    def moved(shift: int) -> np.ndarray:
        canvas = np.zeros_like(strips)
        target, source = slice(max(shift, 0), 168 + min(shift, 0)), slice(max(-shift, 0), 168 - max(shift, 0))
        canvas[:, :, target] = strips[:, :, source]
        return np.exp(model.predict(canvas, shifts=(0,)).log_probability)

    said = model.predict(strips, shifts=shifts)
    np.testing.assert_allclose(
        np.exp(said.log_probability), np.mean([moved(shift) for shift in shifts], axis=0), rtol=1e-4, atol=1e-6
    )


def test_places_do_not_move_with_the_shift(model: SumModel, strips: np.ndarray) -> None:
    still, moved = (model.predict(strips[:, :, :], shifts=(shift,)).centres for shift in (0, 8))
    inside = slice(1, -1)  # what is at the edge changes
    assert np.median(np.abs(still[:, inside] - moved[:, inside])) == 0


def test_offset_moves_centres_and_travels_with_the_file(model: SumModel, strips: np.ndarray, tmp_path: Path) -> None:
    before = model.predict(strips).centres
    model.offset.fill_(5)
    model.write(tmp_path / "model.safetensors")
    after = SumModel.read(tmp_path / "model.safetensors").predict(strips).centres
    assert np.array_equal(after, (before + 5).clip(0, 167))


def test_backbone_starts_from_another_models(
    tmp_path: Path, model: SumModel, tiny_model_params: ModelParams, description: Description
) -> None:
    file = tmp_path / "other.safetensors"
    model.write(file)
    wanted = {"init_from": str(file), "head": "slots"}
    torch.manual_seed(5)
    other = SumModel(tiny_model_params.model_copy(update=wanted), replace(description, digits=2, mean=0.3))
    for name, weight in other.backbone.state_dict().items():
        assert torch.equal(weight, model.backbone.state_dict()[name])
    other.write(tmp_path / "again.safetensors")
    file.unlink()
    SumModel.read(tmp_path / "again.safetensors")  # does not need the file it started from
    with pytest.raises(InputError, match=r"other\.safetensors: no such file; set `model\.init_from`"):
        SumModel(tiny_model_params.model_copy(update=wanted), description)
    model.write(file)
    with pytest.raises(InputError, match=r"has small_channels 4, but `model\.small_channels` is 6"):
        SumModel(tiny_model_params.model_copy(update={"init_from": str(file), "small_channels": 6}), description)
    with pytest.raises(InputError, match=r"has backbone small, but `model\.backbone` is resnet18"):
        SumModel(tiny_model_params.model_copy(update={"init_from": str(file), "backbone": "resnet18"}), description)
    SumModel(tiny_model_params.model_copy(update={"backbone": "resnet18"}), description).write(file)
    again = {"init_from": str(file), "backbone": "resnet18", "small_channels": 6}  # of which a resnet has none
    SumModel(tiny_model_params.model_copy(update=again), description)


def test_columns_read_strips_of_other_counts_and_widths(model: SumModel, strips: np.ndarray) -> None:
    wide = np.concatenate([strips, strips], axis=2)
    other = model.for_strips(8, 336)
    said = other.predict(wide)
    assert said.log_probability.shape == (7, 73)
    assert said.digits.shape == said.centres.shape == (7, 8)
    counts = other.predict_count(wide, 42)
    np.testing.assert_allclose(np.exp(counts).sum(axis=1), 1, rtol=1e-4)
    for count in (3, 8):  # the probability of a count is what is left of the sums
        left = np.exp(model.for_strips(count, 336).eval()(torch.from_numpy(wide)).detach().numpy()).sum(axis=1)
        np.testing.assert_allclose(np.exp(counts[:, count]), left, atol=1e-5)


def test_black_to_the_right_changes_nothing_up_to_a_column(model: SumModel, strips: np.ndarray) -> None:
    wider = np.pad(strips, ((0, 0), (0, 0), (0, 3)))
    filled = np.pad(strips, ((0, 0), (0, 0), (0, 8)))
    one, other = (model.for_strips(4, image.shape[2]).predict(image) for image in (wider, filled))
    assert np.array_equal(one.log_probability, other.log_probability)
    assert np.array_equal(one.digits, other.digits)


@pytest.mark.parametrize("head", ["direct", "slots"])
def test_other_heads_read_one_count_alone(tiny_model_params: ModelParams, description: Description, head: str) -> None:
    model = SumModel(tiny_model_params.model_copy(update={"head": head}), description)
    with pytest.raises(InputError, match=f"the head {head} is made for 4 digits on 168 pixels alone"):
        model.for_strips(5, 210)
