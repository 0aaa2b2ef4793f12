"""The sheet on which one patient's resources are written."""

from __future__ import annotations

from dataclasses import dataclass, field

from medcairn.synthetic.draws import Draws
from medcairn.synthetic.house import House
from medcairn.synthetic.instants import fhir_instant
from medcairn.synthetic.lives import Contact, Life


@dataclass(slots=True)
class Chart:
    """One patient's resources in the making; ``end`` is the minute at which the data end."""

    life: Life
    house: House
    draws: Draws
    end: int
    lines: list[tuple[str, bytes]] = field(default_factory=list)
    counter: int = 0

    @property
    def until(self) -> int:
        """The minute after which nothing may be recorded: death or the end of the data."""
        return self.end if self.life.death is None else min(self.end, self.life.death + 1)

    def add(self, resource_type: str, line: str) -> None:
        """Append one resource."""
        self.lines.append((resource_type, line.encode()))

    def new_id(self) -> str:
        """An id not given before; it tells the patient's key and nothing else."""
        self.counter += 1
        return f"{self.life.person.key}-{self.counter:x}"


@dataclass(slots=True)
class Scene:
    """Where and by whom something is recorded: the fragments that a contact's resources share."""

    chart: Chart
    contact: Contact
    organization: int
    practitioner: int
    subject: str
    encounter: str

    @property
    def close(self) -> int:
        """The contact's last minute, or the data's while it lasts."""
        return self.chart.end - 1 if self.contact.end is None else self.contact.end


def head(resource_type: str, identifier: str, updated: int, profile: str = "") -> str:
    """The beginning of a resource, up to and with its ``meta``."""
    claim = (
        f',"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-{profile}"]' if profile else ""
    )
    return (
        f'{{"resourceType":"{resource_type}","id":"{identifier}",'
        f'"meta":{{"lastUpdated":"{fhir_instant(updated)}"{claim}}}'
    )


def coding(system: str, code: str, display: str) -> str:
    """One Coding."""
    return f'{{"system":"{system}","code":"{code}","display":"{display}"}}'


__all__ = ["Chart", "Scene", "coding", "head"]
