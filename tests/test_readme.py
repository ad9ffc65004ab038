"""The pictures of the pages are there, small, and described; the pages for people who use the help
desk name buttons and fields that exist. tests/test_docs.py checks the rest of the words."""

import ast
import re

from demo.binaries import ROOT
from tests.support.markdown_page import read_pages

PAGES = read_pages(without=["messages.md"])
IMAGES = ROOT / "docs" / "images"
IMAGE = re.compile(r'<img src="([^"]+)" width="\d+" alt="([^"]+)">')
LARGEST, LARGEST_ANIMATION = 200_000, 1_500_000
PNG = b"\x89PNG\r\n\x1a\n"
ANIMATION = b"acTL"  # the chunk that makes a PNG an animation
# Bold words in these pages are the labels of buttons and fields.
USER_PAGES = ("docs/employee.md", "docs/moderator.md", "docs/admin.md")


def test_every_picture_is_there_and_small_and_says_what_it_shows() -> None:
    shown = set()
    for name, page in PAGES.items():
        pictures = IMAGE.findall(page.text)
        assert len(pictures) == page.text.count("<img"), name
        for source, alt in pictures:
            file = (page.path.parent / source).resolve()
            picture = file.read_bytes()
            assert picture.startswith(PNG), source
            is_animated = ANIMATION in picture[:100]
            assert len(picture) < (LARGEST_ANIMATION if is_animated else LARGEST), source
            assert len(alt) > 20, source
            shown.add(file)
    assert set(IMAGES.iterdir()) == shown


def test_the_readme_begins_with_an_animation() -> None:
    source, _ = IMAGE.findall(PAGES["README.md"].text)[0]
    assert ANIMATION in (ROOT / source).read_bytes()[:100]


def test_every_button_and_field_of_the_user_pages_exists() -> None:
    files = (ROOT / "bot").rglob("*.py")
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text())))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    for name in USER_PAGES:
        labels = set(re.findall(r"\*\*([^*]+)\*\*", PAGES[name].text))
        assert len(labels) > 10, name
        assert labels - texts == set(), name
