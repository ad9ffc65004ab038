"""Whether a Slack status means an absence, and until when, and a team's own words for it.

By fixed rules, never by the AI: words before emoji, because words are more specific. Do not disturb
is no absence: the user is at work and wants no interruption for now.

The team's words are stored in `settings` as `_id: "presence"`: `away` and `here`, lists of phrases
and of emoji such as ":sailboat:", in addition to the usual ones. Invalid entries are ignored.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from services.core.clock import Clock, utcnow
from services.core.coerce import str_or_empty
from services.core.database import Document, Mongo
from services.core.errors import InvalidValue
from services.core.text import UNSPACED_SCRIPT_RANGES, strip_invisible
from services.models.permissions import Actor, Operator, Permission, require_permission
from services.team_settings.settings_store import store_settings

# The end of an absence without a date.
NO_END = datetime(3000, 1, 1, tzinfo=UTC)
_WORDS = re.compile(r"\w+")
# A negation applies within its own part of a sentence: "No, sick".
_PARTS = re.compile(r"[,;:!?()|\n\u2013\u2014]|\.\s|\s-\s")
_UNSPACED = re.compile(f"[{UNSPACED_SCRIPT_RANGES}]")
SETTINGS_ID = "presence"
# As much as a Slack form field holds, in UTF-16 code units.
MAX_TEXT_LENGTH, MAX_ENTRY_LENGTH = 3_000, 60


@dataclass(frozen=True, slots=True)
class SlackStatus:
    """As the member set it in Slack; `expires_at` is None if they clear it themselves."""

    text: str = ""
    emoji: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DoNotDisturbSpan:
    start: datetime
    end: datetime


# Phrases or emoji, and whether they mean an absence.
RuleLevel = tuple[bool, tuple[str, ...]]


@dataclass(frozen=True)
class StatusRules:
    """A team's own rules, which come before the usual ones: phrases, and emoji such as
    ":sailboat:", that mean `away` or `available`."""

    away: tuple[str, ...] = ()
    available: tuple[str, ...] = ()

    def away_until(self, status: SlackStatus, *, now: datetime) -> datetime | None:
        """Return the end of the absence that the status means; None if it means none."""
        if status.expires_at is not None and status.expires_at <= now:
            return None
        emoji = emoji_name(status.emoji)
        says = _first(_spaced(status.text), self._phrases, _holds)
        if says is None:
            says = _default_verdict(status.text)
        if says is None and emoji:
            says = _first(emoji, self._emoji, lambda name, names: name in names)
        return (status.expires_at or NO_END) if says else None

    @cached_property
    def _phrases(self) -> tuple[RuleLevel, ...]:
        """The levels in their order: `available` wins over `away`."""
        own_available, own_away = (
            _comparable(_phrases(own)) for own in (self.available, self.away)
        )
        return ((False, own_available), (True, own_away), (False, _AVAILABLE))

    @cached_property
    def _emoji(self) -> tuple[RuleLevel, ...]:
        own_available, own_away = (_names(own) for own in (self.available, self.away))
        return ((False, own_available), (True, own_away), (True, AWAY_EMOJI))


@dataclass(frozen=True, slots=True)
class StatusReading:
    """A member's status, interpreted. `fingerprint` identifies the status that means the absence,
    "" if there is none; `do_not_disturb` is None if it could not be read."""

    away_until: datetime | None
    fingerprint: str = ""
    zone: str = ""
    do_not_disturb: tuple[DoNotDisturbSpan, ...] | None = None


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """The relevant fields of Slack's user object."""

    status: SlackStatus = field(default_factory=SlackStatus)
    zone: str = ""

    def read(
        self,
        rules: StatusRules,
        *,
        now: datetime,
        do_not_disturb: tuple[DoNotDisturbSpan, ...] | None = None,
    ) -> StatusReading:
        until = rules.away_until(self.status, now=now)
        return StatusReading(
            until, status_fingerprint(self.status) if until else "", self.zone, do_not_disturb
        )


def parse_member_status(user: Mapping[str, Any]) -> MemberStatus:
    """Parse `users.info` or an event; ignore missing and invalid fields."""
    profile = user.get("profile")
    fields = profile if isinstance(profile, Mapping) else {}
    status = SlackStatus(
        text=str_or_empty(fields.get("status_text")),
        emoji=str_or_empty(fields.get("status_emoji")),
        expires_at=_as_datetime(fields.get("status_expiration")),
    )
    return MemberStatus(status, str_or_empty(user.get("tz")))


def parse_do_not_disturb(dnd_info: Mapping[str, Any]) -> tuple[DoNotDisturbSpan, ...]:
    """Parse one member's part of `dnd.teamInfo`: the current span or the next one."""
    if dnd_info.get("dnd_enabled") is not True:
        return ()
    start, end = (_as_datetime(dnd_info.get(f"next_dnd_{side}_ts")) for side in ("start", "end"))
    return (DoNotDisturbSpan(start, end),) if start and end and start < end else ()


def stored_presence(account: Document) -> Mapping[str, Any]:
    presence = account.get("presence")
    return presence if isinstance(presence, Mapping) else {}


def do_not_disturb_until(account: Document, *, now: datetime) -> datetime | None:
    """Return the end of the owner's current do not disturb; None if there is none."""
    spans = stored_presence(account).get("quiet")
    found = [
        span["end"]
        for span in (spans if isinstance(spans, list) else [])
        if isinstance(span, Mapping)
        and all(isinstance(span.get(side), datetime) for side in ("start", "end"))
        and span["start"] <= now < span["end"]
    ]
    return max(found, default=None)


def status_fingerprint(status: SlackStatus) -> str:
    """Return a hash of the status, from which its words cannot be read."""
    ends = int(status.expires_at.timestamp()) if status.expires_at else 0
    content = f"{status.text}\0{status.emoji}\0{ends}"
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def emoji_name(emoji: str) -> str:
    """Return the name without colons and skin tone."""
    return emoji.strip().strip(":").partition(":")[0].lower()


def is_emoji(entry: str) -> bool:
    return entry.startswith(":") and entry.endswith(":") and len(entry) > len("::")


def _phrases(entries: Iterable[str]) -> list[str]:
    return [entry for entry in entries if not is_emoji(entry)]


def _names(entries: Iterable[str]) -> tuple[str, ...]:
    return tuple(emoji_name(entry) for entry in entries if is_emoji(entry))


def _first(
    text: str, levels: Iterable[RuleLevel], has: Callable[[str, tuple[str, ...]], bool]
) -> bool | None:
    """Return what the first matching level means; None if none matches."""
    return next((is_away for is_away, entries in levels if has(text, entries)), None)


def _default_verdict(text: str) -> bool | None:
    """Apply the usual phrases, without negated ones. Only negated ones mean: not away."""
    parts = [_spaced(part) for part in _PARTS.split(text)]
    left = [_DENIED.sub(" ", part) for part in parts]
    if _holds(_spaced(" ".join(left)), _AWAY):
        return True
    return None if left == parts else False


def _holds(text: str, phrases: Iterable[str]) -> bool:
    return any(
        (phrase.strip() if _UNSPACED.search(phrase) else phrase) in text for phrase in phrases
    )


def _comparable(phrases: Iterable[str]) -> tuple[str, ...]:
    return tuple(filter(str.strip, map(_spaced, phrases)))


def _spaced(text: str) -> str:
    """Return the words without accents, with a blank on both sides of each, so that phrases match
    whole words only."""
    bare = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = unicodedata.normalize("NFKC", "".join(bare)).casefold()
    return f" {' '.join(_WORDS.findall(plain))} "


def _any_of(phrases: Iterable[str]) -> str:
    return "|".join(re.escape(phrase.strip()) for phrase in _comparable(phrases))


def _as_datetime(seconds: Any) -> datetime | None:
    """Parse seconds. Slack sends 0 for no date, and 1 for members without do not disturb."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or seconds <= 1:
        return None
    try:
        # Slack accepts any date; the calendar of Python ends in the year 9999.
        return min(datetime.fromtimestamp(int(seconds), UTC), NO_END)
    except (OverflowError, ValueError, OSError):
        return None


# Words and emoji that mean an absence, in many languages. Phrases are compared word by word, in
# lower case; an emoji is its name in Slack.


def _listed(text: str) -> tuple[str, ...]:
    """Split by commas; drop the name of a language at the beginning of a line."""
    words = (word.rpartition(":")[2] for word in text.split(","))
    return tuple(" ".join(word.split()) for word in words)


AWAY_PHRASES = _listed("""
English: ooo, o o o, out of office, out of the office, out sick, off sick, sick, ill, unwell,
  vacation, vacationing, vacay, holiday, holidays, on leave, annual leave, sick leave, paid leave,
  family leave, compassionate leave, mat leave, pat leave, medical leave, parental leave,
  maternity leave, paternity leave, bereavement leave, sabbatical, pto, day off, days off, time
  off, off today, away until, away till, off until, off till, out until, out till, out today, out
  all day, ooto, in hospital,
German: urlaub, im urlaub, ferien, krank, krankgeschrieben, abwesend, krankenstand,
  arbeitsunfähig, im krankenhaus, elternzeit, mutterschutz, feiertag, heute frei, habe frei,
  freier tag, nicht im büro, ausser haus,
French: vacances, congé, congés, arrêt maladie, en rtt, malade, absent, absente, férié,
Spanish: vacaciones, de baja, baja médica, de permiso, enfermo, enferma, fuera de la oficina,
  permiso parental, día libre, festivo,
Italian: vacanza, in ferie, ferie, malato, malata, malattia, fuori ufficio, congedo parentale, in
  permesso,
Portuguese: férias, doente, de licença, licença parental, licença médica, de folga, fora do
  escritório, feriado,
Dutch: vakantie, ziek, afwezig, ouderschapsverlof, met verlof, vrije dag,
Polish: urlop, na urlopie, chory, chora, nieobecny, nieobecna, na zwolnieniu,
Czech / Slovak / Hungarian / Romanian: dovolená, na dovolené, dovolenka, nemocný, nemocná,
  szabadságon, betegszabadságon, concediu,
Swedish / Danish / Norwegian: på semester, sjuk, ferie, syg, syk, sjukskriven, sykmeldt,
  sygemeldt, föräldraledig, barsel,
Finnish / Turkish: lomalla, sairaana, sairauslomalla, izinliyim, izindeyim, tatildeyim, raporluyum,
Russian / Ukrainian: отпуск, в отпуске, болею, больничный, на больничном, відпустка, у відпустці,
  хворію, на лікарняному,
Arabic / Hebrew / Hindi: إجازة, في إجازة, חופשה, בחופשה, חולה, छुट्टी,
Indonesian / Vietnamese / Thai: sedang cuti, nghỉ phép, nghỉ ốm, ลาพักร้อน, ลาป่วย,
Japanese / Chinese / Korean: 休暇, 有給, 休み, 病欠, 育休, 欠勤, 休假, 请假, 病假, 度假, 請假,
  휴가, 병가, 연차, 휴무
""")

# Each means that the member works, even if the status also has a phrase for an absence.
AVAILABLE_PHRASES = _listed("""
wfh, wfx, working from, working remotely, remote, home office, homeoffice, in a meeting, in
meetings, at lunch, commuting, focus time, focusing, back from, returned from, recovered from,
sick of, planning, dreaming of, countdown to, holiday party, happy holidays, im homeoffice, in
einem meeting, zurück aus, zurück vom, wieder gesund, télétravail, en réunion, de retour de, de
retour d, teletrabajo, en una reunión, de vuelta de, de regreso de, smart working, in riunione,
tornato dalle, tornata dalle, rientrato dalle, rientrata dalle, de volta das, thuiswerken, terug
van, tillbaka från, tilbake fra, tilbage fra, praca zdalna, 在宅, 昼休み, 休み明け, 在家办公, 재택
""")

# Words that negate the phrase after them: "not sick", "Nicht mehr im Urlaub".
NEGATIONS = _listed("""
not, no, never, isn t, nicht, kein, keine, keinen, nie, pas, plus, jamais, non, não, sin, niet,
geen, inte, ikke, не
""")
# Words that may come between the two.
NEGATION_FILLERS = _listed("""
a, an, any, at, in, longer, more, my, on, the, im, mehr, de, en, estoy, estou, mais, più, sono,
ya, jestem, meer, op, på
""")

# The first two are Slack's own suggestions: "Vacationing" and "Out sick".
AWAY_EMOJI = _listed("""
palm_tree, face_with_thermometer, desert_island, beach_with_umbrella, beach_umbrella,
umbrella_on_ground, camping, thermometer, mask, sneezing_face, face_with_head_bandage,
nauseated_face, face_vomiting, baby_bottle, ooo, out_of_office, vacation, holiday, pto, sick
""")

_AWAY, _AVAILABLE = _comparable(AWAY_PHRASES), _comparable(AVAILABLE_PHRASES)
_DENIED = re.compile(
    f" (?:{_any_of(NEGATIONS)})(?: (?:{_any_of(NEGATION_FILLERS)})){{0,3}}"
    f" (?:{_any_of(AWAY_PHRASES)})(?= )"
)


class StatusRulesStore:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def read(self) -> StatusRules:
        doc = self._db.settings.find_one({"_id": SETTINGS_ID}) or {}
        return StatusRules(away=_entries(doc.get("away")), available=_entries(doc.get("here")))

    def write(
        self, *, actor: Actor | Operator, away: Iterable[str], available: Iterable[str]
    ) -> StatusRules:
        """Set both. Raises `InvalidValue`, naming the field."""
        require_permission(actor, Permission.MANAGE_USERS)
        rules = StatusRules(away=_checked("away", away), available=_checked("here", available))
        values = {"away": list(rules.away), "here": list(rules.available)}
        store_settings(
            self._db,
            SETTINGS_ID,
            values,
            actor=actor,
            now=self._clock(),
            defaults={"away": [], "here": []},
            typed_texts=values.keys(),
        )
        return rules


def format_entries(entries: Iterable[str]) -> str:
    """Format the entries as the form shows them."""
    return ", ".join(entries)


def _checked(field: str, typed: Iterable[str]) -> tuple[str, ...]:
    entries = _entries([strip_invisible(entry) for entry in typed])
    if len(format_entries(entries).encode("utf-16-le")) // 2 > MAX_TEXT_LENGTH:
        raise InvalidValue(field, f"Write less: together at most {MAX_TEXT_LENGTH:,} characters.")
    if any(len(entry) > MAX_ENTRY_LENGTH for entry in entries):
        raise InvalidValue(field, f"A phrase has at most {MAX_ENTRY_LENGTH} characters.")
    return entries


def _entries(listed: Any) -> tuple[str, ...]:
    """Return the distinct entries, with white space normalised."""
    entries = listed if isinstance(listed, list) else []
    texts = (" ".join(entry.split()) for entry in entries if isinstance(entry, str))
    return tuple(dict.fromkeys(filter(None, texts)))
