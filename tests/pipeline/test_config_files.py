"""YAML files of every verb: whatever is wrong with one is one sentence that names file and fault."""

import pytest

from lampion.pipeline.grid.config import load_grid
from lampion.pipeline.improve.config import improve_config
from lampion.pipeline.stability.config import stability_config
from lampion.pipeline.study.config import find_study
from lampion.pipeline.tune.space import load_search
from lampion.training.config.training import load_config
from lampion.training.errors import ConfigError

READERS = {
    "train": load_config,
    "stability": lambda path: stability_config(path, {}),
    "improve": lambda path: improve_config(path, {}),
    "study": lambda path: find_study(str(path)),
    "grid": lambda path: load_grid(str(path)),
    "tune": lambda path: load_search(path, path),
}
FAULTS = {
    b"a: 1\nb: [\n": r"\w\.yaml:3: not valid YAML: expected the node content, but found '<stream end>'$",
    b"a: \xff": r"\w\.yaml: not valid YAML: it is no text in UTF-8$",
    b"a: \0": r"\w\.yaml: not valid YAML: it is no text in UTF-8$",
    b"- 1\n": r"\w\.yaml: expected keys such as `\w+:` and `\w+:`$",
    b"5\n": r"\w\.yaml: expected keys such as `\w+:` and `\w+:`$",
    b"zyx: 5\n": r"\w\.yaml(:1)?: zyx: (Extra inputs are not permitted|unknown key\.)$",
    b"Zyx: 5\n": r"\w\.yaml(:1)?: Zyx: (Extra inputs are not permitted|unknown key\.)$",
    b"": r"\w\.yaml: [\w.]+( is missing|: Field required)(; give it as --model)?$",
}


@pytest.mark.parametrize("read", READERS.values(), ids=list(READERS))
def test_a_bad_file_is_one_sentence(tmp_path, read):
    path = tmp_path / "a.yaml"
    for content, message in FAULTS.items():
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=message):
            read(path)
    path.unlink()
    with pytest.raises(ConfigError, match=r"a\.yaml: no such (study )?file"):
        read(path)
    path.mkdir()
    with pytest.raises(ConfigError, match=r"a\.yaml: cannot be read: Is a directory$"):
        read(path)
