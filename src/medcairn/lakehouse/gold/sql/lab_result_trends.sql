-- One row a result that was known at $as_of. Everything in it ends at the result's own time, and is as it was
-- known when this result became known: later, later filed and later corrected results are in no number.
WITH result AS (
  SELECT *, row_number() OVER (
      PARTITION BY subject_id, concept ORDER BY time, observation_id, component, version
    ) AS place
  FROM ($judged) AS j
),
pair AS (
  SELECT r.subject_id, r.concept, r.place,
    count(*) FILTER (WHERE e.time > r.time - 604800000000) AS n7,
    CAST(sum(e.value) FILTER (WHERE e.time > r.time - 604800000000) AS BIGINT) AS sum7,
    count(*) FILTER (WHERE e.time > r.time - 2592000000000) AS n30,
    CAST(sum(e.value) FILTER (WHERE e.time > r.time - 2592000000000) AS BIGINT) AS sum30,
    count(*) FILTER (WHERE e.time > r.time - 7776000000000) AS n90,
    CAST(sum(e.value) FILTER (WHERE e.time > r.time - 7776000000000) AS BIGINT) AS sum90,
    max(e.place) FILTER (WHERE e.time < r.time) AS previous_place,
    max(e.time) FILTER (WHERE e.severity IN ('abnormal', 'critical')) AS abnormal_time
  FROM result AS r
  JOIN result AS e ON e.subject_id = r.subject_id AND e.concept = r.concept
    AND e.time <= r.time AND e.start <= r.start AND e.stop > r.start
  WHERE r.start <= $as_of AND r.stop > $as_of
  GROUP BY r.subject_id, r.concept, r.place
)
SELECT r.subject_id, r.concept, r.loinc_code, r.observation_id, r.component, r.version,
  $instant(r.time) AS effective_time,
  DATE '1970-01-01' + CAST((r.time + 62135596800000000) $div 86400000000 - 719162 AS INTEGER) AS observation_date,
  $instant(r.start) AS known_time, CAST(r.value AS DOUBLE) / $scale AS value, r.unit AS value_unit,
  CAST(w.sum7 AS DOUBLE) / (CAST(w.n7 AS DOUBLE) * $scale) AS value_7d_avg, w.n7 AS value_7d_count,
  CAST(w.sum30 AS DOUBLE) / (CAST(w.n30 AS DOUBLE) * $scale) AS value_30d_avg, w.n30 AS value_30d_count,
  CAST(w.sum90 AS DOUBLE) / (CAST(w.n90 AS DOUBLE) * $scale) AS value_90d_avg, w.n90 AS value_90d_count,
  CAST(p.value AS DOUBLE) / $scale AS previous_value,
  (r.time - p.time) $div 86400000000 AS days_since_previous,
  CAST((r.value - p.value) * 100 AS DOUBLE) / CAST(nullif(abs(p.value), 0) AS DOUBLE) AS percent_change,
  CASE
    WHEN abs(r.value - p.value) * 1000000 <= $stable * abs(p.value) THEN 'stable'
    WHEN r.value > p.value THEN 'increasing'
    WHEN r.value < p.value THEN 'decreasing'
  END AS trend_direction,
  r.severity IN ('abnormal', 'critical') AS is_abnormal, r.severity AS abnormal_severity, r.basis AS abnormal_basis,
  (r.time - w.abnormal_time) $div 86400000000 AS days_since_abnormal
FROM pair AS w
JOIN result AS r ON r.subject_id = w.subject_id AND r.concept = w.concept AND r.place = w.place
LEFT JOIN result AS p
  ON p.subject_id = w.subject_id AND p.concept = w.concept AND p.place = w.previous_place
