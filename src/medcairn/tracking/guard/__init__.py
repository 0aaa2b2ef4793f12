"""The PHI guard on the client's side of MLflow: every write is searched for identifiers before it leaves.

Switched on by ``MEDCAIRN_PHI_GUARD=block`` or ``warn`` before MLflow is imported; ``README.md`` here says how
it comes in and what it covers. Importing this package imports neither MLflow nor the detectors.
"""

from medcairn.tracking.guard.mode import KEY_FILE, SWITCH, GuardMode, guard_mode

__all__ = ["KEY_FILE", "SWITCH", "GuardMode", "guard_mode"]
