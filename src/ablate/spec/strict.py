"""The base of every model that is read from a user's file."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ablate.errors import SpecError, nearest, quoted

_SHOWN = 8
_LONGEST = 200
"""Characters of a key that are shown as they are."""
_KINDS = {
    **dict.fromkeys(("string_type", "string_sub_type"), "a text"),
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size"), "a whole number"),
    "int_from_float": "a whole number",
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "dataclass_type"), "a mapping"),
    "model_attributes_type": "a mapping",
}
"""What belongs where pydantic found something else, by its name of the mistake."""
_WRITE = {f"write {kind}" for kind in _KINDS.values()}


class Strict(BaseModel):
    """A frozen model that refuses unknown keys and names the nearest valid one."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, ser_json_inf_nan="constants"
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {field.alias or name for name, field in cls.model_fields.items()}
            for key in data:
                if key not in known and key not in cls.model_fields:
                    raise ValueError(f"unknown key {quoted(key)}: {nearest(str(key), known)}")
        return data


Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], data: Any, where: str) -> Model:
    """Build `model` from plain data; raise SpecError with one line per mistake."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = list(_lines(data, error.errors(), model))
    shown = [f"{where}: {line}" for line in lines[:_SHOWN]]
    if more := len(lines) - len(shown):
        shown.append(f"{where}: {more} more mistakes like these")
    raise SpecError("\n".join(shown))


def _lines(data: Any, mistakes: Iterable[Any], model: type[BaseModel]) -> Iterator[str]:
    """Word the mistakes, those at one place as one: there, one of several kinds is expected."""
    by_place: dict[str, list[Any]] = {}
    found = list(mistakes)
    for item in found:
        inside = (other for other in found if other["loc"][: len(item["loc"])] == item["loc"])
        if item["type"] == "too_short" and any(other is not item for other in inside):
            continue  # what is wrong with its entries comes first
        by_place.setdefault(_place(data, item["loc"]), []).append(item)
    for place, items in by_place.items():
        messages = dict.fromkeys(_message(item, model) for item in items)
        kinds = [message.removeprefix("write ") for message in messages if message in _WRITE]
        said = f"write {' or '.join(kinds)}" if len(kinds) == len(messages) else "; ".join(messages)
        yield f"{place + ': ' if place else ''}{said}{_given(items[0])}"


def _message(item: Any, model: type[BaseModel]) -> str:
    if item["type"] == "missing":
        return f"missing{_example(item['loc'], model)}"
    if (kind := _KINDS.get(item["type"])) is not None:
        return f"write {kind}"
    if item["type"] == "too_short":
        count = item["ctx"]["min_length"]
        return f"write at least {count} {'entry' if count == 1 else 'entries'}"
    message = str(item["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _example(location: tuple[str | int, ...], model: type[BaseModel]) -> str:
    """Show what a key of the file itself may look like, where the model has an example."""
    field = model.model_fields.get(str(location[0])) if len(location) == 1 else None
    return (
        f"; write such as `{location[0]}: {field.examples[0]}`" if field and field.examples else ""
    )


def _given(item: Any) -> str:
    if item["type"] in {"value_error", "missing"} or isinstance(item["input"], (dict, list)):
        return ""
    return f" (given: {quoted(item['input'])})"


def _place(data: Any, location: tuple[str | int, ...]) -> str:
    """Return where in the data a mistake is; pydantic also names the kinds that it has tried."""
    text, node = "", data
    for depth, part in enumerate(location):
        held = part in node if isinstance(node, Mapping) else _has_item(node, part)
        if held:
            node = node[part]
        elif depth + 1 < len(location) or not isinstance(node, Mapping | list | tuple):
            continue
        text += f"[{part}]" if isinstance(part, int) else f".{_printable(part)}"
    return text.removeprefix(".")


def _printable(key: str) -> str:
    return key if key.isprintable() and len(key) <= _LONGEST else quoted(key)


def _has_item(node: Any, part: str | int) -> bool:
    return isinstance(node, list | tuple) and isinstance(part, int) and part < len(node)
