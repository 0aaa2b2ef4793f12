-- Versions of measurements that state a fact: times in microseconds, values in 1/10,000 of the canonical unit.
-- start and stop bound when the version was known; own is what the result itself says of being abnormal.
SELECT subject_id, observation_id, component, version, concept, canonical_unit AS unit,
  $loinc_code AS loinc_code,
  $micros(coalesce(effective_time, available_time)) AS time,
  $micros(available_time) AS start,
  coalesce($micros(superseded_time), 9223372036854775807) AS stop,
  CAST(round(canonical_value * 10000) AS BIGINT) AS value,
  $own_severity AS own, $own_basis AS own_basis
FROM $observation
WHERE coalesce(status, '') NOT IN ($void_observation)
  AND concept IN ($concepts) AND available_time IS NOT NULL AND abs(canonical_value) < 100000000
