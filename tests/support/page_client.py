"""A browser without a screen: keeps cookies, reads forms, and sends them with what is typed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import requests

from bot.slack.bot_process import BotProcess
from bot.web.cookies import is_https
from bot.web.flask_app import create_flask_app
from bot.web.pages.blueprint import make_error_page, pages_blueprint
from bot.web.server import WebServer
from tests.conftest import make_config

PASSWORD = "correct horse battery"
OUTSIDE = "http://helpdesk.example.com"


@dataclass
class Form:
    """`ticked`: the values of the boxes that are ticked, by name."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    ticked: dict[str, list[str]] = field(default_factory=dict)


class Page(HTMLParser):
    """What a page says and asks for."""

    VOID = ("meta", "link", "input", "img", "br")
    INLINE = ("strong", "code", "a", "span")

    def __init__(self, response: requests.Response) -> None:
        super().__init__()
        self.status, self.html = response.status_code, response.text
        self.headers = response.headers
        self.path = response.url.split("/", 3)[3]
        self.forms: dict[str, Form] = {}
        self.inputs: dict[str, dict[str, str]] = {}
        self.texts: dict[str, str] = {}  # of what has an id
        self.alerts: list[str] = []
        self.links: list[str] = []
        self._said: list[str] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self._form: Form | None = None
        self.feed(response.text)

    @property
    def text(self) -> str:
        """With one blank between the words."""
        return " ".join("".join(self._said).split())

    @property
    def title(self) -> str:
        return self.html.partition("<title>")[2].partition("</title>")[0]

    def described_by(self, name: str) -> list[str]:
        """What is read out with that input."""
        return [
            " ".join(self.texts[one].split())
            for one in self.inputs[name].get("aria-describedby", "").split()
        ]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = self.forms[named["action"]] = Form(named["action"])
        if tag == "input":
            self.inputs[named["name"]] = named
            if self._form and named.get("type") != "checkbox":
                self._form.values[named["name"]] = named.get("value", "")
            elif self._form and "checked" in named:
                self._form.ticked.setdefault(named["name"], []).append(named["value"])
        if tag == "a":
            self.links.append(named["href"])
        if named.get("role") == "alert":
            self.alerts.append("")
        if tag not in self.VOID:
            self._open.append((tag, named))

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> is closed by </{tag}>"
        if tag == "form":
            self._form = None
        if tag not in self.INLINE:
            self._said.append(" ")

    def handle_data(self, data: str) -> None:
        self._said.append(data)
        for _, named in self._open:
            if one := named.get("id"):
                self.texts[one] = self.texts.get(one, "") + data
            if named.get("role") == "alert":
                self.alerts[-1] += data


class Browser(requests.Session):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def open(self, path: str) -> Page:
        return Page(self.get(self.url + path, timeout=20))

    def fill(self, page: Page, action: str, *, untick: str = "", **typed: str) -> Page:
        """Fill the page's form with that action in, without the box `untick`, and send it."""
        form = page.forms[action]
        boxes = {
            name: [value for value in values if value != untick]
            for name, values in form.ticked.items()
        }
        data = boxes | form.values | typed
        return Page(self.post(self.url + action, data=data, timeout=20))

    def sign_up(self, email: str = "emma@example.com", **typed: str) -> Page:
        fine = {"email": email, "password": PASSWORD, "repeat": PASSWORD}
        return self.fill(self.open("/signup"), "/signup", **{**fine, **typed})

    def sign_in(self, email: str = "emma@example.com", password: str = PASSWORD) -> Page:
        return self.fill(self.open("/signin"), "/signin", email=email, password=password)


@contextmanager
def serving(
    bot_process: BotProcess, *, app_url: str = OUTSIDE, has_mail: bool = True
) -> Iterator[str]:
    """The pages on a real server; the address."""
    smtp_host = "127.0.0.1" if has_mail else ""
    config = make_config(APP_URL=app_url, MAILTRAP_SMTP_HOST=smtp_host)
    web = create_flask_app(
        is_ready=lambda: True,
        blueprints=[pages_blueprint(replace(bot_process, config=config))],
        error_page=make_error_page(bot_process, secure=is_https(app_url)),
    )
    with WebServer(web, host="127.0.0.1", port=0) as server:
        yield f"http://127.0.0.1:{server.port}"
