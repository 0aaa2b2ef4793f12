-- One row a subject. Names, record numbers, city and state never reach silver.
SELECT subject_id, subject_id AS patient_id, version, gender, birth_sex, race, ethnicity, birth_year,
  age_years,
  CASE
    WHEN age_years < 18 THEN '0-17' WHEN age_years < 30 THEN '18-29' WHEN age_years < 40 THEN '30-39'
    WHEN age_years < 50 THEN '40-49' WHEN age_years < 60 THEN '50-59' WHEN age_years < 70 THEN '60-69'
    WHEN age_years < 80 THEN '70-79' WHEN age_years < 90 THEN '80-89' WHEN age_years >= 90 THEN '90+'
  END AS age_bucket,
  coalesce($micros(deceased_time) <= $as_of, FALSE) AS is_deceased, deceased_time,
  postal_area, follow_up_end
FROM (
  SELECT *, CASE
      WHEN birth_year IS NOT NULL THEN least($as_of_year - birth_year, 90)
      WHEN age_90_plus THEN 90
    END AS age_years
  FROM $patient
  WHERE current
) AS p
