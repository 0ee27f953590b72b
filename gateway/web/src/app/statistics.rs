//! `GET /statistics`: how much was deposited and read, as a chart with a table of the same numbers beside it.
//!
//! Charts are SVG that we write: bars in the page's own colours, readable without script, described in words.

use super::frame::{AppFrame, Section};
use super::typed::Typed;
use super::viewer::may;
use crate::actions::sight;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::locale;
use crate::login::Staff;
use crate::pages::{html, show};
use crate::state::WebState;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use sealpost_envelope::{Language, Timestamp};
use sealpost_store::DayCount;
use std::collections::BTreeMap;

const DAY: i64 = 86_400_000_000;
/// Size of the drawing; it scales to the page.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 44.0;
const BOTTOM: f64 = 26.0;
const TOP: f64 = 10.0;

/// A period to choose: days, and days in one bar.
const PERIODS: [(u16, i64, &str, &str); 3] =
    [(30, 1, "30 jours", "30 days"), (90, 7, "13 semaines", "13 weeks"), (365, 30, "12 mois", "12 months")];

/// A bar, and a row of the table.
#[derive(Debug)]
struct Bar {
    label: String,
    /// Shown under the bar; only some are.
    short: Option<String>,
    count: DayCount,
    size: String,
    x: String,
    width: String,
    middle: String,
    y: String,
    height: String,
    read_y: String,
    read_height: String,
}

/// A line across, with its number.
#[derive(Debug)]
struct Rule {
    y: String,
    text_y: String,
    label: String,
}

#[derive(Template)]
#[template(path = "app/statistics.html")]
struct Page<'a> {
    f: &'a AppFrame,
    bars: Vec<Bar>,
    any: bool,
    rules: Vec<Rule>,
    total: DayCount,
    size: String,
    share: Option<String>,
    periods: Vec<(u16, &'static str, bool)>,
    everybody: bool,
    described: String,
}

/// The page.
pub(super) async fn statistics(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = page(&state, &ctx, &staff, &query.unwrap_or_default()).await;
    show(&state, &ctx, page)
}

async fn page(state: &WebState, ctx: &Ctx, staff: &Staff, query: &str) -> Result<Response, Fault> {
    may(staff, Section::Statistics)?;
    let typed = Typed::query(query).await?;
    let l = ctx.language;
    let wanted = typed.parsed("days").unwrap_or(30u16);
    let (days, together, ..) = *PERIODS.iter().find(|p| p.0 == wanted).unwrap_or(&PERIODS[0]);
    let today = state.clock.now().as_microsecond().div_euclid(DAY);
    let bars = (i64::from(days) + together - 1) / together;
    let first = today + 1 - bars * together;
    let at = |day: i64| Timestamp::from_microsecond(day * DAY).map_err(|e| Fault::internal("day", e));
    let sight = sight(&staff.account);
    let counts = state.store.statistics(sight, at(first)?, at(today + 1)?).await?;
    let total = counts.values().fold(DayCount::default(), |mut all, one| {
        all.add(*one);
        all
    });
    let sums = sums(&counts, first, together, bars);
    let (rules, top) = scale(sums.iter().map(|(_, c)| c.recipients).max().unwrap_or(0), l);
    let title = l.pick("Statistiques", "Statistics");
    let frame = AppFrame::new(state, ctx, staff, Section::Statistics, title);
    let described = match l {
        Language::Fr => format!(
            "{} envois à des destinataires en {} périodes ; {} messages lus.",
            total.recipients, bars, total.opened
        ),
        Language::En => format!(
            "{} sendings to recipients in {} periods; {} messages read.",
            total.recipients, bars, total.opened
        ),
    };
    html(&Page {
        bars: draw(&sums, together, top, l),
        any: total.deposits > 0,
        rules,
        size: locale::size(total.bytes, l),
        share: (total.tracked > 0).then(|| format!("{} %", total.opened * 100 / total.tracked)),
        periods: PERIODS.iter().map(|(d, _, fr, en)| (*d, l.pick(fr, en), *d == days)).collect(),
        everybody: matches!(sight, sealpost_store::deposit::Sight::Entity(_)),
        described,
        total,
        f: &frame,
    })
}

/// Days put together, oldest first: the first day of each bar and its numbers.
fn sums(counts: &BTreeMap<i64, DayCount>, first: i64, together: i64, bars: i64) -> Vec<(i64, DayCount)> {
    let sum = |n: i64| {
        let from = first + n * together;
        let mut all = DayCount::default();
        for (_, one) in counts.range(from..from + together) {
            all.add(*one);
        }
        (from, all)
    };
    (0..bars).map(sum).collect()
}

/// A top of the scale that people can read, and the lines across.
fn scale(most: u64, l: Language) -> (Vec<Rule>, u64) {
    let step =
        [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000]
            .into_iter()
            .find(|s| s * 4 >= most)
            .unwrap_or(most / 4 + 1);
    let lines = most.div_ceil(step).max(1);
    let top = lines * step;
    let rule = |n: u64| {
        let y = height(n * step, top);
        Rule { y: number(y), text_y: number(y + 4.0), label: locale::grouped(n * step, l) }
    };
    ((0..=lines).map(rule).collect(), top)
}

/// Where a number lies from the drawing's upper edge.
fn height(n: u64, top: u64) -> f64 {
    let room = HEIGHT - BOTTOM - TOP;
    TOP + room * (1.0 - n as f64 / top.max(1) as f64)
}

fn number(n: f64) -> String {
    format!("{n:.1}")
}

fn draw(sums: &[(i64, DayCount)], together: i64, top: u64, l: Language) -> Vec<Bar> {
    let each = (WIDTH - LEFT) / sums.len().max(1) as f64;
    let width = each * 0.7;
    let every = sums.len().div_ceil(6).max(1);
    let bar = |(n, (day, count)): (usize, &(i64, DayCount))| {
        let x = LEFT + each * n as f64 + (each - width) / 2.0;
        let (y, read) = (height(count.recipients, top), height(count.opened, top));
        let floor = HEIGHT - BOTTOM;
        Bar {
            label: label(*day, together, l),
            short: n.is_multiple_of(every).then(|| short(*day)),
            size: locale::size(count.bytes, l),
            x: number(x),
            width: number(width),
            middle: number(x + width / 2.0),
            y: number(y),
            height: number(floor - y),
            read_y: number(read),
            read_height: number(floor - read),
            count: *count,
        }
    };
    sums.iter().enumerate().map(bar).collect()
}

fn date(day: i64) -> Option<jiff::civil::Date> {
    let at = Timestamp::from_microsecond(day * DAY).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).date())
}

fn short(day: i64) -> String {
    date(day).map(|d| format!("{:02}/{:02}", d.day(), d.month())).unwrap_or_default()
}

/// `22/11/2026`, or from the first to the last day of a bar.
fn label(day: i64, together: i64, l: Language) -> String {
    let written = |day: i64| match (date(day), l) {
        (Some(d), Language::Fr) => format!("{:02}/{:02}/{}", d.day(), d.month(), d.year()),
        (Some(d), Language::En) => d.to_string(),
        (None, _) => String::new(),
    };
    match together {
        1 => written(day),
        n => format!("{} – {}", written(day), written(day + n - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_number_above_the_highest_bar() {
        for (most, top, lines) in [(0, 1, 2), (1, 1, 2), (4, 4, 5), (7, 8, 5), (97, 100, 3), (4001, 6000, 4)]
        {
            let (rules, found) = scale(most, Language::En);
            assert_eq!((found, rules.len()), (top, lines), "{most}");
        }
    }

    #[test]
    fn days_are_put_together() {
        let one = DayCount { deposits: 1, recipients: 2, ..DayCount::default() };
        let counts = BTreeMap::from([(10, one), (11, one), (13, one)]);
        let sums = sums(&counts, 10, 2, 2);
        assert_eq!(sums.iter().map(|(d, c)| (*d, c.deposits)).collect::<Vec<_>>(), [(10, 2), (12, 1)]);
    }
}
