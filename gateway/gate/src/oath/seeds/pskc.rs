//! PSKC (RFC 6030): plain keys, and keys encrypted under a pre-shared one (AES-128-CBC, HMAC-SHA1 checked first).

use super::{Counts, Seed, SeedError, plausible};
use crate::oath::Algorithm;
use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use sealpost_envelope::Secret;

const PSKC: &str = "urn:ietf:params:xml:ns:keyprov:pskc";
const AES128: &str = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";
const HMAC_SHA1: &str = "http://www.w3.org/2000/09/xmldsig#hmac-sha1";
/// Elements within one another.
const DEPTH: usize = 24;

/// A key package as it is being read.
#[derive(Default)]
struct Package {
    serial: String,
    maker: Option<String>,
    model: Option<String>,
    algorithm: String,
    hash: Option<String>,
    digits: Option<String>,
    counter: Option<String>,
    period: Option<String>,
    plain: Option<String>,
    cipher: Option<String>,
    mac: Option<String>,
    owner: Option<String>,
}

pub(super) fn read(text: &str, key: Option<&[u8]>) -> Result<Vec<Seed>, SeedError> {
    let mut reader = NsReader::from_str(text);
    let (mut path, mut seeds): (Vec<String>, Vec<Seed>) = (Vec::new(), Vec::new());
    let (mut package, mut mac_key, mut said) = (Package::default(), None::<String>, String::new());
    let mut seen = false;
    loop {
        let (space, event) = reader.read_resolved_event().map_err(|e| SeedError::Xml(e.to_string()))?;
        let ours = matches!(space, ResolveResult::Bound(ns) if ns.as_ref() == PSKC);
        match event {
            Event::Start(start) => {
                let name = local(&start);
                seen |= ours && path.is_empty() && name == "KeyContainer";
                begin(&name, &start, &mut package)?;
                path.push(name);
                said.clear();
                if path.len() > DEPTH {
                    return Err(SeedError::Xml("elements lie too deep".to_owned()));
                }
            }
            Event::Empty(start) => begin(&local(&start), &start, &mut package)?,
            Event::Text(text) => said.push_str(&text),
            Event::End(_) => {
                end(&path, said.trim(), &mut package, &mut mac_key);
                if path.pop().as_deref() == Some("KeyPackage") {
                    seeds.push(seed(std::mem::take(&mut package), key, mac_key.as_deref())?);
                }
                said.clear();
            }
            // RFC 6030 §13: nothing that a document type could smuggle in.
            Event::DocType(_) | Event::GeneralRef(_) => {
                return Err(SeedError::Xml("document types and entities are not read".to_owned()));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if seen { Ok(seeds) } else { Err(SeedError::Format) }
}

fn local(start: &BytesStart<'_>) -> String {
    start.local_name().as_ref().to_owned()
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.attributes().flatten().find(|a| a.key.local_name().as_ref() == name)?;
    Some(found.value.into_owned())
}

fn begin(name: &str, start: &BytesStart<'_>, package: &mut Package) -> Result<(), SeedError> {
    match name {
        "Key" => package.algorithm = attribute(start, "Algorithm").unwrap_or_default(),
        "ResponseFormat" => package.digits = attribute(start, "Length"),
        "EncryptionMethod" if attribute(start, "Algorithm").is_some_and(|a| a != AES128) => {
            return Err(SeedError::Xml("only AES-128-CBC is read".to_owned()));
        }
        "MACMethod" if attribute(start, "Algorithm").is_some_and(|a| a != HMAC_SHA1) => {
            return Err(SeedError::Xml("only HMAC-SHA1 is read".to_owned()));
        }
        _ => {}
    }
    Ok(())
}

/// Takes the text of the element at `path` over.
fn end(path: &[String], text: &str, package: &mut Package, mac_key: &mut Option<String>) {
    let at = |tail: &[&str]| path.len() >= tail.len() && path[path.len() - tail.len()..].iter().eq(tail);
    let some = Some(text.to_owned());
    if at(&["DeviceInfo", "SerialNo"]) {
        package.serial = text.to_owned();
    } else if at(&["DeviceInfo", "Manufacturer"]) {
        package.maker = some;
    } else if at(&["DeviceInfo", "Model"]) {
        package.model = some;
    } else if at(&["AlgorithmParameters", "Suite"]) {
        package.hash = some;
    } else if at(&["Counter", "PlainValue"]) {
        package.counter = some;
    } else if at(&["TimeInterval", "PlainValue"]) {
        package.period = some;
    } else if at(&["Secret", "PlainValue"]) {
        package.plain = some;
    } else if at(&["Secret", "EncryptedValue", "CipherData", "CipherValue"]) {
        package.cipher = some;
    } else if at(&["Secret", "ValueMAC"]) {
        package.mac = some;
    } else if at(&["MACMethod", "MACKey", "CipherData", "CipherValue"]) {
        *mac_key = some;
    } else if at(&["Key", "UserId"]) || at(&["DeviceInfo", "UserId"]) {
        package.owner = some;
    }
}

fn seed(p: Package, key: Option<&[u8]>, mac_key: Option<&str>) -> Result<Seed, SeedError> {
    let serial = p.serial.clone();
    let wrong = |what| SeedError::Package { serial: serial.clone(), what };
    let secret = match (&p.plain, &p.cipher) {
        (Some(plain), _) => Secret::new(base64(plain).ok_or_else(|| wrong("the secret is no base64"))?),
        (None, Some(cipher)) => {
            let key: &[u8; 16] = key.and_then(|k| k.try_into().ok()).ok_or(SeedError::KeyNeeded)?;
            decrypted(cipher, p.mac.as_deref(), mac_key, key).map_err(wrong)?
        }
        (None, None) => return Err(wrong("there is no secret")),
    };
    let number = |text: &Option<String>, usual: u64| match text {
        None => Ok(usual),
        Some(text) => text.parse::<u64>().map_err(|_| wrong("a number belongs here")),
    };
    let counts = match p.algorithm.rsplit(':').next() {
        Some("hotp") => Counts::Presses(number(&p.counter, 0)?),
        Some("totp") => {
            let period = u32::try_from(number(&p.period, 30)?);
            Counts::Time(period.map_err(|_| wrong("the interval is too long"))?)
        }
        _ => return Err(wrong("only hotp and totp keys are read")),
    };
    let algorithm = match &p.hash {
        None => Algorithm::Sha1,
        Some(hash) => Algorithm::parse(hash).ok_or_else(|| wrong("the hash is not known"))?,
    };
    let digits = u8::try_from(number(&p.digits, 6)?).map_err(|_| wrong("a code has 6 to 8 digits"))?;
    let label: Vec<String> = p.maker.into_iter().chain(p.model).collect();
    let label = (!label.is_empty()).then(|| label.join(" "));
    let seed = Seed { serial: p.serial, label, secret, counts, algorithm, digits, owner: p.owner };
    plausible(&seed).map_err(wrong)?;
    Ok(seed)
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.split_ascii_whitespace().collect();
    base64_simd::STANDARD.decode_to_vec(compact).ok()
}

/// RFC 6030 §6.1.1: the MAC over IV and ciphertext first, under a key that is itself encrypted.
fn decrypted(
    cipher: &str,
    mac: Option<&str>,
    mac_key: Option<&str>,
    key: &[u8; 16],
) -> Result<Secret<Vec<u8>>, &'static str> {
    let sealed = base64(cipher).ok_or("the encrypted secret is no base64")?;
    let mac = mac.and_then(base64).ok_or("the encrypted secret has no ValueMAC")?;
    let wrapped = mac_key.and_then(base64).ok_or("the file has no MAC key")?;
    let mac_key = open(&wrapped, key).ok_or("the file's key is another one")?;
    let tag = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, mac_key.expose());
    hmac::verify(&tag, &sealed, &mac)
        .map_err(|_| "the ValueMAC does not fit: the file's key is another one, or the file was changed")?;
    open(&sealed, key).ok_or("the encrypted secret cannot be opened")
}

/// AES-128-CBC with the IV in front and PKCS#7 padding (XML Encryption §5.2).
fn open(sealed: &[u8], key: &[u8; 16]) -> Option<Secret<Vec<u8>>> {
    let (iv, body) = sealed.split_at_checked(16)?;
    if body.is_empty() {
        return None;
    }
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_128, key).ok()?).ok()?;
    let context = DecryptionContext::Iv128(FixedLength::<16>::try_from(iv).ok()?);
    let mut body = body.to_vec();
    let plain = key.decrypt(&mut body, context).ok()?.to_vec();
    Some(Secret::new(plain))
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    /// RFC 6030 §4.4 (figure 2, with the counter of figure 3).
    const PLAIN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer Version="1.0" Id="exampleID1" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">
 <KeyPackage>
  <DeviceInfo><Manufacturer>Manufacturer</Manufacturer><SerialNo>987654321</SerialNo><UserId>DC=example-bank,DC=net</UserId></DeviceInfo>
  <CryptoModuleInfo><Id>CM_ID_001</Id></CryptoModuleInfo>
  <Key Id="12345678" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
   <Issuer>Issuer</Issuer>
   <AlgorithmParameters><ResponseFormat Length="8" Encoding="DECIMAL"/></AlgorithmParameters>
   <Data><Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret><Counter><PlainValue>5</PlainValue></Counter></Data>
  </Key>
 </KeyPackage>
</KeyContainer>"#;

    /// RFC 6030 §6.1.1 (figure 6): pre-shared key 12345678901234567890123456789012.
    const SEALED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"
 xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xenc="http://www.w3.org/2001/04/xmlenc#">
 <EncryptionKey><ds:KeyName>Pre-shared-key</ds:KeyName></EncryptionKey>
 <MACMethod Algorithm="http://www.w3.org/2000/09/xmldsig#hmac-sha1">
  <MACKey><xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
   <xenc:CipherData><xenc:CipherValue>ESIzRFVmd4iZABEiM0RVZgKn6WjLaTC1sbeBMSvIhRejN9vJa2BOlSaMrR7I5wSX</xenc:CipherValue></xenc:CipherData>
  </MACKey>
 </MACMethod>
 <KeyPackage>
  <DeviceInfo><Manufacturer>Manufacturer</Manufacturer><SerialNo>987654321</SerialNo></DeviceInfo>
  <Key Id="12345678" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
   <AlgorithmParameters><ResponseFormat Length="8" Encoding="DECIMAL"/></AlgorithmParameters>
   <Data>
    <Secret>
     <EncryptedValue><xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
      <xenc:CipherData><xenc:CipherValue>AAECAwQFBgcICQoLDA0OD+cIHItlB3Wra1DUpxVvOx2lef1VmNPCMl8jwZqIUqGv</xenc:CipherValue></xenc:CipherData>
     </EncryptedValue>
     <ValueMAC>Su+NvtQfmvfJzF6bmQiJqoLRExc=</ValueMAC>
    </Secret>
    <Counter><PlainValue>0</PlainValue></Counter>
   </Data>
  </Key>
 </KeyPackage>
</KeyContainer>"#;

    const KEY: [u8; 16] =
        [0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12];

    #[test]
    fn rfc_6030_plain() {
        let seeds = read(PLAIN.as_bytes(), None).unwrap();
        let seed = &seeds[0];
        assert_eq!((seeds.len(), seed.serial.as_str(), seed.digits), (1, "987654321", 8));
        assert_eq!((seed.counts, seed.algorithm), (Counts::Presses(5), Algorithm::Sha1));
        assert_eq!(seed.label.as_deref(), Some("Manufacturer"));
        assert_eq!(seed.secret.expose(), b"12345678901234567890");
        let totp = PLAIN
            .replace("pskc:hotp", "pskc:totp")
            .replace("Counter>", "TimeInterval>")
            .replace(">5<", ">60<");
        assert_eq!(read(totp.as_bytes(), None).unwrap()[0].counts, Counts::Time(60));
    }

    #[test]
    fn rfc_6030_encrypted() {
        let seeds = read(SEALED.as_bytes(), Some(&KEY)).unwrap();
        assert_eq!(seeds[0].secret.expose(), b"12345678901234567890");
        assert_eq!(read(SEALED.as_bytes(), None).unwrap_err(), SeedError::KeyNeeded);
        assert!(read(SEALED.as_bytes(), Some(&[1; 16])).is_err());
        // The MAC is looked at before the secret.
        let changed = SEALED.replace("AAECAwQFBgcICQoLDA0OD+cI", "AAECAwQFBgcICQoLDA0OD+cJ");
        let error = read(changed.as_bytes(), Some(&KEY)).unwrap_err().to_string();
        assert!(error.contains("ValueMAC"), "{error}");
    }

    #[test]
    fn what_is_no_pskc_is_refused() {
        for (text, what) in [
            ("<a/>".to_owned(), "neither PSKC"),
            ("<KeyContainer/>".to_owned(), "neither PSKC"),
            (
                PLAIN.replace("<KeyContainer", "<!DOCTYPE x [<!ENTITY a \"b\">]><KeyContainer"),
                "document types",
            ),
            (PLAIN.replace(">987654321<", ">&a;<"), "entities"),
            (PLAIN.replace("pskc:hotp", "pskc:ocra"), "only hotp and totp"),
            (PLAIN.replace("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "MTIz"), "16 to 128"),
            (PLAIN.replace("</KeyPackage>", ""), "XML"),
        ] {
            let error = read(text.as_bytes(), None).unwrap_err().to_string();
            assert!(error.contains(what), "{error} for {what}");
        }
    }
}
