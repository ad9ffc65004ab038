"""Words and emoji of a Slack status that mean an absence, in many languages.

Phrases are compared word by word, in lower case; an emoji is its name in Slack.
"""


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

# One of these means that the member works, whatever other phrases the status has.
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
