"""The switch of the guard, read from the environment each time that it matters."""

from __future__ import annotations

import os
from enum import StrEnum

from medcairn.core.errors import UsageError
from medcairn.core.labels import Label

SWITCH = "MEDCAIRN_PHI_GUARD"
KEY_FILE = "MEDCAIRN_PHI_KEY_FILE"


class GuardMode(StrEnum):
    """What the guard does with a write that holds what looks like an identifier."""

    OFF = "off"
    WARN = "warn"
    BLOCK = "block"


def guard_mode() -> GuardMode:
    """The mode that ``MEDCAIRN_PHI_GUARD`` asks for; off when it is not set.

    Raises :class:`UsageError` for any other value: a slip of the pen must not switch the guard off.
    """
    asked = os.environ.get(SWITCH, "").strip().lower()
    if asked in ("", GuardMode.OFF.value):
        return GuardMode.OFF
    if asked in (GuardMode.WARN.value, GuardMode.BLOCK.value):
        return GuardMode(asked)
    raise UsageError(
        "The PHI guard's switch has a value that it does not know",
        hint="Set it to block, warn or off",
        variable=Label(SWITCH),
    )


__all__ = ["KEY_FILE", "SWITCH", "GuardMode", "guard_mode"]
