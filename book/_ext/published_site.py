"""What the published site tells the world: its address, a sitemap, a description and a picture of each page, and a page for wrong addresses.

The site's address derives from the repository's in _config.yml. Nothing here makes a page ask for anything.
"""

import html
import re
import sys
from pathlib import Path

from docutils import nodes
from PIL import Image

EXT = Path(__file__).parent
sys.path.append(str(EXT.parent / "_tools"))
from site_numbers import pages_url  # noqa: E402

PREVIEW, PREVIEW_SIZE = "_static/preview.png", (1200, 630)  # the size that services show links with
SHORTEST, LONGEST = 60, 200  # characters of a description
BOILERPLATE = {"exercise-content", "solution-content", "proof", "proof-content"}  # in every exercise, in every proof: no anchor leads there


def description(doctree) -> str:
    """The first paragraph of a page that says enough, without formulas where there is one, cut at a word."""
    paragraphs = [p for p in doctree.findall(nodes.paragraph) if isinstance(p.parent, nodes.section)]
    plain = [p for p in paragraphs if not any(p.findall(nodes.math))]
    texts = [" ".join(p.astext().split()) for p in plain + paragraphs]
    text = next((t for t in texts if len(t) >= SHORTEST), "")
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0].rstrip(",;:–") + " …"


def describe(app, pagename, templatename, context, doctree) -> None:
    if doctree is None:
        return
    title = html.unescape(re.sub(r"<[^>]+>|\\[()]", "", context["title"]))  # tags, and the marks of formulas
    site, about = app.config.project or app.config.html_title, description(doctree) or app.config.html_title
    facts = {
        "og:title": title,
        "og:type": "article",
        "og:site_name": site,
        "og:description": about,
        "og:url": context["pageurl"],
        "og:image": f"{app.config.html_baseurl}{PREVIEW}",
        "og:image:width": PREVIEW_SIZE[0],
        "og:image:height": PREVIEW_SIZE[1],
        "og:image:alt": "A picture from the book: a distribution carried along a flow",
    }
    named = {"description": about, "twitter:card": "summary_large_image"}
    tags = [
        f'<meta {kind}="{key}" content="{html.escape(str(value))}" />'
        for kind, pairs in (("name", named), ("property", facts))
        for key, value in pairs.items()
    ]
    context["metatags"] = context.get("metatags", "") + "\n    " + "\n    ".join(tags) + "\n"


def one_id_each(app, doctree, docname) -> None:
    for node in doctree.findall(nodes.Element):
        node["ids"] = [name for name in node["ids"] if name not in BOILERPLATE]


def list_works(app, pagename, templatename, context, doctree) -> None:
    """The list of works cited holds list items; docutils gives them a role that has been withdrawn."""
    context["body"] = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')


def set_address(app, config) -> None:
    config.html_baseurl = pages_url() + "/"


def publish(app, exception) -> None:
    """Write the sitemap, robots.txt, 404.html and the picture that services show with a link."""
    if exception is not None or app.builder.format != "html":
        return
    out, base = Path(app.outdir), app.config.html_baseurl
    entries = "".join(f"<url><loc>{html.escape(base + app.builder.get_target_uri(page))}</loc></url>\n" for page in sorted(app.env.found_docs))
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    (out / "sitemap.xml").write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="{space}">\n{entries}</urlset>\n', "utf-8")
    (out / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n", "utf-8")
    page = (EXT / "404.html").read_text("utf-8").replace("BASE", base).replace("TITLE", html.escape(app.config.html_title))
    (out / "404.html").write_text(page, "utf-8")
    preview(EXT.parent / "_static" / "teaser.png").save(out / PREVIEW)


def preview(path: Path) -> Image.Image:
    """The picture on a white card of PREVIEW_SIZE."""
    picture = Image.open(path).convert("RGBA")
    scale = min((side - 60) / length for side, length in zip(PREVIEW_SIZE, picture.size))
    picture = picture.resize([round(scale * length) for length in picture.size], Image.Resampling.LANCZOS)
    card = Image.new("RGB", PREVIEW_SIZE, "white")
    card.paste(picture, [(side - length) // 2 for side, length in zip(PREVIEW_SIZE, picture.size)], picture)
    return card


def setup(app):
    app.connect("config-inited", set_address)
    app.connect("doctree-resolved", one_id_each)
    app.connect("html-page-context", describe)
    app.connect("html-page-context", list_works)
    app.connect("build-finished", publish)
    for script in ("scrolling.js", "answers.js", "printing.js", "dialogs.js"):
        app.add_js_file(script, loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
