//! The evidence once more, with an enveloped signature: XAdES-B-T in the one form that is written here.
//!
//! **Job.** [`seal`] signs an evidence, [`open`] takes such a file apart again. The signature stands directly before the
//! end of the root element; without it the file is the evidence, octet for octet.
//!
//! **No canonicalisation of what strangers send.** Everything inside of the signature is written already canonical, each
//! signed element with the namespaces that it uses; a file is read by writing it again and comparing. Only evidence is
//! canonicalised, in its own narrow form ([`canonical`]).
//!
//! **Standards.** XML Signature 1.1, Exclusive XML Canonicalization 1.0, EN 319 132-1 §6 (level B-T), EN 319 522-3 §5.
//!
//! **Failure.** Evidence outside of its form is refused at the export; [`open`] answers nothing.

mod canonical;

use crate::export::ExportError;
use sealpost_certs::{Bare, Certificate, SignatureAlgorithm, Signer, sign_bare};
use sealpost_envelope::{Sha256Digest, Timestamp};

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const XADES: &str = "http://uri.etsi.org/01903/v1.3.2#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const BEGIN: &str = "<ds:Signature ";
const END: &str = "</ds:Signature>";

/// Why an evidence is not signed: it is not in the form that Sealpost writes.
const NOT_OURS: &str = "it is not in the form that Sealpost writes";

/// The evidence with a signature by `signer`, claimed at `now`, dated by the token that `stamp` gives.
pub(crate) fn seal<E: std::fmt::Display>(
    evidence: &[u8],
    signer: &dyn Signer,
    now: Timestamp,
    stamp: &mut impl FnMut(&Sha256Digest) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, ExportError> {
    let wrong = || ExportError::Inconsistent { subject: "evidence".into(), what: NOT_OURS.into() };
    let evidence = std::str::from_utf8(evidence).map_err(|_| wrong())?;
    let claimed = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut certificates = vec![signer.certificate().clone()];
    certificates.extend_from_slice(signer.chain());
    let signed = Signed::new(evidence, &claimed, &certificates).ok_or_else(wrong)?;
    let value = sign_bare(signer, signed.info.as_bytes())?;
    let token = stamp(&Sha256Digest::of(value_element(&value).as_bytes()))
        .map_err(|e| ExportError::Stamp(e.to_string()))?;
    Ok(signed.assemble(evidence, &certificates, &value, &token).ok_or_else(wrong)?.into_bytes())
}

/// A file taken apart. Nothing in it has been judged but its form.
pub(crate) struct Opened {
    /// The evidence without the signature.
    pub evidence: String,
    info: String,
    value: Vec<u8>,
    imprint: Sha256Digest,
    certificates: Vec<Certificate>,
    token: Vec<u8>,
}

impl Opened {
    /// What the signature's verification needs.
    pub(crate) fn bare(&self) -> Bare<'_> {
        Bare {
            message: self.info.as_bytes(),
            value: &self.value,
            certificates: &self.certificates,
            imprint: &self.imprint,
            token: &self.token,
        }
    }
}

/// Takes a file apart; nothing where it is in another form than [`seal`] writes.
pub(crate) fn open(bytes: &[u8]) -> Option<Opened> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (from, to) = (text.find(BEGIN)?, text.rfind(END)? + END.len());
    let signature = text.get(from..to)?;
    let evidence = [&text[..from], &text[to..]].concat();
    let claimed = between(signature, "<xades:SigningTime>", "</xades:SigningTime>")?;
    if claimed.contains(|c: char| !c.is_ascii_alphanumeric() && !"-:".contains(c)) {
        return None;
    }
    let value = decode(between(signature, "Id=\"signature-value\">", "</ds:SignatureValue>")?)?;
    let token =
        decode(between(signature, "<xades:EncapsulatedTimeStamp>", "</xades:EncapsulatedTimeStamp>")?)?;
    let mut certificates = Vec::new();
    for piece in signature.split("<ds:X509Certificate>").skip(1) {
        let (der, _) = piece.split_once("</ds:X509Certificate>")?;
        certificates.push(Certificate::from_der(&decode(der)?).ok()?);
    }
    let signed = Signed::new(&evidence, claimed, &certificates)?;
    // One form only: what would be written from these parts is what is there.
    if signed.assemble(&evidence, &certificates, &value, &token)? != text {
        return None;
    }
    let imprint = Sha256Digest::of(value_element(&value).as_bytes());
    Some(Opened { evidence, info: signed.info, value, imprint, certificates, token })
}

/// The two elements that follow from evidence, time and certificate.
struct Signed {
    /// `ds:SignedInfo`, canonical: what is signed.
    info: String,
    /// `xades:SignedProperties`, canonical.
    properties: String,
}

impl Signed {
    fn new(evidence: &str, claimed: &str, certificates: &[Certificate]) -> Option<Self> {
        let signer = certificates.first()?;
        let method = match signer.signature_algorithm()? {
            SignatureAlgorithm::EcdsaP256Sha256 | SignatureAlgorithm::EcdsaP384Sha256 => "ecdsa-sha256",
            SignatureAlgorithm::RsaPkcs1Sha256 => "rsa-sha256",
        };
        let properties = properties(claimed, signer);
        let document = digest(&canonical::canonical(evidence)?, "");
        let own = digest(&properties, "");
        let exclusive = format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"></ds:Transform>");
        let info = format!(
            "<ds:SignedInfo xmlns:ds=\"{DS}\"><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\">\
             </ds:CanonicalizationMethod><ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#{method}\">\
             </ds:SignatureMethod><ds:Reference Id=\"evidence-reference\" URI=\"\"><ds:Transforms>\
             <ds:Transform Algorithm=\"{DS}enveloped-signature\"></ds:Transform>{exclusive}</ds:Transforms>{document}\
             </ds:Reference><ds:Reference Type=\"http://uri.etsi.org/01903#SignedProperties\" URI=\"#signed-properties\">\
             <ds:Transforms>{exclusive}</ds:Transforms>{own}</ds:Reference></ds:SignedInfo>"
        );
        Some(Self { info, properties })
    }

    /// The whole file; nothing where the evidence has no end tag to stand before.
    fn assemble(
        &self,
        evidence: &str,
        certificates: &[Certificate],
        value: &[u8],
        token: &[u8],
    ) -> Option<String> {
        let value = value_element(value);
        let certificates: String = certificates
            .iter()
            .map(|c| format!("<ds:X509Certificate>{}</ds:X509Certificate>", encode(c.der())))
            .collect();
        let end = evidence.rfind("</")?;
        let Self { info, properties } = self;
        let (head, tail, token) = (&evidence[..end], &evidence[end..], encode(token));
        Some(format!(
            "{head}{BEGIN}xmlns:ds=\"{DS}\" Id=\"signature\">{info}{value}<ds:KeyInfo><ds:X509Data>{certificates}\
             </ds:X509Data></ds:KeyInfo><ds:Object><xades:QualifyingProperties xmlns:xades=\"{XADES}\" \
             Target=\"#signature\">{properties}<xades:UnsignedProperties><xades:UnsignedSignatureProperties>\
             <xades:SignatureTimeStamp><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\">\
             </ds:CanonicalizationMethod><xades:EncapsulatedTimeStamp>{token}</xades:EncapsulatedTimeStamp>\
             </xades:SignatureTimeStamp></xades:UnsignedSignatureProperties></xades:UnsignedProperties>\
             </xades:QualifyingProperties></ds:Object>{END}{tail}"
        ))
    }
}

/// EN 319 132-1 §5.2.1, §5.2.2, §5.2.4.
fn properties(claimed: &str, signer: &Certificate) -> String {
    let certificate = digest_of(&signer.fingerprint(), &format!(" xmlns:ds=\"{DS}\""));
    format!(
        "<xades:SignedProperties xmlns:xades=\"{XADES}\" Id=\"signed-properties\"><xades:SignedSignatureProperties>\
         <xades:SigningTime>{claimed}</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>\
         {certificate}</xades:CertDigest></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties>\
         <xades:SignedDataObjectProperties><xades:DataObjectFormat ObjectReference=\"#evidence-reference\">\
         <xades:MimeType>application/xml</xades:MimeType></xades:DataObjectFormat>\
         </xades:SignedDataObjectProperties></xades:SignedProperties>"
    )
}

/// `ds:SignatureValue`, canonical: what the timestamp is over (EN 319 132-1 §5.3).
fn value_element(value: &[u8]) -> String {
    format!(
        "<ds:SignatureValue xmlns:ds=\"{DS}\" Id=\"signature-value\">{}</ds:SignatureValue>",
        encode(value)
    )
}

fn digest(of: &str, declared: &str) -> String {
    digest_of(&Sha256Digest::of(of.as_bytes()), declared)
}

fn digest_of(digest: &Sha256Digest, declared: &str) -> String {
    format!(
        "<ds:DigestMethod{declared} Algorithm=\"{SHA256}\"></ds:DigestMethod><ds:DigestValue{declared}>{}\
         </ds:DigestValue>",
        encode(digest.as_bytes())
    )
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    Some(text.split_once(from)?.1.split_once(to)?.0)
}

fn encode(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    base64_simd::STANDARD.decode_to_vec(text).ok()
}

#[cfg(test)]
mod tests;
