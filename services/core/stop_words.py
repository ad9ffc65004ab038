"""Stop words: words that any ticket may have, and that say nothing about its subject.

Function words, courtesies, times and days, and what is usual in a message to a help desk, in the
eight languages of `services.analysis.urgency`. A team with few resolved tickets cannot learn them.
Not `stopwordsiso`: it lists "computer", "system", "page" and "web", which are subjects here, and
lacks 187 of these words.
"""

_ENGLISH = """
    a about after again all already also always am an and another any anybody anyhow anymore anyone
    anything are as ask asked asks at away back be because been before being best bit both but by
    came can cannot come comes could couldn day days dear did didn do does doesn doing don done down
    during each either else enough ever every everybody everyone everything far few find first for
    from get gets getting give gives go goes going good got had happen happened happens has hasn
    have haven having he hello help her here hey hi him his hour hours how however if in instead
    into is isn issue issues it its just keep keeps kind kindly know last least let like ll long
    look looks lot made make many may maybe me might minute minutes month months more morning most
    much must my need needed needs never new next no nobody none nor not nothing now of off often ok
    old on once one only open or other others our out over own perhaps please pm possible problem
    problems put quite re reach really regards right said same say says see seem seems she should
    since so some somebody someone something soon sorry still stop stopped stops such sure take
    takes taking tell than thank thanks that the their them then there these they thing things think
    this those though three through time times to today together told tomorrow tonight too took
    tried try trying two unable under until up upon us use used using ve very via want wants was
    wasn way we week weeks well were what when where whether which while who whole whose why will
    with without won work worked working works would write year years yes yesterday yet you your
    yours
    monday tuesday wednesday thursday friday saturday sunday afternoon evening noon
"""
_GERMAN = """
    ab aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bin bis
    bitte brauche brauchen da dabei damit dank danke dann daran das dass dein dem den denn der des
    deshalb die dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer
    eines er es etwas euch euer freundlichen funktionieren funktioniert ganz geht gerade gern
    gestern gibt ging gleich gruß grüße guten habe haben hallo hat hatte heute hier hilfe hoi ich
    ihm ihn ihnen ihr ihre im immer in ins ist ja jede jeden jeder jemand jetzt kann kannst kein
    keine keinen können könnte könnten leider liebe lieben man mehr mein meine meinem meinen meiner
    mfg mich mir mit mittag morgen morgens muss nach nicht nichts nie noch nun nur ob oder ohne
    problem schon sehr sein seine seit sich sie sind so soll sollte sondern tag tage tun um und uns
    unser unsere unter viele vielen vom von vor wann war waren warum was weg weil weiter welche wenn
    wer werden wie wieder will wir wird wo wurde würde zu zum zur zwei
    montag dienstag mittwoch donnerstag freitag samstag sonntag
"""
_FRENCH = """
    ai aide alors après au aucun aujourd aussi autre aux avant avec avez avoir avons besoin bien
    bonjour car ce cela ces cet cette chez comme comment cordialement dans de depuis des deux dois
    donc du elle elles en encore est et eu faire fait faut fois fonctionne hier hui il ils jamais je
    jour la le les leur lui ma mais marche matin me merci mes moi mon même ne ni nos notre nous on
    ont ou où par parce pas peu peut peux plaît plus pour pourquoi pouvez problème quand que quel
    quelle qui quoi rien sa salut sans se semaine ses si soir son sont sur svp ta te toujours tous
    tout toute très tu un une va vers veux voir vos votre vous y été être
    lundi mardi mercredi jeudi vendredi samedi dimanche
"""
_SPANISH = """
    ahora al algo alguien antes aquí aunque ayer ayuda bien buenas buenos cada como con cuando cómo
    de del desde donde dos día días el ella ellos en entonces era es esa ese eso estar este esto
    estoy está están favor fue funciona gracias ha hace hacer hasta hay he hola hoy la las le les lo
    los mañana me mi mis mucho muy más nada necesito ni no nos nosotros nuestra nuestro nunca otra
    otro para pero poder por porque problema puede puedo que quien qué saludos se semana ser si
    siempre sin sobre solo son soy su sus sí también tan tengo tiene todo todos tu tus un una uno
    usted vez ya yo él
    lunes martes miércoles jueves viernes sábado domingo
"""
_ITALIAN = """
    adesso ai aiuto al alla alle anche ancora bisogno buongiorno ce che chi ci ciao come con cosa
    così cui da dal dalla dei del della delle di domani dopo dove due ed era essere fa fare favore
    funziona gli grazie ha hanno ho ieri il in io la le lei lo loro ma mai me mi mia mie mio molto
    ne nei nel nella nessuno niente noi non nostra nostro o oggi ogni ora per perchè perché più poi
    posso prima problema può qualcosa qualcuno quando quella quello questa questo qui saluti salve
    se sei sempre senza si sia siamo sono sta stamattina su sua sul sulla suo tra tutti tutto un una
    uno va voi è
    lunedì martedì mercoledì giovedì venerdì sabato domenica
"""
_PORTUGUESE = """
    agora ainda ajuda amanhã ao aos as até bom com como da das de dela dele depois desde do dois dos
    e ela ele em entre era essa esse esta este estou está estão eu favor faz fazer foi funciona hoje
    há isso isto já lhe mais mas me mesmo meu meus minha muito na nada nas nem no nos nossa nosso
    num não o obrigada obrigado olá onde ontem os ou para pela pelo pode por porque posso precisa
    preciso problema quando que quem se sem sempre ser seu seus sua só também tem tenho ter tudo um
    uma umas uns você vou
    segunda terça quarta quinta sexta
"""
_DUTCH = """
    aan al alle alleen als alstublieft altijd ander andere bedankt ben bent bij dag dan dat de deze
    die dit doe doen door dus een eens en er ergens gaan gaat gedaan geen gisteren goed goedemorgen
    graag groet groeten haar had hallo heb hebben heeft hem hen het hier hij hoe hoi hun iemand iets
    ik in is ja je jij jullie kan kun kunnen maar meer met mij mijn moet morgen na naar niet niets
    nieuw nieuwe nodig nog nu of om omdat onder ons onze ook op over probleem sinds te toch toen tot
    uit uw van vandaag vanmorgen vanochtend veel voor waar waarom wanneer want was wat we weer wel
    werd werken werkt wie wij wil worden zal ze zelf zich zij zijn zo zonder zou
    maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
"""
_POLISH = """
    ale bardzo bez bo by być był była było chcę ci co czy dla dlaczego do dobry działa dzień dzisiaj
    dziękuję dziś gdy gdzie go ich im ja jak jakie jako je jego jej jest jestem jeszcze jeśli jutro
    już każdy kiedy kto która które który mam mamy mi mnie mogę moja moje może my mój na nad nam nas
    nic nie nim niż no od on ona oni oraz po pod pomoc pomocy ponieważ potem potrzebuję pozdrawiam
    problem proszę przed przez przy rano się są ta tak tam te tego tej ten teraz to tu tutaj tylko
    tym u w wczoraj we witam wszystko z za ze znowu że żeby
    poniedziałek wtorek środa czwartek piątek sobota niedziela
"""
_LANGUAGES = (_ENGLISH, _GERMAN, _FRENCH, _SPANISH, _ITALIAN, _PORTUGUESE, _DUTCH, _POLISH)

STOP_WORDS = frozenset(word for language in _LANGUAGES for word in language.split())
