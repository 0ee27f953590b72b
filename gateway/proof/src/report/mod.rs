//! `report.pdf`: what the proof says, for a person. It explains and proves nothing by itself.

mod metrics;
mod pdf;

use crate::bundle::{Bundle, ExternalTime, Step};
use pdf::{Document, Font};
use sealpost_envelope::{Language, Timestamp};
use sealpost_evidence::Party;

/// The file.
pub(crate) fn render(bundle: &Bundle<'_>, now: Timestamp) -> Vec<u8> {
    let l = bundle.language;
    let title = format!("{} {}", l.pick("Preuve de transmission", "Proof of transmission"), bundle.reference);
    let foot = format!("{}  -  {}  -  Sealpost", bundle.organisation, bundle.deposit);
    let mut d = Document::new(&title, &foot);
    d.paragraph(Font::Bold, 18.0, 0.0, &title);
    d.space(4.0);
    let intro = l.pick(
        "Ce rapport résume une preuve sous forme lisible. Seuls font foi les fichiers de l'archive qui le \
         contient : preuves scellées et horodatées, journal, et leurs signatures.",
        "This report sums up a proof in readable form. What counts are the files of the archive that contains \
         it: sealed and timestamped evidence, journal, and their signatures.",
    );
    d.paragraph(Font::Text, 9.5, 0.0, intro);
    d.space(8.0);
    d.rule();
    message(&mut d, bundle, l);
    recipients(&mut d, bundle, l);
    steps(&mut d, &bundle.steps, l);
    external_time(&mut d, bundle, l);
    files(&mut d, bundle, l);
    verification(&mut d, bundle, now, l);
    d.finish(l.tag())
}

fn heading(d: &mut Document, text: &str) {
    d.space(8.0);
    d.keep(48.0);
    d.paragraph(Font::Bold, 12.0, 0.0, text);
    d.space(3.0);
}

fn message(d: &mut Document, b: &Bundle<'_>, l: Language) {
    heading(d, l.pick("Message", "Message"));
    d.field(l.pick("Organisation", "Organisation"), Font::Text, &b.organisation);
    d.field(l.pick("Expéditeur", "Sender"), Font::Text, &party(&b.sender));
    if let Some(delegate) = &b.delegate {
        d.field(l.pick("Envoyé par", "Sent by"), Font::Text, &party(delegate));
    }
    if let Some(subject) = &b.subject {
        d.field(l.pick("Objet", "Subject"), Font::Text, subject);
    }
    d.field(l.pick("Déposé le", "Deposited"), Font::Text, &moment(b.submitted, l));
    d.field(l.pick("Référence", "Reference"), Font::Text, b.reference.as_str());
    d.field(l.pick("Dépôt", "Deposit"), Font::Mono, &b.deposit.to_string());
    if let Some(id) = &b.message_id {
        d.field("Message-ID", Font::Mono, id);
    }
    d.field(l.pick("Taille", "Size"), Font::Text, &bytes(b.size, l));
    d.field("SHA-256", Font::Mono, &b.digests.sha256.to_hex());
    d.field("SHA-512", Font::Mono, &b.digests.sha512.to_hex());
}

fn recipients(d: &mut Document, b: &Bundle<'_>, l: Language) {
    heading(d, l.pick("Destinataires", "Recipients"));
    for (number, recipient) in &b.recipients {
        d.field(&format!("{} {number}", l.pick("N°", "No.")), Font::Text, &party(recipient));
    }
}

fn steps(d: &mut Document, steps: &[Step], l: Language) {
    if steps.is_empty() {
        return;
    }
    heading(d, l.pick("Déroulement (heure UTC)", "What happened (UTC)"));
    for step in steps {
        let mut text = sealpost_evidence::words(step.event)
            .map_or_else(|| step.event.to_string(), |(fr, en)| l.pick(fr, en).to_owned());
        if let Some(number) = step.recipient {
            text.push_str(&format!(" ({} {number})", l.pick("destinataire", "recipient")));
        }
        if let Some(note) = &step.note {
            text.push_str(&format!(" - {note}"));
        }
        d.field(&step.time.strftime("%Y-%m-%d %H:%M:%S").to_string(), Font::Text, &text);
    }
}

/// Whose word the times are.
fn external_time(d: &mut Document, b: &Bundle<'_>, l: Language) {
    let text = match &b.external_time {
        ExternalTime::None => l
            .pick(
                "aucune : les heures sont celles de l'autorité d'horodatage de l'organisation",
                "none: times are those of the organisation's own time authority",
            )
            .to_owned(),
        ExternalTime::Pending => l
            .pick(
                "heure externe en attente : l'autorité n'a pas encore répondu ; un export ultérieur la portera",
                "external time pending: the authority has not answered yet; a later export will carry it",
            )
            .to_owned(),
        ExternalTime::Dated { at, authority } => {
            format!("{}, {authority}", moment(*at, l))
        }
    };
    d.field(l.pick("Heure externe", "External time"), Font::Text, &text);
}

fn files(d: &mut Document, b: &Bundle<'_>, l: Language) {
    if b.parts.is_empty() {
        return;
    }
    heading(d, l.pick("Pièces jointes", "Attachments"));
    for part in &b.parts {
        let name = part.name.as_deref().unwrap_or(l.pick("(sans nom)", "(unnamed)"));
        let text = format!("{name}, {}, {}", part.media_type, bytes(part.size, l));
        d.field(&part.number.to_string(), Font::Text, &text);
        d.field("SHA-256", Font::Mono, &part.digests.sha256.to_hex());
    }
}

fn verification(d: &mut Document, b: &Bundle<'_>, now: Timestamp, l: Language) {
    heading(d, l.pick("Vérifier", "To verify"));
    let how = l.pick(
        "Le fichier README.txt de l'archive donne les commandes openssl et sha256sum qui vérifient chaque \
         signature, chaque horodatage et chaque empreinte. Le certificat racine doit vous parvenir par une autre \
         voie ; ses empreintes SHA-256 :",
        "README.txt in the archive has the openssl and sha256sum commands that check every signature, every \
         timestamp and every digest. The root certificate must reach you some other way; SHA-256 fingerprints:",
    );
    d.paragraph(Font::Text, 9.5, 0.0, how);
    d.space(3.0);
    for root in &b.roots {
        d.field(
            &root.subject().chars().take(24).collect::<String>(),
            Font::Mono,
            &root.fingerprint().to_hex(),
        );
    }
    let counts = format!(
        "{} {}, {} {}. {} {}.",
        b.evidence.len(),
        l.pick("preuves scellées", "sealed evidence files"),
        b.entries.len(),
        l.pick("entrées de journal", "journal entries"),
        l.pick("Export du", "Exported"),
        moment(now, l)
    );
    d.space(3.0);
    d.paragraph(Font::Text, 9.5, 0.0, &counts);
}

fn party(p: &Party) -> String {
    match &p.name {
        Some(name) => format!("{name} <{}>", p.address),
        None => p.address.to_string(),
    }
}

fn moment(at: Timestamp, l: Language) -> String {
    let format = l.pick("%d/%m/%Y à %H:%M:%S UTC", "%Y-%m-%d at %H:%M:%S UTC");
    at.strftime(format).to_string()
}

/// Bytes with groups of three digits.
fn bytes(n: u64, l: Language) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push_str(l.pick(" ", ","));
        }
        out.push(c);
    }
    format!("{out} {}", l.pick("octets", "bytes"))
}
