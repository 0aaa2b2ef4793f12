"""Objects of a store (S3, Azure, Google, files), fetched and read like a landing folder."""

from medcairn.export.sources.objects.access import StoreAccess
from medcairn.export.sources.objects.run import export_objects

__all__ = ["StoreAccess", "export_objects"]
