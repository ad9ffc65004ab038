import math
import subprocess
import sys
import zlib
from collections.abc import Mapping
from typing import Any

import bson
import pytest

from demo.binaries import ROOT
from services.routing.learned_model import (
    MAX_LABELS,
    MAX_TEXT_LENGTH,
    MAX_VOCABULARY,
    Example,
    LearnedModel,
    UnreadableModel,
    extract_features,
    from_doc,
    to_doc,
)
from services.routing.trainer import Trainer
from tests.support.resolved_tickets import examples


def hashes(*words: str) -> set[int]:
    return {zlib.crc32(word.encode()) for word in words}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("🔥🔥 !!! …", ()),
        ("The printer, THE PRINTER!", ("the", "printer")),
        ("Büro und Bu\u0308ro", ("büro", "und")),
        ("a b c", ()),
        ("\uff36\uff30\uff2e vpn", ("vpn",)),
        ("error 0x80070005", ("error", "0x80070005")),
        ("x" * 31, ()),
        ("VPNに接続 壊", ("vpn", "に接", "接続", "壊")),
        ("お願いします", ("お願", "願い")),
        ("프린터가", ("프린", "린터", "터가")),
        ("प्रिंटर काम।", ("प्रिंटर", "काम")),
        ("null\0byte \ud800 lone", ("null", "byte", "lone")),
    ],
)
def test_a_text_is_its_words(text: str, words: tuple[str, ...]) -> None:
    assert extract_features(text).keys() == hashes(*words)


def test_a_repeated_word_counts_a_little_more() -> None:
    assert list(extract_features("vpn").values()) == [math.log(2)]
    assert list(extract_features("vpn " * 9).values()) == [math.log(10)]


def test_secrets_are_no_words() -> None:
    assert not extract_features("my password is: Tr0ub4dor").keys() & hashes("tr0ub4dor")


def test_only_the_beginning_of_an_endless_text_counts() -> None:
    text = "disk " * (MAX_TEXT_LENGTH // 5)
    assert extract_features(text + "printer " * 20_000) == extract_features(text)


@pytest.fixture(scope="module")
def model() -> LearnedModel:
    return Trainer().train(examples(60))


def test_it_is_the_same_after_a_stay_in_the_database(model: LearnedModel) -> None:
    doc = bson.decode(bson.encode({"_id": "skills", "version": 7, **to_doc(model)}))
    for example in examples(20, seed=2):
        assert from_doc(doc).rank(example.text) == model.rank(example.text)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"format": 2}, "format 2"),
        ({"format": None}, "format None"),
        ({"examples": 61}, "checksum"),
        ({"coefficients": b"\0" * 8}, "checksum"),
        ({"words": "text"}, "TypeError"),
        ({"labels": None}, "checksum"),
        ({"checksum": ""}, "checksum"),
    ],
)
def test_a_damaged_or_foreign_one_is_refused(
    model: LearnedModel, damage: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(UnreadableModel, match=said):
        from_doc({**to_doc(model), **damage})


@pytest.mark.parametrize("doc", [{}, {"format": 1}, {"format": 1, "checksum": "x"}])
def test_a_document_of_something_else_is_refused(doc: dict[str, Any]) -> None:
    with pytest.raises(UnreadableModel, match="KeyError"):
        from_doc(doc)


def test_one_whose_parts_do_not_fit_is_refused(model: LearnedModel) -> None:
    short = LearnedModel(
        **{name: getattr(model, name) for name in LearnedModel.__slots__} | {"scales": ()}
    )
    with pytest.raises(UnreadableModel, match="size"):
        from_doc(to_doc(short))


def test_the_largest_fits_in_a_document() -> None:
    full = LearnedModel(
        labels=tuple(f"{'skill':x<40}{number}" for number in range(MAX_LABELS)),
        rows={word: word for word in range(MAX_VOCABULARY)},
        weights=[1.0] * MAX_VOCABULARY,
        coefficients=[1] * (MAX_VOCABULARY * MAX_LABELS),
        scales=[1.0] * MAX_LABELS,
        offsets=[0.0] * MAX_LABELS,
    )
    assert len(bson.encode(to_doc(full))) < 15_000_000


def test_shares_are_probabilities_and_strange_words_are_doubt(model: LearnedModel) -> None:
    known, strange = (dict(model.rank(text)) for text in ("toner paper", "toner paper qwert asdf"))
    assert known["Printer"] > 0.5
    assert 0 < strange["Printer"] < known["Printer"]
    assert sum(known.values()) <= 1


@pytest.mark.parametrize("text", ["", "🔥", "qwert asdf", "\0", "qwert\ud800"])
def test_of_words_it_never_met_it_says_nothing_much(model: LearnedModel, text: str) -> None:
    ranked = model.rank(text)
    assert len(ranked) == 4
    assert sum(share for _, share in ranked) == 0


def test_it_reads_any_length(model: LearnedModel) -> None:
    assert model.rank("paper jam " * 10_000)[0][0] == "Printer"
    assert LearnedModel().rank("anything") == []


def test_a_worker_needs_nothing_of_what_made_it() -> None:
    heavy = "print(sorted({'numpy', 'scipy', 'sklearn'} & {*sys.modules}))"
    imported = subprocess.run(  # noqa: S603  our own command
        [
            sys.executable,
            "-c",
            f"import sys, tasks.processes.worker, services.routing.training; {heavy}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert imported.stdout == "[]\n"


def test_it_stores_no_word_of_a_ticket() -> None:
    stored = bson.encode(to_doc(Trainer().train([Example("Zoe Quimby lost her badge", ("HR",))])))
    assert b"HR" in stored
    assert not any(word in stored.lower() for word in (b"zoe", b"quimby", b"badge"))
