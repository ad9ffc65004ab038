"""Words that announce a secret, and words that show there is none, by language.

The entries of the first five tables are regular expressions without groups, matched without regard
to case.
"""

# They match inside words, too: DB_PASSWORD, Windowspasswort.
PASSWORD_WORDS = {
    "English": (
        "p[a@4][s$5]{2}[ -]?w[o0]rd|passwd|pass[ -]?phrase|pass[ -]?code|pwd|pswd|pword"
        # mistyped: pasword, passwrd, passwrod
        "|p[a@4][s$5]{1,3}w(?:r?|[o0]{1,2}|[o0]u?r|r[o0])d"
        "|(?:secret|seed|recovery|mnemonic) phrase"
    ),
    "German": "passwort|passwörter|kennwort|losungswort",
    "French": "mots? de passe|phrase secr[èe]te",
    "Spanish": r"contrase[nñ]as?|clave de acceso|palabra clave",
    "Portuguese": "palavra[ -]passe|senhas?",
    "Italian": r"parola d['’]ordine|parola chiave",
    "Dutch": "wachtwoord(?:en)?",
    "Swedish": "lösenord(?:et)?",
    "Danish": "adgangskode[nr]?|kodeord(?:et)?",
    "Norwegian": "passord(?:et)?",
    "Finnish": r"salasana\w{0,4}",
    "Polish": r"has[łl][oae]\w{0,2}",
    "Czech, Slovak": r"hesl[oae]\w{0,2}",
    "Hungarian": r"jelsz[óoa]\w{0,4}",
    "Romanian": r"parol[aă]\w{0,2}",
    "Turkish": r"[şs]ifre\w{0,4}",
    "Russian": r"парол\w{1,3}",
    "Greek": r"κωδικ[όο]ς?(?: πρόσβασης)?|συνθηματικ[όο]",
    "Arabic": "كلمة المرور|كلمة السر",
    "Persian": "رمز عبور|گذرواژه",
    "Hebrew": r"סיסמ\w{1,3}",
    "Hindi": "पासवर्ड",
    "Chinese": "密码|密碼|口令",
    "Japanese": "パスワード",
    "Korean": "비밀번호|비번|패스워드",
    "Indonesian": "kata sandi",
    "Vietnamese": "mật khẩu",
    "Thai": "รหัสผ่าน",
}
# They would match inside too many words, so they match as whole words only.
SHORT_WORDS = {
    "English": r"pw|passw|psw|p/w|p\.w\.?|wpa-psk|psk",
    "French": "mdp",
    "Spanish": "clave",
    "Dutch": "ww",
    "Russian": r"пасс(?:ворд\w{0,2})?",
    "Emoji": "🔑|🔐|🗝\ufe0f?",
}
# Most sentences about them hold no secret ("the token is invalid").
TOKEN_WORDS = {
    "English": (
        r"pass|token|secret(?:_key_base)?|one[- ]time (?:code|key)"
        r"|(?:api|access|secret|private|client|auth|bearer|refresh|network|wi-?fi|wlan|wpa[23]?"
        r"|security|setup|pre-?shared|recovery|encryption|licen[cs]e|product|activation)"
        r"[ _-]?(?:key|secret|token)"
        r"|community[ -]string|(?:wi-?fi|wlan|ssid)\b[^\n]{1,60}?[ ,;/]"
        r"(?:key|code|schlüssel|clé|llave|chiave|sleutel)"
    ),
    "German": r"losung|(?:zugangs|wlan|netzwerk|api|lizenz)[ -]?schlüssel",
}
# Their secret has digits.
CODE_WORDS = {
    "English": (
        r"(?:pin|otp)[ -]?(?:codes?|number)|pin|puk|otp|(?-i:TAN)|cv[vc]2?|combination"
        r"|(?:door|alarm|gate|entry|access|security|verification|recovery|backup|safe|unlock"
        r"|2fa|mfa|sms|login|auth(?:entication)?)[ -]codes?"
    ),
    "German": r"geheimzahl|(?:pin|tan)[ -]?nummer|zugangscode|türcode|einmal(?:code|pin)",
    "French": "code (?:secret|wi-?fi|d['’]accès|de la porte)",
    "Spanish, Portuguese": "código de acceso|código de acesso",
    "Italian": "codice segreto|codice di accesso",
    "Dutch": "toegangscode",
    "Russian": r"код (?:доступа|безопасности)|пин(?:-?код)?",
    "Japanese": "暗証番号",
}
# A user name and a password follow.
CREDENTIAL_WORDS = {
    "English": "credentials?|creds|log[ -]?in(?: data| details)?|user(?:name)?/pass(?:word)?",
    "German": "zugangsdaten|anmeldedaten|logindaten",
    "French": "identifiants?",
    "Spanish, Portuguese": "credenciales|credenciais",
    "Italian": "credenziali",
    "Dutch": "inloggegevens",
}

# "is" between the word and the secret. After those of the second line, a secret has a digit:
# the adjectives ("es incorrecta") are too many to list.
COPULAS = "is|was|are|lautet|ist|war|c['’]est"
COPULAS_BEFORE_DIGITS = (
    r"est|es|era|é|è|e|este|är|er|var|on|to|jest|je|это|є|είναι|هي|היא|है|adalah|là|az,? hogy"
)
ADVERBS = "now|still|currently|jetzt|nun|noch|aktuell|maintenant|ahora|agora|ora|nu"
PRONOUNS = (
    "mitt|mit|min|mea|mia|moje|mój|saya|của tôi|tôi|שלי|μου|meu|minha|mine|is|was|has been|wurde"
    "|ist|i use|which is|to"
)
CHANGED_TO = "to|into|auf|in|en|à|a|para|naar|til|till|na|ke|thành|на"
QUALIFIERS = (
    "for|of|to|on|in|i|we|für|zu|zum|zur|vom|von|bei|im|an|pour|du|de|del|da|do|della|der|van|voor"
    "|för|till|til|mea|od|k|pro|от|для|к|від|μου|של|שלי|của|untuk"
    "|new|old|temp|initial|neue?s?|alte?s?|nueva|provisoire|temporaire|nuova|nova|nieuwe?|wi-?fi|wlan|vpn"
)

# "The password is expired" describes the problem: "expired" must stay.
NON_SECRET_WORDS = {
    "English": """
        a about above accepted after again already also always an and any anything as asked at
        attached
        automatically because before being below blocked broken but by can cannot case changed
        changing check complete compromised confirm correct denied different does due each empty
        enabled encrypted enforced entered error every exactly expired expiring failed field
        filled fine for forgot forgotten from generated gone good greyed hard has help here
        hidden how i if ignored in incorrect invalid issue it its just kept known less lost
        locked longer managed mandatory masked meant minimum missing more must my n/a needed
        needs never new no none not nothing obviously ok okay old on one only optional or
        our out outdated over please policy prompted protected queried refused rejected
        reset required requested requirements requires right safe same saved see sent set shared
        shown since so stale still stored stuck supposed sync synced synchronised
        synchronized synchronizing system taken temporary that the their there they this to
        too typed unavailable unchanged under unknown unsafe until up updated used user
        valid very via visible wanted was we weak what when where which who why will with
        within without working worked would written wrong yes you your
    """,
    "German": """
        abgelaufen aber abgelehnt akzeptiert alt auch bekannt bereits bitte da das dass dem
        den der die ein eine einem einen erforderlich falsch fehlerhaft fehlt für geändert
        geht gesperrt gespeichert hier ich identisch im immer inzwischen ja kaputt kein
        keine korrekt leer mein meine mir mit nach nicht nie noch nötig nur oder ok richtig
        schon seit sehr sie siehe ungültig unbekannt und unverändert vergessen verloren von
        vom weg wie wieder wird wo wurde zu zurückgesetzt zurücksetzen
    """,
    "French": """
        à alors au aucun bloqué correct de depuis dans du erroné expiré faux impossible
        inconnu incorrect incorrecte invalide je la le les mauvais ne non nous obligatoire
        oublié oui perdu pas pour refusé requis trop un une
    """,
    "Spanish": """
        bloqueada caducada caducado correcta de demasiado desconocida el en era errónea esta
        expirada expiró ha incorrecta inválida la las lo mi muy necesaria no obligatoria
        olvidada olvidé para perdida por que rechazada se si sí una vencida válida
    """,
    "Portuguese": """
        bloqueada correta da do errada está esqueci expirada expirou foi incorreta inválida
        não obrigatória o os perdida que recusada vencida
    """,
    "Italian": """
        bloccata corretta di errata errato è il in non obbligatoria per persa scaduta
        sbagliata sconosciuta troppo una
    """,
    "Dutch": """
        correct fout geblokkeerd geweigerd het ik is niet nodig ongeldig onjuist onbekend te
        vergeten verlopen verkeerd
    """,
    "Northern Europe": """
        ikke inte ogiltigt utgått udløbet utløpt forkert feil fel glömt glemt väärin
        vanhentunut unohtunut lukittu ei
    """,
    "Eastern Europe": """
        nie niepoprawne nieprawidłowe błędne wygasło zapomniałem není neplatné špatné
        vypršelo hibás lejárt nem nu greșită expirată yanlış hatalı geçersiz unuttum süresi
        не неверный неправильный истёк истек забыл забыт просрочен заблокирован невірний
    """,
    "Greek": "λάθος δεν έληξε άκυρος",
    "Asia": """
        错误 過期 过期 忘记 忘記 不对 間違 忘れ 틀렸 잊어 만료 salah lupa sai quên ผิด ลืม गलत भूल
    """,
    "Middle East": "خاطئة منتهية نسيت لا שגויה לא שכחתי اشتباه فراموش",
}
