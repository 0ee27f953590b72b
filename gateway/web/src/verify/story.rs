//! A report told to somebody who must decide on it: what holds, what does not, and what that means.
//!
//! The verifier's own words are technical and English; here each check is said again by what it is about. Where
//! no words are prepared for a failure, the technical ones stand alone.

use super::{ProofCheck, ProofReport};
use crate::locale;
use jiff::tz::TimeZone;
use sealpost_envelope::{Language, Timestamp};
use sealpost_evidence::EventName;

/// A check in words.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) ok: bool,
    pub(super) file: String,
    pub(super) words: String,
    /// The verifier's own words, where they say more.
    pub(super) technical: Option<String>,
}

/// Checks about one thing.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) ok: bool,
    pub(super) count: String,
    pub(super) lines: Vec<Line>,
}

/// An event that the proof attests.
#[derive(Debug)]
pub(super) struct Attested {
    pub(super) at: String,
    pub(super) machine: String,
    pub(super) words: String,
}

/// The whole page.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) valid: bool,
    pub(super) verdict: &'static str,
    pub(super) heading: &'static str,
    pub(super) lead: &'static str,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) problems: Vec<Line>,
    pub(super) events: Vec<Attested>,
    pub(super) groups: Vec<Group>,
}

/// Failures shown at the top; the rest stands with its group.
const SHOWN: usize = 8;

impl Story {
    pub(super) fn new(report: &ProofReport, l: Language, zone: &TimeZone) -> Self {
        let valid = report.verdict == "VALID";
        let failed: Vec<&ProofCheck> = report.checks.iter().filter(|c| !c.ok).collect();
        let stranger = !failed.is_empty() && failed.iter().all(|c| is_stranger(c));
        let (verdict, heading, lead) = headline(valid, report.aged, stranger, l);
        Self {
            valid,
            verdict,
            heading,
            lead,
            facts: if valid { facts(report, l, zone) } else { Vec::new() },
            problems: failed.iter().take(SHOWN).map(|c| line(c, l, zone)).collect(),
            events: if valid { events(report, l, zone) } else { Vec::new() },
            groups: groups(report, l, zone),
        }
    }
}

/// Whether a check failed only for want of a root that this server knows.
fn is_stranger(check: &ProofCheck) -> bool {
    check.what.contains("is not trusted")
        || check.what.contains("is not a root that was used")
        || check.what.contains("no seal vouches")
}

fn headline(
    valid: bool,
    aged: bool,
    stranger: bool,
    l: Language,
) -> (&'static str, &'static str, &'static str) {
    if valid {
        return (
            l.pick("Preuve valable", "Valid proof"),
            l.pick("Cette preuve est intacte et authentique", "This proof is intact and authentic"),
            l.pick(
                "Aucun octet n’en a été changé, ajouté ou ôté depuis qu’elle a été scellée. Tous les sceaux, tous les \
                 horodatages et toutes les empreintes ont été contrôlés.",
                "Not one byte of it was changed, added or removed since it was sealed. All seals, all timestamps and \
                 all digests were checked.",
            ),
        );
    }
    let verdict = l.pick("Preuve non valable", "Invalid proof");
    if aged {
        return (
            verdict,
            l.pick("Cette preuve a vieilli", "This proof has aged"),
            l.pick(
                "Son contenu est intact, mais le dernier horodatage n’est plus garanti par une autorité en vigueur : \
                 elle aurait dû être renouvelée avant. Un exemplaire renouvelé à temps peut exister ; demandez-le à \
                 l’organisme qui l’a établie.",
                "Its content is intact, but no authority in force vouches for the last timestamp any more: it should \
                 have been renewed before. A copy renewed in time may exist; ask the organisation that made it.",
            ),
        );
    }
    if stranger {
        return (
            verdict,
            l.pick("Cette preuve vient d’ailleurs", "This proof comes from elsewhere"),
            l.pick(
                "Elle est scellée par un organisme que ce serveur ne connaît pas : il ne peut pas en répondre. \
                 Vérifiez-la auprès de l’organisme qui l’a établie, ou avec son certificat racine obtenu de lui.",
                "It is sealed by an organisation that this server does not know, so that it cannot vouch for it. \
                 Verify it with the organisation that made it, or with its root certificate obtained from it.",
            ),
        );
    }
    (
        verdict,
        l.pick("Cette preuve ne peut pas être retenue", "This proof cannot be relied on"),
        l.pick(
            "Elle n’est plus, octet pour octet, celle qui a été établie, ou n’a jamais été complète. Ce qui ne va pas \
             est nommé ci-dessous.",
            "It is no longer, byte for byte, the one that was made, or it never was complete. What is wrong is named \
             below.",
        ),
    )
}

fn facts(report: &ProofReport, l: Language, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let of = |subject: &str, start: &str| {
        let mut fitting = report.checks.iter().filter(|c| c.ok && c.subject == subject);
        fitting.find_map(|c| c.what.strip_prefix(start)).map(str::to_owned)
    };
    if let Some(sealed) = of("META-INF/signature001.p7s", "sealed by ") {
        let (who, rest) = sealed.split_once(", dated ").unwrap_or((&sealed, ""));
        facts.push((l.pick("Scellée par", "Sealed by"), named(who)));
        let (at, by) = rest.split_once(" by ").unwrap_or((rest, ""));
        facts.push((l.pick("Le", "On"), when(at, l, zone)));
        facts.push((l.pick("Heure donnée par", "Time given by"), named(by)));
    }
    let held =
        report.checks.iter().rev().find_map(|c| c.what.strip_prefix("the last timestamp holds until "));
    if let Some(until) = held {
        facts.push((l.pick("Vérifiable jusqu’au", "Verifiable until"), when(until, l, zone)));
    }
    if let Some(digest) = of("message/original.eml", "sha256 ") {
        facts.push((l.pick("Empreinte du message", "Digest of the message"), digest));
    }
    facts
}

fn events(report: &ProofReport, l: Language, zone: &TimeZone) -> Vec<Attested> {
    let attested = |c: &ProofCheck| {
        let (name, rest) = c.what.split_once(" at ")?;
        let at: Timestamp = rest.split(',').next()?.parse().ok()?;
        let (fr, en) = sealpost_evidence::words(EventName::parse(name)?)?;
        Some(Attested {
            at: format!("{}, {}", locale::day(at, zone, l), locale::clock(at, zone)),
            machine: locale::machine(at),
            words: l.pick(fr, en).to_owned(),
        })
    };
    let is_evidence =
        |c: &&ProofCheck| c.ok && c.subject.starts_with("evidence/") && c.subject.ends_with(".xml");
    report.checks.iter().filter(is_evidence).filter_map(attested).collect()
}

/// The kinds of things checked: title, and what it is, in French and English.
const KINDS: [(Kind, &str, &str, &str, &str); 7] = [
    (
        Kind::Whole,
        "L’archive",
        "The archive",
        "Le fichier doit être complet et dans la seule forme permise, sans rien qui y ait été glissé.",
        "The file must be complete and in the only form allowed, with nothing slipped in.",
    ),
    (
        Kind::Seal,
        "Le sceau sur l’ensemble",
        "The seal over everything",
        "Une liste des empreintes de tous les fichiers, scellée et horodatée.",
        "A list of the digests of all files, sealed and timestamped.",
    ),
    (
        Kind::Message,
        "Le message",
        "The message",
        "Le message déposé et ce qui en a été envoyé.",
        "The message as deposited, and what was sent of it.",
    ),
    (
        Kind::Evidence,
        "Les événements attestés",
        "The attested events",
        "Chaque étape est un document scellé et horodaté au moment où elle a eu lieu.",
        "Each step is a document, sealed and timestamped when it happened.",
    ),
    (
        Kind::Log,
        "Le journal",
        "The journal",
        "Chaque étape est inscrite dans un journal chaîné : y changer une ligne après coup se verrait.",
        "Each step is entered in a chained journal: to change a line afterwards would show.",
    ),
    (
        Kind::Renewal,
        "Les renouvellements",
        "The renewals",
        "Des horodatages ajoutés plus tard, pour que la preuve dure.",
        "Timestamps added later, so that the proof lasts.",
    ),
    (
        Kind::Trust,
        "Les certificats",
        "The certificates",
        "Les signatures doivent mener à une autorité que ce serveur connaît.",
        "The signatures must lead to an authority that this server knows.",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Seal,
    Message,
    Evidence,
    Log,
    Renewal,
    Trust,
}

fn kind(subject: &str) -> Kind {
    match subject.split_once('/') {
        Some(("message", _)) => Kind::Message,
        Some(("evidence", _)) => Kind::Evidence,
        Some(("log", _)) => Kind::Log,
        Some(("certificates" | "revocation", _)) => Kind::Trust,
        Some(("META-INF", "ASiCManifest001.xml" | "signature001.p7s")) => Kind::Seal,
        Some(("META-INF", _)) => Kind::Renewal,
        _ => Kind::Whole,
    }
}

fn groups(report: &ProofReport, l: Language, zone: &TimeZone) -> Vec<Group> {
    let mut groups = Vec::new();
    for (which, title_fr, title_en, about_fr, about_en) in KINDS {
        let of: Vec<&ProofCheck> = report.checks.iter().filter(|c| kind(&c.subject) == which).collect();
        if of.is_empty() {
            continue;
        }
        let (all, good) = (of.len(), of.iter().filter(|c| c.ok).count());
        groups.push(Group {
            title: l.pick(title_fr, title_en),
            about: l.pick(about_fr, about_en),
            ok: good == all,
            count: match (good == all, all) {
                (true, 1) => l.pick("1 contrôle réussi", "1 check passed").to_owned(),
                (true, _) => format!("{all} {}", l.pick("contrôles réussis", "checks passed")),
                _ => format!("{} / {all} {}", all - good, l.pick("en échec", "failed")),
            },
            lines: of.into_iter().map(|c| line(c, l, zone)).collect(),
        });
    }
    groups
}

fn line(check: &ProofCheck, l: Language, zone: &TimeZone) -> Line {
    let words = if check.ok { good(check, l, zone) } else { bad(check, l) };
    let file = match check.subject.as_str() {
        "(container)" => l.pick("(le fichier entier)", "(the whole file)").to_owned(),
        other => other.to_owned(),
    };
    // Not what the words have just said.
    let said = words.to_lowercase().contains(&check.what.to_lowercase());
    let technical = (!check.ok && !said).then(|| check.what.clone());
    Line { ok: check.ok, file, words, technical }
}

/// What a passed check says. The verifier's own words, where they hold data, are read back.
fn good(check: &ProofCheck, l: Language, zone: &TimeZone) -> String {
    let what = check.what.as_str();
    if let Some(sealed) = what.strip_prefix("sealed by ") {
        let (who, rest) = sealed.split_once(", dated ").unwrap_or((sealed, ""));
        let (at, by) = rest.split_once(" by ").unwrap_or((rest, ""));
        return match l {
            Language::Fr => {
                format!("Scellé par {}, horodaté le {} par {}.", named(who), when(at, l, zone), named(by))
            }
            Language::En => {
                format!("Sealed by {}, timestamped {} by {}.", named(who), when(at, l, zone), named(by))
            }
        };
    }
    if let Some(dated) = what.strip_prefix("dated ") {
        let (at, by) = dated.split_once(" by ").unwrap_or((dated, ""));
        let said = l.pick("Horodaté le", "Timestamped");
        return format!("{said} {} {} {}.", when(at, l, zone), l.pick("par", "by"), named(by));
    }
    if let Some(until) = what.strip_prefix("the last timestamp holds until ") {
        let said =
            l.pick("Le dernier horodatage est garanti jusqu’au", "The last timestamp is vouched for until");
        return format!("{said} {}.", when(until, l, zone));
    }
    if let Some(digest) = what.strip_prefix("sha256 ") {
        let said = l.pick("Inchangé. Empreinte SHA-256 :", "Unchanged. SHA-256 digest:");
        return format!("{said} {digest}");
    }
    if let Some((event, rest)) = what.split_once(" at ")
        && let Some((fr, en)) = EventName::parse(event).and_then(sealpost_evidence::words)
    {
        return format!("{}, {}", l.pick(fr, en), when(rest.split(',').next().unwrap_or(rest), l, zone));
    }
    let fixed = [
        ("canonical,", "Forme exacte, sans un octet de trop.", "The exact form, without one byte too many."),
        ("named by", "Son empreinte est inscrite au journal.", "Its digest is entered in the journal."),
        (
            "OpenSSL agrees",
            "Contrôlé une seconde fois par un autre logiciel (OpenSSL).",
            "Checked a second time by other software (OpenSSL).",
        ),
        (
            "external time:",
            "Daté par une autorité extérieure à l’organisme.",
            "Dated by an authority outside the organisation.",
        ),
        (
            "external time pending",
            "Daté par l’organisme lui-même ; aucune autorité extérieure.",
            "Dated by the organisation itself; no outside authority.",
        ),
        ("leads to", "L’entrée est bien dans le journal.", "The entry is in the journal."),
        ("lists", "La liste est complète.", "The list is complete."),
        ("renews", "La liste couvre tout ce qui précède.", "The list covers everything before it."),
        (
            "log ",
            "L’état du journal est signé par sa propre clé.",
            "The journal’s state is signed by its own key.",
        ),
        (
            "is the message",
            "C’est bien le message déposé : les preuves et le journal nomment son empreinte.",
            "It is the message deposited: evidence and journal name its digest.",
        ),
        (
            "opens",
            "Les noms et adresses dévoilés sont ceux inscrits au journal sous forme d’empreintes.",
            "The names and addresses shown are those entered in the journal as digests.",
        ),
        ("trusted:", "Autorité connue de ce serveur.", "An authority known to this server."),
        ("application/vnd", "C’est une archive de preuve (ASiC-E).", "It is a proof archive (ASiC-E)."),
    ];
    let found = fixed.iter().find(|(start, ..)| what.starts_with(start));
    found.map_or_else(|| what.to_owned(), |(_, fr, en)| l.pick(fr, en).to_owned())
}

/// What a failure means.
fn bad(check: &ProofCheck, l: Language) -> String {
    let fixed = [
        (
            "aged:",
            "Le temps a passé : cet horodatage n’est plus garanti.",
            "Time went by: this timestamp is no longer vouched for.",
        ),
        (
            "is not trusted",
            "Scellé ou horodaté par une autorité inconnue ici.",
            "Sealed or stamped by an authority unknown here.",
        ),
        ("missing", "Ce fichier manque.", "This file is missing."),
        ("added:", "Ce fichier a été ajouté après coup.", "This file was added afterwards."),
        (
            "not the name of a member",
            "Ce fichier n’a rien à faire dans une preuve.",
            "This file does not belong in a proof.",
        ),
        ("another deposit", "Il concerne un autre message.", "It is about another message."),
        (
            "out of order",
            "Il n’est pas à sa place, ou s’y trouve deux fois.",
            "It is not in its place, or there twice.",
        ),
        ("cut off", "Le fichier est tronqué.", "The file is cut off."),
        (
            "digest",
            "Modifié : ce n’est plus ce qui a été scellé.",
            "Changed: it is no longer what was sealed.",
        ),
        ("checksum", "Modifié : sa somme de contrôle est fausse.", "Changed: its checksum is wrong."),
        (
            "not the message",
            "Ce n’est pas le message dont parlent les preuves.",
            "It is not the message that the evidence speaks of.",
        ),
        ("does not verify", "La signature est fausse.", "The signature is false."),
        ("canonical", "Un octet de la structure a été changé.", "A byte of the structure was changed."),
    ];
    let found = fixed.iter().find(|(part, ..)| check.what.contains(part));
    let (fr, en) = found.map_or(("Ce contrôle a échoué.", "This check failed."), |(_, fr, en)| (*fr, *en));
    l.pick(fr, en).to_owned()
}

/// The common name of a subject, or all of it.
fn named(subject: &str) -> String {
    let name = subject.split(',').find_map(|part| part.trim().strip_prefix("CN="));
    name.unwrap_or(subject).to_owned()
}

fn when(text: &str, l: Language, zone: &TimeZone) -> String {
    text.trim().parse().map_or_else(|_| text.to_owned(), |at| locale::moment(at, zone, l))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ok: bool, subject: &str, what: &str) -> ProofCheck {
        ProofCheck { ok, subject: subject.into(), what: what.into() }
    }

    #[test]
    fn a_judge_reads_what_was_found() {
        let sealed = "sealed by CN=Étoile – seal,O=Étoile, dated 2026-11-22T01:55:14Z by CN=Time";
        let checks = vec![
            check(true, "META-INF/signature001.p7s", sealed),
            check(true, "META-INF/signature001.p7s", "the last timestamp holds until 2036-11-21T01:50:07Z"),
            check(
                true,
                "evidence/01-SubmissionAcceptance.xml",
                "SubmissionAcceptance at 2026-11-22T01:55:11.9Z, deposit x",
            ),
        ];
        let report = ProofReport { checks, verdict: "VALID".into(), aged: false };
        let story = Story::new(&report, Language::Fr, &TimeZone::UTC);
        assert!(story.valid && story.problems.is_empty());
        let facts: Vec<&str> = story.facts.iter().map(|(_, v)| v.as_str()).collect();
        assert_eq!(
            facts,
            ["Étoile – seal", "22 novembre 2026 à 01:55 (UTC)", "Time", "21 novembre 2036 à 01:50 (UTC)"]
        );
        assert_eq!(story.events[0].words, "Message déposé et accepté");
        assert_eq!(story.groups.len(), 2);
    }

    #[test]
    fn failures_are_named_and_explained() {
        let report = |what: &str, aged| ProofReport {
            checks: vec![check(false, "message/original.eml", what)],
            verdict: "INVALID".into(),
            aged,
        };
        let story = |r| Story::new(&r, Language::En, &TimeZone::UTC);
        let changed = story(report("changed: its digest is not the one in the manifest", false));
        assert_eq!(changed.problems[0].words, "Changed: it is no longer what was sealed.");
        assert_eq!(changed.heading, "This proof cannot be relied on");
        assert_eq!(story(report("aged: the authority ended", true)).heading, "This proof has aged");
        assert_eq!(
            story(report("CN=x is not trusted at y", false)).heading,
            "This proof comes from elsewhere"
        );
    }
}
