"""The contrast of the pages' colours, light and dark."""

import re

import pytest

from demo.binaries import ROOT

STYLE = (ROOT / "bot" / "web" / "static" / "style.css").read_text()
COLOUR = re.compile(r"--([\w-]+): #([0-9a-f]{6});")
# WCAG 2.2, 1.4.3 and 1.4.11: contrast of text and of the borders of inputs.
TEXT, EDGE = 4.5, 3.0
TEXTS = {
    ("text", "card"),
    ("text", "ground"),
    ("text", "quiet"),
    ("text", "line"),  # a secondary button, hovered
    ("muted", "card"),
    ("link", "card"),
    ("link", "ground"),
    ("error", "card"),
    ("error", "error-ground"),
    ("good", "good-ground"),
    ("warn", "warn-ground"),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
}
EDGES = {("input-line", "card"), ("error", "card"), ("link", "card"), ("link", "ground")}


def colours(*, dark: bool) -> dict[str, str]:
    day, night = STYLE.split("@media (prefers-color-scheme: dark)")
    return dict(COLOUR.findall(day)) | (dict(COLOUR.findall(night)) if dark else {})


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_measured_as_the_standard_says() -> None:
    assert contrast("ffffff", "000000") == 21
    assert round(contrast("767676", "ffffff"), 2) == 4.54


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_and_edge_stands_out(dark: bool) -> None:
    named = colours(dark=dark)
    for pairs, least in ((TEXTS, TEXT), (EDGES, EDGE)):
        seen = {pair: contrast(named[pair[0]], named[pair[1]]) for pair in sorted(pairs)}
        assert {pair: value for pair, value in seen.items() if value < least} == {}


def test_every_colour_has_a_name() -> None:
    rest = COLOUR.sub("", STYLE)
    assert re.findall(r"#[0-9a-f]{3,8}\b(?![^{]*\{)", rest) == []
    used = set(re.findall(r"var\(--([\w-]+)\)", STYLE))
    assert used == set(colours(dark=False))
