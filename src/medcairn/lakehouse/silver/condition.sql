-- Known when recorded, and never before its onset.
WITH raw AS (
  SELECT *, coalesce(onset, onset_start) AS began, coalesce(abatement, abatement_end) AS ended FROM ($view)
), typed AS (
  SELECT *, fhir_time(began) AS onset_time, fhir_time(ended) AS abatement_time,
    fhir_time(recorded) AS recorded_time
  FROM raw
)
SELECT
  subject_id, condition_id, encounter_id, t.system, t.code, c.concept, clinical_status, verification_status,
  onset_time, abatement_time, recorded_time,
  greatest(recorded_time, onset_time) AS available_time,
  time_problem(began, onset_time) | time_problem(ended, abatement_time)
    | time_problem(recorded, recorded_time) AS problems,
  condition_id AS id, -1 AS component, coding_index, several_codings, source_file, source_line
FROM typed AS t
LEFT JOIN condition_code AS c ON c.system = t.system
  AND CASE WHEN c.is_prefix THEN starts_with(replace(t.code, '.', ''), c.code) ELSE c.code = t.code END
