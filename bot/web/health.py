"""For whoever watches over the process: is it alive, and can it do its work?"""

from collections.abc import Callable

from flask import Blueprint, Response, jsonify

from bot.web.http_errors import problem_response


def health_blueprint(is_ready: Callable[[], bool]) -> Blueprint:
    """`/healthz` always says yes; `/readyz` says what `is_ready` says, with 503 for no."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @blueprint.get("/readyz")
    def readyz() -> Response:
        if is_ready():
            return jsonify(status="ok")
        return problem_response(
            503, "not_ready", "MongoDB does not answer. Check MONGO_URI and its server."
        )

    return blueprint
