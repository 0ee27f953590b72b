//! Options of SEARCH, LIST and STATUS that the command parser does not know, taken out before it reads.

use std::borrow::Cow;

/// What was taken out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Extras {
    /// Words of `SEARCH RETURN (…)` (RFC 4731), upper case.
    pub search_return: Option<Vec<String>>,
    /// Words of `LIST (…)` (RFC 5258 §3.1), upper case.
    pub list_select: Vec<String>,
    /// Patterns of `LIST … (… …)` after the first (RFC 5258 §3), without their quotes.
    pub list_patterns: Vec<Vec<u8>>,
    /// Words of `LIST … RETURN (…)` without STATUS, upper case.
    pub list_return: Vec<String>,
    /// Items of `RETURN (STATUS (…))` (RFC 5819), upper case.
    pub list_status: Option<Vec<String>>,
    /// Items of `STATUS … (…)` that the parser does not know: SIZE (RFC 8438), APPENDLIMIT (RFC 7889).
    pub status_more: Vec<&'static str>,
}

/// Splits a command, final CR LF included, into what the parser knows and the options.
pub(crate) fn split(line: &[u8]) -> (Cow<'_, [u8]>, Extras) {
    let mut extras = Extras::default();
    match rewrite(line, &mut extras) {
        Some(plain) => (Cow::Owned(plain), extras),
        // The parser judges the line as it stands.
        None => (Cow::Borrowed(line), Extras::default()),
    }
}

fn rewrite(line: &[u8], extras: &mut Extras) -> Option<Vec<u8>> {
    let tag_end = line.iter().position(|b| *b == b' ')? + 1;
    let rest = &line[tag_end..];
    let lead = |word: &str| rest.get(..word.len()).is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes()));
    for word in ["SEARCH RETURN (", "UID SEARCH RETURN ("] {
        if lead(word) {
            let open = tag_end + word.len();
            let close = open + line[open..].iter().position(|b| *b == b')')?;
            extras.search_return = Some(words(&line[open..close]));
            let keep = tag_end + word.len() - " RETURN (".len();
            return Some([&line[..keep], &line[close + 1..]].concat());
        }
    }
    if lead("LIST ") {
        return list(line, tag_end + "LIST ".len(), extras);
    }
    if lead("STATUS ") {
        return status(line, extras);
    }
    None
}

fn list(line: &[u8], at: usize, extras: &mut Extras) -> Option<Vec<u8>> {
    let mut out = line[..at].to_vec();
    let mut rest = &line[at..];
    if rest.first() == Some(&b'(') {
        let close = rest.iter().position(|b| *b == b')')?;
        extras.list_select = words(&rest[1..close]);
        rest = rest.get(close + 2..)?;
    }
    let single = several(rest, extras);
    let rest = single.as_deref().unwrap_or(rest);
    let upper = rest.to_ascii_uppercase();
    let marker = b" RETURN (";
    match memchr::memmem::rfind(&upper, marker).filter(|_| upper.ends_with(b")\r\n")) {
        Some(found) => {
            let inner = &upper[found + marker.len()..upper.len() - 3];
            let mut options = inner.to_vec();
            if let Some(from) = memchr::memmem::find(&upper[found..], b"STATUS (") {
                let open = found + from + "STATUS (".len();
                let close = open + upper[open..].iter().position(|b| *b == b')')?;
                // The list of STATUS needs a parenthesis of its own.
                let after = upper.get(close + 1..upper.len() - 3)?;
                extras.list_status = Some(words(&upper[open..close]));
                options = [&upper[found + marker.len()..found + from], after].concat();
            }
            extras.list_return = words(&options);
            out.extend_from_slice(&rest[..found]);
            out.extend_from_slice(b"\r\n");
        }
        None => out.extend_from_slice(rest),
    }
    Some(out)
}

/// Leaves the first of several patterns in its place.
fn several(rest: &[u8], extras: &mut Extras) -> Option<Vec<u8>> {
    let after = string_end(rest)?;
    let list = rest.get(after..)?.strip_prefix(b" (")?;
    let (mut patterns, mut at) = (Vec::new(), 0);
    while *list.get(at)? != b')' {
        if list[at] == b' ' {
            at += 1;
            continue;
        }
        let end = at + string_end(&list[at..])?;
        patterns.push(&list[at..end]);
        at = end;
    }
    let (first, more) = patterns.split_first()?;
    let plain = |raw: &&[u8]| match raw.strip_prefix(b"\"").and_then(|r| r.strip_suffix(b"\"")) {
        Some(inner) => crate::normal::unescape(inner),
        None => raw.to_vec(),
    };
    extras.list_patterns = more.iter().map(plain).take(32).collect();
    Some([&rest[..=after], *first, &list[at + 1..]].concat())
}

/// Where the quoted string or atom at the beginning ends.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    if *text.first()? != b'"' {
        at = text.iter().position(|b| b" ()\r\n\"".contains(b))?;
        return (at > 0).then_some(at);
    }
    at += 1;
    while *text.get(at)? != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    Some(at + 1)
}

/// Items of STATUS that the parser does not know.
const STATUS_MORE: [&str; 2] = ["SIZE", "APPENDLIMIT"];

/// Takes them out of STATUS; with nothing left it asks for MESSAGES, which harms nobody.
fn status(line: &[u8], extras: &mut Extras) -> Option<Vec<u8>> {
    let open = memchr::memrchr(b'(', line)?;
    let inner = line[open + 1..].strip_suffix(b")\r\n")?;
    let mut items = words(inner);
    let more: Vec<&str> = STATUS_MORE.into_iter().filter(|m| items.iter().any(|i| i == m)).collect();
    if more.is_empty() {
        return None;
    }
    items.retain(|i| !more.contains(&i.as_str()));
    extras.status_more = more;
    if items.is_empty() {
        items.push("MESSAGES".to_owned());
    }
    Some([&line[..=open], items.join(" ").as_bytes(), b")\r\n"].concat())
}

fn words(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split_ascii_whitespace().take(32).map(str::to_ascii_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_out() {
        let get = |line: &str| {
            let (plain, extras) = split(line.as_bytes());
            (String::from_utf8(plain.into_owned()).unwrap(), extras)
        };
        let (plain, extras) = get("a UID SEARCH RETURN (MIN count) UNSEEN\r\n");
        assert_eq!(
            (plain.as_str(), extras.search_return.unwrap().join(" ")),
            ("a UID SEARCH UNSEEN\r\n", "MIN COUNT".into())
        );
        let (plain, extras) =
            get("a LIST (SUBSCRIBED) \"\" \"*\" RETURN (CHILDREN STATUS (MESSAGES UNSEEN) SPECIAL-USE)\r\n");
        assert_eq!(plain, "a LIST \"\" \"*\"\r\n");
        assert_eq!(extras.list_select, ["SUBSCRIBED"]);
        assert_eq!(extras.list_return, ["CHILDREN", "SPECIAL-USE"]);
        assert_eq!(extras.list_status.unwrap(), ["MESSAGES", "UNSEEN"]);
        let (plain, extras) = get("a LIST \"\" (\"INBOX\" Sent \"a\\\"b\") RETURN (CHILDREN)\r\n");
        assert_eq!(plain, "a LIST \"\" \"INBOX\"\r\n");
        assert_eq!(extras.list_patterns, [&b"Sent"[..], b"a\"b"]);
        assert_eq!(extras.list_return, ["CHILDREN"]);
        let (plain, extras) = get("a STATUS x (SIZE UNSEEN)\r\n");
        assert_eq!((plain.as_str(), &extras.status_more[..]), ("a STATUS x (UNSEEN)\r\n", &["SIZE"][..]));
        let (plain, extras) = get("a STATUS x (appendlimit)\r\n");
        assert_eq!(
            (plain.as_str(), &extras.status_more[..]),
            ("a STATUS x (MESSAGES)\r\n", &["APPENDLIMIT"][..])
        );
        for same in [
            "a NOOP\r\n",
            "a LIST \"\" *\r\n",
            "a SEARCH ALL\r\n",
            "nonsense\r\n",
            "a LIST (\r\n",
            "a LIST (SUBSCRIBED) \"\" * RETURN (STATUS (MESSAGES)\r\n",
        ] {
            assert_eq!(get(same), (same.to_owned(), Extras::default()));
        }
    }
}
