"""Send hand-over offers to users who are away for long, for their open tickets."""

import logging

from bot.views.messages.handover_offer import offer_message
from services.availability.handover_offers import HandoverOffer, HandoverOffers
from services.core.installation import get_installation
from tasks.notifications.slack_delivery import post_message
from tasks.runtime import Runtime

logger = logging.getLogger(__name__)

MAX_OFFERS = 20


def send_due(runtime: Runtime) -> int:
    """Send the offers that are due; return how many were sent. A failed offer is retried later."""
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
    channel = slack_ids[offer.recipient_id]
    outcome = post_message(runtime.slack, offer_message(offer), channel=channel)
    if outcome.answer:
        offers.mark_sent(offer, channel=outcome.answer["channel"], ts=outcome.answer["ts"])
        return True
    logger.warning("offer to user %s not sent: %s", offer.recipient_id, outcome.error)
    if outcome.is_permanent:
        offers.mark_failed(offer, error=outcome.error)
    elif outcome.is_answered:
        offers.retry_later(offer, wait=outcome.wait)
    return False
