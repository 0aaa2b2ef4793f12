-- One row a subject and day (UTC), made of the readings that were known when the day had ended and settled.
-- Readings of the day that became known later are counted in late_readings and are in no number.
WITH reading AS (
  SELECT *, (day + 719162 + 1 + $settle_days) * 86400000000 - 62135596800000000 AS closing
  FROM (SELECT *, (time + 62135596800000000) $div 86400000000 - 719162 AS day FROM ($measured) AS m) AS d
),
closed AS (
  SELECT subject_id, day, closing, concept, value,
    start <= closing AND stop > closing AS timely,
    start > closing AND start <= $as_of AND stop > $as_of AS late
  FROM reading
  WHERE closing <= $as_of
),
daily AS (
  SELECT subject_id, day, closing, concept,
    count(*) FILTER (WHERE timely) AS n, CAST(sum(value) FILTER (WHERE timely) AS BIGINT) AS total,
    min(value) FILTER (WHERE timely) AS low, max(value) FILTER (WHERE timely) AS high,
    count(*) FILTER (WHERE late) AS late
  FROM closed
  WHERE timely OR late
  GROUP BY subject_id, day, closing, concept
),
wide AS (
  SELECT subject_id, day, closing, CAST(sum(n) AS BIGINT) AS readings, CAST(sum(late) AS BIGINT) AS late_readings,
    $wide
  FROM daily
  GROUP BY subject_id, day, closing
)
SELECT subject_id, DATE '1970-01-01' + CAST(day AS INTEGER) AS observation_date,
  $instant(closing) AS known_time, readings, late_readings, $numbers, $flags
FROM wide
