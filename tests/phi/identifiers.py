# ruff: noqa: E501, SIM905 (tables: a row is a line, a list of words is read as one)
"""Identifiers as people and systems write them, in the places where they turn up: made without the guard's rules.

For each class a grammar of forms and of carriers. A form that no cue and no shape gives away (nine digits alone)
is told apart as ``bare``: the guard misses it by design, and the table says how many.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from urllib.parse import quote

from medcairn.phi import PhiClass
from medcairn.synthetic.names import FAMILY, FEMALE, MALE, PLACES

COMMON_GIVEN = (
    "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth Maria José Wei Aisha".split()
)
COMMON_FAMILY = (
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Martinez Lopez Nguyen Kim Patel".split()
)


@dataclass(frozen=True)
class Planted:
    """An identifier in its carrier. ``cue`` is the key of the field in which ``text`` stands, if any."""

    phi_class: PhiClass
    form: str
    text: str
    value: str
    cue: str = ""


def planted(phi_class: PhiClass, count: int, seed: int = 6) -> Iterator[Planted]:
    """``count`` identifiers of a class."""
    random = Random(f"{phi_class}-{seed}")
    for _ in range(count):
        yield _GRAMMARS[phi_class](random)


def bare(phi_class: PhiClass, count: int, seed: int = 6) -> Iterator[Planted]:
    """Identifiers of a class that stand alone, where nothing tells them from any other number or word."""
    random = Random(f"bare-{phi_class}-{seed}")
    for _ in range(count):
        value = _BARE[phi_class](random)
        yield Planted(phi_class, "bare", random.choice(("{}", "value {}", "{} rows")).format(value), value)


def _digits(random: Random, count: int) -> str:
    return "".join(random.choice("0123456789") for _ in range(count))


def _in(random: Random, phi_class: PhiClass, value: str, keys: list[str], carriers: list[str]) -> Planted:
    """``value`` in one of the carriers, or in a field under one of the keys, now and then encoded."""
    draw = random.random()
    key = random.choice(keys)
    if draw < 0.25:
        return Planted(phi_class, "field", value, value, key)
    if draw < 0.35:
        return Planted(phi_class, "json", json.dumps({"n": 1, key: value, "ok": True}), value)
    if draw < 0.40:
        inner = json.dumps({key: value})
        return Planted(phi_class, "json in json", json.dumps({"payload": inner}), value)
    text = random.choice(carriers).format(value)
    if draw < 0.45:
        return Planted(phi_class, "base64", base64.b64encode(text.encode()).decode(), value)
    if draw < 0.50:
        return Planted(phi_class, "percent", quote(text), value)
    if draw < 0.55:
        return Planted(phi_class, "wide digits", text.translate(_WIDE), value)
    return Planted(phi_class, "text", text, value)


_WIDE = {ord("0") + n: chr(0xFF10 + n) for n in range(10)}


def _ssn(random: Random) -> Planted:
    area = random.choice([n for n in range(1, 900) if n != 666])
    parts = (f"{area:03}", f"{random.randint(1, 99):02}", f"{random.randint(1, 9999):04}")
    shaped = random.choice(["-", "-", "-", " ", ".", "–"]).join(parts)
    if random.random() < 0.7:
        carriers = ["{}", "SSN: {}", "ssn={}", "Patient SSN is {}", "row 17,{},F,71", "dropped {} from the set", "user:{}",
                    "excluded_{}", "see {} and others", "<td>{}</td>", "SS# {}", "['{}', 'x']"]  # fmt: skip
        value = shaped
    else:
        carriers = ["SSN: {}", "ssn={}", "SSN {}", "social security number {}", "Soc. Sec. No. {}", "Social Security #: {}",
                    "SS# {}", "ssn_{}", "patient_ssn:{}", "<ssn>{}</ssn>", "| SSN | {} |", "SSN ({})", "taxpayer id {}"]  # fmt: skip
        value = "".join(parts)
    return _in(random, PhiClass.SSN, value, ["ssn", "patient_ssn", "SSN", "socialSecurityNumber"], carriers)


def _record_number(random: Random) -> str:
    digits = _digits(random, random.randint(6, 10))
    return random.choice([
        digits, digits, digits, f"{random.choice('ABEHMPXZ')}{digits}", f"MC{digits}", f"00{digits}",
        f"{digits[:2]}-{digits[2:4]}-{digits[4:6]}", f"E{_digits(random, 9)}", f"HX-{digits}", f"{digits}A",
    ])  # fmt: skip


def _mrn(random: Random) -> Planted:
    carriers = ["MRN: {}", "MRN {}", "MRN#{}", "(MRN {})", "mrn={}", "mrn_{}", "medical record number: {}", "Medical Record No. {}",
                "Med Rec #{}", "patient id {}", "Patient ID: {}", "pt id: {}", "chart no. {}", "Chart number {}", "Chart #{}",
                "hospital number {}", "<mrn>{}</mrn>", "| MRN | {} |", "acct # {}", "encounter_id={}", "Member ID: {}",
                "visit number {}", "CSN {}", "MRN is {}", "patient's MRN, {}", "Patient number: {}", "MR# {}", "policy no. {}",
                "auc_mrn_{}", "explained patient_id {} with shap", "accession number {}", "Medicaid ID {}"]  # fmt: skip
    keys = [
        "mrn",
        "patient_mrn",
        "MRN",
        "patient_id",
        "patientId",
        "medical_record_number",
        "chart_number",
        "encounter_id",
    ]
    return _in(random, PhiClass.MRN, _record_number(random), keys, carriers)


def _phone(random: Random) -> Planted:
    area, office, line = str(random.randint(201, 989)), str(random.randint(200, 999)), _digits(random, 4)
    shaped = [f"({area}) {office}-{line}", f"{area}-{office}-{line}", f"{area}.{office}.{line}", f"{area} {office} {line}",
              f"+1 {area} {office} {line}", f"+1-{area}-{office}-{line}", f"1-{area}-{office}-{line}", f"({area}){office}-{line}",
              f"+1{area}{office}{line}", f"{area}/{office}-{line}", f"+1 ({area}) {office}-{line}",
              f"{area}-{office}-{line} x{random.randint(1, 999)}", f"+44 20 {_digits(random, 4)} {_digits(random, 4)}",
              f"+49 {random.randint(30, 89)} {_digits(random, 7)}", f"+33 1 {' '.join(_digits(random, 2) for _ in range(4))}"]  # fmt: skip
    loose = [
        f"{area}{office}{line}",
        f"{area}{office}{line}",
        f"1{area}{office}{line}",
        f"{office}-{line}",
        f"{area}-{office}{line}",
    ]
    if random.random() < 0.75:
        value = random.choice(shaped)
        carriers = ["{}", "call {}", "Phone: {}", "daughter at {}", "contact {} for consent", "phone={}", "Tel. {}", "cell: {}",
                    "fax {}", "reach her on {}", "{} (home)", "callback {} before 5pm", "a;{};b"]  # fmt: skip
    else:
        value = random.choice(loose)
        carriers = ["phone: {}", "Phone number {}", "tel: {}", "Tel {}", "call {}", "cell phone {}", "mobile={}", "fax: {}",
                    "phone_{}", "Phone #{}", "home phone: {}", "called back at {}"]  # fmt: skip
    return _in(
        random, PhiClass.PHONE, value, ["phone", "home_phone", "phoneNumber", "mobile", "fax"], carriers
    )


def _email(random: Random) -> Planted:
    given, family = _name_parts(random)
    user = random.choice([f"{given}.{family}", f"{given[0]}{family}", f"{given}_{family}{random.randint(1, 99)}",
                          f"{family}.{given}+clinic", f"{given}{random.randint(1950, 2005)}", f"{given}-{family}"]).casefold()  # fmt: skip
    host = random.choice(
        ["gmail.com", "mail.example", "yahoo.co.uk", "st-marys.example.org", "hospital.health", "uni-x.de"]
    )
    value = f"{user}@{host}"
    if random.random() < 0.1:
        value = value.upper()
    carriers = [
        "{}",
        "email: {}",
        "mailto:{}",
        "<{}>",
        "contact {} now",
        "user={}",
        "sent to {}.",
        "notify_{}",
        "({})",
        "a,{},b",
    ]
    return _in(
        random, PhiClass.EMAIL, value, ["email", "contact", "owner", "patientEmail", "notes"], carriers
    )


def _address(random: Random) -> Planted:
    name = random.choice(
        [
            "Elm",
            "Juniper Hollow",
            "Maple",
            "Main",
            "42nd",
            "Martin Luther King",
            "Oak Ridge",
            "St. Mary's",
            "Lake View",
        ]
    )
    suffix = random.choice(["Street", "St", "St.", "Avenue", "Ave", "Ave.", "Road", "Rd", "Lane", "Drive", "Dr.", "Blvd", "Boulevard",
                            "Court", "Way", "Place", "Parkway", "Terrace"])  # fmt: skip
    number = str(random.randint(1, 19999)) + random.choice(["", "", "", "B", "-12"])
    street = f"{number} {random.choice(['', '', 'N ', 'West ', 'S. '])}{name} {suffix}"
    city, state, code = random.choice(PLACES)
    value = random.choice([street, street, f"{street} Apt {random.randint(1, 99)}", f"{street}, {city}, {state} {code}",
                           f"{street}, Unit {random.choice('ABCD')}", f"P.O. Box {random.randint(10, 99999)}"])  # fmt: skip
    value = random.choice([value, value, value, value.upper(), value.casefold()])
    carriers = ["{}", "address: {}", "lives at {}", "Address = {}", "home: {}", "residing at {} since spring", "moved to {}",
                "mail to {}.", "seen at {}", "1,{},x"]  # fmt: skip
    return _in(
        random,
        PhiClass.STREET_ADDRESS,
        value,
        ["address", "home_address", "addressLine1", "street"],
        carriers,
    )


def _day(random: Random) -> str:
    day = date(1925, 1, 1) + timedelta(days=random.randint(0, 36000))
    names = [day.strftime("%B"), day.strftime("%b")]
    month = random.choice(names)
    return random.choice([
        day.isoformat(), day.isoformat(), day.strftime("%m/%d/%Y"), day.strftime("%m/%d/%Y"), f"{day.month}/{day.day}/{day.year}",
        day.strftime("%m/%d/%y"), day.strftime("%d.%m.%Y"), day.strftime("%d-%b-%Y"), f"{month} {day.day}, {day.year}",
        f"{day.day} {month} {day.year}", day.strftime("%Y/%m/%d"), f"{day.isoformat()}T00:00:00Z", day.strftime("%d%b%Y").upper(),
        day.strftime("%m-%d-%Y"),
    ])  # fmt: skip


def _date(random: Random) -> Planted:
    carriers = ["DOB: {}", "DOB {}", "dob={}", "born {}", "born on {}", "Date of birth: {}", "birth date {}", "birthDate={}", "(DOB {})",
                "admitted on {}", "Admitted {}", "admission date: {}", "discharged {}", "Discharge date: {}", "died on {}",
                "date of death {}", "deceased {}", "d.o.b. {}", "<birthDate>{}</birthDate>", "| DOB | {} |", "dob_{}",
                "The patient was seen in clinic on {} for follow up", "she underwent surgery on {} without event",
                "pt presented {} with chest pain", "Mr. X came back on {} and was well", "his last visit was {}",
                "date of service {}"]  # fmt: skip
    value = _day(random)
    if random.random() < 0.06:
        value = (
            date(1990, 1, 1)
            .replace(year=random.randint(1925, 2020), month=random.randint(1, 12))
            .strftime("%Y%m%d")
        )
        carriers = carriers[:8]
    keys = [
        "dob",
        "birth_date",
        "birthDate",
        "date_of_birth",
        "admission_date",
        "dischargeDate",
        "deceasedDateTime",
        "patient_dob",
    ]
    return _in(random, PhiClass.DATE, value, keys, carriers)


def _name_parts(random: Random) -> tuple[str, str]:
    if random.random() < 0.5:
        return random.choice(COMMON_GIVEN), random.choice(COMMON_FAMILY)
    return random.choice(FEMALE + MALE), random.choice(FAMILY)


def _name(random: Random) -> Planted:
    given, family = _name_parts(random)
    initial = random.choice("ABCDEFGHJKLMNPRSTW")
    whole = [f"{given} {family}", f"{given} {family}", f"{given} {initial}. {family}", f"{family}, {given}", f"{family.upper()}, {given.upper()}",
             f"{given.casefold()} {family.casefold()}", f"{given}  {family}".replace("  ", " ")]  # fmt: skip
    if random.random() < 0.6:
        value = random.choice(whole)
        carriers = ["Patient: {}", "patient name: {}", "Patient name is {}", "patient_name={}", "Name: {}", "pt name: {}",
                    "patient full name {}", "next of kin: {}", "Patient Name | {}", "<patientName>{}</patientName>"]  # fmt: skip
        keys = ["patient_name", "patientName", "full_name", "name", "patient", "guarantor_name"]
    else:
        value = random.choice([family, f"{given} {family}", f"{initial}. {family}"])
        carriers = ["Mr. {} was seen", "Mrs. {}", "Ms. {} agreed", "Dr. {} signed", "seen by Dr. {}", "for patient {} today" if " " in value
                    else "Mr {} came", "Mr {} slept well", "discussed with Mrs {}", "Prof. {}", "a man named {}", "Dear Ms. {}"]  # fmt: skip
        keys = ["last_name", "lastName", "patient_last_name", "surname", "family_name"]
    return _in(random, PhiClass.NAME, value, keys, carriers)


def _luhn_digit(payload: str) -> str:
    doubled = "".join(str(int(d) * (2 - place % 2)) for place, d in enumerate(reversed(payload)))
    return str(-sum(map(int, doubled)) % 10)


def _npi(random: Random) -> Planted:
    body = random.choice("12") + _digits(random, 8)
    value = body + _luhn_digit("80840" + body)
    carriers = ["NPI: {}", "NPI {}", "npi={}", "NPI#{}", "(NPI {})", "provider npi {}", "NPI number: {}", "npi_{}", "national provider identifier {}",
                "Dr. X, NPI {}", "<npi>{}</npi>", "| NPI | {} |", "prescriber NPI is {}", "provider id {}"]  # fmt: skip
    return _in(random, PhiClass.NPI, value, ["npi", "provider_npi", "NPI", "providerNpi"], carriers)


def _dea(random: Random) -> Planted:
    digits = _digits(random, 6)
    check = (sum(int(d) for d in digits[::2]) + 2 * sum(int(d) for d in digits[1::2])) % 10
    value = f"{random.choice('ABFGMPR')}{random.choice('ABCDEFGHJKLMNPRSTWXZ9')}{digits}{check}"
    carriers = [
        "{}",
        "DEA: {}",
        "DEA# {}",
        "DEA number {}",
        "dea={}",
        "signed {}",
        "rx by {} today",
        "dea_{}",
        "(DEA {})",
        "a,{},b",
    ]
    return _in(random, PhiClass.DEA, value, ["dea", "dea_number", "prescriberDea"], carriers)


def _ip(random: Random) -> Planted:
    if random.random() < 0.75:
        value = ".".join(str(random.randint(1, 254)) for _ in range(4))
        if value.startswith("127."):
            value = "203" + value[3:]
    else:
        groups = [f"{random.randint(1, 0xFFFF):x}" for _ in range(8)]
        value = random.choice(
            [
                ":".join(groups),
                ":".join(groups[:3]) + "::" + ":".join(groups[6:]),
                f"fe80::{':'.join(groups[:4])}",
            ]
        )
    carriers = [
        "{}",
        "IP: {}",
        "client ip {}",
        "from {}",
        "login from {} ok",
        "remote_addr={}",
        "host={}",
        "({})",
        "GET / {} 200",
        "x,{},y",
    ]
    return _in(random, PhiClass.IP_ADDRESS, value, ["ip", "client_ip", "remoteAddr", "ipAddress"], carriers)


def _mac(random: Random) -> Planted:
    octets = [f"{random.randint(0, 255):02x}" for _ in range(6)]
    value = random.choice([":".join(octets), ":".join(octets).upper(), "-".join(octets).upper(), "-".join(octets),
                           ".".join("".join(octets[n : n + 2]) for n in (0, 2, 4))])  # fmt: skip
    carriers = ["{}", "mac {}", "device {}", "MAC: {}", "mac_addr={}", "eth0 {} up", "({})", "a,{},b"]
    return _in(random, PhiClass.MAC_ADDRESS, value, ["mac", "mac_address", "deviceMac"], carriers)


def _url(random: Random) -> Planted:
    number = _digits(random, random.randint(5, 9))
    uuid = "-".join(f"{random.getrandbits(4 * n):0{n}x}" for n in (8, 4, 4, 4, 12))
    host = random.choice(
        [
            "https://ehr.example.org",
            "http://fhir.local:8080/baseR4",
            "https://portal.example/app",
            "https://10.1.2.3/fhir",
        ]
    )
    value = random.choice([
        f"{host}/Patient/{number}", f"{host}/Patient/{uuid}", f"{host}/fhir/Patient/{number}/_history/2", f"{host}/patients/{number}/labs",
        f"{host}/Encounter?patient={number}", f"{host}/search?mrn={number}", f"{host}/view?patientId={number}&tab=labs",
        f"{host}/Observation?subject=Patient/{number}", f"{host}/chart?a=1&ssn=123-45-6789", f"{host}/p?last_name=Doe&dob=1960-05-17",
        f"Patient/{number}", f"/fhir/Patient/{number}", f"{host}/member/{number}", f"{host}/#/patient/{number}/summary",
    ])  # fmt: skip
    carriers = [
        "{}",
        "source: {}",
        "GET {} 200",
        "loaded from {}",
        "url={}",
        "<{}>",
        "see {} for it",
        "[x]({})",
    ]
    return _in(random, PhiClass.URL_WITH_ID, value, ["url", "source", "reference", "link"], carriers)


_SENTENCES = (
    "The patient is a {age} year old {sex} with a history of {thing} who presented to the clinic for {thing}.",
    "There was no evidence of {thing} at that time and the family was told about the plan.",
    "We discussed the options, and it was agreed that treatment with {drug} should be started on the next day.",
    "On exam the abdomen was soft, and there were no signs of {thing} in either leg.",
    "Because of {thing} the dose of {drug} was reduced, which was tolerated well by the patient.",
    "She has been living with her son since the winter and denies any use of tobacco.",
    "He will come back in two weeks, or sooner if the {thing} gets worse.",
    "The results were reviewed with the team and none of them changed what had been decided before.",
)  # fmt: skip
_SHORT = (
    "{age} yo M c/o {thing} x3d, denies CP, h/o {thing}. A&P: {drug} BID, f/u 2 wks",
    "CC: {thing}. HPI: pt reports {thing} since Monday, s/p {thing} repair, NKDA, {drug} prn",
    "Chief complaint {thing}. Past medical history {thing}. Vital signs stable, afebrile, follow up with GI.",
)


def _free_text(random: Random) -> Planted:
    def words() -> dict[str, str]:
        return {"age": str(random.randint(20, 88)), "sex": random.choice(["woman", "man"]),
                "thing": random.choice(["chest pain", "asthma", "back pain", "edema", "diabetes", "a fall", "dizziness"]),
                "drug": random.choice(["metformin", "lisinopril", "insulin", "warfarin"])}  # fmt: skip

    if random.random() < 0.3:
        text = random.choice(_SHORT).format(**words())
    else:
        text = ""
        while len(text) <= 560:
            text += random.choice(_SENTENCES).format(**words()) + random.choice([" ", " ", "\n"])
    return Planted(PhiClass.FREE_TEXT, "text", text, text, random.choice(["", "", "note", "description"]))


_GRAMMARS: dict[PhiClass, Callable[[Random], Planted]] = {
    PhiClass.SSN: _ssn, PhiClass.MRN: _mrn, PhiClass.PHONE: _phone, PhiClass.EMAIL: _email, PhiClass.STREET_ADDRESS: _address,
    PhiClass.DATE: _date, PhiClass.NAME: _name, PhiClass.NPI: _npi, PhiClass.DEA: _dea, PhiClass.IP_ADDRESS: _ip,
    PhiClass.MAC_ADDRESS: _mac, PhiClass.URL_WITH_ID: _url, PhiClass.FREE_TEXT: _free_text,
}  # fmt: skip
_BARE: dict[PhiClass, Callable[[Random], str]] = {
    PhiClass.SSN: lambda random: _digits(random, 9),
    PhiClass.MRN: _record_number,
    PhiClass.PHONE: lambda random: (
        f"{random.randint(201, 989)}{random.randint(200, 999)}{_digits(random, 4)}"
    ),
    PhiClass.NPI: lambda random: _npi(random).value,
    PhiClass.NAME: lambda random: " ".join(_name_parts(random)),
    PhiClass.DATE: lambda random: (date(1925, 1, 1) + timedelta(days=random.randint(0, 36000))).isoformat(),
    PhiClass.IP_ADDRESS: lambda random: (
        f"10.{random.randint(0, 9)}.{random.randint(0, 9)}.{random.randint(1, 254)}"
    ),
}

__all__ = ["Planted", "bare", "planted"]
