"""Pages that stand alone: templates of one look, pictures inside, no network and no script."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import jinja2
from matplotlib.figure import Figure

from lampion.analysis import figures


@dataclass(frozen=True)
class Picture:
    """A figure as text for the page: title, caption, `data:` address."""

    title: str
    caption: str
    source: str


def picture(title: str, caption: str, figure: Figure) -> Picture:
    """SVG in a data address: sharp in print, and the ids of one picture cannot clash with another's."""
    buffer = io.BytesIO()
    with figures.style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(title, caption, f"data:image/svg+xml;base64,{encoded}")


def render(package: str, template: str, **context: Any) -> str:
    """Text of a page.

    Args:
        package: the one that holds the template; `page.html.j2`, the frame of every page, is found here.
        template: name of its file.
        context: what it shows; a name it uses and does not get is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name, "") for name in (package, "lampion.analysis")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**context)
