"""The section ``ledger`` of ``study.yaml``: where the ledger is kept, and who else keeps its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medcairn.core.settings_form import SettingsRecord


class SqliteLedger(SettingsRecord):
    """The ledger in ``ledger.db`` of the study."""

    kind: Literal["sqlite"] = "sqlite"


class PostgresLedger(SettingsRecord):
    """The ledger in a PostgreSQL schema. The connection string may hold a password, so it stands elsewhere:
    in a file that only its owner may read, or in an environment variable. Over a network it should ask for
    ``sslmode=verify-full``."""

    kind: Literal["postgres"] = "postgres"
    schema_name: str = Field(
        default="medcairn_ledger", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="The schema."
    )
    address_file: Path | None = Field(
        default=None, description="File of mode 0600 with the connection string, relative to the study."
    )
    address_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$",
        description="Environment variable with the connection string; each database role sets its own.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.address_file is None) == (self.address_env is None):
            raise ValueError("one of address_file and address_env")
        return self


class FolderWitnessSection(SettingsRecord):
    """Checkpoints are copied to a folder: of another machine, or on a disk that is written once."""

    kind: Literal["folder"] = "folder"
    path: Path = Field(description="The folder, absolute or relative to the study; it must be there.")


class ObjectsWitnessSection(SettingsRecord):
    """Checkpoints are copied to an object store. How long an object stays locked (Object Lock on S3, an
    immutability policy on Azure, a retention policy at Google) is set as the bucket's default, by somebody
    who does not hold these credentials."""

    kind: Literal["objects"] = "objects"
    url: str = Field(pattern=r"^(s3|az|abfss?|gs|file)://", description="The store and prefix.")
    credentials_file: Path | None = Field(
        default=None, description="The store's credentials (mode 0600), relative to the study."
    )
    endpoint: str | None = Field(default=None, description="The store's own address.")
    region: str | None = Field(default=None, description="The region of an S3 bucket.")
    ca_file: Path | None = Field(
        default=None, description="Certificates that the store's is checked by, relative to the study."
    )


class TimestampWitnessSection(SettingsRecord):
    """Checkpoints are stamped by a time-stamping service (RFC 3161)."""

    kind: Literal["timestamp"] = "timestamp"
    url: str = Field(pattern=r"^https?://", description="The service's address.")
    roots_file: Path = Field(description="PEM file of the authorities its certificate must lead to.")
    folder: Path = Field(default=Path("stamps"), description="Where stamps are kept, one folder a service.")


class LedgerSection(SettingsRecord):
    """Where the ledger is kept, who else keeps its checkpoints, and how often a service seals one."""

    store: Annotated[SqliteLedger | PostgresLedger, Field(discriminator="kind")] = SqliteLedger()
    witnesses: tuple[
        Annotated[
            FolderWitnessSection | ObjectsWitnessSection | TimestampWitnessSection,
            Field(discriminator="kind"),
        ],
        ...,
    ] = Field(default=(), description="Out of reach of who can change the ledger.")
    seal_every_minutes: float = Field(
        default=5.0, gt=0, le=1440, description="A service seals what is new after so many minutes."
    )
    seal_every_entries: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="A service seals after so many new entries, if that comes first.",
    )

    @model_validator(mode="after")
    def _a_folder_each(self) -> Self:
        folders = [one.folder for one in self.witnesses if isinstance(one, TimestampWitnessSection)]
        if len(set(folders)) != len(folders):
            raise ValueError("two services share a folder")
        return self


__all__ = [
    "FolderWitnessSection",
    "LedgerSection",
    "ObjectsWitnessSection",
    "PostgresLedger",
    "SqliteLedger",
    "TimestampWitnessSection",
]
