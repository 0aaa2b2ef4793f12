"""A trail drawn as a graph."""

from medcairn.audit.graph.picture import MOST_BOXES, trail_picture

__all__ = ["MOST_BOXES", "trail_picture"]
