//! `report.pdf`: what the proof says, for a person who must decide on it. It explains and proves nothing by itself.
//!
//! Order: the story in three sentences, what became of each recipient, every step with its certainty and its file,
//! digests, and how to verify without believing this report.

mod certainty;
mod pdf;

use crate::bundle::{Bundle, ExternalTime, Step};
use certainty::{Certainty, reading};
use pdf::{Cell, Document, Font, Ink, ROOM, Style};
use qrcode::{Color, EcLevel, QrCode};
use sealpost_envelope::{Language, Sha256Digest, Timestamp};
use sealpost_evidence::journal::EntryView;
use sealpost_evidence::{EventName, Party};
use std::collections::HashMap;

const BODY: Style = Style::new(Font::Text, 9.5);
const SMALL: Style = Style::new(Font::Text, 8.5);
const MONO: Style = Style::new(Font::Mono, 7.5);
/// Side of the picture with the address of the verification page.
const QR: f32 = 84.0;

/// The file.
pub(crate) fn render(bundle: &Bundle<'_>, now: Timestamp) -> Vec<u8> {
    let l = bundle.language;
    let title = format!("{} {}", l.pick("Preuve de transmission", "Proof of transmission"), bundle.reference);
    let foot = format!("{}  ·  {}  ·  Sealpost", bundle.organisation, bundle.deposit);
    let mut d = Document::new(&title, &foot);
    d.paragraph(Style::new(Font::Bold, 8.5).ink(Ink::Green), &bundle.organisation.to_uppercase());
    d.space(2.0);
    d.heading(1, Style::new(Font::Bold, 19.0), &title);
    d.space(5.0);
    summary(&mut d, bundle, l);
    d.space(6.0);
    d.rule();
    message(&mut d, bundle, l);
    recipients(&mut d, bundle, l);
    steps(&mut d, bundle, l);
    files(&mut d, bundle, l);
    verification(&mut d, bundle, now, l);
    if d.is_respelled() {
        d.space(4.0);
        let words = l.pick(
            "Les lettres que ce rapport ne sait pas imprimer y sont remplacées par les plus proches ; l'écriture exacte est dans \
             les fichiers de evidence/ et de log/.",
            "Letters that this report cannot print are replaced by the nearest ones; the exact spelling stands in the files of \
             evidence/ and log/.",
        );
        d.paragraph(SMALL.ink(Ink::Soft), words);
    }
    d.finish(l.tag())
}

fn heading(d: &mut Document, text: &str) {
    d.space(9.0);
    d.keep(60.0);
    d.heading(2, Style::new(Font::Bold, 12.0), text);
    d.space(4.0);
}

/// Who sent what to whom, and who has read it, as one would tell it.
fn summary(d: &mut Document, b: &Bundle<'_>, l: Language) {
    let (count, read) = (b.recipients.len(), b.recipients.iter().filter(|(n, _)| opened(b, *n)).count());
    let (who, at, size) = (party(&b.sender), moment(b.submitted, l), bytes(b.size, l));
    let text = match l {
        Language::Fr => format!(
            "Le {at}, {who} a confié à {} un message de {size} pour {}. {} Chaque étape ci-dessous a été scellée et \
             horodatée quand elle a eu lieu.",
            b.organisation,
            if count == 1 { "un destinataire".to_owned() } else { format!("{count} destinataires") },
            match (read, count) {
                (0, _) => "Aucune lecture n'est attestée.".to_owned(),
                (r, c) if r == c && c == 1 => "Sa lecture est attestée.".to_owned(),
                (r, c) if r == c => "La lecture par tous est attestée.".to_owned(),
                (r, c) => format!("La lecture est attestée pour {r} sur {c}."),
            }
        ),
        Language::En => format!(
            "On {at}, {who} entrusted {} with a message of {size} for {}. {} Each step below was sealed and \
             timestamped when it happened.",
            b.organisation,
            if count == 1 { "one recipient".to_owned() } else { format!("{count} recipients") },
            match (read, count) {
                (0, _) => "No reading is attested.".to_owned(),
                (r, c) if r == c && c == 1 => "Its reading is attested.".to_owned(),
                (r, c) if r == c => "Reading by all is attested.".to_owned(),
                (r, c) => format!("Reading is attested for {r} of {c}."),
            }
        ),
    };
    d.paragraph(Style::new(Font::Text, 10.5), &text);
    d.space(3.0);
    d.paragraph(
        SMALL.ink(Ink::Soft),
        l.pick(
            "Ce rapport résume et ne prouve rien par lui-même : font foi les fichiers scellés de l'archive (.asice) qui \
             le contient.",
            "This report sums up and proves nothing by itself: what counts are the sealed files of the archive (.asice) \
             that contains it.",
        ),
    );
}

fn opened(b: &Bundle<'_>, recipient: u32) -> bool {
    b.steps.iter().any(|s| s.recipient == Some(recipient) && s.event == EventName::ConsignmentAcceptance)
}

fn message(d: &mut Document, b: &Bundle<'_>, l: Language) {
    heading(d, l.pick("Le message", "The message"));
    let mut rows = vec![(l.pick("Expéditeur", "Sender"), BODY, party(&b.sender))];
    if let Some(delegate) = &b.delegate {
        rows.push((l.pick("Envoyé par", "Sent by"), BODY, party(delegate)));
    }
    if let Some(subject) = &b.subject {
        rows.push((l.pick("Objet", "Subject"), BODY, subject.clone()));
    }
    rows.push((l.pick("Déposé le", "Deposited"), BODY, moment(b.submitted, l)));
    rows.push((l.pick("Référence", "Reference"), BODY, b.reference.to_string()));
    rows.push((l.pick("Numéro de dépôt", "Deposit number"), MONO, b.deposit.to_string()));
    if let Some(id) = &b.message_id {
        rows.push(("Message-ID", MONO, id.clone()));
    }
    rows.push((l.pick("Taille", "Size"), BODY, bytes(b.size, l)));
    rows.push((l.pick("Empreinte SHA-256", "SHA-256 digest"), MONO, b.digests.sha256.to_hex()));
    rows.push((l.pick("Empreinte SHA-512", "SHA-512 digest"), MONO, b.digests.sha512.to_hex()));
    d.fields(&rows);
}

fn recipients(d: &mut Document, b: &Bundle<'_>, l: Language) {
    heading(d, l.pick("Les destinataires", "The recipients"));
    let told: Vec<(String, String, String, bool)> = b
        .recipients
        .iter()
        .map(|(n, who)| {
            let (state, is_read) = reading(&b.steps, *n, l);
            (n.to_string(), party(who), state, is_read)
        })
        .collect();
    let heads = [
        l.pick("N°", "No."),
        l.pick("Destinataire", "Recipient"),
        l.pick("Où en est-on", "State"),
        l.pick("Lecture", "Read"),
    ];
    let rows = told.iter().map(|(n, who, state, is_read)| {
        let (word, ink) = match is_read {
            true => (l.pick("oui", "yes"), Ink::Green),
            false => (l.pick("non attestée", "not attested"), Ink::Soft),
        };
        vec![
            Cell { style: SMALL, text: n },
            Cell { style: SMALL, text: who },
            Cell { style: SMALL, text: state },
            Cell { style: Style::new(Font::Bold, 8.5).ink(ink), text: word },
        ]
    });
    d.table(&[22.0, 175.0, ROOM - 22.0 - 175.0 - 62.0 - 30.0, 62.0], &heads, rows);
    d.paragraph(
        Style::new(Font::Text, 8.0).ink(Ink::Soft),
        l.pick(
            "Lecture « oui » : l'identité demandée a été vérifiée, puis le destinataire a ouvert le message par un geste \
             exprès. Un lien consulté ou un courriel remis n'est jamais compté comme une lecture.",
            "Read \"yes\": the identity asked for was verified, then the recipient opened the message by an explicit \
             act. A link fetched or a mail delivered never counts as reading.",
        ),
    );
}

/// Which files of the archive attest each journal entry.
fn places(b: &Bundle<'_>) -> HashMap<String, String> {
    let digests = (1..).zip(&b.evidence).map(|(n, e)| (Sha256Digest::of(&e.xml), n));
    let numbers: HashMap<Sha256Digest, u32> = digests.collect();
    let mut places = HashMap::new();
    for entry in &b.entries {
        let Ok(view) = EntryView::parse(&entry.json) else { continue };
        let evidence = view.evidence().ok().flatten().and_then(|d| numbers.get(&d).copied());
        let place = match evidence {
            Some(n) => format!("evidence/{n:02}"),
            None => format!("log/{}", entry.index),
        };
        places.insert(view.id.to_string(), place);
    }
    places
}

fn steps(d: &mut Document, b: &Bundle<'_>, l: Language) {
    if b.steps.is_empty() {
        return;
    }
    heading(d, l.pick("Ce qui s'est passé (heure UTC)", "What happened (UTC)"));
    let places = places(b);
    let told: Vec<[String; 4]> = b.steps.iter().map(|s| step(s, &places, l)).collect();
    let heads = [
        l.pick("Date et heure", "Date and time"),
        l.pick("Étape", "Step"),
        l.pick("Certitude", "Certainty"),
        l.pick("Pièce", "File"),
    ];
    let rows = told.iter().map(|[time, text, certainty, place]| {
        vec![
            Cell { style: SMALL, text: time },
            Cell { style: SMALL, text },
            Cell { style: SMALL, text: certainty },
            Cell { style: MONO, text: place },
        ]
    });
    d.table(&[92.0, ROOM - 92.0 - 66.0 - 62.0 - 30.0, 66.0, 62.0], &heads, rows);
    let style = Style::new(Font::Text, 8.0).ink(Ink::Soft);
    for certainty in [Certainty::Own, Certainty::Told, Certainty::Hint] {
        d.paragraph(style, certainty.meaning(l));
    }
    d.space(2.0);
    d.paragraph(style, &time_words(&b.external_time, l));
}

fn step(step: &Step, places: &HashMap<String, String>, l: Language) -> [String; 4] {
    let mut text = sealpost_evidence::words(step.event)
        .map_or_else(|| step.event.to_string(), |(fr, en)| l.pick(fr, en).to_owned());
    if let Some(number) = step.recipient {
        text.push_str(&format!(" ({} {number})", l.pick("destinataire", "recipient")));
    }
    if let Some(note) = &step.note {
        text.push_str(&format!(" – {note}"));
    }
    let time = step.time.strftime(l.pick("%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")).to_string();
    let place = places.get(&step.entry.to_string()).cloned().unwrap_or_default();
    [time, text, Certainty::of(step.event).word(l).to_owned(), place]
}

fn time_words(time: &ExternalTime, l: Language) -> String {
    match time {
        ExternalTime::Dated { at, authority } => match l {
            Language::Fr => format!(
                "Heures : une autorité d'horodatage extérieure, {authority}, a daté le journal le {}.",
                moment(*at, l)
            ),
            Language::En => {
                format!("Times: an outside time authority, {authority}, dated the journal on {}.", moment(*at, l))
            }
        },
        ExternalTime::Pending => l
            .pick(
                "Heure externe en attente : l'autorité extérieure n'a pas encore daté le journal ; un export ultérieur le dira.",
                "External time pending: the outside authority has not dated the journal yet; a later export will say so.",
            )
            .to_owned(),
        ExternalTime::None => l
            .pick(
                "Heures : données par l'autorité d'horodatage de l'organisme lui-même ; aucun tiers ne les confirme ici.",
                "Times: given by the organisation's own time authority; no third party confirms them here.",
            )
            .to_owned(),
    }
}

fn files(d: &mut Document, b: &Bundle<'_>, l: Language) {
    if b.parts.is_empty() {
        return;
    }
    heading(d, l.pick("Les pièces jointes", "The attachments"));
    let told: Vec<(String, String, String)> = b
        .parts
        .iter()
        .map(|part| {
            let name = part.name.as_deref().unwrap_or(l.pick("(sans nom)", "(unnamed)"));
            let text = format!("{name}, {}, {}", part.media_type, bytes(part.size, l));
            (part.number.to_string(), text, part.digests.sha256.to_hex())
        })
        .collect();
    let heads = [l.pick("N°", "No."), l.pick("Fichier", "File"), "SHA-256"];
    let rows = told.iter().map(|(n, text, sha256)| {
        vec![Cell { style: SMALL, text: n }, Cell { style: SMALL, text }, Cell { style: MONO, text: sha256 }]
    });
    d.table(&[22.0, 200.0, ROOM - 22.0 - 200.0 - 20.0], &heads, rows);
}

fn verification(d: &mut Document, b: &Bundle<'_>, now: Timestamp, l: Language) {
    d.space(9.0);
    d.keep(QR + 76.0);
    d.heading(2, Style::new(Font::Bold, 12.0), l.pick("Vérifier cette preuve", "To verify this proof"));
    d.space(4.0);
    let code = b.verify_url.as_deref().and_then(|url| Some((url, squares(url)?)));
    let aside = if code.is_some() { QR + 18.0 } else { 0.0 };
    if let Some((url, dark)) = &code {
        let words = format!(
            "{} {url}",
            l.pick("Code QR de la page de vérification :", "QR code of the verification page:")
        );
        d.squares(dark, QR, 0.0, &words);
        let here = l.pick("En ligne : déposez le fichier .asice sur", "Online: give the .asice file to");
        d.narrow(BODY, aside, &format!("{here} {url}"));
        d.space(3.0);
    }
    d.narrow(
        BODY,
        aside,
        l.pick(
            "Sans nous : le fichier README.txt de l'archive donne les commandes openssl, unzip et sha256sum qui contrôlent \
             chaque signature, chaque horodatage et chaque empreinte.",
            "Without us: README.txt in the archive has the openssl, unzip and sha256sum commands that check every \
             signature, every timestamp and every digest.",
        ),
    );
    d.space(3.0);
    d.narrow(
        BODY,
        aside,
        l.pick(
            "Le certificat racine doit vous parvenir par une autre voie que l'archive. Comparez son empreinte SHA-256 :",
            "The root certificate must reach you some other way than the archive. Compare its SHA-256 fingerprint:",
        ),
    );
    for root in &b.roots {
        d.space(2.0);
        d.narrow(SMALL, aside, &root.subject());
        d.narrow(MONO, aside, &root.fingerprint().to_hex());
    }
    d.space(if aside > 0.0 { 14.0 } else { 4.0 });
    let (sealed, entries) = (b.evidence.len(), b.entries.len());
    let counts = match l {
        Language::Fr => format!(
            "{} et {}. Établi le {}.",
            counted(sealed, "étape scellée", "étapes scellées"),
            counted(entries, "entrée de journal", "entrées de journal"),
            moment(now, l)
        ),
        Language::En => format!(
            "{} and {}. Made on {}.",
            counted(sealed, "sealed step", "sealed steps"),
            counted(entries, "journal entry", "journal entries"),
            moment(now, l)
        ),
    };
    d.paragraph(SMALL.ink(Ink::Soft), &counts);
}

/// The address as a QR code: rows of squares, dark or not. An address too long for one has none.
fn squares(url: &str) -> Option<Vec<Vec<bool>>> {
    let code = QrCode::with_error_correction_level(url.as_bytes(), EcLevel::M).ok()?;
    let width = code.width();
    let colors = code.to_colors();
    Some(colors.chunks(width).map(|row| row.iter().map(|c| *c == Color::Dark).collect()).collect())
}

/// French has the singular for none as well, which no proof has.
fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
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
            out.push_str(l.pick("\u{a0}", ","));
        }
        out.push(c);
    }
    format!("{out}\u{a0}{}", l.pick("octets", "bytes"))
}
