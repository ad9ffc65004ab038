"""The pages of the documentation, parsed: code, tables, links and anchors."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from demo.binaries import ROOT

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_QUOTED = re.compile(r'"([^"]+)"|“([^”]+)”')
# What GitHub leaves out of an anchor.
_NOT_IN_ANCHOR = re.compile(r"[^\w -]")


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """`language` is "" if the fence names none."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """`links` has the targets of links and pictures, also of those in HTML. The cells of `tables`
    are Markdown; the first row of each is its heading. `quotes` are the words in double quotes."""

    path: Path
    text: str
    blocks: tuple[CodeBlock, ...]
    spans: tuple[str, ...]
    links: tuple[str, ...]
    anchors: frozenset[str]
    headings: tuple[str, ...]
    quotes: tuple[str, ...]
    tables: tuple[tuple[tuple[str, ...], ...], ...]

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def code_lines(self) -> list[str]:
        """The lines of all blocks, then the spans."""
        lines = [line.strip() for block in self.blocks for line in block.text.splitlines()]
        return [*lines, *self.spans]

    def rows(self, heading: str) -> list[tuple[str, ...]]:
        """Return the rows of all tables whose first column has this heading."""
        return [row for head, *rows in self.tables if head[0] == heading for row in rows]


def read_page(path: Path) -> Page:
    text = path.read_text()
    tokens = _MARKDOWN.parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    return Page(
        path=path,
        text=text,
        blocks=tuple(
            CodeBlock(token.info, token.content)
            for token in tokens
            if token.type in ("fence", "code_block")
        ),
        spans=tuple(token.content for token in inline if token.type == "code_inline"),
        links=(*_markdown_links(inline), *_html_links([*tokens, *inline])),
        anchors=frozenset(_anchors(tokens)),
        headings=tuple(map(_plain, _headings(tokens))),
        quotes=tuple(_quotes(tokens)),
        tables=tuple(_tables(tokens)),
    )


def read_pages(*, without: Sequence[str] = ()) -> dict[str, Page]:
    """Return the Markdown pages of the repository by their paths, without those of these names."""
    paths = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    pages = [read_page(path) for path in paths if path.name not in without]
    return {page.name: page for page in pages}


def _markdown_links(inline: Sequence[Token]) -> Iterator[str]:
    for token in inline:
        target = token.attrGet("href") or token.attrGet("src")
        if target:
            yield str(target)


class _LinkParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("href", "src") and value]


def _html_links(tokens: Sequence[Token]) -> list[str]:
    parser = _LinkParser()
    for token in tokens:
        if token.type in ("html_block", "html_inline"):
            parser.feed(token.content)
    return parser.links


def _headings(tokens: Sequence[Token]) -> Iterator[Token]:
    return (text for opening, text in pairwise(tokens) if opening.type == "heading_open")


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def _quotes(tokens: Sequence[Token]) -> Iterator[str]:
    for inline in (token for token in tokens if token.type == "inline"):
        text = "".join(map(_quotable, inline.children or ()))
        for straight, curly in _QUOTED.findall(text):
            yield straight or curly


def _quotable(part: Token) -> str:
    """Return the words of a part; quotes in code quote nothing."""
    match part.type:
        case "softbreak":
            return " "
        case "code_inline":
            return re.sub('["“”]', "", part.content)
        case "text":
            return part.content
    return ""


def _anchors(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the anchors that GitHub gives the headings; it numbers equal ones."""
    seen = Counter[str]()
    for heading in _headings(tokens):
        anchor = _NOT_IN_ANCHOR.sub("", _plain(heading).lower()).replace(" ", "-")
        yield f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor
        seen[anchor] += 1


def _tables(tokens: Sequence[Token]) -> Iterator[tuple[tuple[str, ...], ...]]:
    rows: list[list[str]] = []
    for index, token in enumerate(tokens):
        match token.type:
            case "table_open":
                rows = []
            case "tr_open":
                rows.append([])
            case "th_open" | "td_open":
                rows[-1].append(tokens[index + 1].content)
            case "table_close":
                yield tuple(tuple(row) for row in rows)
