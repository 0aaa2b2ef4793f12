"""MLflow's server behind sign-in, a PHI guard and the audit trail; see ``README.md``.

Importing this package does not import MLflow. ``factory.create_app`` is what
``mlflow server --app-name medcairn`` starts.
"""

from medcairn.tracking.server.running import ServerOptions, serve
from medcairn.tracking.server.startup import GuardNotWhole

__all__ = ["GuardNotWhole", "ServerOptions", "serve"]
