from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.availability.slack_status import (
    AVAILABLE_PHRASES,
    AWAY_EMOJI,
    AWAY_PHRASES,
    NO_END,
    DoNotDisturbSpan,
    MemberStatus,
    SlackStatus,
    StatusRules,
    StatusRulesStore,
    do_not_disturb_until,
    emoji_name,
    parse_do_not_disturb,
    parse_member_status,
    status_fingerprint,
)
from services.core.database import Mongo
from services.core.errors import InvalidValue, PermissionDenied
from services.models.permissions import OPERATOR, Actor
from services.models.user import Role
from tests.conftest import FixedClock

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=4)


def is_away(text: str = "", emoji: str = "", rules: StatusRules | None = None) -> bool:
    return (rules or StatusRules()).away_until(SlackStatus(text, emoji), now=NOW) is not None


def test_who_is_away() -> None:
    cases: list[tuple[str, str]] = [
        # Slack's own suggestions
        ("Vacationing", ":palm_tree:"),
        ("Out sick", ":face_with_thermometer:"),
        # Other words
        ("OOO", ""),
        ("o.o.o. until Monday", ""),
        ("Out of office", ":calendar:"),
        ("Out-of-the-office till Friday", ""),
        ("On parental leave 👶", ""),
        ("PTO", ""),
        ("Nicht im Büro", ""),
        ("Außer Haus", ""),
        ("Im Urlaub bis Freitag", ""),
        ("URLAUB!", ""),
        ("krank", ""),
        ("Elternzeit", ""),
        ("En congé", ""),
        ("en conges", ""),
        ("De vacaciones en Cádiz", ""),
        ("In ferie", ""),
        ("Férias", ""),
        ("op vakantie", ""),
        ("Na urlopie", ""),
        ("På semester", ""),
        ("休暇中", ""),
        ("今天请假", ""),
        ("Out until Monday", ""),
        ("в отпуске до 5.03", ""),
        ("İzinliyim", ""),
        ("ลาพักร้อนวันนี้", ""),
        # Negated phrases
        ("Not available, on holiday", ""),
        ("No. Sick.", ""),
        ("Not in: ill", ""),
        ("Vacation - no meetings", ""),
        ("not sick but on vacation", ""),
        ("휴가 중", ""),
        # Emoji alone, or with neutral words
        ("", ":palm_tree:"),
        ("Back on Monday", ":palm_tree:"),
        ("", ":face_with_thermometer::skin-tone-3:"),
        ("", "palm_tree"),
    ]
    assert [(text, emoji) for text, emoji in cases if not is_away(text, emoji)] == []


def test_who_is_not() -> None:
    cases: list[tuple[str, str]] = [
        ("", ""),
        ("Commuting", ":bus:"),
        ("Working remotely", ":house_with_garden:"),
        ("Working from home", ":house_with_garden:"),
        ("WFH", ":palm_tree:"),
        ("wfh, kid is sick", ""),
        ("Working from the beach", ":desert_island:"),
        ("In a meeting", ":spiral_calendar_pad:"),
        ("In a meeting about vacation planning", ""),
        ("Im Homeoffice", ""),
        ("Télétravail", ""),
        ("在宅勤務", ""),
        ("Back from vacation!", ":palm_tree:"),
        ("Zurück aus dem Urlaub", ""),
        ("de retour de vacances", ""),
        ("De retour d'arrêt maladie", ""),
        ("returned from PTO", ""),
        ("Zurück vom Urlaub", ""),
        ("Terug van vakantie", ""),
        ("tilbake fra ferie", ""),
        ("Not sick", ":face_with_thermometer:"),
        ("not on vacation anymore", ""),
        ("No longer on sick leave", ""),
        ("no PTO this year", ""),
        ("Nicht mehr krank", ""),
        ("kein Urlaub", ""),
        ("pas en congé", ""),
        ("Plus malade", ""),
        ("no estoy de vacaciones", ""),
        ("não estou mais de férias", ""),
        ("Non sono in ferie", ""),
        ("niet op vakantie", ""),
        ("inte på semester", ""),
        ("ikke syk", ""),
        ("nie jestem chora", ""),
        ("не болею", ""),
        ("Happy holidays!", ":christmas_tree:"),
        ("Sick of this printer", ""),
        ("Holiday party tonight", ""),
        # Words within words
        ("Classick cars", ""),
        ("Optometry", ""),
        ("I'll be right back", ""),
        ("The VPN is not working", ""),
        ("Semester starts", ""),
        ("At lunch", ":pizza:"),
        ("Focus time", ":headphones:"),
        ("🌴", ""),
    ]
    assert [(text, emoji) for text, emoji in cases if is_away(text, emoji)] == []


def test_each_usual_phrase_means_away() -> None:
    assert [phrase for phrase in AWAY_PHRASES if not is_away(phrase.upper())] == []


def test_each_phrase_of_the_other_kind_does_not() -> None:
    assert [
        phrase for phrase in AVAILABLE_PHRASES if is_away(f"{phrase}, vacation", ":palm_tree:")
    ] == []


def test_each_usual_emoji_means_away() -> None:
    assert [emoji for emoji in AWAY_EMOJI if not is_away(emoji=f":{emoji}:")] == []


def test_until_when() -> None:
    rules = StatusRules()
    assert rules.away_until(SlackStatus("Vacation", expires_at=LATER), now=NOW) == LATER
    assert rules.away_until(SlackStatus("Vacation", expires_at=NOW), now=NOW) is None
    assert rules.away_until(SlackStatus("Vacation"), now=NOW) == NO_END


def test_no_date_is_later_than_an_open_end() -> None:
    profile = {"status_text": "Vacation", "status_expiration": 253_402_300_799}
    assert parse_member_status({"profile": profile}).status.expires_at == NO_END
    told = {"dnd_enabled": True, "next_dnd_start_ts": 1_700_000_000, "next_dnd_end_ts": 1e11}
    assert [span.end for span in parse_do_not_disturb(told)] == [NO_END]


def test_what_a_team_has_said() -> None:
    cases: list[tuple[StatusRules, SlackStatus, bool]] = [
        (StatusRules(away=("Kur",)), SlackStatus("Zur Kur"), True),
        (StatusRules(away=(":sailboat:",)), SlackStatus("", ":sailboat:"), True),
        (
            StatusRules(away=(":sailboat:",)),
            SlackStatus("Working from my boat", ":sailboat:"),
            False,
        ),
        # The team's own rules come first, "here" before "away".
        (StatusRules(away=("remote",)), SlackStatus("Remote island"), True),
        (StatusRules(available=("holiday",)), SlackStatus("Holiday season!"), False),
        (StatusRules(available=("holiday",)), SlackStatus("On vacation, holiday season"), False),
        (StatusRules(available=("kur",), away=("kur",)), SlackStatus("Kur"), False),
        (StatusRules(available=(":palm_tree:",)), SlackStatus("", ":palm_tree:"), False),
        (StatusRules(available=(":palm_tree:",)), SlackStatus("Vacation", ":palm_tree:"), True),
        (StatusRules(away=("", "  ", "::", ":")), SlackStatus("Nothing", ":"), False),
    ]
    assert [
        (rules, status, away)
        for rules, status, away in cases
        if (rules.away_until(status, now=NOW) is not None) is not away
    ] == []


@pytest.mark.parametrize(
    ("user", "member"),
    [
        ({}, MemberStatus()),
        ({"profile": None, "tz": None}, MemberStatus()),
        ({"profile": {"status_text": 5, "status_expiration": "soon"}, "tz": 3}, MemberStatus()),
        ({"profile": {"status_expiration": 0}}, MemberStatus()),
        ({"profile": {"status_expiration": True}}, MemberStatus()),
        ({"profile": {"status_expiration": 1e300}}, MemberStatus()),
        ({"profile": {"status_expiration": float("nan")}}, MemberStatus()),
        (
            {
                "tz": "Europe/Berlin",
                "profile": {
                    "status_text": "Vacation",
                    "status_emoji": ":palm_tree:",
                    "status_expiration": int(LATER.timestamp()),
                },
            },
            MemberStatus(SlackStatus("Vacation", ":palm_tree:", LATER), "Europe/Berlin"),
        ),
    ],
)
def test_slacks_own_object_of_a_user(user: dict[str, Any], member: MemberStatus) -> None:
    assert parse_member_status(user) == member


def test_the_fingerprint_tells_absences_apart_and_nothing_else() -> None:
    one = SlackStatus("Vacation", ":palm_tree:", LATER)
    assert status_fingerprint(one) == status_fingerprint(
        SlackStatus("Vacation", ":palm_tree:", LATER)
    )
    assert status_fingerprint(one) != status_fingerprint(
        SlackStatus("Vacation", ":palm_tree:", None)
    )
    assert "Vacation" not in status_fingerprint(one)
    here = MemberStatus(SlackStatus("In a meeting")).read(StatusRules(), now=NOW)
    assert (here.away_until, here.fingerprint) == (None, "")
    away = MemberStatus(one, "Asia/Tokyo").read(StatusRules(), now=NOW)
    assert (away.away_until, away.fingerprint, away.zone, away.do_not_disturb) == (
        LATER, status_fingerprint(one), "Asia/Tokyo", None
    )  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"dnd_enabled": False, "next_dnd_start_ts": 1, "next_dnd_end_ts": 1},
        {"dnd_enabled": True, "next_dnd_start_ts": 1, "next_dnd_end_ts": 1},
        {"dnd_enabled": True, "next_dnd_start_ts": 900, "next_dnd_end_ts": 800},
        {"dnd_enabled": True, "next_dnd_start_ts": "9"},
    ],
)
def test_who_is_never_quiet(told: dict[str, Any]) -> None:
    assert parse_do_not_disturb(told) == ()


def test_do_not_disturb_is_a_span() -> None:
    start, end = NOW - timedelta(hours=1), NOW + timedelta(hours=2)
    told = {
        "dnd_enabled": True,
        "next_dnd_start_ts": int(start.timestamp()),
        "next_dnd_end_ts": int(end.timestamp()),
    }
    assert parse_do_not_disturb(told) == (DoNotDisturbSpan(start, end),)


@pytest.mark.parametrize(
    ("account", "until"),
    [
        ({}, None),
        ({"presence": "yes"}, None),
        ({"presence": {"quiet": "yes"}}, None),
        ({"presence": {"quiet": [{"start": NOW}, 5, {"start": "a", "end": "b"}]}}, None),
        ({"presence": {"quiet": [{"start": NOW, "end": LATER}]}}, LATER),
        ({"presence": {"quiet": [{"start": LATER, "end": NO_END}]}}, None),
        ({"presence": {"quiet": [{"start": NOW - timedelta(days=1), "end": NOW}]}}, None),
    ],
)
def test_who_wants_no_interruption_now(account: dict[str, Any], until: datetime | None) -> None:
    assert do_not_disturb_until(account, now=NOW) == until


@pytest.mark.parametrize(
    ("written", "name"),
    [(":palm_tree:", "palm_tree"), ("Palm_Tree", "palm_tree"), (":baby::skin-tone-2:", "baby")],
)
def test_the_name_of_an_emoji(written: str, name: str) -> None:
    assert emoji_name(written) == name


def test_nothing_is_set_at_first(status_rules: StatusRulesStore) -> None:
    assert status_rules.read() == StatusRules()


def test_an_admin_says_what_counts(
    status_rules: StatusRulesStore, db: Mongo, clock: FixedClock
) -> None:
    admin = Actor(ObjectId(), Role.ADMIN)
    kept = status_rules.write(
        actor=admin, away=[" Kur ", "Kur", ":sailboat:", ""], available=["holiday"]
    )
    assert (
        kept
        == status_rules.read()
        == StatusRules(away=("Kur", ":sailboat:"), available=("holiday",))
    )
    assert db.settings.find_one({"_id": "presence"}) == {
        "_id": "presence",
        "away": ["Kur", ":sailboat:"],
        "here": ["holiday"],
        "at": clock(),
        "by": admin.user_id,
    }


@pytest.mark.parametrize(
    ("away", "sentence"),
    [
        ([f"{n:058}" for n in range(51)], "Write less: together at most 3,000 characters."),
        ([f"😀{n:058}" for n in range(49)], "Write less: together at most 3,000 characters."),
        (["x" * 61], "A phrase has at most 60 characters."),
    ],
)
def test_what_is_too_much_is_said_at_its_field(
    status_rules: StatusRulesStore, away: list[str], sentence: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        status_rules.write(actor=OPERATOR, away=away, available=[])
    assert (refused.value.field, str(refused.value)) == ("away", sentence)


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_only_admins_say_so(status_rules: StatusRulesStore, db: Mongo, role: Role) -> None:
    with pytest.raises(PermissionDenied):
        status_rules.write(actor=Actor(ObjectId(), role), away=["Kur"], available=[])
    assert db.settings.find_one() is None


@pytest.mark.parametrize("stored", [{}, {"away": "Kur"}, {"away": [5, None, {}], "here": 7}])
def test_what_makes_no_sense_is_left_out(
    status_rules: StatusRulesStore, db: Mongo, stored: dict[str, Any]
) -> None:
    db.settings.insert_one({"_id": "presence", **stored})
    assert status_rules.read() == StatusRules()
