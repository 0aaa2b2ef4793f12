-- Rows with what they count as: by what the result itself says, else by the limits for the subject's sex, as it
-- was known when the result (at m.start) was.
SELECT m.*,
  CASE
    WHEN m.own = 'abnormal' AND m.own_basis = 'reference_range'
      AND (m.value < l.critical_under OR m.value >= l.critical_start) THEN 'critical'
    WHEN m.own IS NOT NULL THEN m.own
    WHEN m.value < l.critical_under OR m.value >= l.critical_start THEN 'critical'
    WHEN m.value < l.under OR m.value >= l.start THEN 'abnormal'
    WHEN m.value IS NOT NULL AND (l.under IS NOT NULL OR l.start IS NOT NULL) THEN 'normal'
  END AS severity,
  CASE
    WHEN m.own IS NOT NULL THEN m.own_basis
    WHEN m.value IS NOT NULL AND (l.under IS NOT NULL OR l.start IS NOT NULL) THEN 'limits'
  END AS basis
FROM ($rows) AS m
LEFT JOIN ($person) AS p ON p.subject_id = m.subject_id AND p.start <= m.start AND p.stop > m.start
LEFT JOIN $limits AS l(concept, gender, under, start, critical_under, critical_start)
  ON l.concept = m.concept
  AND l.gender = CASE WHEN p.gender IN ('male', 'female') THEN p.gender ELSE '' END
