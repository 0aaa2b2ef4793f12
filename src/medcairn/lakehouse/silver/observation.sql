-- Known when issued, and never before the time that it is about.
-- A panel that has no value of its own is its components and nothing more.
WITH raw AS (
  SELECT *, coalesce(effective, effective_instant, effective_start) AS began,
    coalesce(number, whole_number) AS numeric_value
  FROM ($view)
  WHERE component >= 0 OR NOT has_components
    OR number IS NOT NULL OR whole_number IS NOT NULL OR value_code IS NOT NULL
), typed AS (
  SELECT *, fhir_time(began) AS effective_time, fhir_time(effective_end) AS ended_time,
    fhir_time(issued) AS issued_time
  FROM raw
), measured AS (
  SELECT t.*, c.concept, l.unit AS wanted_unit, l.low, l.high,
    CASE WHEN comparator IS NULL
      THEN canonical(numeric_value, coalesce(u.factor, v.factor), coalesce(u.shift, v.shift))
    END AS converted
  FROM typed AS t
  LEFT JOIN measurement_code AS c ON c.system = t.system AND c.code = t.code
  LEFT JOIN measurement_limit AS l ON l.concept = c.concept
  LEFT JOIN measurement_unit AS u ON u.concept = c.concept AND u.unit = t.unit_code
  LEFT JOIN measurement_unit AS v ON v.concept = c.concept AND v.unit = t.unit_text
)
SELECT
  subject_id, observation_id, CAST(component AS INTEGER) AS component, encounter_id, status, category,
  system, code, concept, effective_time,
  greatest(coalesce(issued_time, ended_time), effective_time) AS available_time,
  numeric_value, coalesce(unit_code, unit_text) AS unit,
  CASE WHEN converted BETWEEN low AND high THEN converted END AS canonical_value,
  CASE WHEN converted BETWEEN low AND high THEN wanted_unit END AS canonical_unit,
  value_system, value_code, reference_low, reference_high, interpretation,
  CASE
    WHEN concept IS NULL OR numeric_value IS NULL THEN 0
    WHEN comparator IS NOT NULL THEN 4
    WHEN converted IS NULL THEN 2
    WHEN converted NOT BETWEEN low AND high THEN 1
    ELSE 0
  END | time_problem(began, effective_time) | time_problem(effective_end, ended_time)
    | time_problem(issued, issued_time) AS problems,
  observation_id AS id, coding_index, several_codings, source_file, source_line
FROM measured
