"""`/api/openapi.json`, generated from the table of operations and the models of the bodies."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import (
    GenerateJsonSchema,
    JsonSchemaMode,
    JsonSchemaValue,
    models_json_schema,
)
from pydantic_core.core_schema import WithDefaultSchema

from bot.web.api.operations import ACCOUNTS_TAG, OPERATIONS, TICKETS_TAG, Json, Operation
from bot.web.api.response_bodies import Error

_TOKEN = "token"  # noqa: S105  the name of the scheme
_ERRORS = {
    400: "The request is invalid; `field` names the invalid value.",
    401: "Not signed in: no token, an expired one, or a wrong password.",
    403: "The account's role does not allow this.",
    404: "Not found, or not visible to the caller.",
    409: "The stored state does not allow this, or has changed since.",
    413: "The body is larger than 1 MB.",
    415: "The body is not declared as JSON.",
    429: "Too many requests.",
    500: "An internal error, with a reference for an admin.",
    503: "The database cannot be reached at the moment.",
}
_HEADERS: dict[int, Json] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}}},
    503: {"Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}}},
}


def openapi_document() -> Json:
    """Return the OpenAPI 3.1 document."""
    schemas = _schemas()
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        described = _describe_operation(operation)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tickets and accounts",
            "version": "1.0.0",
            "description": "The same as in Slack. Every error is an `Error`.",
        },
        "servers": [{"url": "/"}],
        "tags": [
            {
                "name": ACCOUNTS_TAG,
                "description": "Sign up, sign in and out, your own account, everyone's.",
            },
            {"name": TICKETS_TAG, "description": "File, read and change tickets."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {str(status): _error_response(status) for status in _ERRORS},
            "securitySchemes": {
                _TOKEN: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def _describe_operation(operation: Operation) -> Json:
    responses: Json = {
        str(operation.status): {
            "description": operation.summary,
            "content": _content(operation.response_model),
        }
    }
    for status in operation.error_statuses:
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    described: Json = {
        "operationId": operation.operation_id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": [{_TOKEN: []}] if operation.requires_token else [],
        "responses": responses,
    }
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.request_model:
        described["requestBody"] = {"required": True, "content": _content(operation.request_model)}
    return described


def _error_response(status: int) -> Json:
    error: Json = {"description": _ERRORS[status], "content": _content(Error)}
    return error | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def _content(model: type[BaseModel]) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}


class _SchemaGenerator(GenerateJsonSchema):
    """Omit the titles of fields, which repeat their names, and defaults."""

    def field_title_should_be_set(self, _: Any) -> bool:
        return False

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def _schemas() -> Json:
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Error, "validation")]
    for operation in OPERATIONS:
        models.append((operation.response_model, "serialization"))
        if operation.request_model:
            models.append((operation.request_model, "validation"))
    _, definitions = models_json_schema(
        models, ref_template="#/components/schemas/{model}", schema_generator=_SchemaGenerator
    )
    schemas: Json = definitions["$defs"]
    return schemas
