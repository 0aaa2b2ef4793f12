"""The portable form of a model: chosen by a parity gate, written, checked, loaded; never unpickled."""

from medcairn.training.portable.description import MODEL_JSON, ModelDescription, read_description
from medcairn.training.portable.form import Form, FormCode
from medcairn.training.portable.model_folder import algorithm, form, load, threshold, write_model
from medcairn.training.portable.parity import (
    LARGEST_DIFFERENCE,
    ParityResult,
    PortableModel,
    Verdict,
    choose_form,
    parity_rows,
)

__all__ = [
    "LARGEST_DIFFERENCE",
    "MODEL_JSON",
    "Form",
    "FormCode",
    "ModelDescription",
    "ParityResult",
    "PortableModel",
    "Verdict",
    "algorithm",
    "choose_form",
    "form",
    "load",
    "parity_rows",
    "read_description",
    "threshold",
    "write_model",
]
