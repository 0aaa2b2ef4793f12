"""What the hospital measures: analytes, vital signs, their LOINC codes and UCUM units.

Labs stand under more than one LOINC code and in more than one unit, as they do between real laboratories.
"""

from __future__ import annotations

from dataclasses import dataclass

LOINC = "http://loinc.org"


@dataclass(frozen=True)
class Unit:
    """A UCUM unit: printed value = ``factor`` × value + ``offset``, with ``decimals``."""

    code: str
    text: str
    decimals: int
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Analyte:
    """Something measured. ``noise`` is the sd of one measurement around the person's level."""

    name: str
    text: str
    loinc: tuple[tuple[str, str], ...]
    units: tuple[Unit, ...]
    noise: float
    low: float | None = None
    high: float | None = None


def _unit(code: str, decimals: int, factor: float = 1.0, offset: float = 0.0, text: str = "") -> Unit:
    return Unit(code, text or code, decimals, factor, offset)


_MG_DL = _unit("mg/dL", 0)
_MMOL = (_unit("mmol/L", 0), _unit("meq/L", 0))
_MMOL_1 = (_unit("mmol/L", 1), _unit("meq/L", 1))
_CELLS = (_unit("10*3/uL", 1, text="10^3/uL"),)

LABS: dict[str, Analyte] = {
    analyte.name: analyte
    for analyte in (
        Analyte(
            "glucose",
            "Glucose",
            (
                ("2345-7", "Glucose [Mass/volume] in Serum or Plasma"),
                ("2339-0", "Glucose [Mass/volume] in Blood"),
            ),
            (_MG_DL, _unit("mmol/L", 1, 0.0555)),
            5.0,
            70,
            99,
        ),
        Analyte(
            "creatinine",
            "Creatinine",
            (
                ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma"),
                ("38483-4", "Creatinine [Mass/volume] in Blood"),
            ),
            (_unit("mg/dL", 2), _unit("umol/L", 0, 88.42)),
            0.04,
            0.6,
            1.3,
        ),
        Analyte(
            "sodium",
            "Sodium",
            (
                ("2951-2", "Sodium [Moles/volume] in Serum or Plasma"),
                ("2947-0", "Sodium [Moles/volume] in Blood"),
            ),
            _MMOL,
            0.9,
            135,
            145,
        ),
        Analyte(
            "potassium",
            "Potassium",
            (
                ("2823-3", "Potassium [Moles/volume] in Serum or Plasma"),
                ("6298-4", "Potassium [Moles/volume] in Blood"),
            ),
            _MMOL_1,
            0.2,
            3.5,
            5.1,
        ),
        Analyte(
            "urea_nitrogen",
            "Urea nitrogen",
            (
                ("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma"),
                ("6299-2", "Urea nitrogen [Mass/volume] in Blood"),
            ),
            (_MG_DL,),
            1.5,
            7,
            20,
        ),
        Analyte(
            "egfr",
            "Estimated glomerular filtration rate",
            (
                (
                    "33914-3",
                    "Glomerular filtration rate/1.73 sq M.predicted by Creatinine-based formula (MDRD)",
                ),
            ),
            (_unit("mL/min/{1.73_m2}", 0, text="mL/min/1.73m2"),),
            1.0,
            60,
            None,
        ),
        Analyte(
            "hba1c",
            "Hemoglobin A1c",
            (("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"),),
            (_unit("%", 1),),
            0.08,
            4.0,
            5.6,
        ),
        Analyte(
            "haemoglobin",
            "Hemoglobin",
            (("718-7", "Hemoglobin [Mass/volume] in Blood"),),
            (_unit("g/dL", 1),),
            0.25,
            12.0,
            17.5,
        ),
        Analyte(
            "wbc",
            "Leukocytes",
            (("6690-2", "Leukocytes [#/volume] in Blood by Automated count"),),
            _CELLS,
            0.8,
            4.5,
            11.0,
        ),
        Analyte(
            "platelets",
            "Platelets",
            (("777-3", "Platelets [#/volume] in Blood by Automated count"),),
            (_unit("10*3/uL", 0, text="10^3/uL"),),
            14.0,
            150,
            400,
        ),
        Analyte(
            "alt",
            "Alanine aminotransferase",
            (("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma"),),
            (_unit("U/L", 0),),
            4.0,
            7,
            56,
        ),
        Analyte(
            "ast",
            "Aspartate aminotransferase",
            (("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma"),),
            (_unit("U/L", 0),),
            4.0,
            10,
            40,
        ),
        Analyte(
            "total_cholesterol",
            "Total cholesterol",
            (("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"),),
            (_MG_DL,),
            8.0,
            None,
            200,
        ),
        Analyte(
            "hdl",
            "HDL cholesterol",
            (("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma"),),
            (_MG_DL,),
            3.0,
            40,
            None,
        ),
        Analyte(
            "ldl",
            "LDL cholesterol",
            (
                ("2089-1", "Cholesterol in LDL [Mass/volume] in Serum or Plasma"),
                ("18262-6", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by Direct assay"),
            ),
            (_MG_DL,),
            7.0,
            None,
            100,
        ),
        Analyte(
            "triglycerides",
            "Triglycerides",
            (("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma"),),
            (_MG_DL,),
            15.0,
            None,
            150,
        ),
    )
}
"""Laboratory analytes. Levels are in the first unit."""

VITALS: dict[str, Analyte] = {
    analyte.name: analyte
    for analyte in (
        Analyte(
            "heart_rate",
            "Heart rate",
            (("8867-4", "Heart rate"),),
            (_unit("/min", 0, text="beats/min"),),
            6.0,
        ),
        Analyte(
            "respiratory_rate",
            "Respiratory rate",
            (("9279-1", "Respiratory rate"),),
            (_unit("/min", 0, text="breaths/min"),),
            1.6,
        ),
        Analyte(
            "temperature",
            "Body temperature",
            (("8310-5", "Body temperature"),),
            (_unit("Cel", 1, text="C"), _unit("[degF]", 1, 1.8, 32.0, text="F")),
            0.25,
        ),
        Analyte(
            "spo2",
            "Oxygen saturation",
            (
                ("2708-6", "Oxygen saturation in Arterial blood"),
                ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
            ),
            (_unit("%", 0),),
            1.0,
        ),
        Analyte(
            "weight",
            "Body weight",
            (("29463-7", "Body weight"),),
            (_unit("kg", 1), _unit("[lb_av]", 1, 2.20462, text="lb")),
            0.8,
        ),
        Analyte("height", "Body height", (("8302-2", "Body height"),), (_unit("cm", 1),), 0.4),
        Analyte(
            "bmi",
            "Body mass index",
            (("39156-5", "Body mass index (BMI) [Ratio]"),),
            (_unit("kg/m2", 1),),
            0.25,
        ),
    )
}
"""Vital signs of one value. Blood pressure is a panel of two components."""

BLOOD_PRESSURE_PANELS = (
    ("85354-9", "Blood pressure panel with all children optional"),
    ("55284-4", "Blood pressure systolic and diastolic"),
)

METABOLIC_PANEL = ("glucose", "creatinine", "sodium", "potassium", "urea_nitrogen", "egfr")
BLOOD_COUNT = ("haemoglobin", "wbc", "platelets")
LIVER_PANEL = ("alt", "ast")
LIPID_PANEL = ("total_cholesterol", "hdl", "ldl", "triglycerides")

__all__ = [
    "BLOOD_COUNT",
    "BLOOD_PRESSURE_PANELS",
    "LABS",
    "LIPID_PANEL",
    "LIVER_PANEL",
    "LOINC",
    "METABOLIC_PANEL",
    "VITALS",
    "Analyte",
    "Unit",
]
