"""The base of every model that is read from a user's file."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ablate.errors import SpecError, nearest


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
                    raise ValueError(f"unknown key {key!r}: {nearest(str(key), known)}")
        return data


Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], data: Any, where: str) -> Model:
    """Build `model` from plain data; raise SpecError with one line per mistake."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise SpecError("\n".join(_line(where, item) for item in error.errors())) from None


def _line(where: str, item: Any) -> str:
    message = str(item["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    place = _place(item["loc"])
    given = ""
    if item["type"] != "value_error" and not isinstance(item["input"], (dict, list)):
        given = f" (given: {item['input']!r})"
    return f"{where}: {place + ': ' if place else ''}{message}{given}"


def _place(location: tuple[str | int, ...]) -> str:
    text, last = "", None
    for part in location:
        if part != last:  # a parameter's kind is named twice: as its tag and as its key
            text += f"[{part}]" if isinstance(part, int) else f".{part}"
        last = part
    return text.removeprefix(".")
