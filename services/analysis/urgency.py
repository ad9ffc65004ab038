"""The rule whether a ticket is urgent. Pure.

A requester may call any ticket urgent, and a model may follow the text. So a claim alone makes a
ticket high; urgent needs a second signal, found by plain code. A moderator's claim needs none.

`find_signal` finds an outage, a breach or several affected people in a ticket's text, in eight
languages. If it misses one, the ticket is high instead of urgent. A false match alone does not make
a ticket urgent.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from services.models.ticket import Priority

MIN_AFFECTED_PEOPLE = 3
MAX_TEXT = 20_000


class UrgencySignal(StrEnum):
    """A signal that a ticket is urgent, in addition to the claim."""

    OUTAGE = "outage"
    BREACH = "breach"
    PEOPLE = "people"
    REPORTS = "reports"  # other requesters have filed tickets about the same


class UrgencyClaim(StrEnum):
    REQUESTER = "requester"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class PriorityDecision:
    """`claim` is set if a requester or a model called the ticket urgent."""

    priority: Priority
    claim: UrgencyClaim | None = None


def decide_priority(
    *,
    requested: Priority | None,
    is_trusted: bool,
    suggested: Priority | None,
    signal: UrgencySignal | None,
) -> PriorityDecision:
    """Return what a person `requested`, else what the analysis `suggested`.

    `is_trusted`: the person works on tickets.
    """
    if requested and (is_trusted or requested is not Priority.URGENT):
        return PriorityDecision(requested)
    wanted = requested or suggested or Priority.MEDIUM
    if wanted is not Priority.URGENT:
        return PriorityDecision(wanted)
    claim = UrgencyClaim.REQUESTER if requested else UrgencyClaim.MODEL
    return PriorityDecision(Priority.URGENT if signal else Priority.HIGH, claim)


def find_signal(text: str) -> UrgencySignal | None:
    """Return the first signal in a ticket's text, or None."""
    plain = " ".join(unicodedata.normalize("NFKC", text[:MAX_TEXT]).casefold().split())
    plain = plain.replace("\u2019", "'")
    for signal, pattern in _PATTERNS.items():
        if any(_counts(plain, match) for match in pattern.finditer(plain)):
            return signal
    return None


def _counts(text: str, match: re.Match[str]) -> bool:
    number = match.groupdict().get("number")
    if number and int(number) < MIN_AFFECTED_PEOPLE:
        return False
    return not _NEGATED.search(text[max(match.start() - 25, 0) : match.start()])


def _words(*phrases: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)")


# "It is not an outage", "kein Ausfall": a negation or a greeting right before rules the match out.
_NEGATED = re.compile(
    r"(?:\b(?:no|not|never|isn't|wasn't|without|kein\w{0,2}|nicht|ohne|pas|sans|sin|no es|senza"
    r"|nessun\w?|non|sem|não|geen|zonder|bez|brak)"
    r"(?: (?:an?|any|the|is|de|du|una?|é|è|um|uma|een))?"
    r"|\bpas d'|\bnessun'|\b(?:bonjour|salut|merci|hello|hi|hola|olá|ciao|hallo|hoi)(?: à| a| an)?)"
    r" ?$"
)

# What a whole team depends on; one laptop that is down is not an outage.
_SHARED_EN = (
    r"(?:production|prod|network|internet|intranet|website|web ?shop|servers?|database|systems?"
    r"|data ?cent(?:er|re)|phone (?:system|lines?)|file share|mail server|power)"
)
_OUTAGE = _words(
    r"outages?",
    r"(?:down|broken|offline|unreachable|unavailable|not working|failing)[^.!?]{0,30}? for "
    r"(?:everyone|everybody|all of us|all (?:users|staff|customers))(?! else)",
    rf"{_SHARED_EN} (?:is|are|has been|went|has gone)(?: \w+)? (?:down|offline|out|unreachable)",
    # German
    r"\w{0,20}ausfall",
    r"(?:komplett|vollständig|überall) (?:ausgefallen|offline|down)",
    r"(?:netzwerk|netz|internet|server|website|webseite|systeme?|datenbank|produktion"
    r"|telefonanlage) (?:ist|sind)(?: \w+)? (?:ausgefallen|offline|down|nicht erreichbar)",
    # French
    r"panne (?:générale|totale|informatique|(?:de |du )?(?:réseau|serveur|courant))",
    r"(?:réseau|internet|serveur|site|système|messagerie) est(?: \w+)? "
    r"(?:en panne|hors service|hors ligne|inaccessible)",
    # Spanish
    r"ca[íi]da (?:general|total|del (?:sistema|servidor|servicio)|de (?:la )?red)",
    r"(?:sistema|servidor|red|internet|servicio|web) (?:está|esta|se ha)(?: \w+)? "
    r"(?:ca[íi]d[oa]|fuera de servicio)",
    # Italian
    r"interruzione (?:totale|generale|del servizio|di servizio)",
    r"(?:sistema|server|rete|internet|sito|servizio) è(?: \w+)? "
    r"(?:giù|bloccat[oa]|irraggiungibile|offline|fuori servizio)",
    # Portuguese
    r"fora do ar",
    r"queda (?:geral|total|do (?:sistema|servidor)|da (?:rede|internet))",
    # Dutch
    r"storingen|(?:een|grote|algemene) storing|(?:netwerk|internet|stroom|systeem)storing",
    r"(?:netwerk|internet|server|website|systeem) (?:ligt|is)(?: \w+)? "
    r"(?:eruit|plat|down|onbereikbaar)",
    # Polish
    r"awari[aię]",
    r"(?:sieć|serwer|system|strona|internet) (?:nie działa|padł[ao]?)",
)
_BREACH = _words(
    r"(?:security|data) (?:breach(?:es)?|leaks?|incidents?)",
    r"breached|hacked|hackers?|ransomware|cyber ?attacks?",
    r"(?:accounts?|passwords?|credentials|laptops?|servers?|systems?|mailbox(?:es)?|keys?) "
    r"(?:is|are|was|were|has been|have been|got) (?:compromised|stolen|leaked)",
    r"gehackt|(?:hacker|cyber)angriff|datenleck|datenpanne|sicherheitsvorfall"
    r"|(?:verschlüsselungs|erpressungs)trojaner",
    r"pirat(?:é|ée|és|ées|age)|fuite de données|cyberattaque|rançongiciel|incident de sécurité",
    r"hackead[oa]s?|ciberataque|(?:fuga|filtración) de datos|(?:violación|brecha) de seguridad",
    r"hackerat[oaie]|attacco informatico|fuga di dati",
    r"violazione (?:dei dati|d(?:i|ella) sicurezza)",
    r"vazamento de dados|ataque cibernético|violação de (?:dados|segurança)",
    r"datalek|cyberaanval|beveiligingsincident|gijzelsoftware",
    r"zhakowan\w{1,2}|wyciek danych|cyberatak|włamanie|incydent bezpieczeństwa",
)

_PEOPLE = (
    r"(?:people|persons|users|colleagues|co-?workers|employees|customers|clients|staff|students"
    r"|leute|personen|kolleg(?:en|innen)|mitarbeiter(?:n|innen)?|(?:be)?nutzer|kund(?:en|innen)"
    r"|anwender|personnes|utilisateurs|collègues|employés|personas|usuarios|compañeros|empleados"
    r"|clientes|persone|utenti|colleghi|dipendenti|clienti|pessoas|usuários|utilizadores|colegas"
    r"|funcionários|mensen|gebruikers|collega's|medewerkers|klanten|osób|osoby|użytkowników"
    r"|kolegów|pracowników|klientów)"
)
_OF_US = (
    r"(?:of (?:us|our \w+|my \w+)|von uns|d'entre nous|de nosotros|di noi|de nós|van ons|z nas)"
)
_MANY = (
    r"(?:several|many|multiple|most|dozens of|hundreds of|lots of|all(?: (?:the|our|my))?|three"
    r"|four|five|six|seven|eight|nine|ten|mehrere[nr]?|viele[nr]?|alle[nr]?|zahlreiche|etliche|plusieurs"
    r"|beaucoup de|tous les|toutes les|vari[oa]s|much[oa]s|tod[oa]s l[oa]s|diversi|molti|parecchi"
    r"|tutti (?:i|gli)|vári[oa]s|muit[oa]s|tod[oa]s [oa]s|meerdere|veel|wielu|kilku)"
)
_HELPING = (
    r"(?! (?:help|tell|answer|explain|say|helfen|mir|m'|me|mij|ayudar|aiutar|ajudar|helpen|mi)\b)"
)
_AFFECTED = _words(
    rf"(?P<number>(?<![\d.,:/-])[0-9]{{1,5}}) (?:(?:\w+ )?{_PEOPLE}|{_OF_US})",
    rf"{_MANY} (?:(?:\w+ )?{_PEOPLE}|{_OF_US})",
    rf"(?:nobody|no one|none of us)(?: \w+){{0,4}}? (?:can|could|(?:is|are) able to){_HELPING}",
    r"(?:whole|entire) (?:office|team|company|department|floor|building|site|branch|school|plant"
    r"|warehouse|staff|shift|call cent(?:er|re)|organi[sz]ation)",
    r"(?:everyone|everybody) (?:here|(?:in|on) (?:the|our|my) \w+) (?:is|has|gets|can)",
    # German
    r"(?:ganze|gesamte)[nrs]? (?:büro|team|firma|abteilung|etage|unternehmen|standort|belegschaft)",
    rf"(?:niemand|keiner)(?: \w+){{0,4}}? kann{_HELPING}|keine[rn]? von uns|bei allen",
    # French
    r"tout le (?:monde|bureau|service|département|bâtiment|personnel)",
    r"toute (?:l'équipe|l'entreprise|la société|l'agence)",
    rf"personne ne (?:peut|arrive|parvient){_HELPING}",
    # Spanish
    r"tod[oa] (?:el|la) (?:oficina|equipo|empresa|departamento|edificio|plantilla|mundo)",
    rf"nadie (?:puede|consigue|logra){_HELPING}",
    # Italian
    r"tutt[oa] (?:l'ufficio|il team|l'azienda|la ditta|il reparto|la sede)",
    rf"nessuno (?:può|riesce){_HELPING}",
    # Portuguese
    r"tod[oa] [oa] (?:escritório|equip[ea]|empresa|departamento)",
    rf"ninguém (?:consegue|pode){_HELPING}",
    # Dutch
    r"hele (?:kantoor|team|bedrijf|afdeling|verdieping|vestiging)|(?:bij|voor) iedereen",
    rf"niemand(?: \w+){{0,4}}? kan{_HELPING}",
    # Polish
    r"cał[ya] (?:zespół|dział|firma)|całe biuro",
    rf"nikt nie może{_HELPING}",
)
_PATTERNS = {
    UrgencySignal.OUTAGE: _OUTAGE,
    UrgencySignal.BREACH: _BREACH,
    UrgencySignal.PEOPLE: _AFFECTED,
}
