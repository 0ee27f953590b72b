//! SEARCH: rows first, headers where rows do not decide, bodies where headers do not.

use crate::backend::{Backend, Header, Mailboxes, Row};
use crate::command::done;
use crate::extras::Extras;
use crate::fetch::collect;
use crate::flags::Flags;
use crate::output::{Output, Reply};
use crate::session::{Answer, Session, Stop};
use crate::set::{Ranges, compact};
use imap_types::core::{AString, Charset};
use imap_types::datetime::NaiveDate;
use imap_types::search::SearchKey;
use imap_types::sequence::SequenceSet;
use jiff::civil::Date;
use mail_parser::{HeaderName, HeaderValue, MessageParser};

/// Messages whose headers are held at once.
const BATCH: usize = 64;
/// Keys of one search, nested ones included.
const MAX_KEYS: usize = 500;

/// What SEARCH asks for.
pub(crate) struct Request<'r> {
    pub charset: Option<Charset<'r>>,
    pub criteria: &'r [SearchKey<'r>],
    pub uid: bool,
    pub tag: &'r str,
}

/// A key made ready: sets resolved, texts folded.
#[derive(Debug)]
enum Key {
    All,
    Numbers(Ranges),
    Uids(Ranges),
    Flag(u8),
    Keyword(String),
    Never,
    ModSeq(u64),
    Larger(u64),
    Smaller(u64),
    /// INTERNALDATE in `from..to`.
    Internal(i64, i64),
    /// `Date:` as (at least, before).
    Sent(Option<Date>, Option<Date>),
    Header(String, String),
    Body(String),
    Text(String),
    Not(Box<Key>),
    And(Vec<Key>),
    Or(Box<Key>, Box<Key>),
}

/// What is known of a message so far.
struct Known<'k> {
    number: u32,
    row: &'k Row,
    header: Option<&'k [(String, String)]>,
    sent: Option<Date>,
    body: Option<&'k str>,
}

impl Key {
    /// Whether the message matches; `None` when that takes more than is known.
    fn matches(&self, known: &Known<'_>) -> Option<bool> {
        let row = known.row;
        Some(match self {
            Self::All => true,
            Self::Never => false,
            Self::Numbers(set) => set.contains(known.number),
            Self::Uids(set) => set.contains(row.uid),
            Self::Flag(bit) => row.flags.has(*bit),
            Self::Keyword(keyword) => row.flags.has_keyword(keyword),
            Self::ModSeq(n) => row.modseq >= *n,
            Self::Larger(n) => row.size > *n,
            Self::Smaller(n) => row.size < *n,
            Self::Internal(from, to) => (*from..*to).contains(&row.date),
            Self::Sent(from, before) => {
                known.header?;
                let within = |d: Date| from.is_none_or(|f| d >= f) && before.is_none_or(|b| d < b);
                known.sent.is_some_and(within)
            }
            Self::Header(name, text) => {
                known.header?.iter().any(|(n, v)| n == name && (text.is_empty() || v.contains(text)))
            }
            Self::Body(text) => known.body?.contains(text),
            Self::Text(text) => {
                let in_header = known.header?.iter().any(|(n, v)| v.contains(text) || n.contains(text));
                in_header || known.body?.contains(text)
            }
            Self::Not(key) => !key.matches(known)?,
            Self::And(keys) => {
                let mut open = false;
                for key in keys {
                    match key.matches(known) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => open = true,
                    }
                }
                return (!open).then_some(true);
            }
            Self::Or(a, b) => match (a.matches(known), b.matches(known)) {
                (Some(true), _) | (_, Some(true)) => true,
                (Some(false), Some(false)) => false,
                _ => return None,
            },
        })
    }
}

/// Turns parsed keys into ready ones.
struct Compiler {
    count: u32,
    last_uid: u32,
    keys: usize,
    modseq: bool,
}

impl Compiler {
    fn all(&mut self, keys: &[SearchKey<'_>]) -> Result<Key, Stop> {
        Ok(Key::And(keys.iter().map(|k| self.key(k)).collect::<Result<_, _>>()?))
    }

    fn key(&mut self, key: &SearchKey<'_>) -> Result<Key, Stop> {
        use SearchKey as S;
        self.keys += 1;
        if self.keys > MAX_KEYS {
            return Err(Stop::No("[LIMIT] too many search keys".into()));
        }
        let not = |key| Key::Not(Box::new(key));
        Ok(match key {
            S::And(keys) => self.all(keys.as_ref())?,
            S::Or(a, b) => Key::Or(Box::new(self.key(a)?), Box::new(self.key(b)?)),
            S::Not(inner) => not(self.key(inner)?),
            S::All => Key::All,
            S::SequenceSet(set) => self.numbers(set),
            S::Uid(set) => Key::Uids(Ranges::new(set, self.last_uid)),
            S::Answered => Key::Flag(Flags::ANSWERED),
            S::Deleted => Key::Flag(Flags::DELETED),
            S::Draft => Key::Flag(Flags::DRAFT),
            S::Flagged => Key::Flag(Flags::FLAGGED),
            S::Seen => Key::Flag(Flags::SEEN),
            S::Unanswered => not(Key::Flag(Flags::ANSWERED)),
            S::Undeleted => not(Key::Flag(Flags::DELETED)),
            S::Undraft => not(Key::Flag(Flags::DRAFT)),
            S::Unflagged => not(Key::Flag(Flags::FLAGGED)),
            S::Unseen => not(Key::Flag(Flags::SEEN)),
            // \Recent is not kept (RFC 9051 dropped it): nothing is recent, all is old.
            S::New | S::Recent => Key::Never,
            S::Old => Key::All,
            S::Keyword(atom) => Key::Keyword(atom.inner().to_owned()),
            S::Unkeyword(atom) => not(Key::Keyword(atom.inner().to_owned())),
            S::Larger(n) => Key::Larger((*n).into()),
            S::Smaller(n) => Key::Smaller((*n).into()),
            S::ModSequence { modseq, .. } => {
                self.modseq = true;
                Key::ModSeq(*modseq)
            }
            S::Before(date) => Key::Internal(i64::MIN, start(day(date)?)),
            S::Since(date) => Key::Internal(start(day(date)?), i64::MAX),
            S::On(date) => Key::Internal(start(day(date)?), start(next(day(date)?))),
            S::SentBefore(date) => Key::Sent(None, Some(day(date)?)),
            S::SentSince(date) => Key::Sent(Some(day(date)?), None),
            S::SentOn(date) => Key::Sent(Some(day(date)?), Some(next(day(date)?))),
            S::Bcc(text) => header("bcc", text),
            S::Cc(text) => header("cc", text),
            S::From(text) => header("from", text),
            S::Subject(text) => header("subject", text),
            S::To(text) => header("to", text),
            S::Header(name, text) => header(&fold(name), text),
            S::Body(text) => Key::Body(fold(text)),
            S::Text(text) => Key::Text(fold(text)),
        })
    }

    fn numbers(&self, set: &SequenceSet) -> Key {
        Key::Numbers(Ranges::new(set, self.count))
    }
}

fn header(name: &str, text: &AString<'_>) -> Key {
    Key::Header(name.to_owned(), fold(text))
}

fn fold(text: &AString<'_>) -> String {
    String::from_utf8_lossy(text.as_ref()).to_lowercase()
}

fn day(date: &NaiveDate) -> Result<Date, Stop> {
    date.as_ref().to_string().parse().map_err(|_| Stop::Bad("this is not a date".into()))
}

fn next(day: Date) -> Date {
    day.tomorrow().unwrap_or(Date::MAX)
}

/// The day's first second, UTC.
fn start(day: Date) -> i64 {
    day.to_zoned(jiff::tz::TimeZone::UTC).map_or(i64::MAX, |z| z.timestamp().as_second())
}

/// Names and decoded values of a header block, lower case, and the day of its `Date:`.
fn read_header(block: &[u8]) -> (Vec<(String, String)>, Option<Date>) {
    // Everything as decoded text, addresses included: that is what people look for.
    let parser = [
        HeaderName::From,
        HeaderName::To,
        HeaderName::Cc,
        HeaderName::Bcc,
        HeaderName::Sender,
        HeaderName::ReplyTo,
        HeaderName::Subject,
    ]
    .into_iter()
    .fold(MessageParser::new().default_header_text(), MessageParser::header_text);
    let fields = parser.parse_headers(block).map_or_else(Vec::new, |message| {
        let part = message.parts.first();
        let headers = part.map_or(&[][..], |p| &p.headers);
        headers
            .iter()
            .map(|h| {
                let value = match &h.value {
                    HeaderValue::Text(text) => text.to_lowercase(),
                    HeaderValue::TextList(list) => list.join(" ").to_lowercase(),
                    _ => String::new(),
                };
                (h.name.as_str().to_lowercase(), value)
            })
            .collect()
    });
    let date = crate::header::first(block, "date").and_then(|v| {
        let text = String::from_utf8_lossy(&v).into_owned();
        let parsed = mail_parser::DateTime::parse_rfc822(&text)?;
        Date::new(parsed.year.try_into().ok()?, parsed.month.try_into().ok()?, parsed.day.try_into().ok()?)
            .ok()
    });
    (fields, date)
}

/// The text of a message, lower case: what its text parts say, decoded.
fn read_body(bytes: &[u8]) -> String {
    let Some(message) = MessageParser::default().parse(bytes) else { return String::new() };
    let mut text = String::new();
    for n in 0..message.text_body_count() {
        text.extend(message.body_text(n).map(|t| t.to_lowercase() + "\n"));
    }
    for n in 0..message.html_body_count() {
        text.extend(message.body_html(n).map(|t| t.to_lowercase() + "\n"));
    }
    text
}

impl<B: Backend> Session<B> {
    pub(crate) async fn search<O: Output>(
        &mut self,
        request: Request<'_>,
        extras: &Extras,
        reply: &mut Reply<'_, O>,
    ) -> Answer {
        if self.utf8 && request.charset.is_some() {
            // RFC 6855 §3.
            return Err(Stop::Bad("after UTF8=ACCEPT a search is in UTF-8".into()));
        }
        if let Some(charset) = &request.charset {
            let name = match charset {
                Charset::Atom(atom) => atom.inner(),
                Charset::Quoted(quoted) => quoted.inner(),
            };
            if !["US-ASCII", "UTF-8"].iter().any(|c| name.eq_ignore_ascii_case(c)) {
                return Err(Stop::No("[BADCHARSET (US-ASCII UTF-8)] this charset is not known".into()));
            }
        }
        let selected = self.selected()?;
        let count = u32::try_from(selected.rows.len()).unwrap_or(u32::MAX);
        let last_uid = selected.rows.last().map_or(0, |r| r.uid);
        let mut compiler = Compiler { count, last_uid, keys: 0, modseq: false };
        let key = compiler.all(request.criteria)?;
        let modseq = compiler.modseq;
        if modseq {
            self.enable_condstore(reply).await?;
        }
        let saves = extras.search_return.as_ref().is_some_and(|o| o.iter().any(|w| w == "SAVE"));
        let found = match self.find(&key).await {
            Ok(found) => found,
            Err(stop) => {
                // RFC 5182 §2.1: a search that fails saves nothing, and what was saved is gone.
                if saves {
                    self.saved.clear();
                }
                return Err(stop);
            }
        };
        if saves {
            let uids = self.selected()?.uids(&found);
            self.saved = kept(uids, extras.search_return.as_deref().unwrap_or_default());
        }
        let selected = self.selected()?;
        let number = |n: &usize| if request.uid { selected.rows[*n].uid } else { *n as u32 + 1 };
        let numbers: Vec<u32> = found.iter().map(number).collect();
        let options = extras.search_return.as_deref().or_else(|| self.rev2.then_some(&[][..]));
        // RFC 4731 §3.2: with MIN or MAX alone it is theirs.
        let told = kept(found.clone(), options.unwrap_or_default());
        let highest = told.iter().map(|n| selected.rows[*n].modseq).max().filter(|_| modseq);
        match options {
            // RFC 5182 §2.1: saved alone, it is not told.
            Some([only]) if only == "SAVE" => {}
            None => {
                let out = reply.buffer();
                out.extend_from_slice(b"* SEARCH");
                numbers.iter().for_each(|n| out.extend_from_slice(format!(" {n}").as_bytes()));
                let end = highest.map_or(String::new(), |m| format!(" (MODSEQ {m})"));
                reply.line(&end).await?;
            }
            Some(options) => reply.line(&extended(&request, options, &numbers, highest)).await?,
        }
        if request.uid {
            self.update(reply).await?;
        }
        done("SEARCH")
    }

    /// Positions of the messages that match.
    async fn find(&self, key: &Key) -> Result<Vec<usize>, Stop> {
        let selected = self.selected()?;
        let mut found = Vec::new();
        let mut open = Vec::new();
        for (n, row) in selected.rows.iter().enumerate() {
            match key.matches(&Known { number: n as u32 + 1, row, header: None, sent: None, body: None }) {
                Some(true) => found.push(n),
                Some(false) => {}
                None => open.push(n),
            }
        }
        for batch in open.chunks(BATCH) {
            let headers = self.mailboxes()?.headers(selected.folder, &selected.uids(batch)).await?;
            for header in &headers {
                if let Some(n) = selected.position(header.uid)
                    && self.look_into(key, n, &selected.rows[n], header).await?
                {
                    found.push(n);
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Decides with the header and, if that is not enough, with the text.
    async fn look_into(&self, key: &Key, n: usize, row: &Row, header: &Header) -> Result<bool, Stop> {
        let (fields, sent) = read_header(&header.header);
        let mut known = Known { number: n as u32 + 1, row, header: Some(&fields), sent, body: None };
        if let Some(answer) = key.matches(&known) {
            return Ok(answer);
        }
        let most = row.size.min(self.limits.search_body);
        let (selected, mailboxes) = (self.selected()?, self.mailboxes()?);
        let bytes = match mailboxes.body(selected.folder, row.uid, 0, most).await {
            Ok(body) => collect(body, most).await?,
            // Gone meanwhile: it has no text to match.
            Err(crate::MailboxError::Gone) => Vec::new(),
            Err(e) => return Err(e.into()),
        };
        let body = read_body(&bytes);
        known.body = Some(&body);
        Ok(key.matches(&known).unwrap_or(false))
    }
}

/// What is saved, and whose modification sequence is told: with MIN or MAX alone, those (RFC 5182 §2.4).
fn kept<N: Copy + PartialEq>(uids: Vec<N>, options: &[String]) -> Vec<N> {
    let has = |word: &str| options.iter().any(|o| o == word);
    if has("ALL") || has("COUNT") || !(has("MIN") || has("MAX")) {
        return uids;
    }
    let ends = [uids.first().filter(|_| has("MIN")), uids.last().filter(|_| has("MAX"))];
    let mut ends: Vec<N> = ends.into_iter().flatten().copied().collect();
    ends.dedup();
    ends
}

/// `* ESEARCH …` (RFC 4731).
fn extended(request: &Request<'_>, options: &[String], numbers: &[u32], highest: Option<u64>) -> String {
    let mut line = format!("* ESEARCH (TAG \"{}\")", request.tag);
    if request.uid {
        line.push_str(" UID");
    }
    let has = |word: &str| options.iter().any(|o| o == word);
    if let (Some(first), Some(last)) = (numbers.first(), numbers.last()) {
        if has("MIN") {
            line.push_str(&format!(" MIN {first}"));
        }
        if has("MAX") {
            line.push_str(&format!(" MAX {last}"));
        }
        if has("ALL") || options.is_empty() {
            line.push_str(&format!(" ALL {}", compact(numbers.iter().copied())));
        }
    }
    if has("COUNT") {
        line.push_str(&format!(" COUNT {}", numbers.len()));
    }
    if let Some(modseq) = highest {
        line.push_str(&format!(" MODSEQ {modseq}"));
    }
    line
}
