"""Clinical scores: published point tables as data, and the one formula (eGFR) that is no table."""

from __future__ import annotations

from medcairn.features.scores.points import SCORE_FILES, PointScore, PointTerm, score_names, scores

EGFR = "egfr_ckd_epi_2021"
"""Estimated GFR from the latest creatinine, the age then and the sex, mL/min/1.73 m²; see finisher.py."""

__all__ = ["EGFR", "SCORE_FILES", "PointScore", "PointTerm", "score_names", "scores"]
