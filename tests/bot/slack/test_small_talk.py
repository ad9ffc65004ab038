import pytest

from bot.slack.small_talk import SmallTalk, find_small_talk


@pytest.mark.parametrize(
    "text", ["Hi", "hello there!", "Good morning, team", "Hey :wave:", "👋", ":+1:", "?", "Bonjour"]
)
def test_greetings(text: str) -> None:
    assert find_small_talk(text) is SmallTalk.GREETING


@pytest.mark.parametrize(
    "text", ["Thanks", "Thank you so much!", "ok, thx", "Danke!!", "hi, thanks"]
)
def test_thanks(text: str) -> None:
    assert find_small_talk(text) is SmallTalk.THANKS


@pytest.mark.parametrize(
    "text",
    [
        "Help",
        "Berlin",
        "ok",
        "yes",
        "Hi, the VPN drops",
        "Thanks, but it is back",
        "Привет VPN",
        "7",
    ],
)
def test_anything_else_may_be_a_request(text: str) -> None:
    assert find_small_talk(text) is None
