-- Known when it was over.
WITH raw AS (
  SELECT *, coalesce(performed, "start") AS began FROM ($view)
), typed AS (
  SELECT *, fhir_time(began) AS start_time, fhir_time("end") AS end_time FROM raw
)
SELECT
  subject_id, procedure_id, encounter_id, status, t.system, t.code, c.concept,
  start_time, end_time, coalesce(end_time, start_time) AS available_time,
  time_problem(began, start_time) | time_problem("end", end_time) AS problems,
  procedure_id AS id, -1 AS component, coding_index, several_codings, source_file, source_line
FROM typed AS t
LEFT JOIN procedure_code AS c ON c.system = t.system AND c.code = t.code
