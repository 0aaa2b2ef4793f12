"""Names and places for invented people. Family names are no English words, so a scan for them is sharp."""

from __future__ import annotations

FEMALE = (
    "Adaline", "Beatriz", "Carmela", "Delphine", "Eleonora", "Francesca", "Guadalupe", "Henrietta",
    "Isadora", "Josefina", "Katarzyna", "Leontyne", "Magdalena", "Nadezhda", "Ottilie", "Philippa",
    "Rosalind", "Svetlana", "Theodora", "Ursula", "Valentina", "Wilhelmina", "Xiomara", "Yolanda",
    "Zenobia",
)  # fmt: skip
MALE = (
    "Aurelio", "Bartholomew", "Cornelius", "Demetrius", "Emiliano", "Ferdinand", "Giovanni", "Hernando",
    "Ignatius", "Joaquin", "Konstantin", "Leopold", "Maximilian", "Nathaniel", "Octavio", "Percival",
    "Quentin", "Reginald", "Santiago", "Thaddeus", "Ulysses", "Vladimir", "Wolfgang", "Xavier",
    "Zachariah",
)  # fmt: skip
FAMILY = (
    "Abernathy", "Achterberg", "Bergstrom", "Birnbaum", "Castellanos", "Czerwinski", "Dombrowski",
    "Echeverria", "Eisenhardt", "Fitzsimmons", "Frankfurter", "Gallagher", "Gutierrez", "Haverkamp",
    "Hidalgo", "Ingebretsen", "Jankowski", "Jorgensen", "Kowalczyk", "Krishnamurthy", "Lindqvist",
    "Lombardi", "Macdonnell", "Montalvo", "Nakashima", "Nguyen", "Oberholtzer", "Okonkwo", "Papadakis",
    "Pellegrino", "Quintanilla", "Rasmussen", "Rosenqvist", "Schwarzkopf", "Szymanski", "Takahashi",
    "Tchaikovsky", "Ulbricht", "Vandermeer", "Villanueva", "Wasserman", "Wojciechowski", "Ximenez",
    "Yamaguchi", "Zabriskie", "Zimmermann",
)  # fmt: skip
STREETS = (
    "Alderbrook Lane", "Birchmere Road", "Cedarhurst Avenue", "Dovecote Street", "Elmhollow Drive",
    "Foxglove Court", "Graystone Terrace", "Hawthorne Crescent", "Ivybridge Way", "Juniper Hollow Road",
)  # fmt: skip
PLACES = (
    ("Worcester", "MA", "01605"), ("Boston", "MA", "02119"), ("Springfield", "MA", "01109"),
    ("Lowell", "MA", "01851"), ("Cambridge", "MA", "02139"), ("Nashua", "NH", "03060"),
    ("Bellows Falls", "VT", "05101"), ("Averill", "VT", "05901"), ("Charlestown", "NH", "03603"),
    ("Hartford", "CT", "06112"), ("Providence", "RI", "02907"), ("Pittsfield", "MA", "01201"),
)  # fmt: skip
"""City, state, ZIP. Two of the ZIP3 areas (036, 059) are among the thinly peopled ones."""

RACES = (
    ("2106-3", "White", 0.62), ("2054-5", "Black or African American", 0.17), ("2028-9", "Asian", 0.09),
    ("1002-5", "American Indian or Alaska Native", 0.03),
    ("2076-8", "Native Hawaiian or Other Pacific Islander", 0.01),
)  # fmt: skip
"""OMB race code, display and share; the rest is not recorded."""

ORGANIZATIONS = (
    "Northgate General Hospital", "Saltmarsh Memorial Hospital", "Quarry Hill Family Medicine",
    "Millrace Internal Medicine", "Lanternfield Clinic", "Harborview Primary Care",
    "Threeoaks Medical Group", "Kestrel Street Health Center",
)  # fmt: skip
"""The first two are hospitals."""

__all__ = ["FAMILY", "FEMALE", "MALE", "ORGANIZATIONS", "PLACES", "RACES", "STREETS"]
