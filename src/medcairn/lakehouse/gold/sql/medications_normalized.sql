-- One row a MedicationRequest, -Statement, -Dispense or -Administration.
SELECT subject_id, subject_id AS patient_id, medication_id, resource_type, version, encounter_id,
  $rxnorm_code AS rxnorm_code, system AS code_system, code, concepts AS medication_concepts, status, intent,
  start_time, end_time, CAST(start_time AS DATE) AS start_date, authored_time, available_time,
  ($micros(end_time) + 62135596800000000) $div 86400000000
    - ($micros(start_time) + 62135596800000000) $div 86400000000 AS duration_days,
  days_supply, quantity, quantity_unit, refills,
  coalesce($taking, FALSE) AS is_active
FROM (
  SELECT *, $micros(coalesce(start_time, authored_time, available_time)) AS started,
    $micros(end_time) AS ended, $as_of AS moment
  FROM $medication
) AS m
WHERE current AND coalesce(status, '') NOT IN ($void_medication)
