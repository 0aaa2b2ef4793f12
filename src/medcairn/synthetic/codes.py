"""What the hospital diagnoses, prescribes, does and vaccinates with: SNOMED CT, ICD-10-CM, RxNorm, CVX."""

from __future__ import annotations

from dataclasses import dataclass

SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"


@dataclass(frozen=True)
class Diagnosis:
    """A condition in both vocabularies."""

    name: str
    text: str
    snomed: str
    icd10: str


CHRONIC: dict[str, Diagnosis] = {
    diagnosis.name: diagnosis
    for diagnosis in (
        Diagnosis("hypertension", "Hypertension", "38341003", "I10"),
        Diagnosis("heart_failure", "Heart failure", "84114007", "I50.9"),
        Diagnosis("copd", "Chronic obstructive pulmonary disease", "13645005", "J44.9"),
        Diagnosis("ckd", "Chronic kidney disease stage 3", "433144002", "N18.30"),
        Diagnosis("coronary_disease", "Coronary arteriosclerosis", "53741008", "I25.10"),
        Diagnosis("atrial_fibrillation", "Atrial fibrillation", "49436004", "I48.91"),
        Diagnosis("cancer", "Malignant tumor of colon", "363406005", "C18.9"),
        Diagnosis("depression", "Depressive disorder", "35489007", "F32.A"),
        Diagnosis("stroke", "Cerebrovascular accident", "230690007", "I63.9"),
        Diagnosis("obesity", "Obesity", "414916001", "E66.9"),
        Diagnosis("prediabetes", "Prediabetes", "15777000", "R73.03"),
        Diagnosis("asthma", "Asthma", "195967001", "J45.909"),
        Diagnosis("diabetes", "Diabetes mellitus type 2", "44054006", "E11.9"),
        Diagnosis("family_diabetes", "Family history of diabetes mellitus", "160303001", "Z83.3"),
    )
}
"""Lasting conditions by name."""

ACUTE: tuple[Diagnosis, ...] = (
    Diagnosis("bronchitis", "Acute bronchitis", "10509002", "J20.9"),
    Diagnosis("pharyngitis", "Viral pharyngitis", "1532007", "J02.9"),
    Diagnosis("sinusitis", "Viral sinusitis", "444814009", "J01.90"),
    Diagnosis("urinary_infection", "Urinary tract infection", "68566005", "N39.0"),
    Diagnosis("back_pain", "Low back pain", "279039007", "M54.50"),
    Diagnosis("sprain", "Sprain of ankle", "44465007", "S93.409A"),
    Diagnosis("pneumonia", "Pneumonia", "233604007", "J18.9"),
    Diagnosis("sepsis", "Sepsis", "91302008", "A41.9"),
    Diagnosis("cellulitis", "Cellulitis", "128045006", "L03.90"),
    Diagnosis("chest_pain", "Chest pain", "29857009", "R07.9"),
    Diagnosis("kidney_injury", "Acute kidney injury", "14669001", "N17.9"),
    Diagnosis("hip_fracture", "Fracture of neck of femur", "5913000", "S72.009A"),
)
"""Conditions that pass; the first six seldom lead to admission, the others may."""

MILD = range(6)
SEVERE = range(6, 12)

MEDICATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "hypertension": (
        ("314076", "lisinopril 10 MG Oral Tablet"),
        ("310798", "hydrochlorothiazide 25 MG Oral Tablet"),
    ),
    "heart_failure": (
        ("313988", "furosemide 40 MG Oral Tablet"),
        ("866412", "24 HR metoprolol succinate 100 MG Extended Release Oral Tablet"),
    ),
    "copd": (("745679", "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"),),
    "asthma": (("745679", "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"),),
    "coronary_disease": (
        ("259255", "atorvastatin 80 MG Oral Tablet"),
        ("314231", "simvastatin 10 MG Oral Tablet"),
    ),
    "atrial_fibrillation": (
        ("855332", "warfarin sodium 5 MG Oral Tablet"),
        ("1364445", "apixaban 5 MG Oral Tablet"),
    ),
    "depression": (("312941", "sertraline 50 MG Oral Tablet"),),
    "stroke": (("259255", "atorvastatin 80 MG Oral Tablet"),),
    "diabetes": (
        ("860975", "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet"),
        ("106892", "insulin, regular, human 30 UNT/ML / NPH 70 UNT/ML Injectable Suspension"),
    ),
}
"""RxNorm by lasting condition: first choice, then second."""

SHORT_COURSES = (
    ("308182", "amoxicillin 250 MG Oral Capsule"),
    ("313782", "acetaminophen 325 MG Oral Tablet"),
    ("1049221", "acetaminophen 325 MG / oxycodone hydrochloride 5 MG Oral Tablet"),
)

CLINIC_PROCEDURES = (
    ("430193006", "Medication reconciliation"),
    ("29303009", "Electrocardiographic procedure"),
    ("73761001", "Colonoscopy"),
    ("127783003", "Spirometry"),
)
WARD_PROCEDURES = (
    ("399208008", "Plain chest X-ray"),
    ("40701008", "Echocardiography"),
    ("415070008", "Percutaneous coronary intervention"),
    ("265764009", "Renal dialysis"),
)

VACCINES = (
    ("140", "Influenza, seasonal, injectable, preservative free"),
    ("113", "Td (adult), 5 Lf tetanus toxoid, preservative free, adsorbed"),
    ("33", "pneumococcal polysaccharide vaccine, 23 valent"),
    ("187", "zoster vaccine recombinant"),
)

VISIT_TYPES = (
    ("185349003", "Encounter for check up"),
    ("185345009", "Encounter for symptom"),
    ("390906007", "Follow-up encounter"),
)

DISPOSITIONS: dict[str, str] = {
    "home": "Home",
    "snf": "Skilled nursing facility",
    "rehab": "Rehabilitation",
    "aadvice": "Left against advice",
    "exp": "Expired",
}
"""FHIR discharge-disposition codes that the hospital uses."""

__all__ = [
    "ACUTE",
    "CHRONIC",
    "CLINIC_PROCEDURES",
    "CVX",
    "DISPOSITIONS",
    "ICD10",
    "MEDICATIONS",
    "MILD",
    "RXNORM",
    "SEVERE",
    "SHORT_COURSES",
    "SNOMED",
    "VACCINES",
    "VISIT_TYPES",
    "WARD_PROCEDURES",
    "Diagnosis",
]
