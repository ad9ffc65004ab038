import pytest

from services.core.settings import SettingsError, load_settings

BOT = {
    "MONGO_URI": "mongodb://app:pa55word@db.example.com/helpdesk",
    "REDIS_URL": "redis://:hunter2@cache.example.com:6379/0",
    "JWT_SECRET": "jwt-secret-that-has-thirty-two-bytes",
    "SLACK_BOT_TOKEN": "xoxb-1-secret",
    "SLACK_APP_TOKEN": "xapp-1-secret",
}
EITHER = "SLACK_APP_TOKEN or SLACK_SIGNING_SECRET"
SHORT = (
    "JWT_SECRET must have at least 32 bytes: "
    'python -c "import secrets; print(secrets.token_urlsafe(32))" prints a good one'
)
UNREADABLE = (
    " cannot be read: check its host and port, and that a password in it has "
    "@, :, / and % written as %40, %3A, %2F and %25"
)


def problems(command: str, env: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load_settings(command, env)
    assert str(refused.value) == "; ".join(refused.value.problems)
    return refused.value.problems


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("bot", ["MONGO_URI", "REDIS_URL", "JWT_SECRET", "SLACK_BOT_TOKEN", EITHER]),
        ("worker", ["MONGO_URI", "REDIS_URL", "JWT_SECRET", "SLACK_BOT_TOKEN"]),
        ("jobs", ["MONGO_URI", "REDIS_URL"]),
        ("users", ["MONGO_URI"]),
    ],
)
def test_each_command_names_all_it_misses(command: str, missing: list[str]) -> None:
    assert problems(command, {}) == [f"{name} is missing" for name in missing]


def test_missing_and_bad_values_are_named_together_and_never_quoted() -> None:
    env = {
        "MONGO_URI": "postgres://app:pa55word@db",
        "REDIS_URL": "  ",
        "JWT_SECRET": "hunter2",
        "ACCOUNT_LINKING": "anyhow",
        "SLACK_BOT_TOKEN": "xapp-swapped-secret",
        "SLACK_APP_TOKEN": "xoxb-swapped-secret",
        "SLACK_API_URL": "slack.com/api",
        "GEMINI_API_URL": "ftp://x",
        "ADMIN_EMAILS": "boss@example.com; other@example.com",
        "LOG_LEVEL": "loud",
        "GEMINI_TIMEOUT": "0",
    }
    assert problems("bot", env) == [
        "REDIS_URL is missing",
        "MONGO_URI must begin with mongodb:// or mongodb+srv://",
        SHORT,
        "ACCOUNT_LINKING must be auto or strict",
        "SLACK_BOT_TOKEN must begin with xoxb-",
        "SLACK_APP_TOKEN must begin with xapp-",
        "SLACK_API_URL must begin with http:// or https://",
        "GEMINI_API_URL must begin with http:// or https://",
        "GEMINI_TIMEOUT must be whole seconds, from 1 to 30",
        "ADMIN_EMAILS must be email addresses with commas between them",
        "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONGO_URI", "mongodb://"),
        ("MONGO_URI", "mongodb://app:p@ss@db.example.com/helpdesk"),
        ("MONGO_URI", "mongodb://db.example.com:port/helpdesk"),
        ("MONGO_URI", "mongodb+srv://"),
        ("REDIS_URL", "redis://cache:port"),
        ("REDIS_URL", "redis://"),
        ("SLACK_API_URL", "http://[::1"),
        ("GEMINI_API_URL", "https://api.example.com:99999"),
    ],
)
def test_it_names_an_address_that_cannot_be_read(name: str, value: str) -> None:
    assert problems("bot", BOT | {name: value}) == [name + UNREADABLE]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONGO_URI", "mongodb://a.example.com,b.example.com:27018/helpdesk?replicaSet=r"),
        ("MONGO_URI", "mongodb+srv://app:p%40ss@cluster.example.com/helpdesk"),
        ("REDIS_URL", "rediss://cache.example.com"),
        ("REDIS_URL", "unix:///run/redis.sock"),
    ],
)
def test_it_takes_every_kind_of_address(name: str, value: str) -> None:
    load_settings("bot", BOT | {name: value})


def test_what_is_not_set_has_a_default() -> None:
    settings = load_settings("bot", BOT)
    assert settings.slack_api_url == "https://slack.com/api/"
    assert settings.gemini_model == "gemini-flash-lite-latest"
    assert (settings.gemini_api_url, settings.gemini_api_key) == (None, "")
    assert not settings.is_ai_enabled
    assert settings.admin_emails == frozenset()
    assert settings.account_linking == "auto"
    assert settings.log_level == "INFO"
    assert (settings.host, settings.port) == ("127.0.0.1", 5000)
    assert (settings.metrics_token, settings.trusted_proxies) == ("", ())


@pytest.mark.parametrize("kept", ["SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"])
def test_a_bot_takes_socket_mode_or_http(kept: str) -> None:
    env = {name: value for name, value in BOT.items() if name != "SLACK_APP_TOKEN"}
    load_settings("bot", env | {kept: "xapp-1-secret"})


@pytest.mark.parametrize("seconds", ["0", "31", "-1", "1.5", "soon", "\N{SUPERSCRIPT TWO}"])
def test_it_names_a_timeout_there_cannot_be(seconds: str) -> None:
    assert problems("worker", BOT | {"GEMINI_TIMEOUT": seconds}) == [
        "GEMINI_TIMEOUT must be whole seconds, from 1 to 30"
    ]
    assert load_settings("worker", BOT | {"GEMINI_TIMEOUT": "1"}).gemini_timeout == 1


@pytest.mark.parametrize("ending", ["?lang=en", "/desk?", "#top"])
def test_it_names_a_public_address_to_which_no_path_can_be_added(ending: str) -> None:
    env = BOT | {"APP_URL": f"https://help.example.com{ending}"}
    assert problems("bot", env) == ["APP_URL must have no ? and no #"]


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "50 00", "\N{SUPERSCRIPT TWO}"])
def test_it_names_a_port_there_cannot_be(port: str) -> None:
    assert problems("bot", BOT | {"PORT": port}) == ["PORT must be a number from 1 to 65535"]


def test_it_names_what_cannot_be_listened_on_or_trusted() -> None:
    env = {"HOST": "http://0.0.0.0", "TRUSTED_PROXIES": "10.0.0.1, proxy.example.com"}
    assert problems("bot", BOT | env) == [
        "HOST must be an address or a name of this machine, such as 127.0.0.1",
        "TRUSTED_PROXIES must be addresses or networks with commas between them, "
        "such as 10.0.0.5, 10.1.0.0/16",
    ]


def test_proxies_are_addresses_and_networks_of_both_kinds() -> None:
    proxies = "10.0.0.5, 10.1.0.0/16 ,, fd00::/8"
    settings = load_settings(
        "bot", BOT | {"HOST": "::", "PORT": "8080", "TRUSTED_PROXIES": proxies}
    )
    assert (settings.host, settings.port) == ("::", 8080)
    assert [str(net) for net in settings.trusted_proxies] == [
        "10.0.0.5/32",
        "10.1.0.0/16",
        "fd00::/8",
    ]


def test_space_around_a_value_does_not_matter() -> None:
    env = {name: f"  {value}\n" for name, value in BOT.items()}
    env |= {"ADMIN_EMAILS": " Boss@Example.com ,, second@example.com,", "LOG_LEVEL": " debug "}
    settings = load_settings("bot", env | {"SLACK_API_URL": " http://127.0.0.1:3000/api "})
    assert settings.slack_bot_token == "xoxb-1-secret"
    assert settings.slack_api_url == "http://127.0.0.1:3000/api/"
    assert settings.admin_emails == {"boss@example.com", "second@example.com"}
    assert settings.log_level == "DEBUG"


def test_blank_is_as_good_as_missing() -> None:
    settings = load_settings(
        "users", {"MONGO_URI": "mongodb://db", "GEMINI_MODEL": " ", "LOG_LEVEL": ""}
    )
    assert (settings.gemini_model, settings.log_level) == ("gemini-flash-lite-latest", "INFO")


def test_no_secret_is_in_its_repr() -> None:
    secrets = {
        "GEMINI_API_KEY": "key-secret",
        "ADMIN_EMAILS": "boss@example.com",
        "SLACK_SIGNING_SECRET": "signing-secret",
        "METRICS_TOKEN": "metrics-secret",
    }
    settings = load_settings("bot", BOT | secrets)
    assert settings.is_ai_enabled
    shown = repr(settings)
    for secret in ("pa55word", "hunter2", "secret", "boss"):
        assert secret not in shown


def test_the_triage_channel_and_the_emoji() -> None:
    assert (load_settings("bot", BOT).triage_channel, load_settings("bot", BOT).ticket_emoji) == (
        "",
        "ticket",
    )
    named = load_settings("worker", BOT | {"TRIAGE_CHANNEL": "C0TRIAGE", "TICKET_EMOJI": ":Eyes: "})
    assert (named.triage_channel, named.ticket_emoji) == ("C0TRIAGE", "eyes")


@pytest.mark.parametrize("channel", ["#triage", "triage", "D0123456789", "C", "c0123456789"])
@pytest.mark.parametrize("emoji", ["two words", "<!channel>", "a:b", ":"])
def test_no_channel_and_no_emoji(channel: str, emoji: str) -> None:
    assert problems("bot", BOT | {"TRIAGE_CHANNEL": channel, "TICKET_EMOJI": emoji}) == [
        "TRIAGE_CHANNEL must be a channel's id, such as C0123456789, which Slack shows at the "
        "end of the channel's details",
        "TICKET_EMOJI must be an emoji's name, such as ticket or admission_tickets",
    ]


@pytest.mark.parametrize("secret", ["x" * 31, "x", "\N{SNOWMAN}" * 10, " " * 40 + "x" * 31])
def test_a_secret_that_could_be_guessed_is_refused(secret: str) -> None:
    assert problems("worker", BOT | {"JWT_SECRET": secret}) == [SHORT]


@pytest.mark.parametrize("secret", ["x" * 32, "\N{SNOWMAN}" * 11])
def test_a_secret_is_measured_in_bytes(secret: str) -> None:
    assert load_settings("worker", BOT | {"JWT_SECRET": secret}).jwt_secret == secret


@pytest.mark.parametrize(
    ("word", "rule"), [("strict", "strict"), (" Strict ", "strict"), ("AUTO", "auto")]
)
def test_how_members_come_to_accounts(word: str, rule: str) -> None:
    assert load_settings("bot", BOT | {"ACCOUNT_LINKING": word}).account_linking == rule
