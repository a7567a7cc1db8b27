"""Small files that say what was done."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lampion.training.files import atomic_path


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
