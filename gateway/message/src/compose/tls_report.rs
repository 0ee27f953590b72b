//! A day's report on TLS by mail (RFC 8460 §5.3): multipart/report, for programs.
//!
//! **Exposure.** The domain reported on is a stranger's: it is checked by who asks for a report, and cleaned here.

use super::letter::{Head, Letter};
use super::plan::Recipe;
use super::quoted::{base64_lines, encode_text};
use super::seal::literal_recipe;
use super::words::tame;

/// A report.
#[derive(Debug, Clone)]
pub struct TlsReportMail<'a> {
    /// Header facts; `to` is who wants it.
    pub letter: Letter<'a>,
    /// The domain reported on, in A-labels.
    pub domain: &'a str,
    /// The domain that reports.
    pub submitter: &'a str,
    /// Its identifier.
    pub id: &'a str,
    /// Name of the file.
    pub file: &'a str,
    /// The report, JSON.
    pub json: &'a [u8],
}

/// The report, without a signature: programs look for multipart/report at the top, as for a DSN.
pub fn tls_report(mail: &TlsReportMail<'_>) -> Recipe {
    let letter = &mail.letter;
    let head = Head {
        from: tame(letter.brand.entity),
        reply_to: None,
        // RFC 8460 §5.3: the form of the subject is given.
        subject: format!(
            "Report Domain: {} Submitter: {} Report-ID: <{}>",
            mail.domain, mail.submitter, mail.id
        ),
        references: Vec::new(),
        is_reply: false,
        automatic: Some("auto-generated"),
    };
    let mut out = letter.fields(&head);
    let boundary = letter.boundary("tlsrpt");
    let (domain, submitter) = (header(mail.domain), header(mail.submitter));
    out.extend_from_slice(
        format!(
            "TLS-Report-Domain: {domain}\r\nTLS-Report-Submitter: {submitter}\r\n\
             Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        )
        .as_bytes(),
    );
    let text = format!(
        "This is a report on how TLS went when {submitter} sent mail to {domain}, as {domain} asks for in DNS\r\n\
         (RFC 8460). The file is for programs.\r\n"
    );
    out.extend_from_slice(&encode_text(text.as_bytes()));
    out.extend_from_slice(
        format!(
            "\r\n--{boundary}\r\nContent-Type: application/tlsrpt+json\r\n\
             Content-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment;\r\n filename=\"{}\"\r\n\r\n",
            header(mail.file)
        )
        .as_bytes(),
    );
    out.extend_from_slice(&base64_lines(mail.json));
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    literal_recipe(&out)
}

/// Only what a name in a header may have.
fn header(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "-._!@".contains(*c)).collect()
}
