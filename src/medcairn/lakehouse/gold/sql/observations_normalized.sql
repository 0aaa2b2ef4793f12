-- One row a value. Free text is not in silver, so value_string has no counterpart; codes and booleans have.
SELECT subject_id, subject_id AS patient_id, observation_id, component, version, encounter_id,
  status, category, loinc_code, system AS code_system, code, concept,
  numeric_value AS value_numeric, unit AS value_unit, comparator AS value_comparator,
  canonical_value, canonical_unit, value_type, value_system, value_code, value_boolean, value_time,
  data_absent_reason, effective_time, CAST(effective_time AS DATE) AS observation_date, available_time,
  reference_low, reference_high, interpretation,
  severity IN ('abnormal', 'critical') AS is_abnormal, severity AS abnormal_severity, basis AS abnormal_basis
FROM ($judged) AS j
