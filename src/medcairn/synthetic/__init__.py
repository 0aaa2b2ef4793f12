"""A synthetic hospital: invented patients with a known risk mechanism, and a FHIR server over them.

Deterministic by seed and streamed, so that a demonstration, a test and a benchmark share one source. The
mechanism of outcomes is in :mod:`medcairn.synthetic.mechanism`; the server, which needs an HTTP stack, in
:mod:`medcairn.synthetic.server`.
"""

from medcairn.synthetic.hospital import (
    AS_OF,
    GenerateReport,
    TrueRisk,
    best_auroc,
    generate,
    true_risks,
    write_ndjson,
)

__all__ = ["AS_OF", "GenerateReport", "TrueRisk", "best_auroc", "generate", "true_risks", "write_ndjson"]
