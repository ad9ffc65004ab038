"""Removal of secrets from ticket texts: keys, passwords, bank and card numbers.

It runs before a text leaves this machine. A safeguard with known gaps (a password in plain prose, a
card number in words): the form says that no passwords belong in a ticket. If in doubt, it removes:
after "password:" or "the password is", the rest of the line up to the next sentence.

Alternatives considered: detect-secrets (last release May 2024, scans files for developers' keys),
datafog and presidio (persons and addresses, no keys; presidio needs spaCy). None of them detects
"das Passwort lautet …".

Bank and card numbers are distinguished from order numbers by length, grouping and check digits.

Every pattern takes linear time: repeats are bounded or possessive, and a run of token characters
matches only from its first character.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from services.core.password_words import (
    ADVERBS,
    CHANGED_TO,
    CODE_WORDS,
    COPULAS,
    COPULAS_BEFORE_DIGITS,
    CREDENTIAL_WORDS,
    NON_SECRET_WORDS,
    PASSWORD_WORDS,
    PRONOUNS,
    QUALIFIERS,
    SHORT_WORDS,
    TOKEN_WORDS,
)
from services.core.text import strip_invisible
from services.core.vendor_keys import VENDOR_KEY_PATTERN

KEY_LABEL = "[key removed]"
PASSWORD_LABEL = "[password removed]"  # noqa: S105  a label, no password
CARD_LABEL = "[card number removed]"
IBAN_LABEL = "[IBAN removed]"
TEXT_LABEL = "[text removed]"
LABEL_PATTERN = r"\[[A-Za-z ]{2,20} removed\]"
MAX_ROUNDS = 10
# Masking takes about 1 µs for each character: 3 ms for the longest description.
MAX_MASKED_TEXTS = 2_000

# Formats of standards rather than of a vendor.
STANDARD_KEY_PATTERN = re.compile(
    # RFC 7468 and OpenSSH/PGP private keys; a truncated key extends to the end of the text
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"[\s\S]*?(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)"
    # the end of one, and the DER of one: PKCS #1 or #8 with a key of 2,048 bits or more
    r"|(?m:^)(?:[ \t>]{0,4}[A-Za-z0-9+/=]{1,80}+[ \t]{0,2}\n){1,100}+"
    r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?<![A-Za-z0-9+/])MII[A-Za-z0-9+/]{2}[AQgw]IBA(?:AKC|DAN)"
    r"[A-Za-z0-9+/=]{16,}+(?:\s{1,2}[A-Za-z0-9+/=]{16,}+){0,100}"
    # PuTTY's private keys
    r"|(?<=Private-Lines: )[0-9]{1,3}(?:\n[A-Za-z0-9+/=]{1,80}+){1,100}"
    # crypt(3): a stored hash
    r"|(?<![\w$])\$(?:2[abxy]?|[1567y]|argon2(?:id|i|d))\$[A-Za-z0-9./,=+$-]{20,}+"
    # BitLocker's recovery password: eight groups of six digits
    r"|(?<![0-9-])(?:[0-9]{6}-){7}[0-9]{6}(?![0-9-])"
    # RFC 7519: three base64url parts, the first begins with {"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]*+"
    # RFC 6750 and RFC 7617: the value of a pasted `Authorization:` header
    r"|(?<![A-Za-z0-9])(?i:bearer)[ \t]{1,4}(?=[A-Za-z._~+/-]{0,64}[0-9])"
    r"[A-Za-z0-9._~+/=-]{16,2048}"
    r"|(?i:(?<=authorization: basic )|(?<=authorization:basic ))[A-Za-z0-9+/=]{6,1024}"
)
# Each of these keys has or follows one of these, and few texts do: so much faster to search for.
STANDARD_KEY_HINT = re.compile(
    r"-----|MII|Private-Lines|\$|[0-9]{6}-|eyJ|[bB](?i:earer)|[aA](?i:uthorization)"
)
# RFC 6265
COOKIE_PATTERN = re.compile(
    rf"(?P<before>(?<![A-Za-z0-9])(?:set-)?cookie[ \t]*:[ \t]*[^\s=;]{{1,64}}=)(?!{LABEL_PATTERN})"
    r"[^\n]+",
    re.IGNORECASE,
)

# RFC 3986 `scheme://user:password@host`, but up to the last @ as drivers parse it, because users do
# not percent-encode. Digits followed by a slash are a port.
CONNECTION_URL_PATTERN = re.compile(
    r"(?P<before>(?<![A-Za-z0-9+.-])(?:[A-Za-z][A-Za-z0-9+.-]{1,30}+://[^\s:/?#@\"'<>]{0,128}+:"
    r"|jdbc:oracle:[a-z]{1,8}:[^\s/@]{1,64}+/))"
    rf"(?![0-9]{{1,5}}[/?#])(?!{LABEL_PATTERN})[^\s\"'<>]{{1,256}}(?=@)"
)
# `root:password@10.0.0.5` without a scheme; `cc:john2@example.com` is none.
ADMIN_LOGIN_PATTERN = re.compile(
    r"(?P<before>(?<![\w.-])(?:root|admin|administrator|sa|postgres|mysql|oracle|ubuntu|pi|guest):)"
    rf"(?!{LABEL_PATTERN})[^\s@]{{3,128}}(?=@[A-Za-z0-9])",
    re.IGNORECASE,
)
# The text of a QR code for Wi-Fi
WIFI_CODE_PATTERN = re.compile(
    rf"(?P<before>(?<!\w)WIFI:[^\n]{{0,120}}?(?<=[:;])P:)(?!{LABEL_PATTERN})[^;\n]{{1,128}}+"
)


# Full-width characters and unusual spaces look like those of ASCII; joiners are invisible.
PLAIN_CHARACTERS = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " "),
    **dict.fromkeys([0x200C, 0x200D]),
}
GAP = r"[ \t]{1,4}"
SPACES = r"[ \t]{0,4}"


def _alternatives(words: Mapping[str, str]) -> str:
    return "|".join(words.values())


QUOTED_VALUE_PATTERN = r"\"[^\"\n]{1,256}\"|'[^'\n]{1,256}'|`[^`\n]{1,256}`|[„“][^“”\n]{1,256}[“”]"
# The rest of the line, up to a full stop before a capital letter.
REST_PATTERN = r"\S++(?:(?:(?<![.!?])[ \t]++|[ \t]++(?!(?-i:[A-ZÀ-ÞА-ЯΑ-Ω])))\S++)*+"
VALUE_PATTERN = rf"(?:{QUOTED_VALUE_PATTERN}|{REST_PATTERN})"
# "password policy" against "password hunter2": six characters with a letter and a digit, no URL
TOKEN_PATTERN = (
    r"[(\[<\"'`]?(?=[^\s0-9]{0,64}[0-9])"  # noqa: S105  a pattern, no password
    r"(?=(?:[0-9_]|[^\w\s]){0,64}[^\W\d_])(?!\S{0,64}://)\S{6,}+"
)
NON_SECRET_PATTERN = "|".join(
    sorted({re.escape(word) for words in NON_SECRET_WORDS.values() for word in words.split()})
)
OPENING_PATTERN = rf"(?![\"'`(]?{LABEL_PATTERN})(?=[^\w\n]{{0,8}}\w)"
NON_SECRET_AHEAD = rf"[\"'`(*_]{{0,3}}(?:{NON_SECRET_PATTERN})(?![\w'’])"
SECRET_AHEAD = rf"{OPENING_PATTERN}(?!{NON_SECRET_AHEAD})"
# After a separator, "correct horse battery staple" is a secret; "correct" and "correct but
# rejected" are none.
NEXT_WORD_PATTERN = r"[^\w\n]{1,8}[\w'’]{1,40}+"
GIVEN_SECRET_AHEAD = (
    rf"{OPENING_PATTERN}(?!{NON_SECRET_AHEAD}"
    rf"(?:(?:{NEXT_WORD_PATTERN})?[^\w\n]{{0,8}}(?:\n|\Z)"
    rf"|(?:{NEXT_WORD_PATTERN}){{0,5}}?[^\w\n]{{1,8}}(?:{NON_SECRET_PATTERN})(?![\w'’])))"
)
ARROWS = r"->|[→➜➡⇒👉]\ufe0f?"
# KB5034441, INC-0012345
REFERENCE = r"(?-i:[A-Z]{2,5})-?[0-9]{3,}(?!\w)"
SEPARATOR_PATTERN = (
    rf"[ \t]{{0,4}}(?:[:=]{{1,2}}+>?+|{ARROWS})(?:[*_`]{{1,2}}+(?=\s))?\s{{0,3}}(?:>[ \t])?"
)
DASH_PATTERN = r"[ \t]{0,3}[-–—>|~🔑🔒🔐]{1,2}[ \t]{1,3}"

SECRET_WORD_PATTERN = re.compile(
    rf"(?P<label>{LABEL_PATTERN})"  # a label, no password
    rf"|(?P<strong>(?:{_alternatives(PASSWORD_WORDS)})s?[0-9]?)(?![^\W_])"
    rf"|(?<![^\W_])(?:(?P<short>{_alternatives(SHORT_WORDS)})"
    rf"|(?P<token>(?:{_alternatives(TOKEN_WORDS)})s?)"
    rf"|(?P<code>(?:{_alternatives(CODE_WORDS)}))"
    rf"|(?P<credentials>(?:{_alternatives(CREDENTIAL_WORDS)})))(?![^\W_])"
    # languages without spaces
    r"|(?P<unspaced>密码|密碼|口令|パスワード|暗証番号|비밀번호|비번)",
    re.IGNORECASE,
)
# For texts in lower case, where it is three times as fast; finds words in capitals, too.
LOWER_CASE_WORD_PATTERN = re.compile(SECRET_WORD_PATTERN.pattern.replace("(?-i:TAN)", "tan"))
AFTER_WORD = r"[\\\"'`*_\])]{0,3}(?:[ \t]{0,2}[(\[][^()\[\]\n]{0,40}[)\]])?"
QUALIFIER_PATTERN = rf"(?:{GAP}(?:{QUALIFIERS})\b[^\n:=]{{0,40}}?)?"
COPULA_PATTERN = (
    rf"(?:{GAP}(?:{PRONOUNS})(?!\w))?{GAP}"
    rf"(?:(?:{COPULAS})|(?:{COPULAS_BEFORE_DIGITS})(?=:?[ \t][^\n0-9]{{0,60}}[0-9]))(?!\w)"
    rf"(?:{GAP}(?:{ADVERBS})\b)?+(?:{SPACES}:\s{{1,3}}|{GAP})"
)


def _tail(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?P<before>{AFTER_WORD}{pattern}", re.IGNORECASE)


GIVEN_TAIL = _tail(rf"{QUALIFIER_PATTERN}{SEPARATOR_PATTERN}){GIVEN_SECRET_AHEAD}{VALUE_PATTERN}")
# "password=correct horse": an assignment describes nothing.
ASSIGNED_TAIL = _tail(rf"=(?=\S))(?![\"'`(]?{LABEL_PATTERN}){VALUE_PATTERN}")
QUOTED_TAIL = _tail(rf"{SEPARATOR_PATTERN})(?!.{LABEL_PATTERN})(?:{QUOTED_VALUE_PATTERN})")
COPULA_TAIL = _tail(rf"{QUALIFIER_PATTERN}{COPULA_PATTERN}){SECRET_AHEAD}{VALUE_PATTERN}")
BARE_TAIL = _tail(
    rf"(?:,?{GAP}(?:{PRONOUNS})(?!\w))?(?:{GAP}(?:re)?(?:set|changed|updated)(?!\w))?"
    rf"(?:{GAP}(?:{CHANGED_TO})(?!\w))?(?:{GAP}|{DASH_PATTERN}))"
    rf"(?!{LABEL_PATTERN})(?:{TOKEN_PATTERN})"
)
# A password, and a remark between the word and it: "my password has not changed, still hunter2"
REMARK_TAIL = _tail(
    rf"(?:['’]s|[^\n.:]{{0,60}}?[ \t](?:still|remains|stays(?: the same:?)?"
    rf"|(?:currently )?it['’]?s|unchanged|bleibt|noch|unverändert"
    rf"|(?:from|von)(?:(?=[ \t]\S{{6,64}}[ \t](?:to|auf|zu)[ \t])"
    rf"|[ \t]{LABEL_PATTERN}[ \t](?:to|auf|zu)))"
    rf"|[ \t](?!{NON_SECRET_AHEAD})[^\W\d_]{{2,20}}:)[ \t])(?!{LABEL_PATTERN}|{REFERENCE})"
    rf"(?:{TOKEN_PATTERN})"
)
# "Password" on one line, hunter2 alone on the next
NEXT_LINE_TAIL = _tail(
    rf"[ \t]{{0,4}}\n[ \t]{{0,4}})(?!{LABEL_PATTERN}|{REFERENCE})(?:{TOKEN_PATTERN})"
    r"(?=[ \t]{0,4}(?:\n|\Z))"
)
# A cell of a table after "<td>Password</td>", and what follows "<b>Password</b>:"
TAG_PATTERN = r"(?:td|th|dt|dd|b|strong|i|em|span|p|div|code|pre|br)"
MARKUP_TAIL = _tail(
    rf"[ \t]{{0,4}}:?[ \t]{{0,4}}</{TAG_PATTERN}>"
    rf"(?:[ \t]{{0,4}}:|(?=\s{{0,3}}<))"
    rf"(?:\s{{0,3}}<{TAG_PATTERN}[^<>\n]{{0,80}}/?>){{0,4}}\s{{0,3}})"
    rf"(?!<){SECRET_AHEAD}[^<>\n]{{1,256}}+"
)
PERCENT_ENCODED_TAIL = _tail(
    rf"(?:%22)?%3[ad](?:%22)?)(?!{LABEL_PATTERN})(?:(?!%2[26c])[^\s&]){{1,256}}+"
)
DASH_TAIL = _tail(rf"{QUALIFIER_PATTERN}{DASH_PATTERN})(?!{LABEL_PATTERN})(?:{TOKEN_PATTERN})")
LONG_NUMBER_TAIL = _tail(rf"{GAP})[0-9]{{6,16}}+(?![^\W_])")
BARE_QUOTED_TAIL = _tail(rf"{GAP}){SECRET_AHEAD}(?:{QUOTED_VALUE_PATTERN})")
UNSPACED_TAIL = re.compile(
    rf"(?P<before>{SPACES}(?:[:=]|是|は|が|는|은|이)?{SPACES})(?!{LABEL_PATTERN})"
    r"(?=[^\s0-9]{0,64}[0-9])[!-~]{4,}+"
)
NUMBER_TAIL = _tail(
    rf"(?:{SEPARATOR_PATTERN}|['’]s{GAP}"
    rf"|{GAP}(?:{COPULAS}|{COPULAS_BEFORE_DIGITS}){GAP}(?:(?:le|la|el|il|o|a){GAP})?|{GAP}))"
    rf"(?!{LABEL_PATTERN})[0-9](?:[ ,.-]{{0,2}}[0-9]){{2,15}}+(?![^\W_])#?"
)
# Recovery codes: one on each line
CODE_LINES_TAIL = _tail(
    rf"s?{SPACES}[:=]?{SPACES}\n)(?:{SPACES}(?:[-*•]{GAP})?(?=[^\n0-9]{{0,30}}[0-9])"
    rf"[A-Za-z0-9]{{3,20}}+(?:[ -][A-Za-z0-9]{{3,20}}+){{0,7}}{SPACES}(?:\n|\Z)){{2,20}}+"
)
WEAK_COPULA_TAIL = _tail(
    rf"{QUALIFIER_PATTERN}{COPULA_PATTERN})(?!{LABEL_PATTERN})(?=[^\s0-9]{{0,64}}[0-9])\S++"
)
CREDENTIALS_TAIL = _tail(
    rf"{QUALIFIER_PATTERN}(?:{SPACES}[:=]{SPACES}|{GAP}(?:are|is|sind|sont|son|são|zijn){GAP}|{GAP})"
    r"[A-Za-z][^\s:/|]{0,63}+[ \t]{0,2}[:/|][ \t]{0,2})"
    rf"(?!{LABEL_PATTERN}|/)(?=[^\s0-9]{{0,64}}[0-9])\S{{5,}}+(?![ \t]{{1,2}}[/|][ \t])"
)
QUOTED_COPULA_TAIL = _tail(
    rf"{QUALIFIER_PATTERN}{COPULA_PATTERN})(?!.{LABEL_PATTERN})(?:{QUOTED_VALUE_PATTERN})"
)
BARE_TAILS = (BARE_TAIL, DASH_TAIL, BARE_QUOTED_TAIL, REMARK_TAIL, NEXT_LINE_TAIL)
GIVEN_TAILS = (QUOTED_TAIL, ASSIGNED_TAIL, GIVEN_TAIL, MARKUP_TAIL, PERCENT_ENCODED_TAIL)
TAILS: dict[str, tuple[re.Pattern[str], ...]] = {
    "label": (),
    "strong": (*GIVEN_TAILS, QUOTED_COPULA_TAIL, COPULA_TAIL, *BARE_TAILS, LONG_NUMBER_TAIL),
    "short": (*GIVEN_TAILS, QUOTED_COPULA_TAIL, COPULA_TAIL, *BARE_TAILS),
    "token": (*GIVEN_TAILS, WEAK_COPULA_TAIL, BARE_TAIL, DASH_TAIL),
    "code": (CODE_LINES_TAIL, GIVEN_TAIL, NUMBER_TAIL, WEAK_COPULA_TAIL),
    "credentials": (CREDENTIALS_TAIL,),
    "unspaced": (UNSPACED_TAIL,),
}
# What is "it" is in another sentence.
RESET_PATTERN = re.compile(
    r"(?P<before>(?<![^\W_])(?:re)?(?:set|changed?)[ \t]{1,4}(?:it|mine|that|this)"
    rf"(?:{GAP}back)?{GAP}to{GAP}|(?<![^\W_])(?:protected|opens|unlocks){GAP}with{GAP})(?!{LABEL_PATTERN})(?:{TOKEN_PATTERN})",
    re.IGNORECASE,
)

# `ann@example.com:password` and `u: ann p: password`
LOGIN_PAIR_PATTERN = re.compile(
    r"(?P<before>(?<![\w.+%-])[\w.+%-]{1,64}+@[\w-]{1,63}+(?:\.[\w-]{1,63}+){1,5}[:|]"
    r"|(?<![\w./-])(?:root|admin|administrator)[ \t]{1,2}/[ \t]{1,2}"
    r"|(?<![\w.])u(?:se?r)?[:=][ \t]?[^\s,;]{1,64}+[\s,;/|]{1,3}p(?:ass|w)?[:=][ \t]?)"
    rf"(?!{LABEL_PATTERN}|[^\s@]{{0,64}}@|{REFERENCE})(?:{TOKEN_PATTERN})",
    re.IGNORECASE,
)
# The secret comes first: "hunter2 is my password", "I use hunter2 as my password".
REVERSED_PATTERN = re.compile(
    rf"(?<!\S)(?!{LABEL_PATTERN}|{REFERENCE})(?:(?:{TOKEN_PATTERN})|{QUOTED_VALUE_PATTERN})(?={GAP}(?:is|was|as|ist|war|als|<-|←){GAP}"
    rf"(?:(?:my|our|the|a|mein|unser|das)(?:{GAP}(?:new|old|current|neues|altes))?{GAP})?"
    rf"(?:{_alternatives(PASSWORD_WORDS)}|{_alternatives(SHORT_WORDS)}|pass)"
    r"(?:[ \t]{0,4}(?:[.,;:!?)\n]|\Z)"
    r"|[ \t]{1,4}(?:and|but|for|on|in|to|at|und|aber|für|bei|im)\b))",
    re.IGNORECASE,
)

NAMES_IN_MARKUP = (
    rf"[\w.:-]{{0,32}}(?:{PASSWORD_WORDS['English']}|pass|pw|secret|token|key)(?:hash)?"
)
MARKUP_PATTERN = re.compile(
    rf"(?P<before><(?:{NAMES_IN_MARKUP})[0-9]?>)(?!{LABEL_PATTERN})[^<>\n]{{1,256}}"
    rf"|(?P<before_attribute>(?<=[\"'=])(?:{NAMES_IN_MARKUP})[\"']?{GAP}value=)"
    rf"(?!{LABEL_PATTERN})(?:{QUOTED_VALUE_PATTERN}|[^\s>]{{1,256}})",
    re.IGNORECASE,
)
OPTION_VALUE_PATTERN = rf"(?!{LABEL_PATTERN})(?:{QUOTED_VALUE_PATTERN}|\S++)"
COMMAND_OPTION_PATTERN = re.compile(
    rf"(?P<before>(?<!\S)--?(?:[a-z]{{1,20}}-)?(?:{PASSWORD_WORDS['English']}|token|secret|api-key)"
    rf"{GAP})(?!-){OPTION_VALUE_PATTERN}",
    re.IGNORECASE,
)
ECHO_PATTERN = re.compile(
    rf"(?P<before>(?<![\w-])echo[ \t]{{1,4}}(?:-n[ \t]{{1,4}})?)(?!{LABEL_PATTERN})"
    rf"(?:{QUOTED_VALUE_PATTERN}|[^\s|]{{1,128}}+)"
    rf"(?=[ \t]{{0,4}}\|[ \t]{{0,4}}(?:sudo[ \t]{{1,4}}-S|passwd))"
)
SQL_PATTERN = re.compile(
    rf"(?P<before>(?<!\w)identified{GAP}(?:with{GAP}\S{{1,40}}{GAP})?by{GAP})(?!.?{LABEL_PATTERN})"
    rf"(?:{QUOTED_VALUE_PATTERN}|\S++)",
    re.IGNORECASE,
)
# curl -u user:password
USER_OPTION_PATTERN = re.compile(
    r"(?P<before>(?<!\S)(?:-u[ \t]{0,3}|--(?:proxy-)?user[ \t=]{1,3})"
    rf"(?:(?P<quote>[\"'])[^\s:\"']{{1,64}}:(?!{LABEL_PATTERN})|[^\s:\"'/]{{1,64}}:))(?!{LABEL_PATTERN}|//)"
    r"(?(quote)[^\n\"']{1,256}|\S++)"
)
PASSWORD_COMMANDS = (
    (r"(?:mysql|mysqldump|mysqladmin|mysqlimport|mariadb)", r"-p"),
    (
        r"(?:sshpass|rdesktop|docker[ \t]{1,4}login|podman[ \t]{1,4}login|az[ \t]{1,4}login|helm)",
        r"-p[ \t]{0,3}",
    ),
    (r"(?:psexec|psexec64|paexec)(?:\.exe)?", r"-p[ \t]{1,3}"),
    (r"(?:plink|pscp|psftp|putty)(?:\.exe)?", r"-pw[ \t]{1,3}"),
    (r"(?:sqlplus|rman|expdp|impdp|sqlldr)", r"[^\s/@]{1,64}/"),
    (r"(?:zip|unzip)", r"-P[ \t]{0,3}"),
    (r"(?:7z|7za|7zz)(?:\.exe)?", r"-p"),
    (r"openssl", r"-k[ \t]{1,3}|-pass(?:in|out)?[ \t]{1,3}pass:"),
    (r"htpasswd", r"-[A-Za-z]{0,3}b[A-Za-z]{0,3}[ \t]{1,3}\S{1,128}[ \t]{1,3}\S{1,64}[ \t]{1,3}"),
    (r"ConvertTo-SecureString", r"(?:-String[ \t]{1,4})?(?=[\"'])"),
    (r"(?:ldapsearch|ldapmodify|ldapadd|ldapwhoami)", r"-w[ \t]{0,3}"),
    (r"wpa_passphrase", r"\S{1,64}[ \t]{1,3}"),
    (r"snmp[a-z]{2,8}", r"-[AXc][ \t]{1,3}"),
    (r"redis-cli", r"-a[ \t]{0,3}"),
    (r"smbclient", r"(?:-U[ \t]{0,3}|--user=)[^\s%]{1,64}%"),
    (r"(?:xfreerdp|wfreerdp)", r"/p:"),
    (r"net[ \t]{1,4}use", r"/user:\S{1,64}[ \t]{1,4}"),
    (r"net[ \t]{1,4}user", r"\S{1,64}[ \t]{1,4}(?!/)"),
    (
        r"(?:enable[ \t]{1,4}(?:secret|password)|username[ \t]\S{1,64}[ \t](?:secret|password))",
        r"[0-9][ \t]{1,4}",
    ),
)
COMMAND_PATTERN = re.compile(
    r"(?<![\w-])(?:"
    + "|".join(
        rf"(?P<before{number}>{command}[ \t](?:[^\n]{{0,160}}?[ \t])??{option})"
        rf"{OPTION_VALUE_PATTERN}"
        for number, (command, option) in enumerate(PASSWORD_COMMANDS)
    )
    + ")"
)
# The heading of a column in a pasted table
HEADING_PATTERN = re.compile(
    rf"\A[ \"'*_]{{0,4}}(?:\w{{1,20}}[ _-])?"
    rf"(?:{_alternatives(PASSWORD_WORDS)}|{_alternatives(SHORT_WORDS)}|pass|pin|puk)"
    r"[ \"'*_]{0,4}\Z",
    re.IGNORECASE,
)
LOGIN_HEADING_PATTERN = re.compile(
    r"[ \"'*_]{0,4}(?:user|log[ -]?in|name|account|e-?mail|benutzer|konto|host|server|url|ip"
    r"|utilisateur|usuario|usu[aá]rio|utente|gebruiker)",
    re.IGNORECASE,
)
CELL_VALUE_PATTERN = re.compile(rf"\A[^\w\[]{{0,8}}+{SECRET_AHEAD}", re.IGNORECASE)
QUERY_PATTERN = re.compile(
    rf"(?P<before>[?&](?:sig|signature|code|sas|auth|key|sid|session)=)(?!{LABEL_PATTERN})"
    r"(?=[^\s&0-9]{0,64}[0-9])[^\s&]{6,512}",
    re.IGNORECASE,
)

_DIGITS = "0123456789"
_DELIMITERS = frozenset("\t|;,")  # of the columns of a pasted table
# Each with characters of which all its matches have one. Many texts have none.
VALUE_PATTERNS = (
    (COOKIE_PATTERN, frozenset(":")),
    (CONNECTION_URL_PATTERN, frozenset("@")),
    (ADMIN_LOGIN_PATTERN, frozenset(":")),
    (LOGIN_PAIR_PATTERN, frozenset("@/:=")),
    (WIFI_CODE_PATTERN, frozenset(":")),
    (MARKUP_PATTERN, frozenset("<=")),
    (COMMAND_PATTERN, frozenset(" \t")),
    (COMMAND_OPTION_PATTERN, frozenset("-")),
    (USER_OPTION_PATTERN, frozenset("-")),
    (ECHO_PATTERN, frozenset(" \t")),
    (SQL_PATTERN, frozenset(" \t")),
    (QUERY_PATTERN, frozenset("=")),
    (RESET_PATTERN, frozenset(_DIGITS)),
    (REVERSED_PATTERN, frozenset(f"{_DIGITS}\"'`„“")),
)

# Length of an IBAN by country: the registry of ISO 13616, maintained by SWIFT.
IBAN_LENGTHS = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FO GL NL SD", "19": "MK SI",
        "20": "AT BA EE KZ LT LU MN XK", "21": "CH CR HR LI LV", "22": "BG BH DE GB GE IE ME RS VA",
        "23": "AE GI IL IQ OM SO TL", "24": "AD CZ ES MD PK RO SA SE SK TN VG",
        "25": "LY PT ST", "26": "IS TR", "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HN HU LB NI PL SV", "29": "BR EG PS QA UA", "30": "JO KW MU YE",
        "31": "MT SC", "32": "LC", "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
IBAN_CHARACTER_PATTERN = re.compile(r"[ \u00a0./_-]?([A-Za-z0-9])")
IBAN_HEAD = re.compile(r"(?<![A-Za-z0-9])(?P<country>[A-Za-z]{2})[0-9]{2}")

# ISO/IEC 7812 numbers, grouped in any way and with any separators; `_card_end` looks for the card.
DIGIT_GROUPS_PATTERN = re.compile(
    r"(?<![0-9])[0-9]{3,19}+(?![0-9])"
    r"(?:[ \t\u00a0]{0,2}[._/\-\u2010-\u2014]?[ \t\u00a0]{0,2}[0-9]{3,19}+(?![0-9]))*+"
)
DIGITS_PATTERN = re.compile(r"[0-9]+")
MAX_CARD_GROUPS = 6
# The leading digits of payment cards; other numbers of that length (orders, parcels, meters) may
# begin with any.
CARD_ISSUER_PATTERN = re.compile(
    r"4(?:.{15}|.{18})"  # Visa; its 13 digits of old look like phone numbers
    r"|5[1-5].{14}|2(?:22[1-9]|2[3-9].|[3-6]..|7[01].|720).{12}"  # Mastercard
    r"|3[47].{13}"  # American Express
    r"|3(?:0[0-5]|[68].).{11}"  # Diners Club
    r"|(?:6011|64[4-9].|65..).{12}"  # Discover
    r"|35(?:2[89]|[3-8].).{12}"  # JCB
    r"|(?:50|5[6-9]|6[0-9]).{14,17}"  # Maestro, UnionPay
)


@lru_cache(MAX_MASKED_TEXTS)
def mask_visible(text: str) -> str:
    """Return a text of a ticket without secrets and invisible characters, as others than the
    readers of its page see it."""
    return mask(strip_invisible(text))


def mask(text: str) -> str:
    """Replace each secret by a label such as [password removed].

    Idempotent: a removal can expose the edge of another secret, so it repeats until nothing
    changes. Only a text made for it needs more than a few rounds; it is removed as a whole, so that
    no text costs more than a constant number of rounds.

    A secret is also found behind invisible and full-width characters; they are replaced then.
    """
    plain = masked = strip_invisible(text).translate(PLAIN_CHARACTERS)
    for _round in range(MAX_ROUNDS):
        before, masked = masked, _mask_once(masked)
        if masked == before:
            return text if masked == plain else masked
    return TEXT_LABEL


def mask_cards(text: str) -> str:
    return DIGIT_GROUPS_PATTERN.sub(_mask_card_groups, text)


def mask_ibans(text: str) -> str:
    parts, done = [], 0
    for head in IBAN_HEAD.finditer(text):
        end = _iban_end(text, head)
        if end is not None and head.start() >= done:
            parts += [text[done : head.start()], IBAN_LABEL]
            done = end
    return "".join([*parts, text[done:]])


def _mask_once(text: str) -> str:
    if STANDARD_KEY_HINT.search(text):
        text = STANDARD_KEY_PATTERN.sub(KEY_LABEL, text)
    text = VENDOR_KEY_PATTERN.sub(KEY_LABEL, text)
    characters = set(text)
    for pattern, needed in VALUE_PATTERNS:
        if not needed.isdisjoint(characters):
            text = pattern.sub(_mask_value, text)
    return mask_cards(mask_ibans(_mask_announced(_mask_columns(text))))


def _mask_value(match: re.Match[str]) -> str:
    groups = match.groupdict().items()
    before = (value for name, value in groups if value and name.startswith("before"))
    return next(before, "") + PASSWORD_LABEL


def _mask_columns(text: str) -> str:
    """Mask the columns of a pasted table that are headed "Password"."""
    if _DELIMITERS.isdisjoint(text):
        return text
    lines = text.split("\n")
    delimiter, width, columns = _secret_columns("")
    for number, line in enumerate(lines):
        cells = line.split(delimiter)
        if not columns or len(cells) != width:
            delimiter, width, columns = _secret_columns(line)
            continue
        for column in columns:
            if CELL_VALUE_PATTERN.match(cells[column]):
                cells[column] = f" {PASSWORD_LABEL} "
        lines[number] = delimiter.join(cells)
    return "\n".join(lines)


def _secret_columns(line: str) -> tuple[str, int, list[int]]:
    """Return the delimiter of a table's first line, its number of columns, and the secret ones."""
    for delimiter in "\t|;" if " " in line else "\t|;,":
        cells = line.split(delimiter)
        columns = [n for n, cell in enumerate(cells) if HEADING_PATTERN.match(cell)]
        if columns and any(map(LOGIN_HEADING_PATTERN.match, cells)):
            return delimiter, len(cells), columns
    return ",", 0, []


def _mask_announced(text: str) -> str:
    parts, done = [], 0
    for word in _secret_words(text):
        if word.start() < done:
            continue
        for tail in TAILS[word.lastgroup or ""]:
            found = tail.match(text, word.end())
            if found is not None:
                parts += [text[done : found.end("before")], PASSWORD_LABEL]
                done = found.end()
                break
    return "".join([*parts, text[done:]])


def _secret_words(text: str) -> Iterator[re.Match[str]]:
    """As `SECRET_WORD_PATTERN.finditer`. Of other texts than ASCII, the case may have another
    length, or match in another way."""
    if not text.isascii():
        yield from SECRET_WORD_PATTERN.finditer(text)
        return
    lower, position = text.lower(), 0
    while similar := LOWER_CASE_WORD_PATTERN.search(lower, position):
        word = SECRET_WORD_PATTERN.match(text, similar.start())
        position = word.end() if word else similar.start() + 1
        if word:
            yield word


def _mask_card_groups(match: re.Match[str]) -> str:
    """Mask each card in a run of groups of digits; a card begins and ends with a group."""
    written = match[0]
    groups = list(DIGITS_PATTERN.finditer(written))
    parts, done, first = [], 0, 0
    while first < len(groups):
        end = _card_end(groups[first : first + MAX_CARD_GROUPS])
        if end is None:
            first += 1
            continue
        parts += [written[done : groups[first].start()], CARD_LABEL]
        done = groups[first + end - 1].end()
        first += end
    return "".join([*parts, written[done:]])


def _card_end(groups: Iterable[re.Match[str]]) -> int | None:
    """Return the number of groups that form a card from the first; None if they form none."""
    digits = ""
    for count, group in enumerate(groups, start=1):
        digits += group[0]
        if CARD_ISSUER_PATTERN.fullmatch(digits) is not None and _luhn(digits):
            return count
    return None


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: every second digit from the right is doubled."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(int(digit) for digit in digits[-1::-2])) % 10 == 0


def _iban_end(text: str, head: re.Match[str]) -> int | None:
    """Return the end of the IBAN that begins at `head`; None if it is none. Groups may be
    separated by spaces."""
    length = IBAN_LENGTHS.get(head["country"].upper())
    if length is None:
        return None
    signs, position = head[0], head.end()
    while len(signs) < length:
        step = IBAN_CHARACTER_PATTERN.match(text, position)
        if step is None:
            return None
        signs, position = signs + step[1], step.end()
    ends_here = not text[position : position + 1].isalnum()
    return position if ends_here and _mod_97(signs) else None


def _mod_97(signs: str) -> bool:
    """ISO 7064 MOD 97-10: the head moved to the end, letters as 10 to 35."""
    return int("".join(str(int(sign, 36)) for sign in signs[4:] + signs[:4])) % 97 == 1
