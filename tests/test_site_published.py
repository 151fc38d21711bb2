"""What the published site says of itself: sitemap, robots.txt, descriptions, the picture of a link, the page for wrong addresses."""

import re
import xml.etree.ElementTree as xml

import pytest
from bs4 import BeautifulSoup
from built import HTML, PAGES, needs_site, read
from PIL import Image
from site_numbers import pages_url

pytestmark = needs_site
SPACE = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


@pytest.fixture(scope="module")
def heads():
    """Page → its meta elements, by name or property, and its canonical address."""

    def metas(page):
        head = BeautifulSoup(read(page).split("</head>")[0], "html.parser")
        named = [(meta.get("name") or meta.get("property"), meta["content"]) for meta in head.find_all("meta", content=True)]
        return dict(named) | {"canonical": head.find("link", rel="canonical")["href"], "count": len(named)}

    return {page: metas(page) for page in PAGES}


def test_sitemap_lists_every_page_once():
    listed = [place.text for place in xml.parse(HTML / "sitemap.xml").getroot().iter(f"{SPACE}loc")]
    assert sorted(listed) == sorted(f"{pages_url()}/{page}.html" for page in PAGES)
    assert f"Sitemap: {pages_url()}/sitemap.xml" in (HTML / "robots.txt").read_text("utf-8").splitlines()


@pytest.mark.parametrize("page", PAGES)
def test_page_describes_itself(heads, page):
    said, url = heads[page], f"{pages_url()}/{page}.html"
    assert said["og:url"] == said["canonical"] == url
    assert 30 <= len(said["description"]) <= 202 and said["og:description"] == said["description"]
    assert not re.search(r"[\\$<]|&[a-z]+;", said["description"] + said["og:title"]), "formulas or markup in plain text"
    assert said["og:image"] == f"{pages_url()}/_static/preview.png"
    heading = BeautifulSoup(re.search(r"<article.*?(<h1>.*?)<a", read(page), re.S)[1], "html.parser").get_text()
    assert said["og:title"].split() == re.sub(r"\\[()]", "", heading).split()


def test_descriptions_differ(heads):
    assert len({said["description"] for said in heads.values()}) == len(PAGES)


def test_preview_picture_has_the_size_that_is_declared_and_shows_something(heads):
    with Image.open(HTML / "_static" / "preview.png") as picture:
        said = heads[PAGES[0]]
        assert picture.size == (int(said["og:image:width"]), int(said["og:image:height"])) == (1200, 630)
        assert len(set(picture.convert("L").resize((60, 30)).tobytes())) > 20


def test_wrong_addresses_get_a_page_that_leads_back_from_any_folder():
    links = re.findall(r'(?:href|action|src)="([^"]+)"', read("404"))
    assert links and all(link.startswith(f"{pages_url()}/") for link in links)
    assert all((HTML / link.removeprefix(f"{pages_url()}/")).is_file() for link in links)


@pytest.mark.parametrize("page", PAGES)
def test_no_identifier_stands_twice(page):
    names = re.findall(r'\sid="([^"]+)"', re.sub(r"<(script|style|svg)\b.*?</\1>", "", read(page), flags=re.S))
    assert {name for name in names if names.count(name) > 1} == set()
