-- One row a subject, class of medication and period that ends at $as_of. Whole days (UTC) throughout.
WITH fill AS (
  SELECT subject_id, resource_type, medication_id, concepts,
    concat(coalesce(system, ''), '|', coalesce(code, '')) AS product,
    CASE resource_type WHEN 'MedicationDispense' THEN 1 WHEN 'MedicationRequest' THEN 2 ELSE 3 END AS evidence,
    day, CASE
      WHEN days_supply >= 0.5 THEN CAST(round(days_supply) AS BIGINT) WHEN last_day >= day THEN last_day - day + 1
    END AS supply
  FROM (
    SELECT *,
      ($micros(coalesce(start_time, authored_time)) + 62135596800000000) $div 86400000000 - 719162 AS day,
      ($micros(end_time) + 62135596800000000) $div 86400000000 - 719162 AS last_day
    FROM $medication
    WHERE coalesce(status, '') NOT IN ($void_medication)
      AND resource_type IN ('MedicationDispense', 'MedicationRequest', 'MedicationStatement')
      AND $micros(available_time) <= $as_of
      AND coalesce($micros(superseded_time), 9223372036854775807) > $as_of
  ) AS m
),
classed AS (
  SELECT f.*, t.days AS period_days
  FROM (SELECT *, $items(concepts) AS class FROM fill) AS f
  CROSS JOIN $periods AS t(days)
  WHERE f.class IN ($classes) AND f.day >= $last_day - t.days AND f.day < $last_day
),
rated AS (
  -- The best evidence that says how long it lasts: dispensed, else ordered, else stated.
  SELECT *,
    min(CASE WHEN supply IS NULL THEN evidence + 10 ELSE evidence END)
      OVER (PARTITION BY subject_id, class, period_days) AS best
  FROM classed
),
fills AS (
  SELECT subject_id, class, period_days, min(best) AS best,
    min(day) FILTER (WHERE evidence = best) AS first_day,
    count(*) FILTER (WHERE evidence = best AND supply IS NOT NULL) AS fills,
    count(DISTINCT CASE WHEN evidence = best AND supply IS NOT NULL THEN day END) AS fill_days,
    count(*) FILTER (WHERE supply IS NULL) AS fills_without_supply
  FROM rated
  GROUP BY subject_id, class, period_days
),
item AS (
  SELECT r.subject_id, r.class, r.period_days, coalesce(d.ingredient, r.product) AS item,
    r.day, r.medication_id, r.supply
  FROM rated AS r
  LEFT JOIN $ingredients AS d(class, ingredient) ON d.class = r.class AND $has(r.concepts, d.ingredient)
  WHERE r.evidence = r.best AND r.supply IS NOT NULL
),
summed AS (
  SELECT *, CAST(sum(supply) OVER (
      PARTITION BY subject_id, class, period_days, item ORDER BY day, medication_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS BIGINT) AS supplied
  FROM item
),
shifted AS (
  -- A fill begins when the one before it of the same ingredient is used up: what is left over is carried on.
  SELECT *, supplied + max(day - (supplied - supply)) OVER (
      PARTITION BY subject_id, class, period_days, item ORDER BY day, medication_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS stop
  FROM summed
),
watched AS (
  SELECT f.*, least(
      $last_day,
      coalesce((p.deceased + 62135596800000000) $div 86400000000 - 719162 + 1, $last_day),
      coalesce((p.watched + 62135596800000000) $div 86400000000 - 719162 + 1, $last_day)
    ) AS last_day
  FROM fills AS f
  LEFT JOIN ($person) AS p ON p.subject_id = f.subject_id AND p.start <= $as_of AND p.stop > $as_of
),
clipped AS (
  SELECT s.subject_id, s.class, s.period_days, s.item, s.medication_id,
    least(s.stop - s.supply, w.last_day) AS start, least(s.stop, w.last_day) AS stop
  FROM shifted AS s
  JOIN watched AS w
    ON w.subject_id = s.subject_id AND w.class = s.class AND w.period_days = s.period_days
),
fresh AS (
  -- Days that no earlier interval of any ingredient covers already.
  SELECT *, max(stop) OVER (
      PARTITION BY subject_id, class, period_days ORDER BY start, stop, item, medication_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS before
  FROM clipped
),
covered AS (
  SELECT subject_id, class, period_days,
    CAST(sum(greatest(stop - greatest(start, coalesce(before, start)), 0)) AS BIGINT) AS days
  FROM fresh
  GROUP BY subject_id, class, period_days
)
SELECT w.subject_id, w.class AS medication_class, w.period_days,
  DATE '1970-01-01' + CAST($last_day - w.period_days AS INTEGER) AS period_start,
  DATE '1970-01-01' + CAST($last_day - 1 AS INTEGER) AS period_end,
  CASE w.best WHEN 1 THEN 'dispensed' WHEN 2 THEN 'ordered' WHEN 3 THEN 'stated' END AS evidence,
  w.fills, w.fills_without_supply,
  DATE '1970-01-01' + CAST(w.first_day AS INTEGER) AS first_fill_date,
  CASE WHEN w.last_day > w.first_day THEN w.last_day - w.first_day END AS days_observed,
  CASE WHEN w.last_day > w.first_day THEN c.days END AS days_covered,
  CASE WHEN w.last_day > w.first_day
    THEN CAST(c.days AS DOUBLE) / CAST(w.last_day - w.first_day AS DOUBLE) END AS pdc,
  CASE WHEN w.last_day > w.first_day
    THEN c.days * 100 >= $adherent_percent * (w.last_day - w.first_day) END AS is_adherent,
  w.fill_days >= $least_fills AND w.last_day - w.first_day >= $least_days AS is_eligible
FROM watched AS w
LEFT JOIN covered AS c
  ON c.subject_id = w.subject_id AND c.class = w.class AND c.period_days = w.period_days
