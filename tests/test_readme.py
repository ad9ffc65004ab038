"""The README's pictures are there, small, and described. tests/test_docs.py checks its words."""

import re

from demo.binaries import ROOT

README = (ROOT / "README.md").read_text()
IMAGE = re.compile(r'<img src="([^"]+)" width="\d+" alt="([^"]+)">')
LARGEST = 150_000
PNG = b"\x89PNG\r\n\x1a\n"


def test_every_picture_is_there_and_small_and_says_what_it_shows() -> None:
    shown = dict(IMAGE.findall(README))
    assert len(shown) == README.count("<img")
    for name, alt in shown.items():
        picture = (ROOT / name).read_bytes()
        assert picture.startswith(PNG), name
        assert len(picture) < LARGEST, name
        assert len(alt) > 20, name
    stored = {str(file.relative_to(ROOT)) for file in (ROOT / "docs" / "images").iterdir()}
    assert stored == set(shown)
