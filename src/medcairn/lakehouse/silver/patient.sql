SELECT
  subject_id, gender,
  TRY_CAST(birth_date[:4] AS INTEGER) AS birth_year,
  birth_sex, race, ethnicity,
  fhir_time(deceased) AS deceased_time,
  coalesce(aged, FALSE) AS age_90_plus,
  postal_area,
  fhir_time(followed_until) AS follow_up_end,
  time_problem(deceased, deceased_time) AS problems,
  source_file, source_line
FROM ($view)
