//! Table G15: professions, by the code that cards carry.

use std::fmt;

/// A profession of table G15. Codes that are not listed here are kept as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Profession(pub u16);

const TABLE: &[(u16, &str, &str)] = &[
    (10, "Médecin", "Physician"),
    (21, "Pharmacien", "Pharmacist"),
    (26, "Audioprothésiste", "Hearing-aid specialist"),
    (28, "Opticien-lunetier", "Optician"),
    (40, "Chirurgien-dentiste", "Dental surgeon"),
    (50, "Sage-femme", "Midwife"),
    (60, "Infirmier", "Nurse"),
    (70, "Masseur-kinésithérapeute", "Physiotherapist"),
    (80, "Pédicure-podologue", "Podiatrist"),
    (86, "Technicien de laboratoire médical", "Medical laboratory technician"),
    (91, "Orthophoniste", "Speech therapist"),
    (92, "Orthoptiste", "Orthoptist"),
    (94, "Ergothérapeute", "Occupational therapist"),
    (95, "Diététicien", "Dietitian"),
    (96, "Psychomotricien", "Psychomotor therapist"),
    (98, "Manipulateur d’électroradiologie médicale", "Radiographer"),
];

impl Profession {
    fn entry(self) -> Option<&'static (u16, &'static str, &'static str)> {
        TABLE.iter().find(|(code, ..)| *code == self.0)
    }
    /// Its French name, if listed.
    pub fn french(self) -> Option<&'static str> {
        self.entry().map(|e| e.1)
    }
    /// Its English name, if listed.
    pub fn english(self) -> Option<&'static str> {
        self.entry().map(|e| e.2)
    }
}

/// The code, and the French name where it is listed.
impl fmt::Display for Profession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.french() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}
