"""The types of single values in the configuration, and what a model class for an object of it is like.

Laws: types are strict (``"1"`` is no number, ``true`` is no weight), unknown fields are refused, and nothing that was given
is ever part of an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from llm_proxy.live.config import checks


def checked(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``check`` in the form that pydantic takes: the sentence is passed on as it is."""

    def validate(value: Any) -> Any:
        try:
            return check(value)
        except ValueError as error:
            raise PydanticCustomError("checked", "{reason}", {"reason": str(error)}) from None

    return validate


ApiHost = Annotated[str, AfterValidator(checked(checks.api_host))]
HeaderName = Annotated[str, AfterValidator(checked(checks.header_name))]
PemPath = Annotated[str, AfterValidator(checked(checks.pem_path))]
HeaderValue = Annotated[str, AfterValidator(checked(checks.header_value))]
Name = Annotated[str, AfterValidator(checked(checks.name))]
KeepAlive = Annotated[
    str | int | float,
    BeforeValidator(checked(checks.keep_alive), json_schema_input_type=str | int | float),
]
#: A day is longer than any answer; the bound catches milliseconds written as seconds.
Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
#: A number of things; the bound is above any real one.
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Strict(BaseModel):
    """An object of the configuration."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)
