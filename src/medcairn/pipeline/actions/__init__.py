"""What each step does in a study: hands a stage its inputs and keeps what it made as artifacts."""

from collections.abc import Mapping

from medcairn.pipeline.actions import data, model, service, source
from medcairn.pipeline.runner import Action

ACTIONS: Mapping[str, Action] = {
    "export": source.export,
    "deid": data.deid,
    "lakehouse": data.lakehouse,
    "features": data.features,
    "train": model.train,
    "validate": model.validate,
    "package": model.package,
    "deploy": service.deploy,
    "monitor": service.monitor,
    "audit": service.audit,
}

__all__ = ["ACTIONS"]
