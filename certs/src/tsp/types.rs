//! The structures of RFC 3161 §2.4 as they are read.

use der::asn1::{BitString, Int, ObjectIdentifier, OctetString};
use der::{Any, DecodeValue, EncodeValue, FixedTag, Header, Length, Reader, Sequence, Tag, Writer};
use jiff::{SignedDuration, Timestamp};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::name::GeneralName;

#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct MessageImprint {
    pub hash_algorithm: AlgorithmIdentifierOwned,
    pub hashed_message: OctetString,
}

#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct TimeStampReq {
    pub version: u8,
    pub message_imprint: MessageImprint,
    #[asn1(optional = "true")]
    pub req_policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    pub nonce: Option<Int>,
    #[asn1(default = "Default::default")]
    pub cert_req: bool,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub extensions: Option<Extensions>,
}

#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct PkiStatusInfo {
    pub status: u8,
    #[asn1(optional = "true")]
    pub status_string: Option<Vec<String>>,
    #[asn1(optional = "true")]
    pub fail_info: Option<BitString>,
}

#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct TimeStampResp {
    pub status: PkiStatusInfo,
    #[asn1(optional = "true")]
    pub token: Option<Any>,
}

#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct Accuracy {
    #[asn1(optional = "true")]
    pub seconds: Option<u32>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub millis: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub micros: Option<u16>,
}

impl Accuracy {
    /// As one duration; `None` when a part is out of its range (RFC 3161 §2.4.2: 1 to 999).
    pub(crate) fn duration(&self) -> Option<SignedDuration> {
        let part = |p: Option<u16>| match p {
            None => Some(0),
            Some(n) if (1..=999).contains(&n) => Some(i64::from(n)),
            Some(_) => None,
        };
        let micros = part(self.millis)? * 1000 + part(self.micros)?;
        Some(
            SignedDuration::from_secs(self.seconds.unwrap_or(0).into()) + SignedDuration::from_micros(micros),
        )
    }
}

#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct TstInfo {
    pub version: u8,
    pub policy: ObjectIdentifier,
    pub message_imprint: MessageImprint,
    pub serial_number: Int,
    pub gen_time: GenTime,
    #[asn1(optional = "true")]
    pub accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    pub ordering: bool,
    #[asn1(optional = "true")]
    pub nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub tsa: Option<GeneralName>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub extensions: Option<Extensions>,
}

/// GeneralizedTime with fractions of a second, which the library's own type refuses (RFC 3161 §2.4.2:
/// `Z` at the end, no trailing zeros, no bare point).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct GenTime {
    text: String,
    at: Timestamp,
}

impl GenTime {
    /// The moment, cut to nanoseconds.
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    fn parse(text: String) -> Option<Self> {
        let whole = text.strip_suffix('Z')?;
        let (seconds, fraction) = match whole.split_once('.') {
            Some((_, f)) if f.is_empty() || f.ends_with('0') => return None,
            Some((s, f)) => (s, f),
            None => (whole, ""),
        };
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if seconds.len() != 14 || fraction.len() > 15 || !digits(seconds) || !digits(fraction) {
            return None;
        }
        let number = |range: std::ops::Range<usize>| seconds.get(range)?.parse::<i16>().ok();
        let small = |range| number(range).and_then(|n| i8::try_from(n).ok());
        let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
        let civil = jiff::civil::DateTime::new(
            number(0..4)?,
            small(4..6)?,
            small(6..8)?,
            small(8..10)?,
            small(10..12)?,
            small(12..14)?,
            nanos,
        )
        .ok()?;
        let at = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        Some(Self { text, at })
    }
}

/// The content octets of a genTime with milliseconds.
pub(crate) fn gen_time_text(at: Timestamp) -> String {
    let civil = at.to_zoned(jiff::tz::TimeZone::UTC);
    let fraction = match civil.millisecond() {
        0 => String::new(),
        ms => format!(".{ms:03}").trim_end_matches('0').to_owned(),
    };
    format!("{}{fraction}Z", civil.strftime("%Y%m%d%H%M%S"))
}

impl FixedTag for GenTime {
    const TAG: Tag = Tag::GeneralizedTime;
}
impl<'a> DecodeValue<'a> for GenTime {
    type Error = der::Error;
    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let bytes = reader.read_vec(header.length())?;
        String::from_utf8(bytes)
            .ok()
            .and_then(Self::parse)
            .ok_or_else(|| der::Error::from(Tag::GeneralizedTime.value_error()))
    }
}
impl EncodeValue for GenTime {
    fn value_len(&self) -> der::Result<Length> {
        Length::try_from(self.text.len())
    }
    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        writer.write(self.text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gen_time_forms() {
        for (text, micros) in [
            ("20261122100000Z", Some(0)),
            ("20261122100000.5Z", Some(500_000)),
            ("20261122100000.123456Z", Some(123_456)),
            ("20261122100000.50Z", None),
            ("20261122100000.Z", None),
            ("20261122100000", None),
            ("202611221000Z", None),
            ("20261322100000Z", None),
            ("2026112210000+Z", None),
        ] {
            let base = 1_795_341_600_000_000;
            let got = GenTime::parse(text.into()).map(|g| g.at().as_microsecond() - base);
            assert_eq!(got, micros, "{text}");
        }
        let at: Timestamp = "2026-11-22T10:00:00.120Z".parse().unwrap();
        assert_eq!(gen_time_text(at), "20261122100000.12Z");
        assert_eq!(GenTime::parse(gen_time_text(at)).unwrap().at(), at);
    }
}
