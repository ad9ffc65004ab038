"""Find the skills that a text names: by name, alias or mistyped ("pritner"). Pure.

Two real words are often one letter apart (react and reach, window and windows), so a typo is only
two letters swapped, one missing or one too many inside a word of six letters or more, or one wrong
letter in a word of nine.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.analysis.model_exchange import canonical_skills
from services.core.text import UNSPACED_SCRIPT_RANGES
from services.routing.learned_model import MAX_TEXT_LENGTH

# Aliases: each line lists the names of one thing. If a team's skill is one of them, the others find
# it; a name that is itself a skill of the team stands only for that skill. Words with another
# everyday meaning ("mail", "screen", "driver", "cloud", "mouse") are left out: no match is better
# than the wrong expert. Names of one or two letters match only in these capitals.
_GROUPS = """
wi-fi, wireless, wlan, wireless network, wireless lan
email, e-mail, mailbox, outlook
outlook, microsoft outlook
exchange, exchange server, exchange online, microsoft exchange
vpn, anyconnect, openvpn, wireguard, globalprotect, forticlient, virtual private network
printer, printing, print server, drucker
scanner, scanning
active directory, domain controller, group policy
entra id, azure ad, azure active directory
dns, name server, nameserver, domain name system
dhcp, ip address lease
firewall, fortigate
password, password reset, passwort
single sign-on, sso, single sign on
mfa, 2fa, multi-factor authentication, two-factor authentication, authenticator app
kubernetes, k8s
postgresql, postgres
sql server, mssql, ms sql
JavaScript, JS
TypeScript, TS
node.js, nodejs
ci/cd, github actions, gitlab ci, jenkins
aws, amazon web services, ec2
gcp, google cloud, google cloud platform
azure, microsoft azure
onedrive, one drive
sharepoint, share point
office 365, o365, microsoft 365, m365
microsoft teams, ms teams
laptop, notebook, macbook, thinkpad
macos, mac os, os x
windows, windows 10, windows 11
phone, telephone, voip, softphone, telefon
mobile, smartphone, iphone, android
antivirus, anti-virus, malware, virus scanner
phishing, phishing mail
backup, back-up
storage, disk space, network drive, file share, fileserver, file server
remote desktop, rdp, terminal server
vdi, citrix, virtual desktop
erp, sap
crm, salesforce
payroll, salary, payslip, wages
HR, human resources, personnel department
human resources, payroll
accounting, invoice, bookkeeping
purchasing, procurement, purchase order
onboarding, new starter, new hire, new joiner
"""

ALIASES: tuple[frozenset[str], ...] = tuple(
    frozenset(word.strip() for word in line.split(",")) for line in _GROUPS.split("\n") if line
)

# Skills that are everyday words, too: "I have no access" is not about Microsoft Access. Like those
# of one or two letters (IT, Go, R), they match only in their own capitals; other skills match in
# any ("vpn").
AMBIGUOUS_SKILLS = frozenset(
    {
        "access", "base", "box", "chef", "dart", "exchange", "express", "flow", "forms", "linear",
        "lists", "make", "notion", "office", "project", "puppet", "react", "rust", "salt", "share",
        "slack", "spark", "spring", "swift", "teams", "word",
    }
)  # fmt: skip
LETTER_PATTERN = (
    rf"[^\W_{UNSPACED_SCRIPT_RANGES}]"  # of a script with blanks between words, or a digit
)
DASH_PATTERN = r"[-\s\u2010-\u2015]"
_UNSPACED = re.compile(f"[{UNSPACED_SCRIPT_RANGES}]")
# NFKC would turn these into letters of the word before them, as in "VPN™".
_SPACED_SIGNS = {ord(sign): f" {sign}" for sign in "\u2122\u2120"}

MIN_WORD_LENGTH = 6
MIN_SUBSTITUTION_LENGTH = 9
MAX_DISTINCT_WORDS = 2_000  # of a text that are checked
_WORD = re.compile(rf"[^\W\d_]{{{MIN_WORD_LENGTH},30}}")
# English words that are one typo away from one of 236 common skill names: all among 65,000 (SCOWL
# up to size 55).
FALSE_FRIENDS = frozenset(
    {
        "auctions", "automaton", "backed", "badgers", "cantering", "cleansing", "contact",
        "contacts", "contrasts", "cratering", "fireballs", "fronted", "hating", "leashing",
        "licensee", "licensees", "meting", "paring", "pluming", "protector", "resorting",
        "retorting", "rousting", "serves", "severs", "shingle", "sparing", "sporing", "stater",
        "suppler", "widows", "workaday",
    }
)  # fmt: skip


def match_skills(text: str, skills: Sequence[str]) -> tuple[str, ...]:
    """Return the skills that `text` names, each once, in the order of first mention.

    Matches names, aliases and typos in the first 20,000 characters: the legacy backend's tickets
    may be of any length. A skill in a longer one ("Windows" in "Windows Server") is not counted.
    """
    compiled = _skill_patterns(tuple(canonical_skills(skills).values()))
    text = correct_typos(_normalise(text[:MAX_TEXT_LENGTH]), compiled.words)
    mentions = sorted(
        (match.start(), -match.end(), place)
        for place, (pattern, _) in enumerate(compiled.patterns)
        for match in pattern.finditer(text)
    )
    named: dict[str, None] = {}
    covered = 0  # the end of the longest mention so far
    for start, negative_end, place in mentions:
        if -negative_end > covered or start >= covered:
            named.update(dict.fromkeys(compiled.patterns[place][1]))
            covered = -negative_end
    return tuple(named)


@dataclass(frozen=True, slots=True)
class _SkillPatterns:
    """Each pattern with the skills it stands for; `words` are the words that typos may be of."""

    patterns: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]
    words: frozenset[str]


@lru_cache(maxsize=16)  # the team's skills now and before recent changes
def _skill_patterns(skills: tuple[str, ...]) -> _SkillPatterns:
    own = {skill: (skill,) for skill in sorted(skills)}
    meant = {**own, **aliases_of(skills)}
    words = {word for name in meant for word in re.split(rf"{DASH_PATTERN}+", name.casefold())}
    return _SkillPatterns(
        patterns=tuple((_pattern(name), stands_for) for name, stands_for in meant.items()),
        words=frozenset(words) - AMBIGUOUS_SKILLS,
    )


@lru_cache(maxsize=4_096)
def _pattern(skill: str) -> re.Pattern[str]:
    skill = _normalise(skill)
    exact = (len(skill) <= 2 and skill.isalnum()) or skill.casefold() in AMBIGUOUS_SKILLS
    body = rf"{DASH_PATTERN}{{1,3}}".join(_word(word) for word in skill.split())
    if not exact and skill[-1].isalpha():
        body += "s?"  # printers
    return re.compile(
        _left_edge(skill) + body + _right_edge(skill), re.NOFLAG if exact else re.IGNORECASE
    )


def _normalise(text: str) -> str:
    """Normalise full-width letters and ligatures (NFKC)."""
    return unicodedata.normalize("NFKC", text.translate(_SPACED_SIGNS))


def _word(word: str) -> str:
    """Return the pattern of a word; a hyphen may be a blank or missing ("Wi-Fi", "wifi")."""
    return f"{DASH_PATTERN}?".join(re.escape(part) for part in word.split("-"))


def _left_edge(skill: str) -> str:
    if _UNSPACED.match(skill):
        return ""
    if len(skill) == 1:
        return rf"(?<!{LETTER_PATTERN})(?<![_&'\u2019.\\/-])"  # no R in "R&D", no C in "A/C"
    return rf"(?<!{LETTER_PATTERN})"


def _right_edge(skill: str) -> str:
    """Return the pattern of what may not follow: a letter, or ++ and # (C is not C++)."""
    if _UNSPACED.match(skill[-1]):
        return ""
    if not skill[-1].isalnum():
        return rf"(?![+#])(?![^\W\d_{UNSPACED_SCRIPT_RANGES}])"  # C++17 is C++
    edge = rf"(?!{LETTER_PATTERN})(?![+#]+(?!{LETTER_PATTERN}))"
    if len(skill) == 1:
        edge += rf"(?![_&:'\u2019\\+#-])(?!\.{LETTER_PATTERN})"  # no C in "C:\Users" or "C-level"
    return edge


def aliases_of(skills: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Map each alias to the skills it stands for, in the given spelling."""
    keys = {skill.casefold(): skill for skill in skills}
    found: dict[str, dict[str, None]] = {}
    for group in ALIASES:
        meant = [keys[word.casefold()] for word in sorted(group) if word.casefold() in keys]
        for alias in sorted(group) if meant else ():
            if alias.casefold() not in keys:
                found.setdefault(alias, {}).update(dict.fromkeys(meant))
    return {alias: tuple(meant) for alias, meant in found.items()}


def correct_typos(text: str, words: Collection[str]) -> str:
    """Return `text` with typos of `words` (casefolded) corrected."""
    known = frozenset(word for word in words if len(word) >= MIN_WORD_LENGTH and word.isalpha())
    corrections: dict[str, str | None] = {}

    def replace_typo(match: re.Match[str]) -> str:
        word = match[0].casefold()
        if word not in corrections and len(corrections) < MAX_DISTINCT_WORDS:
            corrections[word] = find_correction(word, known)
        return corrections.get(word) or match[0]

    return _WORD.sub(replace_typo, text) if known else text


@lru_cache(maxsize=16_384)
def find_correction(word: str, known: frozenset[str]) -> str | None:
    """Return the known word that this is a typo of; None for none or several, and for a word."""
    if word in known or word in FALSE_FRIENDS:
        return None
    found = [name for name in known if _is_typo(word, name)]
    return found[0] if len(found) == 1 else None


def _is_typo(word: str, name: str) -> bool:
    # First letters are rarely mistyped; a different last letter is grammar (printed, windows).
    if word[0] != name[0] or word[-1] != name[-1] or abs(len(word) - len(name)) > 1:
        return False
    from rapidfuzz.distance import OSA  # noqa: PLC0415  4 MB, which a bot does not need

    if OSA.distance(word, name, score_cutoff=1) != 1:
        return False
    is_wrong_letter = len(word) == len(name) and sorted(word) != sorted(name)
    return not is_wrong_letter or len(name) >= MIN_SUBSTITUTION_LENGTH
