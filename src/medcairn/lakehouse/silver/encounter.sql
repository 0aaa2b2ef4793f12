SELECT
  subject_id, encounter_id, status, class_code, type_system, type_code,
  fhir_time("start") AS start_time,
  fhir_time("end") AS end_time,
  discharge_disposition, reason_system, reason_code,
  start_time AS available_time,
  time_problem("start", start_time) | time_problem("end", end_time) AS problems,
  source_file, source_line
FROM ($view)
