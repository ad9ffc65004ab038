"""Removal of secrets from ticket texts: keys, passwords, bank and card numbers.

It runs before a text leaves this machine. A safeguard with known gaps (a password in plain prose, a
card number in words): the form says that no passwords belong in a ticket. If in doubt, it removes.

Alternatives considered: detect-secrets (last release May 2024, scans files for developers' keys),
datafog and presidio (persons and addresses, no keys; presidio needs spaCy). None of them detects
"das Passwort lautet …".

Bank and card numbers are distinguished from order numbers by length, grouping and check digits.

Every pattern takes linear time: repeats are bounded or possessive, and a run of token characters
matches only from its first character.
"""

import re

KEY_LABEL = "[key removed]"
PASSWORD_LABEL = "[password removed]"  # noqa: S105  a label, no password
CARD_LABEL = "[card number removed]"
IBAN_LABEL = "[IBAN removed]"
LABEL_PATTERN = r"\[[A-Za-z ]{2,20} removed\]"

KEY_BOUNDARY = r"(?<![A-Za-z0-9])"

# From the issuers' documentation or gitleaks' rules (config/gitleaks.toml).
KEY_PATTERNS = (
    # RFC 7468 and OpenSSH/PGP private keys; a truncated key extends to the end of the text
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"[\s\S]*?(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    # RFC 7519: three base64url parts, the first begins with {"
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]*+",
    # AWS IAM identifiers: access keys, long-lived and temporary
    KEY_BOUNDARY + r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    # GitHub: personal, OAuth, user-to-server, server-to-server and refresh; fine-grained
    KEY_BOUNDARY + r"gh[pousr]_[A-Za-z0-9]{36,255}",
    KEY_BOUNDARY + r"github_pat_[A-Za-z0-9_]{22,255}",
    # GitLab: personal, project and group access tokens
    KEY_BOUNDARY + r"glpat-[A-Za-z0-9_.-]{20,255}",
    # Slack: bot, user, app-level, configuration and refresh tokens; incoming webhooks
    KEY_BOUNDARY + r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{10,255}",
    KEY_BOUNDARY + r"xapp-[A-Za-z0-9-]{10,255}",
    KEY_BOUNDARY
    + r"https://hooks\.slack(?:-gov)?\.com/(?:services|triggers|workflows)/[A-Za-z0-9/_-]{10,255}",
    # Google: API keys, AI Studio's newer ones, OAuth client secrets and access tokens
    KEY_BOUNDARY + r"AIza[A-Za-z0-9_-]{35}",
    KEY_BOUNDARY + r"AQ\.[A-Za-z0-9_-]{30,255}",
    KEY_BOUNDARY + r"GOCSPX-[A-Za-z0-9_-]{20,255}",
    KEY_BOUNDARY + r"ya29\.[A-Za-z0-9._-]{20,1024}",
    # OpenAI (sk-, sk-proj-, sk-svcacct-) and Anthropic (sk-ant-): every key has a digit
    KEY_BOUNDARY + r"sk-(?=[A-Za-z_-]{0,64}[0-9])[A-Za-z0-9_-]{20,255}",
    # Stripe: secret and restricted keys, webhook secrets
    KEY_BOUNDARY + r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,255}",
    KEY_BOUNDARY + r"whsec_[A-Za-z0-9+/=]{20,255}",
    # RFC 6750 and RFC 7617: the value of a pasted `Authorization:` header
    KEY_BOUNDARY + r"(?i:bearer)[ \t]{1,4}(?=[A-Za-z._~+/-]{0,64}[0-9])[A-Za-z0-9._~+/=-]{16,2048}",
    r"(?i:(?<=authorization: basic )|(?<=authorization:basic ))[A-Za-z0-9+/=]{6,1024}",
)
ANY_KEY_PATTERN = re.compile("|".join(f"(?:{shape})" for shape in KEY_PATTERNS))

# RFC 3986 `scheme://user:password@host`, but up to the last @ as drivers parse it, because users do
# not percent-encode. Digits followed by a slash are a port.
CONNECTION_URL_PATTERN = re.compile(
    r"(?P<before>(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,30}+://[^\s:/?#@\"'<>]{0,128}+:)"
    rf"(?![0-9]{{1,5}}[/?#])(?!{LABEL_PATTERN})[^\s\"'<>]{{1,256}}(?=@)"
)

# Words before a secret. The strong ones also match inside words (DB_PASSWORD, Windowspasswort); the
# weak ones would match in too many, so they match as whole words only.
STRONG_KEYWORDS = r"pass(?:word|wort|wd|code|phrase)|kennwort|pwd"
WEAK_KEYWORDS = (
    r"(?<![^\W_])(?:pw|pass|pin(?:[ -]?(?:code|nummer|number))?|token|secret|geheimzahl|cv[vc]2?"
    r"|zugangscode|(?:api|access|secret|private|client|auth|zugangs)[ _-]?"
    r"(?:key|secret|schlüssel|token))"
)
QUALIFIER_PATTERN = r"(?:[ \t]+(?:for|of|to|on|für|zu|zum|zur|vom|von|bei|im|in)\b[^\n:=]{0,40}?)?"
COPULA_PATTERN = (
    r"\b(?:is|was|are|lautet|ist|war)\b(?:[ \t]+(?:now|still|jetzt|nun|noch))?+[ \t]*:?[ \t]+"
)
SEPARATOR_PATTERN = r"[ \t]*(?:[:=\uff1a]{1,2}+>?+|->|→)\s{0,3}"
QUOTED_VALUE_PATTERN = r"\"[^\"\n]{1,256}\"|'[^'\n]{1,256}'|`[^`\n]{1,256}`|[„“][^“”\n]{1,256}[“”]"
ANNOUNCED_SECRET_PATTERN = re.compile(
    rf"(?P<label>{LABEL_PATTERN})"  # a label, no password
    rf"|(?P<before>(?:(?P<strong>{STRONG_KEYWORDS})|{WEAK_KEYWORDS})s?[0-9]?(?![^\W_])[\"'`*]{{0,3}}"
    rf"(?:{QUALIFIER_PATTERN}"
    rf"(?:(?P<given>{SEPARATOR_PATTERN})|[ \t]+{COPULA_PATTERN})|(?P<bare>[ \t]+)))"
    rf"(?!{LABEL_PATTERN})(?P<value>{QUOTED_VALUE_PATTERN}|\S+)",
    re.IGNORECASE,
)
PIN_PATTERN = re.compile(
    r"(?P<before>(?<![^\W_])(?:pin|cv[vc]2?)[ \t]+)[0-9]{3,8}(?![^\W_])", re.IGNORECASE
)
COMMAND_OPTION_PATTERN = re.compile(
    rf"(?P<before>(?<!\S)--?(?:[a-z]{{1,20}}-)?(?:{STRONG_KEYWORDS}|token|secret|api-key)[ \t]+)"
    rf"(?!{LABEL_PATTERN}|-)(?P<value>{QUOTED_VALUE_PATTERN}|\S+)",
    re.IGNORECASE,
)
# "The password is expired" describes the problem: "expired" must stay.
NON_SECRET_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a about accepted again already also always an and asked because being blocked broken but by
        changed correct denied empty expired expiring forgotten from gone here i ignored in
        incorrect invalid it known locked lost missing my needed never no none not ok okay old on
        only or out refused rejected required reset safe same sent set shown so still stored the
        there they this to too unknown unsafe visible weak when what where which why working wrong
        you your abgelaufen aber abgelehnt akzeptiert alt auch bekannt da das dass dem den der die
        ein eine erforderlich falsch fehlt für gesperrt hier ich immer kaputt kein keine korrekt
        leer mein mir nicht nie noch nötig nur oder richtig schon sie ungültig unbekannt und
        vergessen verloren weg wieder wird zu zurückgesetzt
        """,
    )
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
IBAN_CHARACTER_PATTERN = re.compile(r"[ \u00a0-]?([A-Za-z0-9])")
IBAN_HEAD = re.compile(r"(?<![A-Za-z0-9])(?P<country>[A-Za-z]{2})[0-9]{2}")

# ISO/IEC 7812 lengths, without separators or grouped as on the card, with one kind of separator.
CARD_NUMBER_PATTERN = re.compile(
    r"(?<![0-9])(?:"
    r"[0-9]{4}(?P<a>[ .\u00a0-])[0-9]{4}(?P=a)[0-9]{4}(?P=a)[0-9]{4}(?:(?P=a)[0-9]{3})?"
    r"|[0-9]{4}(?P<b>[ .\u00a0-])[0-9]{6}(?P=b)[0-9]{4,5}"  # Diners, American Express
    r"|[0-9]{14,19}"
    r")(?![0-9])"
)
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


def mask(text: str) -> str:
    """Replace each secret by a label such as [password removed].

    Idempotent: a removal can expose the edge of another secret, so it repeats until nothing
    changes. Each round removes text that is no label, so it ends.
    """
    while (masked := _mask_once(text)) != text:
        text = masked
    return text


def mask_cards(text: str) -> str:
    return CARD_NUMBER_PATTERN.sub(
        lambda match: CARD_LABEL if _is_card(match[0]) else match[0], text
    )


def mask_ibans(text: str) -> str:
    parts, done = [], 0
    for head in IBAN_HEAD.finditer(text):
        end = _iban_end(text, head)
        if end is not None and head.start() >= done:
            parts += [text[done : head.start()], IBAN_LABEL]
            done = end
    return "".join([*parts, text[done:]])


def _mask_once(text: str) -> str:
    text = ANY_KEY_PATTERN.sub(KEY_LABEL, text)
    text = CONNECTION_URL_PATTERN.sub(_mask_value, text)
    text = COMMAND_OPTION_PATTERN.sub(_mask_value, text)
    text = PIN_PATTERN.sub(_mask_value, text)
    text = ANNOUNCED_SECRET_PATTERN.sub(_mask_announced, text)
    return mask_cards(mask_ibans(text))


def _mask_value(match: re.Match[str]) -> str:
    return match["before"] + PASSWORD_LABEL


def _mask_announced(match: re.Match[str]) -> str:
    if match["label"]:
        return match[0]
    word = match["value"].strip(".,;:!?()\"'`*_").casefold()
    if not word or word in NON_SECRET_WORDS:
        return match[0]
    digit = any(character.isdigit() for character in word)
    letter = any(character.isalpha() for character in word)
    if match["bare"]:  # "password policy" against "password hunter2"
        secret = digit and letter and len(word) >= 6 and "://" not in word
    else:  # "the pin is bent": after a weak word, a secret has a digit
        secret = digit or bool(match["strong"] or match["given"])
    return _mask_value(match) if secret else match[0]


def _is_card(written: str) -> bool:
    digits = re.sub(r"[^0-9]", "", written)
    return CARD_ISSUER_PATTERN.fullmatch(digits) is not None and _luhn(digits)


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
