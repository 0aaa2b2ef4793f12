-- One row a subject and moment. A fact counts when start <= moment < stop (known) and its time <= moment.
WITH moment AS (
  $moments
),
visible AS (
  SELECT m.subject_id, m.moment, f.concept, f.value, f.severity, row_number() OVER (
      PARTITION BY m.subject_id, m.moment, f.concept
      ORDER BY f.time DESC, f.observation_id DESC, f.component DESC, f.version DESC
    ) AS place
  FROM moment AS m
  JOIN ($judged) AS f
    ON f.subject_id = m.subject_id AND f.time <= m.moment AND f.start <= m.moment AND f.stop > m.moment
    AND f.time > m.moment - CASE WHEN f.concept IN ($vitals) THEN $vital_span ELSE $lab_span END
),
daily AS (
  SELECT subject_id, moment, concept, count(*) AS n, CAST(sum(value) AS BIGINT) AS total,
    min(value) AS low, max(value) AS high, max(CASE WHEN place = 1 THEN value END) AS latest,
    max(CASE WHEN severity IN ('abnormal', 'critical') THEN 1 WHEN severity = 'normal' THEN 0 END) AS abnormal
  FROM visible
  GROUP BY subject_id, moment, concept
),
measured AS (
  SELECT subject_id, moment, $wide,
    count(CASE WHEN abnormal = 1 AND concept NOT IN ($vitals) THEN 1 END) AS abnormal_labs
  FROM daily
  GROUP BY subject_id, moment
),
sick AS (
  SELECT m.subject_id, m.moment, $disease_flags
  FROM moment AS m
  JOIN (
    SELECT subject_id, $items(concepts) AS concept,
      $micros(coalesce(onset_time, recorded_time, available_time)) AS time,
      $micros(available_time) AS start, coalesce($micros(superseded_time), 9223372036854775807) AS stop
    FROM $condition
    WHERE coalesce(verification_status, '') NOT IN ($void_condition)
  ) AS c
    ON c.subject_id = m.subject_id AND c.time <= m.moment AND c.start <= m.moment AND c.stop > m.moment
  WHERE c.concept IN ($diseases)
  GROUP BY m.subject_id, m.moment
),
treated AS (
  SELECT subject_id, moment,
    count(DISTINCT CASE WHEN $taking THEN product END) AS active,
    count(DISTINCT CASE WHEN started > moment - $medication_span AND started <= moment THEN product END) AS begun
  FROM (
    SELECT m.subject_id, m.moment, d.status, d.resource_type, d.days_supply,
      concat(coalesce(d.system, ''), '|', coalesce(d.code, '')) AS product,
      $micros(coalesce(d.start_time, d.authored_time, d.available_time)) AS started,
      $micros(d.end_time) AS ended
    FROM moment AS m
    JOIN $medication AS d
      ON d.subject_id = m.subject_id AND $micros(d.available_time) <= m.moment
      AND coalesce($micros(d.superseded_time), 9223372036854775807) > m.moment
    WHERE coalesce(d.status, '') NOT IN ($void_medication)
  ) AS t
  GROUP BY subject_id, moment
),
visited AS (
  SELECT subject_id, moment, count(*) AS visits,
    count(CASE WHEN class_code IN ($emergency) THEN 1 END) AS emergency,
    count(CASE WHEN class_code IN ($inpatient) THEN 1 END) AS inpatient,
    count(CASE WHEN ended >= started AND ended <= moment THEN 1 END) AS timed,
    CAST(sum(CASE WHEN ended >= started AND ended <= moment THEN ended - started END) AS BIGINT) AS lasted
  FROM (
    SELECT m.subject_id, m.moment, e.class_code, $micros(e.start_time) AS started, $micros(e.end_time) AS ended
    FROM moment AS m
    JOIN $encounter AS e
      ON e.subject_id = m.subject_id AND $micros(e.available_time) <= m.moment
      AND coalesce($micros(e.superseded_time), 9223372036854775807) > m.moment
    WHERE coalesce(e.status, '') NOT IN ($void_encounter)
  ) AS v
  WHERE started <= moment AND started > moment - $encounter_span
  GROUP BY subject_id, moment
)
SELECT m.subject_id, $instant(m.moment) AS feature_time,
  CASE
    WHEN p.birth_year IS NOT NULL THEN least(year(
      DATE '1970-01-01' + CAST((m.moment + 62135596800000000) $div 86400000000 - 719162 AS INTEGER)
    ) - p.birth_year, 90)
    WHEN p.age_90_plus THEN 90
  END AS age_years,
  p.gender, coalesce(p.deceased <= m.moment, FALSE) AS is_deceased,
  $numbers, $flags,
  coalesce(w.abnormal_labs, 0) AS abnormal_lab_count_${lab_days}d,
  coalesce(t.active, 0) AS active_medication_count, coalesce(t.begun, 0) AS medications_started_${medication_days}d,
  $polypharmacy,
  coalesce(v.visits, 0) AS encounter_count_${encounter_days}d, coalesce(v.emergency, 0) AS emergency_count_${encounter_days}d,
  coalesce(v.inpatient, 0) AS inpatient_count_${encounter_days}d,
  CAST(v.lasted AS DOUBLE) / (CAST(nullif(v.timed, 0) AS DOUBLE) * CAST(3600000000 AS DOUBLE))
    AS mean_encounter_hours_${encounter_days}d,
  $has_disease
FROM moment AS m
LEFT JOIN ($person) AS p ON p.subject_id = m.subject_id AND p.start <= m.moment AND p.stop > m.moment
LEFT JOIN measured AS w ON w.subject_id = m.subject_id AND w.moment = m.moment
LEFT JOIN treated AS t ON t.subject_id = m.subject_id AND t.moment = m.moment
LEFT JOIN visited AS v ON v.subject_id = m.subject_id AND v.moment = m.moment
LEFT JOIN sick AS s ON s.subject_id = m.subject_id AND s.moment = m.moment
