-- One row a visit or stay.
SELECT subject_id, subject_id AS patient_id, encounter_id, version, class_code AS encounter_class, status,
  type_system AS encounter_type_system, type_code AS encounter_type, start_time, end_time,
  CAST(start_time AS DATE) AS encounter_date,
  CASE WHEN end_time >= start_time
    THEN CAST($micros(end_time) - $micros(start_time) AS DOUBLE) / CAST(3600000000 AS DOUBLE)
  END AS duration_hours,
  coalesce(class_code IN ($inpatient), FALSE) AS is_inpatient,
  coalesce(class_code IN ($emergency), FALSE) AS is_emergency,
  coalesce(class_code IN ($outpatient), FALSE) AS is_outpatient,
  admit_source, discharge_disposition, reason_system, reason_code, available_time
FROM $encounter
WHERE current AND coalesce(status, '') NOT IN ($void_encounter)
