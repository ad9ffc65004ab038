"""Bank and card numbers, told from order numbers by length, grouping and check digits."""

import re

CARD = "[card number removed]"
IBAN = "[IBAN removed]"

# Length of an IBAN by country: the registry of ISO 13616, kept by SWIFT.
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
IBAN_SIGN = re.compile(r"[ \u00a0-]?([A-Za-z0-9])")
IBAN_HEAD = re.compile(r"(?<![A-Za-z0-9])(?P<country>[A-Za-z]{2})[0-9]{2}")

# ISO/IEC 7812 lengths, written in one piece or grouped as on the card, with one kind of separator.
CARD_SHAPES = re.compile(
    r"(?<![0-9])(?:"
    r"[0-9]{4}(?P<a>[ .\u00a0-])[0-9]{4}(?P=a)[0-9]{4}(?P=a)[0-9]{4}(?:(?P=a)[0-9]{3})?"
    r"|[0-9]{4}(?P<b>[ .\u00a0-])[0-9]{6}(?P=b)[0-9]{4,5}"  # Diners, American Express
    r"|[0-9]{14,19}"
    r")(?![0-9])"
)
# The leading digits that are issued for payment cards; other numbers of that length (orders,
# parcels, meters) begin with anything.
CARD_ISSUERS = re.compile(
    r"4(?:.{15}|.{18})"  # Visa; its 13 digits of old look like phone numbers
    r"|5[1-5].{14}|2(?:22[1-9]|2[3-9].|[3-6]..|7[01].|720).{12}"  # Mastercard
    r"|3[47].{13}"  # American Express
    r"|3(?:0[0-5]|[68].).{11}"  # Diners Club
    r"|(?:6011|64[4-9].|65..).{12}"  # Discover
    r"|35(?:2[89]|[3-8].).{12}"  # JCB
    r"|(?:50|5[6-9]|6[0-9]).{14,17}"  # Maestro, UnionPay
)


def mask_cards(text: str) -> str:
    return CARD_SHAPES.sub(lambda match: CARD if _is_card(match[0]) else match[0], text)


def mask_ibans(text: str) -> str:
    parts, done = [], 0
    for head in IBAN_HEAD.finditer(text):
        end = _iban_end(text, head)
        if end is not None and head.start() >= done:
            parts += [text[done : head.start()], IBAN]
            done = end
    return "".join([*parts, text[done:]])


def _is_card(written: str) -> bool:
    digits = re.sub(r"[^0-9]", "", written)
    return CARD_ISSUERS.fullmatch(digits) is not None and _luhn(digits)


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: every second digit from the right is doubled."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(int(digit) for digit in digits[-1::-2])) % 10 == 0


def _iban_end(text: str, head: re.Match[str]) -> int | None:
    """Where the IBAN that begins at `head` ends; None if none does. Groups may be spaced."""
    length = IBAN_LENGTHS.get(head["country"].upper())
    if length is None:
        return None
    signs, position = head[0], head.end()
    while len(signs) < length:
        step = IBAN_SIGN.match(text, position)
        if step is None:
            return None
        signs, position = signs + step[1], step.end()
    ends_here = not text[position : position + 1].isalnum()
    return position if ends_here and _mod_97(signs) else None


def _mod_97(signs: str) -> bool:
    """ISO 7064 MOD 97-10: the head moved to the end, letters as 10 to 35."""
    return int("".join(str(int(sign, 36)) for sign in signs[4:] + signs[:4])) % 97 == 1
