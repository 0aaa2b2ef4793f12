"""Stage 3, second half: cohorts, labels and features that cannot see the future."""

from medcairn.features.aces import AcesTask, load_aces
from medcairn.features.cohort import Cohort, find_cohort
from medcairn.features.cohort_batch import find_cohort_in, find_cohort_in_meds
from medcairn.features.compute import (
    INDEX_SCHEMA,
    feature_schema,
    features_at,
    features_of_events,
    warm,
)
from medcairn.features.events import EVENT_SCHEMA, events_of
from medcairn.features.feature_set import Feature, FeatureSet, feature_set_from_spec, load_feature_set
from medcairn.features.flow import Flow, Step
from medcairn.features.flow_diagram import flow_diagram
from medcairn.features.gold import GoldReport, build_gold, feature_spec
from medcairn.features.leakage import check_no_leakage, inputs_for
from medcairn.features.meds import MedsFolder, MedsReport, write_meds
from medcairn.features.subject_rows import SubjectFeatures
from medcairn.features.task import AnyTask, Task, load_any_task, load_task

__all__ = [
    "EVENT_SCHEMA",
    "INDEX_SCHEMA",
    "AcesTask",
    "AnyTask",
    "Cohort",
    "Feature",
    "FeatureSet",
    "Flow",
    "GoldReport",
    "MedsFolder",
    "MedsReport",
    "Step",
    "SubjectFeatures",
    "Task",
    "build_gold",
    "check_no_leakage",
    "events_of",
    "feature_schema",
    "feature_set_from_spec",
    "feature_spec",
    "features_at",
    "features_of_events",
    "find_cohort",
    "find_cohort_in",
    "find_cohort_in_meds",
    "flow_diagram",
    "inputs_for",
    "load_aces",
    "load_any_task",
    "load_feature_set",
    "load_task",
    "warm",
    "write_meds",
]
