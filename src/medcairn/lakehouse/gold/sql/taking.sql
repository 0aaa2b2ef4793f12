-- Whether a medication is being taken at `moment`: begun, not ended, and active; or dispensed and not used up.
(started <= moment AND (
  (status IN ($active_medication) AND (ended IS NULL OR ended > moment))
  OR (resource_type = 'MedicationDispense' AND status = 'completed'
      AND started + CAST(round(days_supply) AS BIGINT) * 86400000000 > moment)
))
