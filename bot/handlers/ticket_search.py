"""Search for tickets: the command, the box in Home, and the buttons of the results."""

from bot.handlers import app_home
from bot.slack.request import Request
from bot.views.home.search_results import results_message
from bot.views.text import Message
from services.core.errors import Conflict
from services.home.sessions import Screen
from services.search.search_query import SearchPage


def show_results(req: Request) -> None:
    """`/ticket search printer`"""
    answer = _results(req, SearchPage(" ".join(req.arguments[1:])))
    req.ack(response_type="ephemeral", text=answer.text, blocks=answer.blocks)


def search_from_home(req: Request) -> None:
    """Search for what was typed into the box; nothing typed shows the first page."""
    typed = req.typed_value
    app_home.show_screen(req, Screen(search=SearchPage(typed)) if typed else Screen())


def show_page(req: Request) -> None:
    """Show another page, or the results with the person that was chosen."""
    screen = Screen.decode(req.button_value)
    if "view" in req.body:
        app_home.show_screen(req, screen)
    elif not req.replace_message(_results(req, screen.search or SearchPage(""))):
        raise Conflict(
            "These results can be changed only five times in half an hour. "
            "Type /ticket search and the words to see them as they are now."
        )


def _results(req: Request, page: SearchPage) -> Message:
    found = req.services.search.search(
        actor=req.actor, team_id=req.bot.team_id, text=page.text, cursor=page.cursor
    )
    return results_message(found)
