"""Secrets people paste into tickets, taken out before the text leaves this machine.

A safety net with known holes (a password in plain prose, a card number in words), not a promise:
the form says that no passwords belong in a ticket. Where it must choose, it removes too much.

Looked at before writing this: detect-secrets (last release May 2024, scans files for developers'
keys), datafog and presidio (persons and addresses, no keys; presidio needs spaCy). None of them
knows "das Passwort lautet …".

Every pattern takes linear time: repeats are bounded or possessive, and a run of token characters
can match from its first character only.
"""

import re

from services.masking_numbers import mask_cards, mask_ibans

KEY = "[key removed]"
PASSWORD = "[password removed]"  # noqa: S105  it is what stands where one was
LABEL = r"\[[A-Za-z ]{2,20} removed\]"

START = r"(?<![A-Za-z0-9])"

# Shapes as their makers document them or as gitleaks' rules (config/gitleaks.toml) give them.
KEY_SHAPES = (
    # RFC 7468 and OpenSSH/PGP private keys; one whose end was cut off runs to the end of the text
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"[\s\S]*?(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    # RFC 7519: three base64url parts, the first begins with {"
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]*+",
    # AWS IAM identifiers: access keys, long-lived and temporary
    START + r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    # GitHub: personal, OAuth, user-to-server, server-to-server and refresh; fine-grained
    START + r"gh[pousr]_[A-Za-z0-9]{36,255}",
    START + r"github_pat_[A-Za-z0-9_]{22,255}",
    # GitLab: personal, project and group access tokens
    START + r"glpat-[A-Za-z0-9_.-]{20,255}",
    # Slack: bot, user, app-level, configuration and refresh tokens; incoming webhooks
    START + r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{10,255}",
    START + r"xapp-[A-Za-z0-9-]{10,255}",
    START
    + r"https://hooks\.slack(?:-gov)?\.com/(?:services|triggers|workflows)/[A-Za-z0-9/_-]{10,255}",
    # Google: API keys, AI Studio's newer ones, OAuth client secrets and access tokens
    START + r"AIza[A-Za-z0-9_-]{35}",
    START + r"AQ\.[A-Za-z0-9_-]{30,255}",
    START + r"GOCSPX-[A-Za-z0-9_-]{20,255}",
    START + r"ya29\.[A-Za-z0-9._-]{20,1024}",
    # OpenAI (sk-, sk-proj-, sk-svcacct-) and Anthropic (sk-ant-): no key is without a digit
    START + r"sk-(?=[A-Za-z_-]{0,64}[0-9])[A-Za-z0-9_-]{20,255}",
    # Stripe: secret and restricted keys, webhook secrets
    START + r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,255}",
    START + r"whsec_[A-Za-z0-9+/=]{20,255}",
    # RFC 6750 and RFC 7617: what a pasted `Authorization:` header carries
    START + r"(?i:bearer)[ \t]{1,4}(?=[A-Za-z._~+/-]{0,64}[0-9])[A-Za-z0-9._~+/=-]{16,2048}",
    r"(?i:(?<=authorization: basic )|(?<=authorization:basic ))[A-Za-z0-9+/=]{6,1024}",
)
KEYS = re.compile("|".join(f"(?:{shape})" for shape in KEY_SHAPES))

# RFC 3986 `scheme://user:password@host`, but up to the last @ as drivers read it, for people do
# not percent-encode. Digits and then a slash are a port.
CONNECTION = re.compile(
    r"(?P<before>(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,30}+://[^\s:/?#@\"'<>]{0,128}+:)"
    rf"(?![0-9]{{1,5}}[/?#])(?!{LABEL})[^\s\"'<>]{{1,256}}(?=@)"
)

# What announces a secret. The first kind is also found inside words (DB_PASSWORD,
# Windowspasswort); the second would be found in too many, so it stands alone.
STRONG = r"pass(?:word|wort|wd|code|phrase)|kennwort|pwd"
WEAK = (
    r"(?<![^\W_])(?:pw|pass|pin(?:[ -]?(?:code|nummer|number))?|token|secret|geheimzahl|cv[vc]2?"
    r"|zugangscode|(?:api|access|secret|private|client|auth|zugangs)[ _-]?"
    r"(?:key|secret|schlüssel|token))"
)
ABOUT = r"(?:[ \t]+(?:for|of|to|on|für|zu|zum|zur|vom|von|bei|im|in)\b[^\n:=]{0,40}?)?"
IS = r"\b(?:is|was|are|lautet|ist|war)\b(?:[ \t]+(?:now|still|jetzt|nun|noch))?+[ \t]*:?[ \t]+"
GIVEN = r"[ \t]*(?:[:=\uff1a]{1,2}+>?+|->|→)\s{0,3}"
QUOTED = r"\"[^\"\n]{1,256}\"|'[^'\n]{1,256}'|`[^`\n]{1,256}`|[„“][^“”\n]{1,256}[“”]"
ANNOUNCED = re.compile(
    rf"(?P<label>{LABEL})"  # names a password, holds none
    rf"|(?P<before>(?:(?P<strong>{STRONG})|{WEAK})s?[0-9]?(?![^\W_])[\"'`*]{{0,3}}"
    rf"(?:{ABOUT}(?:(?P<given>{GIVEN})|[ \t]+{IS})|(?P<bare>[ \t]+)))"
    rf"(?!{LABEL})(?P<value>{QUOTED}|\S+)",
    re.IGNORECASE,
)
PIN = re.compile(
    r"(?P<before>(?<![^\W_])(?:pin|cv[vc]2?)[ \t]+)[0-9]{3,8}(?![^\W_])", re.IGNORECASE
)
OPTION = re.compile(
    rf"(?P<before>(?<!\S)--?(?:[a-z]{{1,20}}-)?(?:{STRONG}|token|secret|api-key)[ \t]+)"
    rf"(?!{LABEL}|-)(?P<value>{QUOTED}|\S+)",
    re.IGNORECASE,
)
# "The password is expired" tells what is wrong; taking "expired" out would hide that.
NO_SECRETS = frozenset(
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


def mask(text: str) -> str:
    """`text` with each secret replaced by a label such as [password removed].

    Masking a masked text changes nothing: a removal can uncover another secret's edge, so this
    goes on until there is nothing left to remove. Each round removes text that is no label.
    """
    while (masked := _mask_once(text)) != text:
        text = masked
    return text


def _mask_once(text: str) -> str:
    text = KEYS.sub(KEY, text)
    text = CONNECTION.sub(_keeping_before, text)
    text = OPTION.sub(_keeping_before, text)
    text = PIN.sub(_keeping_before, text)
    text = ANNOUNCED.sub(_announced, text)
    return mask_cards(mask_ibans(text))


def _keeping_before(match: re.Match[str]) -> str:
    return match["before"] + PASSWORD


def _announced(match: re.Match[str]) -> str:
    if match["label"]:
        return match[0]
    word = match["value"].strip(".,;:!?()\"'`*_").casefold()
    if not word or word in NO_SECRETS:
        return match[0]
    digit = any(character.isdigit() for character in word)
    letter = any(character.isalpha() for character in word)
    if match["bare"]:  # "password policy" against "password hunter2"
        secret = digit and letter and len(word) >= 6 and "://" not in word
    else:  # "the pin is bent": said of these, a secret has a digit in it
        secret = digit or bool(match["strong"] or match["given"])
    return _keeping_before(match) if secret else match[0]
