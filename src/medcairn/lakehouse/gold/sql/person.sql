-- Versions of subjects, with when each was known: one without an available time always was.
SELECT subject_id, gender, birth_year, age_90_plus,
  $micros(deceased_time) AS deceased, $micros(follow_up_end) AS watched,
  coalesce($micros(available_time), -9223372036854775807) AS start,
  CASE
    WHEN superseded_time IS NOT NULL THEN $micros(superseded_time)
    WHEN current THEN 9223372036854775807
    ELSE -9223372036854775807
  END AS stop
FROM $patient
