"""Training configuration: defaults, overrides, and errors that name file, line and key."""

from pathlib import Path

import pytest

from lampion.training.config.model import ARCHITECTURES
from lampion.training.config.reference import reference
from lampion.training.config.training import ModelConfig, TrainConfig, load_config
from lampion.training.errors import ConfigError

GOOD = "data:\n  file: a.h5\nmodel:\n  cutoff: 5.0\nepochs: 3\n"


@pytest.fixture
def config(tmp_path):
    def write(text: str) -> Path:
        (tmp_path / "c.yaml").write_text(text)
        return tmp_path / "c.yaml"

    return write


def test_values_defaults_and_overrides(config):
    loaded = load_config(config(GOOD), ["model.channels=4", "loss.energy=[1, 100]", "optimizer.learning_rate=1e-3"])
    assert loaded.model.cutoff == 5.0
    assert loaded.model.channels == 4
    assert loaded.loss.energy == (1.0, 100.0)
    assert loaded.model.l_max == 1


@pytest.mark.parametrize(("name", "section"), ARCHITECTURES.items())
def test_architecture_chooses_the_keys_and_the_default_is_ours(config, name, section):
    weights = "loss: {energy: 0}\n"
    loaded = load_config(config(GOOD + weights), [f"model.architecture={name}"])
    assert type(loaded.model) is section
    assert TrainConfig.model_validate(loaded.model_dump()) == loaded
    assert type(load_config(config(GOOD)).model) is ModelConfig


WRONG = {
    "unknown section": (GOOD + "batchsize: 3\n", r"c\.yaml:6: batchsize: unknown key\. Did you mean batch_size\?"),
    "unknown key": (
        GOOD.replace("cutoff", "cutof"),
        r"c\.yaml:4: model\.cutof: unknown key\. Did you mean model\.cutoff\?",
    ),
    "no guess": (GOOD + "xyzzy: 3\n", r"c\.yaml:6: xyzzy: unknown key\.$"),
    "out of range": (GOOD.replace("5.0", "-1"), r"c\.yaml:4: model\.cutoff: Input should be greater than 0, got -1"),
    "wrong type": (GOOD.replace("3", "many"), r"c\.yaml:5: epochs: Input should be a valid integer.*got 'many'"),
    "unknown architecture": (
        GOOD.replace("  cutoff: 5.0", "  architecture: mase"),
        r"c\.yaml:4: model\.architecture: 'mase' is not one of equivariant, mace, e3x, direct\. Did you mean mace\?",
    ),
    "key of an architecture": (
        GOOD.replace("cutoff: 5.0", "architecture: e3x\n  max_degre: 1"),
        r"c\.yaml:5: model\.max_degre: unknown key\. Did you mean model\.max_degree\?",
    ),
    "key of another architecture": (
        GOOD.replace("cutoff: 5.0", "architecture: mace\n  features: 8"),
        r"c\.yaml:5: model\.features: unknown key\.",
    ),
    "out of range within an architecture": (
        GOOD.replace("cutoff: 5.0", "architecture: mace\n  max_L: 9"),
        r"c\.yaml:5: model\.max_L: Input should be less than or equal to 3, got 9",
    ),
    "empty model": (GOOD.replace("  cutoff: 5.0", ""), r"c\.yaml:3: model: expected keys such as `cutoff:`, got None"),
    "energies of direct forces": (
        GOOD.replace("cutoff: 5.0", "architecture: direct"),
        r"c\.yaml: model\.architecture direct predicts forces and no energy; write loss: \{energy: 0, stress: 0, hess",
    ),
    "missing": ("model:\n  cutoff: 5\n", "data is missing"),
    "missing file key": ("data:\n  train: 0.5\n", r"data\.file is missing"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=list(WRONG))
def test_problem_is_named_with_its_line(config, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(config(text))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.cutoff", "expected key=value"),
        ("epochs.x=1", "'epochs' is a value, not a section"),
        ("model.chanels=1", r"model\.chanels: unknown key\. Did you mean model\.channels"),
    ],
)
def test_wrong_override(config, override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(config(GOOD), [override])


def test_documentation_lists_every_key():
    """Its tables are printed by `python -c 'from lampion.training.config.reference import *; print(reference())'`."""
    page = Path(__file__).resolve().parents[2] / "docs" / "training_config.md"
    assert reference().strip() in page.read_text()
    assert "| `radial_width` | int | 0 | hidden width of the radial network" in reference()
