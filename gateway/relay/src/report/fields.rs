//! Groups of fields, as the machine-readable halves of reports are written (RFC 3464 §2.1, RFC 8098 §3.1).

/// Fields of one group: name in lower case, value unfolded.
pub(super) type Group = Vec<(String, String)>;

/// Groups in one report; one for the message and one for each recipient.
const MOST_GROUPS: usize = 200;
/// Fields in one group.
const MOST_FIELDS: usize = 50;

/// Splits the text into groups at its blank lines. Nothing but fields may stand in it.
pub(super) fn groups(bytes: &[u8]) -> Option<Vec<Group>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (mut groups, mut current): (Vec<Group>, Group) = (Vec::new(), Vec::new());
    for line in text.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l)) {
        if line.trim().is_empty() {
            if !current.is_empty() {
                groups.push(std::mem::take(&mut current));
            }
        } else if line.starts_with([' ', '\t']) {
            let (_, value) = current.last_mut()?;
            value.push(' ');
            value.push_str(line.trim());
        } else {
            let (name, value) = line.split_once(':')?;
            let name = name.trim_end();
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
                return None;
            }
            current.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if groups.len() > MOST_GROUPS || current.len() > MOST_FIELDS {
            return None;
        }
    }
    if !current.is_empty() {
        groups.push(current);
    }
    Some(groups)
}

/// The one field of that name; none when it stands twice, for then nobody knows which is meant.
pub(super) fn one<'a>(group: &'a Group, name: &str) -> Option<&'a str> {
    let mut found = group.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// The value behind `type;` (RFC 3464 §2.1.2), comments left where they are.
pub(super) fn typed(value: &str) -> (&str, &str) {
    value.split_once(';').map_or(("", value.trim()), |(kind, rest)| (kind.trim(), rest.trim()))
}

/// The address in a typed field, in lower case and without angle brackets.
pub(super) fn address(value: &str) -> String {
    let (_, text) = typed(value);
    text.trim_start_matches('<').trim_end_matches('>').to_lowercase()
}

/// A line for people: no control characters, not longer than a reply may be.
pub(super) fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect::<String>().trim().to_owned()
}
