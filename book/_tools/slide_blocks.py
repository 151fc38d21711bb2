"""What a slide shows of each element of a built page, how high that is, and what is left to the speaker's notes."""

import re
from dataclasses import dataclass
from html import escape

from bs4 import NavigableString

LINE, LETTERS = 38, 88  # pixels of a line, letters in it
SHORT = 35  # words; of a longer paragraph or caption, the sentences within the first ones are shown
PRINTED = (9, 92)  # lines and columns; what a cell printed stands on the slide if it is no larger
PICTURE, WIDEST = 370, 1120  # pixels
TALL = re.compile(r"\\(?:int|sum|prod|frac|dfrac|underbrace|min|max)\b")
SENTENCE = re.compile(r"(?<=[.?!])\s+(?=\S)|(?<=[.?!])\s*$")
MATH = re.compile(r"\\[(\[](.*?)\\[)\]]", re.S)


@dataclass(frozen=True)
class Block:
    """`height` in pixels;  `leads` : to the block after it;  `follows` : goes on where the block before it ended;  `closes` : its slide."""

    html: str = ""
    height: float = 0
    notes: str = ""
    leads: bool = False
    follows: bool = False
    closes: bool = False


def cleaned(article):
    """The article without what only a page needs: links become their text, marks for links and buttons go."""
    for mark in article.select(".headerlink, .cell_input, .tag_remove-output, noscript"):
        mark.decompose()
    for link in article.find_all("a"):
        link.unwrap()
    for image in article.select("img[src^='../_images/']"):
        image["src"] = image["src"].removeprefix("../")
    for element in article.select(".admonition section"):  # on a slide, a section is a slide
        element.name = "div"
    for element in article.select("[id]:not(section)"):
        del element["id"]
    return article


def inner(element) -> str:
    return element.decode_contents().strip()


def blocks(part):
    """The blocks of a part of a page, without those of the parts in it."""
    elements = [piece for child in part.find_all(True, recursive=False) if child.name != "section" for piece in _pieces(child)]
    for element, after in zip(elements, [*elements[1:], None]):
        leads = element.name == "p" and after is not None and after.name != "p" and not _is(after, "exercise", "solution")
        block = _block(element, leads, to_its_end=leads and (_is(after, "math") or element.get_text().rstrip().endswith(":")))
        if block:
            yield block


def _pieces(element):
    """An element, or the outputs of a cell."""
    if not _is(element, "cell"):
        return [element]
    return [output for outputs in element.select(".cell_output") for output in outputs.find_all(True, recursive=False)]


def _is(element, *kinds) -> bool:
    return any(kind in element.get("class", []) for kind in kinds)


def _block(element, leads, to_its_end):
    if _is(element, "math"):
        return Block(str(element), _formula(element))
    if element.name == "p":
        return _paragraph(element, leads, to_its_end)
    if element.name in ("ul", "ol"):
        return _list(element)
    if element.find(attrs={"data-flowviz": True}) or "data-flowviz" in element.attrs:
        return _moving(element)
    if element.name == "figure":
        return _picture(element)
    if element.select_one(".flowquiz"):
        lines = sum(_lines(text, 80) + 1 for text in element.select(".flowquiz > p, summary"))
        return Block(str(element), LINE * lines, closes=True)  # what comes next may tell the answer
    if element.name == "table" or _is(element, "pst-scrollable-table-container", "table"):
        return Block(str(element), 34 * (1 + len(element.find_all("tr"))))
    if _is(element, "admonition"):
        return _box(element)
    if _is(element, "output") and element.find("pre"):
        return _printed(element.find("pre").get_text().rstrip())
    return None  # headings, code


def _formula(element) -> float:
    rows = element.get_text().split(r"\\")
    return 28 + sum(74 if TALL.search(row) else 42 for row in rows)


def _printed(text):
    lines = text.splitlines()
    html = f"<pre>{escape(text)}</pre>"
    fits = len(lines) <= PRINTED[0] and max(map(len, lines)) <= PRINTED[1]
    return Block(html, 28 + 28 * len(lines)) if fits else Block(notes=html)


def _paragraph(element, leads, to_its_end):
    text = element.get_text().strip()
    shown = shortened(element, to_its_end)
    html, cut = f"<p>{shown}</p>", shown != inner(element)
    follows = text[:1].islower() or text[:1] in ",;"
    return Block(html, 16 + LINE * _lines_of(html), str(element) if cut else "", leads, follows)


def shortened(element, to_its_end=False) -> str:
    """The first sentence and those that end within SHORT words, those in bold type and, where it leads to a formula, the last one."""
    if len(element.get_text().split()) <= SHORT:
        return inner(element)
    shown, words, sentences = [], 0, split(element)
    for number, sentence in enumerate(sentences, start=1):
        length = len(re.sub(r"<[^>]+>", "", sentence).split())
        if number == 1 or words + length <= SHORT or "<strong>" in sentence or to_its_end and number == len(sentences):
            shown.append(sentence)
        words += length
    return " ".join(shown)


def split(paragraph) -> list[str]:
    """The sentences of a paragraph as HTML; formulas, code and emphasis are never cut."""
    sentences = [""]
    for child in paragraph.children:
        parts = SENTENCE.split(str(child)) if isinstance(child, NavigableString) else [str(child)]
        sentences[-1] += parts[0]
        sentences += parts[1:]
        if not isinstance(child, NavigableString) and child.get_text().rstrip()[-1:] in ("?", "!", ".") and child.name == "strong":
            sentences.append("")
    return [sentence.strip() for sentence in sentences if sentence.strip()]


def _list(element):
    items = element.find_all("li", recursive=False)
    if len(element.get_text().split()) <= 110:
        return Block(str(element), 20 + sum(8 + LINE * _lines(item, 84) for item in items))
    short = [split(item.find("p") or item)[0] for item in items]
    html = f"<{element.name}>" + "".join(f"<li>{text}</li>" for text in short) + f"</{element.name}>"
    return Block(html, 20 + sum(8 + LINE * _lines_of(text, 84) for text in short), notes=str(element))


def _picture(figure):
    """A picture with the beginning of its caption."""
    image, caption = figure.find("img"), figure.find("figcaption")
    if image is None:
        return None
    text = caption.find(class_="caption-text") if caption else None
    shown = shortened(text) if text else ""
    image["style"] = f"max-height:{PICTURE}px"
    html = f"<figure>{image}<figcaption>{shown}</figcaption></figure>"
    return Block(html, PICTURE + 24 + 30 * _lines_of(shown, 112), notes=f"<p>{inner(text)}</p>" if text and shown != inner(text) else "")


def _moving(element):
    """A picture with controls, as it is on its page, no wider than keeps it on the slide."""
    image, caption = element.select_one("img[width][height]"), element.find("figcaption")
    ratio = int(image["width"]) / int(image["height"]) if image else 1.5
    width, text = min(WIDEST, 0.8 * PICTURE * ratio), caption.find(class_="caption-text") if caption else None
    shown = f"<p class='caption'>{shortened(text)}</p>" if text else ""
    if caption:
        caption.decompose()
    return Block(f'<div class="moving" style="--stage:{width:.0f}px">{element}</div>{shown}', width / ratio + 150 + 34 * _lines_of(shown, 112))


def is_summary(box) -> bool:
    title = box.find(class_="admonition-title")
    return title is not None and title.get_text().strip() == "What to remember"


def _box(box):
    """A box: theorems and remarks stand on a slide, proofs in the notes; exercises, their solutions and the summary elsewhere."""
    if _is(box, "exercise", "solution", "hide") or is_summary(box):
        return None
    if _is(box, "proof") and not _is(box, "theorem", "corollary"):
        return Block(notes=str(box))
    parts = [child for child in box.select(":scope > *, :scope > div > *") if child.name != "div" or _is(child, "math")]
    height = 40 + sum(_formula(p) if _is(p, "math") else 12 + LINE * _lines(p, 80) for p in parts if p.name not in ("ul", "ol"))
    height += sum(8 + LINE * _lines(item, 78) for item in box.find_all("li"))
    return Block(str(box), height)


def _lines(element, letters=LETTERS) -> int:
    return _lines_of(str(element), letters)


def _lines_of(html, letters=LETTERS) -> int:
    """How many lines a text takes; of a formula three quarters of the signs count."""
    text = re.sub(r"<[^>]+>", "", html)
    text = MATH.sub(lambda m: "x" * (len(re.sub(r"\\[a-zA-Z]+", "xx", m[1])) * 3 // 4), text)
    return -(-len(" ".join(text.split())) // letters)
