"""`/account` in the demo's Slack, with the account pages."""

import re

from demo import seed
from demo.local_stack import Stack
from demo.slack_page import SlackPage
from demo.slack_user import SlackUser
from tests.support.page_client import Browser


def test_a_user_links_an_account_of_the_page_and_unlinks_it(
    stack: Stack, workspace: SlackPage
) -> None:
    emma = SlackUser(workspace, seed.EMPLOYEE.slack_id)
    browser = Browser(stack.pages_url)
    browser.sign_up("emma@example.com", name="Emma of the page")
    emma.command("/ticket", "list")
    assert "Your tickets" in emma.read()[-1].text  # with an account of their own

    emma.command("/account")
    question = emma.read()[-1]
    assert "Another account has your address emma@example.com." in question.text
    emma.click(question, "own_account")
    form = emma.wait_for_modal("Link an account")
    assert f"{stack.pages_url}/link" in form.text  # local-slack's link buttons do not work
    assert emma.fill(code="0A1B2-C3D4E").submit().errors["code"].startswith("This code is wrong")
    (code,) = re.findall(r"[0-9A-Z]{5}-[0-9A-Z]{5}", browser.open("/link").text)
    asked = emma.fill(code=code.lower()).submit()
    assert asked.errors == {}
    assert "Link to e…@example.com?" in emma.wait_for_modal().text
    assert emma.submit().errors == {}
    assert (
        "In Slack, you now use the account emma@example.com"
        in emma.wait_for_modal("Account linked").text
    )
    emma.dismiss()

    emma.command("/account")
    summary = emma.read()[-1]
    assert summary.only_for == emma.user_id
    assert "Emma of the page" in summary.text
    emma.click(summary, "open_profile")
    emma.wait_for_modal("My profile")
    assert emma.fill(name="Emma E.").submit().errors == {}
    emma.command("/account")
    assert "Emma E." in emma.read()[-1].text

    emma.click(emma.read()[-1], "open_unlink")
    emma.wait_for_modal("Unlink")
    assert emma.submit().errors == {}
    emma.wait_for_modal("Account unlinked")
    emma.dismiss()
    emma.command("/ticket", "list")
    assert "You have unlinked your account." in emma.read()[-1].text
