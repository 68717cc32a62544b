"""Examples of request bodies for OpenAPI, made of the examples of their fields where a model has none of its own."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def add_examples(document: Schema) -> None:
    """To every schema that a request's body is of. KeyError names a field that has no example."""
    schemas = document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = _resolved(content["schema"], schemas)
                if "examples" not in schema:
                    schema["examples"] = [example(schema, schemas)]


def example(schema: Schema, schemas: Schema) -> Any:
    """The schema's own, or made of its parts: of an object those that it needs or that have one of their own."""
    schema = _resolved(schema, schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], schemas)
    if schema.get("type") == "array":
        return [example(schema["items"], schemas)]
    if schema.get("type") == "boolean":
        return True
    if "properties" not in schema:
        raise KeyError(f"{schema.get('title')} has no example: {schema}")
    needed = schema.get("required", ())
    return {
        name: example(field, schemas)
        for name, field in schema["properties"].items()
        if name in needed or "examples" in _resolved(field, schemas)
    }


def _resolved(schema: Schema, schemas: Schema) -> Schema:
    """A field's own description stands beside the reference to its type."""
    if "$ref" not in schema:
        return schema
    target: Schema = schemas[schema["$ref"].rpartition("/")[2]]
    beside = {name: value for name, value in schema.items() if name != "$ref"}
    return {**target, **beside} if beside else target
