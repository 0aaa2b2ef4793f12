"""Stage 7, deployment: where a package runs, in which state, and whether it answers as packaged."""

from medcairn.deployment.deploy import DeploymentReport, deploy, read_deployment
from medcairn.deployment.smoke import SmokeCheck, SmokeReport, smoke_test

__all__ = [
    "DeploymentReport",
    "SmokeCheck",
    "SmokeReport",
    "deploy",
    "read_deployment",
    "smoke_test",
]
