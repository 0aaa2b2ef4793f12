CASE
  WHEN interpretation IN ($critical) OR interpretation IN ($abnormal) OR interpretation IN ($normal)
    THEN 'interpretation'
  WHEN comparator IS NULL AND numeric_value IS NOT NULL
    AND (reference_low IS NOT NULL OR reference_high IS NOT NULL) THEN 'reference_range'
END
