-- Functions that the silver steps share.
-- An R4 dateTime is a year, a month, a day, or an instant with its zone. A day is midnight UTC; a year or a
-- month is no time: to take its first instant would be a guess. An instant without a zone is not valid R4.

CREATE OR REPLACE TEMP MACRO fhir_time(t) AS
  CASE WHEN length(t) = 10 OR t[-1] = 'Z' OR (t[11] = 'T' AND t[-6] IN ('+', '-'))
    THEN TRY_CAST(t AS TIMESTAMPTZ)
  END;

-- 8: partial_time, 16: invalid_time (see quarantine.py)
CREATE OR REPLACE TEMP MACRO time_problem(t, parsed) AS
  CASE WHEN parsed IS NOT NULL OR t IS NULL THEN 0 WHEN length(t) < 10 THEN 8 ELSE 16 END;

CREATE OR REPLACE TEMP MACRO canonical(v, factor, shift) AS
  CASE WHEN factor = 1 AND shift = 0 THEN v ELSE round(v * factor + shift, 6) END;
