-- Known when ordered or asserted, and never before its start.
WITH raw AS (
  SELECT 'MedicationRequest' AS resource_type, subject_id, medication_id, encounter_id, status,
    "start" AS began, coalesce("end", dosage_end) AS ended, known,
    by_reference, several_codings, coding_index, system, code, source_file, source_line
  FROM ($request)
  UNION ALL
  SELECT 'MedicationStatement', subject_id, medication_id, encounter_id, status,
    coalesce("start", period_start), "end", known,
    by_reference, several_codings, coding_index, system, code, source_file, source_line
  FROM ($statement)
), typed AS (
  SELECT *, fhir_time(began) AS start_time, fhir_time(ended) AS end_time, fhir_time(known) AS known_time
  FROM raw
)
SELECT
  subject_id, medication_id, resource_type, encounter_id, status, t.system, t.code, c.concept,
  start_time, end_time, greatest(known_time, start_time) AS available_time,
  time_problem(began, start_time) | time_problem(ended, end_time) | time_problem(known, known_time)
    | CASE WHEN by_reference THEN 32 ELSE 0 END AS problems,
  medication_id AS id, -1 AS component, coding_index, several_codings, source_file, source_line
FROM typed AS t
LEFT JOIN medication_code AS c ON c.system = t.system AND c.code = t.code
