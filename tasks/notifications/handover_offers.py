"""Sends hand-over offers to users who are away for long, for their open tickets."""

import logging
from datetime import timedelta

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.views.messages.handover_offer import offer_message
from services.availability.handover_offers import HandoverOffer, HandoverOffers
from services.core.installation import get_installation
from tasks.notifications.slack_delivery import (
    error_code,
    is_permanent,
    post_message,
    rate_limit_error,
)
from tasks.runtime import Runtime

logger = logging.getLogger(__name__)

MAX_OFFERS = 20


def send_due(runtime: Runtime) -> int:
    """Return how many were sent; what fails is tried again later."""
    team, offers = get_installation(runtime.db), runtime.services.handover_offers
    if team is None:
        return 0
    sent = 0
    for _ in range(MAX_OFFERS):
        offer = offers.claim_next()
        if offer is None:
            break
        sent += _send(runtime, offers, offer, team.team_id)
    return sent


def _send(runtime: Runtime, offers: HandoverOffers, offer: HandoverOffer, team_id: str) -> bool:
    slack_ids = runtime.services.links.slack_ids(team_id=team_id, user_ids={offer.recipient_id})
    if offer.recipient_id not in slack_ids:
        offers.mark_failed(offer, error="not linked")
        return False
    try:
        answer = post_message(
            runtime.slack, offer_message(offer), channel=slack_ids[offer.recipient_id]
        )
    except SlackApiError as error:
        code, wait = error_code(error), rate_limit_error(error)
        if not wait and is_permanent(error):
            offers.mark_failed(offer, error=code)
        else:
            offers.retry_later(offer, wait=timedelta(seconds=wait.seconds) if wait else None)
        logger.warning("the offer to user %s is not sent: %s", offer.recipient_id, code)
        return False
    except (SlackClientError, OSError) as error:
        # Slack may have taken it: only when the claim has expired is it sent again.
        logger.warning("the offer to user %s: %s", offer.recipient_id, type(error).__name__)
        return False
    offers.mark_sent(offer, channel=answer["channel"], ts=answer["ts"])
    return True
