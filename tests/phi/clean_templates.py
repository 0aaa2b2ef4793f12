# ruff: noqa: E501, SIM905 (tables: a row is a line, a list of words is read as one)
"""Templates of clean parameters, tags, metric names, log lines and small artifacts, after those of real projects."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random

_FEATURES = (
    "age sex bmi creatinine_last hemoglobin_mean_24h sodium_min heart_rate_max sbp_mean temp_c spo2_min los_hours icu_stay "
    "prior_admissions_12m n_visits patient_age patient_count discharge_disposition admission_type admit_source insurance_type "
    "birth_year age_at_admission days_since_last_visit has_dob_flag phone_contact_count address_changed name_length zip3 "
    "provider_specialty hospital_id_te chart_review_flag mrn_hash_bucket has_email n_encounters encounter_type member_months"
).split()
_METRICS = (
    "auc accuracy f1 precision recall log_loss brier calibration_slope calibration_intercept ece net_benefit r2 rmse mae "
    "training_loss val_auroc per_patient_auc patient_level_recall patients_seen ppv npv sensitivity specificity"
).split()
_MODELS = "Random Forest|Gradient Boosting|Elastic Net|Logistic Regression|LightGBM|XGBoost|TabNet|Cox PH|Nelson Aalen|Naive Bayes".split(
    "|"
)
_WORDS = "readmission sepsis mortality los aki stroke falls triage dka chf copd".split()


def made(random: Random) -> tuple[str, str, bool]:
    """(key or name, text, whether it is an artifact) of one clean thing."""
    draw = random.random()
    if draw < 0.30:
        return (*_parameter(random), False)
    if draw < 0.55:
        return (*_tag(random), False)
    if draw < 0.70:
        return (*_metric(random), False)
    if draw < 0.85:
        return (*_description(random), False)
    return (*_artifact(random), True)


def _hex(random: Random, count: int) -> str:
    return f"{random.getrandbits(4 * count):0{count}x}"


def _uuid(random: Random) -> str:
    return "-".join(_hex(random, n) for n in (8, 4, 4, 4, 12))


def _instant(random: Random) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randint(0, 80_000_000))


def _pick(random: Random, words: tuple[str, ...] | list[str], count: int) -> list[str]:
    return random.sample(list(words), count)


def _parameter(random: Random) -> tuple[str, str]:
    size = random.choice([32, 50, 64, 100, 128, 200, 256, 300, 512, 1024])
    number = random.random()
    return random.choice([
        ("random_state", str(random.randint(0, 2**32 - 1))), ("seed", str(random.randint(10**9, 2 * 10**9))),
        ("n_rows", str(random.randint(100, 10**9))), ("learning_rate", repr(number)), ("alpha", f"{number:e}"), ("offset", f"{number * 10:+.8f}"),
        ("hidden_layer_sizes", f"({size * 8}, {size * 4}, {size})"), ("layers", f"{size * 4}-{size * 2}-{size}"), ("layers", f"512-64-{size * 10}"),
        ("architecture", f"{size * 4} {size * 2} 1024"), ("features", str(_pick(random, _FEATURES, 12))), ("features", ",".join(_pick(random, _FEATURES, 20))),
        ("drop_columns", "['ssn', 'mrn', 'patient_name', 'dob']"), ("drop_columns", "name,dob,phone,email,address"),
        ("id_column", "patient_id"), ("group_by", "patient_id"), ("target", "readmitted_30d"), ("patient_name", "dropped"),
        ("mrn_column", "None"), ("patient_id_column", "subject_id"), ("n_patients", str(random.randint(100, 250_000))),
        ("patient_count", str(random.randint(10_000, 250_000))), ("min_age", "18"), ("dob_handling", "year_only"), ("phone_model", "logistic"),
        ("search_space", json.dumps({"max_depth": [3, 5, 7], "eta": [number, 0.1], "subsample": {"low": 0.5, "high": 1.0}})),
        ("best_params", str({"C": number, "penalty": "l2", "solver": "lbfgs", "class_weight": None, "max_iter": 1000})),
        ("pipeline", "Pipeline(steps=[('impute', SimpleImputer()), ('clf', LogisticRegression(C=0.5))])"),
        ("start_date", _instant(random).date().isoformat()), ("end_date", _instant(random).date().isoformat()),
        ("train_window", "2015-01-01..2020-12-31"), ("cutoff", f"{_instant(random):%Y-%m-%dT%H:%M:%SZ}"), ("snapshot", f"{_instant(random):%Y%m%d}"),
        ("admission_window", "admission_date >= 2019-01-01 and admission_date < 2021-01-01"), ("as_of", f"{_instant(random):%Y-%m-%d %H:%M:%S.%f}"),
        ("n_estimators", str(random.randint(10, 5000))), ("scale_pos_weight", repr(number * 20)), ("objective", "binary:logistic"),
        ("quantiles", str([round(random.random(), 6) for _ in range(8)])), ("class_weight", "{0: 0.52, 1: 12.7}"), ("device", "cuda:0"),
        ("kernel_size", "3x3"), ("image_size", "224x224"), ("tokenizer", "emilyalsentzer/Bio_ClinicalBERT"), ("backbone", "resnet50.a1_in1k"),
        ("prompt_template", "Summarize the labs: {labs}\nAnswer with yes or no."), ("outcome_codes", "I50.9,I50.22,I11.0"), ("loinc", "2160-0;38483-4;2345-7"),
        ("snomed", "SNOMED 44054006"), ("rxnorm", "RxNorm 860975"), ("value_set_oid", "2.16.840.1.113883.3.464.1003.103.12.1001"),
        ("monotone_constraints", str(tuple(random.choice([-1, 0, 1]) for _ in range(30)))), ("bins", "[18, 30, 45, 65, 80, 90]"),
        ("imputer", "median"), ("cv", "StratifiedGroupKFold(n_splits=5, random_state=42, shuffle=True)"), ("name", random.choice(_MODELS)),
        ("model_name", random.choice(_MODELS)), ("base_score", repr(number)), ("cohort", f"{random.choice(_WORDS)}_adults_v{random.randint(1, 9)}"),
        ("phone", "None"), ("hospital", "site_03"), ("site_id", f"S{random.randint(1, 99):02}"), ("encounter_types", "inpatient,observation"),
        ("visit_type", "ED"), ("member_level", "True"), ("provider", "azure"), ("account", f"ml-{random.choice(_WORDS)}-prod"),
        ("aws_account_id", f"{random.randint(10**11, 10**12 - 1)}"), ("vocab_size", "50257"), ("total_params", str(random.randint(10**6, 10**10))),
        ("git_sha", _hex(random, 40)), ("data_digest", f"sha256:{_hex(random, 64)}"), ("parent_run", _hex(random, 32)), ("trial_id", _uuid(random)),
    ])  # fmt: skip


def _tag(random: Random) -> tuple[str, str]:
    at = _instant(random)
    return random.choice([
        ("mlflow.source.git.commit", _hex(random, 40)), ("mlflow.source.git.repoURL", "git@github.com:org/readmission.git"),
        ("mlflow.source.git.repoURL", "https://github.com/org/readmission.git"), ("mlflow.source.name", "/opt/app/src/train.py"),
        ("mlflow.source.name", "/usr/lib/python3.11/site-packages/sklearn/linear_model/_logistic.py"), ("mlflow.user", "svc-mlops"),
        ("mlflow.runName", f"{random.choice(['polite', 'rare', 'bold', 'casual'])}-{random.choice(['slug', 'goat', 'finch', 'mare'])}-{random.randint(1, 999)}"),
        ("mlflow.runName", f"xgb-{at:%y-%m-%d-%H-%M-%S}"), ("mlflow.runName", f"{at:%Y%m%d-%H%M%S}-{_hex(random, 7)}"), ("run", f"{at:%Y%m%d%H%M%S}"),
        ("started", at.isoformat()), ("finished", f"{at:%Y-%m-%d %H:%M:%S,%f}"), ("mlflow.docker.image.uri", f"registry.example:5000/train:{at:%Y.%m.%d}"),
        ("image", f"python:3.11-slim@sha256:{_hex(random, 64)}"), ("python", "3.11.7"), ("cuda", "12.1.105"), ("cudnn", "8.9.2.26"), ("driver", "535.104.05"),
        ("opencv", "4.8.1.78"), ("nccl", "2.18.1"), ("libraries", "nvidia-cublas-cu12==12.1.3.1,nvidia-cusolver-cu12==11.4.5.107"), ("windows", "10.0.19045.3570"),
        ("model_version", f"v{random.randint(0, 9)}.{random.randint(0, 20)}.{random.randint(0, 99)}"), ("schema_version", "1.2.3.4"), ("release", f"{at:%Y.%m.%d}.1"),
        ("tracking_uri", "http://127.0.0.1:5000"), ("tracking_uri", "http://localhost:5000/#/experiments/1/runs/" + _hex(random, 32)), ("host", "0.0.0.0:8080"),
        ("artifact_uri", f"s3://ml-artifacts/{random.randint(1, 900)}/{_hex(random, 32)}/artifacts"), ("run_url", f"https://mlflow.example.org/#/experiments/{random.randint(10**17, 10**18)}/runs/{_hex(random, 32)}"),
        ("dataset", f"abfss://gold@lake.dfs.core.windows.net/features/v{random.randint(1, 40)}"), ("dataset", f"/mnt/data/gold/patient_features/date={at:%Y-%m-%d}/part-00000-{_uuid(random)}.c000.snappy.parquet"),
        ("paper", "https://arxiv.org/abs/1706.03762"), ("doi", "10.1038/s41746-018-0029-1"), ("paper", "https://pubmed.ncbi.nlm.nih.gov/12345678"), ("jira", f"MLOPS-{random.randint(1, 9999)}"),
        ("commit_message", "Fix patient split leakage, see #1234"), ("team", "Clinical Data Science"), ("stage", "candidate"), ("task", random.choice(_WORDS)),
        ("docs", "https://docs.example.org/guide/patients/index.html"), ("build", f"{at:%Y%m%d}.{random.randint(1, 30)}"), ("ci", f"https://ci.example.org/job/train/{random.randint(1, 20000)}/"),
        ("gpu", "NVIDIA A100-SXM4-80GB"), ("hardware", "8x Intel Xeon Platinum 8370C @ 2.80GHz"), ("uuid", _uuid(random)), ("node", f"ip-10-0-{random.randint(0, 9)}-12"),
        ("cluster", f"{random.randint(1000, 1999)}-{random.randint(100000, 999999)}-abcd1234"), ("notebook_id", str(random.randint(10**15, 10**16))), ("job_id", str(random.randint(10**9, 10**10 - 1))),
        ("feature_set", f"vitals_labs@{_hex(random, 12)}"), ("deid", "safe-harbor"), ("policy", f"safe-harbor@3 {_hex(random, 12)}"), ("protocol", "NCT01234567"), ("irb", "IRB-2023-0142"),
        ("cohort", "patients admitted between 2015-01-01 and 2020-12-31"), ("cohort", "adults, first admission, discharged alive"), ("split", "by patient, 70/15/15"),
        ("population", "Patients with CKD stage 3-5"), ("note", "dropped mrn, name and date of birth"), ("reviewed", "true"), ("languages", "en,es,fr"),
        ("estimator_name", random.choice(_MODELS)), ("reference", "TRIPOD+AI item 12a"), ("standard", "ISO 13485:2016, IEC 62304:2006/AMD 1:2015"), ("clause", "45 CFR 164.514(b)(2)(i)"),
        ("oid", "urn:oid:2.16.840.1.113883.6.96"), ("system", "http://hl7.org/fhir/sid/icd-10-cm"), ("system", "http://snomed.info/sct/731000124108/version/20240301"), ("profile", "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"),
    ])  # fmt: skip


def _metric(random: Random) -> tuple[str, str]:
    name = random.choice(_METRICS)
    key = random.choice([
        name, f"val_{name}", f"test/{name}", f"{name}_at_{random.randint(1, 100)}", f"{name}_fold_{random.randint(0, 9)}", f"{name}_{random.choice(_WORDS)}",
        f"system/gpu_{random.randint(0, 7)}_utilization_percentage", f"{name}_age_{random.choice(['18_40', '40_65', '65_89', '90plus'])}",
        f"{name}_subgroup_sex_{random.choice(['female', 'male'])}", f"psi_{random.choice(_FEATURES)}", f"shap_{random.choice(_FEATURES)}", f"eval/{name}/step_{random.randint(1, 10**6)}",
        f"{name}_ci_lower_2.5", f"confusion_matrix.{random.randint(0, 9)}.{random.randint(0, 9)}", f"layer_{random.randint(1, 48)}_512_256_1024_grad_norm",
    ])  # fmt: skip
    return key, repr(random.choice([random.random(), random.random() * 1e6, random.randint(0, 10**10)]))


def _description(random: Random) -> tuple[str, str]:
    at = _instant(random)
    model, word = random.choice(_MODELS), random.choice(_WORDS)
    return random.choice([
        ("mlflow.note.content", f"{model} for 30-day {word}. Trained on {at:%Y-%m-%d} snapshots; the features are those of v{random.randint(1, 9)}."),
        ("mlflow.note.content", f"Baseline with {random.randint(5, 400)} features. Calibration is poor above 0.8, and we should try isotonic next."),
        ("description", f"# {model}\n\nPredicts {word} within 48 hours of admission.\n\n- AUROC {random.random():.3f} (95% CI {random.random():.3f}-{random.random():.3f})\n- {random.randint(1000, 90000):,} patients"),
        ("description", "Same as run 12 but without race; patients under 18 were left out and so were stays shorter than 24 hours."),
        ("description", f"Model trained by the data science team. Contact: see the wiki. Approved for shadow mode since {at:%B %Y}."),
        ("description", "Patient level split, so that no patient is in both train and test. Patient Risk Score is the calibrated output."),
        ("query", f"SELECT patient_id, max(value) FROM silver.observation WHERE code = '2160-0' AND effective < TIMESTAMP '{at:%Y-%m-%d %H:%M:%S}' GROUP BY patient_id"),
        ("query", "select p.name, p.birth_date from patient p join encounter e on e.patient_id = p.id where e.admit_date between '2019-01-01' and '2020-01-01'"),
        ("log", f"{at:%Y-%m-%d %H:%M:%S,%f} INFO trainer: epoch {random.randint(1, 99)} loss={random.random():.6f} lr=1.0e-04 eta 0:12:31"),
        ("log", f"[{at:%Y-%m-%dT%H:%M:%S.%fZ}] patient split done: {random.randint(1000, 90000)} train, {random.randint(100, 9000)} test"),
        ("log", f"[LightGBM] [Info] Number of positive: {random.randint(1000, 9999)}, number of negative: {random.randint(10000, 99999)}"),
        ("traceback", 'File "/usr/lib/python3.11/site-packages/pandas/core/frame.py", line 4102, in __getitem__\n    indexer = self.columns.get_loc(key)'),
        ("report", "              precision    recall  f1-score   support\n\n           0       0.91      0.97      0.94      1833\n           1       0.72      0.45      0.55       312\n\n    accuracy                           0.89      2145"),
        ("matrix", f"[[{random.randint(200, 999)} {random.randint(200, 999)} {random.randint(1000, 9999)}]\n [ 12 345 2210]]"),
        ("array", f"array([{random.random()}, {random.random()}, {random.randint(200, 999)}, {random.randint(200, 999)}, {random.randint(1000, 9999)}])"),
        ("rows", f"{random.randint(200, 999)} {random.randint(200, 999)} {random.randint(1000, 9999)} {random.randint(1000, 9999)} {random.randint(10, 99)}"),
        ("signature", json.dumps([{"name": name, "type": "double", "required": True} for name in _pick(random, _FEATURES, 8)])),
        ("dataset", json.dumps({"name": f"{word}_features", "digest": _hex(random, 8), "schema": {"mlflow_colspec": [{"type": "long", "name": "patient_count"}]}, "profile": {"num_rows": random.randint(10, 10**6)}})),
        ("config", json.dumps({"model": {"name": model, "seed": random.randint(0, 2**31)}, "data": {"path": f"s3://bucket/{_hex(random, 8)}", "date_from": "2018-01-01"}, "run": _hex(random, 32)})),
        ("changes", "Renamed first_name to drop_first_name; removed last_name, email and phone from the select list."),
        ("hypothesis", "A shorter lookback (90 days instead of 365) loses little, because most of the signal is in the last labs."),
        ("comment", "Dr. of the week rotates; MS COCO weights; MR imaging is excluded. Miss rate fell to 3%."),
        ("limitations", "Single site, 2015 to 2020; not tested on pediatric patients, nor on those transferred in from other hospitals."),
        ("b64", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk" + _hex(random, 16)), ("etag", f'"{_hex(random, 32)}-{random.randint(1, 99)}"'),
        ("token_ids", str([random.randint(0, 50000) for _ in range(24)])), ("html", '<div class="p-4"><b>AUROC</b> 0.812 &plusmn; 0.011</div>'),
        ("formula", "y ~ age + C(sex) + bs(creatinine, df=4) + age:bmi"), ("regex", r"^(?:[A-Z]\d{2})(?:\.\d{1,4})?$"), ("css", "#fff5e6; margin: 0 12px 8px 16px"),
        ("durations", "0:00:12.345678, 1:02:03, 12:30:45"), ("numbers", "1,234,567.89 and 3.14159265358979"), ("pressure", "120/80 mmHg, 98.6 F, 5/10 pain"),
        ("hyperparameters", f"batch {random.choice([32, 64, 128])} / lr 3e-4 / 512-256-128 MLP / 10 Training Loop restarts / 3 Way split"), ("ratio", "16:9:4:3, 1:2:3:4"),
    ])  # fmt: skip


def _artifact(random: Random) -> tuple[str, str]:
    features = _pick(random, _FEATURES, 6)
    rows = "\n".join(",".join(f"{random.random():.6f}" for _ in features) for _ in range(20))
    importance = "\n".join(f"{name},{random.random():.5f}" for name in features)
    return random.choice([
        ("metrics.json", json.dumps({name: random.random() for name in _METRICS})), ("test_scores.csv", "score,label\n" + "\n".join(f"{random.random()},{random.randint(0, 1)}" for _ in range(30))),
        ("features.csv", ",".join(features) + "\n" + rows), ("feature_importance.csv", "feature,gain\n" + importance),
        ("predictions.csv", "subject_id,score\n" + "\n".join(f"{random.randint(10**8, 10**9)},{random.random():.6f}" for _ in range(20))),
        ("requirements.txt", "mlflow==3.17.2\nscikit-learn==1.9.1\nnumpy==2.4.0\nnvidia-cusparse-cu12==12.1.0.106\n"),
        ("conda.yaml", "channels:\n- conda-forge\ndependencies:\n- python=3.11.7\n- pip<=25.3\n- pip:\n  - mlflow==3.17.2\nname: mlflow-env\n"),
        ("MLmodel", f"artifact_path: model\nrun_id: {_hex(random, 32)}\nutc_time_created: '2026-11-21 14:49:04.177012'\nmodel_uuid: {_uuid(random)}\n"),
        ("config/train.yaml", f"model:\n  name: xgb\n  seed: {random.randint(0, 2**31)}\ndata:\n  id_column: patient_id\n  drop: [mrn, ssn, name]\n  from: 2018-01-01\n"),
        ("train.log", "\n".join(f"{_instant(random):%Y-%m-%d %H:%M:%S,%f} INFO epoch={n} loss={random.random():.5f}" for n in range(30))),
        ("notes.md", "# Run notes\n\nPatients under 18 are excluded. The split is by patient.\n\n| metric | value |\n|---|---|\n| AUROC | 0.81 |\n"),
        ("src/features.py", '"""Features of a patient."""\n\n\ndef patient_age(birth_date: date, at: date) -> int:\n    return at.year - birth_date.year\n'),
        ("events.ndjson", "\n".join(json.dumps({"step": n, "loss": random.random(), "time": _instant(random).isoformat()}) for n in range(20))),
        ("roc.svg", '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 460.8 345.6"><title>ROC curve</title><path d="M 57.6 307.584 L 414.72 41.472"/><text>False positive rate</text></svg>'),
        ("best_params.json", json.dumps({"max_depth": 5, "name": random.choice(_MODELS), "trial": _uuid(random)})),
        ("report.html", "<html><body><h1>Validation</h1><p>AUROC 0.81, calibration slope 0.97.</p><table><tr><td>Patients</td><td>12,345</td></tr></table></body></html>"),
        ("tree.txt", "|--- creatinine_last <= 1.35\n|   |--- age <= 71.50\n|   |   |--- class: 0\n|   |--- age >  71.50\n|   |   |--- class: 1\n"),
    ])  # fmt: skip


__all__ = ["made"]
