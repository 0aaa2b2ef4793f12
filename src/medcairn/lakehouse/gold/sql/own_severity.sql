CASE
  WHEN interpretation IN ($critical) THEN 'critical'
  WHEN interpretation IN ($abnormal) THEN 'abnormal'
  WHEN interpretation IN ($normal) THEN 'normal'
  WHEN comparator IS NOT NULL OR numeric_value IS NULL THEN NULL
  WHEN numeric_value < reference_low OR numeric_value > reference_high THEN 'abnormal'
  WHEN reference_low IS NOT NULL OR reference_high IS NOT NULL THEN 'normal'
END
