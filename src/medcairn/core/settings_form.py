"""The form that every part of ``study.yaml`` has."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SettingsRecord(BaseModel):
    """Frozen; a key that is not known is refused; errors do not show what was given."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


__all__ = ["SettingsRecord"]
