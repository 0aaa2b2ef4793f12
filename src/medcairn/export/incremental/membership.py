"""Who joined a group, who left it, and whose data are here, from one export to the next."""

from __future__ import annotations

from dataclasses import dataclass

from medcairn.export.incremental.state import ExportState


@dataclass(frozen=True)
class After:
    """The members whose data are here in full, those who left with data still here, and who came back."""

    members: frozenset[str] | None
    left: frozenset[str]
    just_fetched: frozenset[str]
    returned: frozenset[str]

    def forgotten(self, *, drop: bool) -> frozenset[str]:
        """Whose old lines no longer count: who left, if asked, and who came back and was fetched anew."""
        return self.returned | (self.left if drop else frozenset())

    def remembered(self, *, drop: bool) -> frozenset[str]:
        """Who is no member and has data here. Who left while being fetched is dropped the next time."""
        return self.left & self.just_fetched if drop else self.left


@dataclass(frozen=True)
class Membership:
    """The group now, against the state of the last export. ``now`` None means that there is no group."""

    before: ExportState
    now: frozenset[str] | None

    @property
    def joined(self) -> frozenset[str]:
        """Members whose data are not here, or not in full."""
        return (self.now or frozenset()) - (self.before.members or frozenset())

    @property
    def departed(self) -> frozenset[str]:
        """Members who have left since."""
        return (self.before.members or frozenset()) - (self.now or frozenset())

    def after(self, *, complete: bool, still: frozenset[str] | None) -> After:
        """After an export, of which ``still`` (when known) are the members at its end.

        When something could not be exported, those who joined count as not here, and are fetched again.
        """
        if self.now is None:
            return After(None, frozenset(), frozenset(), frozenset())
        members = self.now if complete else self.now - self.joined
        members = members & still if still is not None else members
        known = (self.before.members or frozenset()) | self.before.departed | self.joined
        returned = self.joined & self.before.departed & members
        return After(members, known - members, self.joined, returned)


__all__ = ["After", "Membership"]
