-- The newest versions of observations that state a fact.
SELECT *, $loinc_code AS loinc_code, $own_severity AS own, $own_basis AS own_basis,
  CASE WHEN abs(canonical_value) < 100000000 THEN CAST(round(canonical_value * 10000) AS BIGINT) END AS value,
  coalesce($micros(available_time), $as_of) AS start
FROM $observation
WHERE current AND coalesce(status, '') NOT IN ($void_observation)
