"""Questions about the outputs of a code cell."""

import re
from dataclasses import dataclass

from notebooks import tags

DATA_URI = re.compile(r"data:[\w/+.;=-]+,[^\"'\s)]*")
CODE = re.compile(r"<(script|style)\b.*?</\1>", re.S)
MARKUP = re.compile(r"<[^>]+>")
PICTURE = re.compile(r"""<(?:img|canvas)\b|<svg\b[^>]*\brole=["']img""")
DESCRIBED = re.compile(r"""\b(?:alt|aria-label)\s*=\s*(?:"[^"]{20,}"|'[^']{20,}')""")
FOREIGN = re.compile(
    r"""(?:\bsrc|<link[^>]*\bhref)\s*=\s*["']((?:https?:)?//[^"']+)"""
    r"""|@import[^;]*?((?:https?:)?//[^"')]+)"""
    r"""|url\(["']?((?:https?:)?//[^"')]+)|\b(?:fetch|import)\(["'`](https?://[^"'`]+)"""
)


@dataclass(frozen=True)
class HtmlOutput:
    """An HTML output, without the data that it embeds."""

    text: str

    @classmethod
    def of(cls, output) -> "HtmlOutput | None":
        html = output.get("data", {}).get("text/html")
        return cls(DATA_URI.sub("data:", "".join(html))) if html is not None else None

    @property
    def has_picture(self) -> bool:
        """Whether it shows an image, rather than a table or a question, which are text."""
        return PICTURE.search(self.text) is not None

    @property
    def described(self) -> bool:
        return DESCRIBED.search(self.text) is not None

    @property
    def captioned(self) -> bool:
        return "<figcaption" in self.text

    @property
    def foreign(self) -> list[str]:
        return [next(filter(None, found)) for found in FOREIGN.findall(self.text)]

    @property
    def words(self) -> str:
        return MARKUP.sub(" ", CODE.sub(" ", self.text))


def html_outputs(cell) -> list[HtmlOutput]:
    return [html for output in cell.outputs if (html := HtmlOutput.of(output))]


def has_image(cell) -> bool:
    return any(mime.startswith("image/") for output in cell["outputs"] for mime in output.get("data", {}))


def stderr_text(cell) -> str:
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stderr")


def texts(cell) -> list[str]:
    """Everything a reader would read in the outputs."""
    found = [o.text for o in cell.outputs if o.output_type == "stream"]
    found += ["".join(o.data["text/plain"]) for o in cell.outputs if "text/plain" in o.get("data", {})]
    return found + [html.words for html in html_outputs(cell)]


def is_compared(cell) -> bool:
    """Whether nbval has a text to compare beyond the bare name of a figure."""
    plain = [o for o in cell.outputs if "text/plain" in o.get("data", {}) and not has_image({"outputs": [o]}) and "text/html" not in o.data]
    stdout = [o for o in cell.outputs if o.output_type == "stream" and o.name == "stdout" and o.text.strip()]
    return "remove-output" not in tags(cell) and bool(plain or stdout)
