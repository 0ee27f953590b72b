//! The table: one row per budget, text for people and JSON for comparison.

use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// Figures of one thing, one per round.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Samples(pub Vec<f64>);

impl Samples {
    /// The middle one.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[n / 2],
            n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
        }
    }

    fn range(&self) -> (f64, f64) {
        self.0.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)))
    }

    fn text(&self) -> String {
        let (low, high) = self.range();
        match self.0.len() {
            0 => "–".to_owned(),
            1 => number(self.median()),
            _ => format!("{} ({}–{})", number(self.median()), number(low), number(high)),
        }
    }
}

impl From<f64> for Samples {
    fn from(value: f64) -> Self {
        Self(vec![value])
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 10_000.0 => format!("{:.0}k", value / 1000.0),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// What a row is held against.
#[derive(Debug, Clone, Copy)]
pub enum Budget {
    /// Our figure divided by the peer's is at least this.
    Ratio(f64),
    /// Our figure divided by the peer's is at most this.
    RatioAtMost(f64),
    /// Our figure is at most this.
    AtMost(f64),
    /// Our figure is at least this.
    AtLeast(f64),
    /// Printed beside others, without a budget of its own.
    Beside,
}

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    what: String,
    unit: &'static str,
    budget: Budget,
    ours: Samples,
    peer: Option<(&'static str, Samples)>,
    note: String,
}

impl Row {
    /// A figure of ours.
    pub fn new(
        what: impl Into<String>,
        unit: &'static str,
        budget: Budget,
        ours: impl Into<Samples>,
    ) -> Self {
        Self { what: what.into(), unit, budget, ours: ours.into(), peer: None, note: String::new() }
    }

    /// A figure that could not be taken, and why.
    pub fn not_measured(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        let row = Self::new(what, "", Budget::Beside, Samples::default());
        row.note(format!("not measured: {why}"))
    }

    /// The peer's figure.
    pub fn against(mut self, name: &'static str, figures: Samples) -> Self {
        self.peer = Some((name, figures));
        self
    }

    /// Something to know beside the figure.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn ratio(&self) -> Option<f64> {
        self.peer.as_ref().map(|(_, peer)| self.ours.median() / peer.median())
    }

    /// `None` where there is nothing to reach.
    fn reached(&self) -> Option<bool> {
        match self.budget {
            Budget::Ratio(least) => self.ratio().map(|r| r >= least),
            Budget::RatioAtMost(most) => self.ratio().map(|r| r <= most),
            Budget::AtMost(most) => Some(self.ours.median() <= most),
            Budget::AtLeast(least) => Some(self.ours.median() >= least),
            Budget::Beside => None,
        }
    }

    fn budget_text(&self) -> String {
        match self.budget {
            Budget::Ratio(least) => format!("≥ {least} ×"),
            Budget::RatioAtMost(most) => format!("≤ {most} ×"),
            Budget::AtMost(most) => format!("≤ {} {}", number(most), self.unit),
            Budget::AtLeast(least) => format!("≥ {} {}", number(least), self.unit),
            Budget::Beside => String::new(),
        }
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "unit": self.unit,
            "budget": self.budget_text(),
            "sealpost": self.ours,
            "median": self.ours.median(),
            "peer": self.peer.as_ref().map(|(name, figures)| json!({"name": name, "figures": figures, "median": figures.median()})),
            "ratio": self.ratio(),
            "reached": self.reached(),
            "note": self.note,
        })
    }

    fn cells(&self) -> [String; 6] {
        let reached = match self.reached() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        let ours = match self.ours.0.is_empty() {
            true => self.note.clone(),
            false => format!("{} {}", self.ours.text(), self.unit),
        };
        let peer = self.peer.as_ref().map(|(name, figures)| format!("{name} {}", figures.text()));
        let ratio = self.ratio().map(|r| format!("{r:.2} ×"));
        [
            self.what.clone(),
            ours,
            peer.unwrap_or_default(),
            ratio.unwrap_or_default(),
            self.budget_text(),
            reached.to_owned(),
        ]
    }
}

/// All rows so far.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a row and shows it at once, since a run takes minutes.
    pub fn add(&mut self, row: Row) {
        let cells = row.cells();
        eprintln!("  {}", cells.iter().filter(|c| !c.is_empty()).cloned().collect::<Vec<_>>().join(" | "));
        if !row.note.is_empty() && !row.ours.0.is_empty() {
            eprintln!("      {}", row.note);
        }
        self.rows.push(row);
    }

    /// The table in Markdown.
    pub fn text(&self, machine: &Value) -> String {
        let mut out = String::new();
        if let Some(facts) = machine.as_object() {
            for (name, value) in facts {
                out +=
                    &format!("{name}: {}\n", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            }
        }
        out += "\n| what | Sealpost, median (range) | peer | ratio | budget | reached |\n|---|---|---|---|---|---|\n";
        for row in &self.rows {
            out += &format!("| {} |\n", row.cells().join(" | "));
        }
        let notes = self.rows.iter().filter(|r| !r.note.is_empty() && !r.ours.0.is_empty());
        for row in notes {
            out += &format!("\n- {}: {}", row.what, row.note);
        }
        out + "\n"
    }

    /// Writes the JSON.
    pub fn save(&self, path: &Path, machine: &Value) -> anyhow::Result<()> {
        let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
        let all = json!({"machine": machine, "rows": rows});
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        Ok(std::fs::write(path, serde_json::to_string_pretty(&all)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_budgets() {
        assert_eq!(Samples(vec![3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(Samples(vec![4.0, 1.0]).median(), 2.5);
        let row = Row::new("x", "/s", Budget::Ratio(3.0), 31.0).against("peer", 10.0.into());
        assert_eq!((row.ratio(), row.reached()), (Some(3.1), Some(true)));
        let row = Row::new("x", "ms", Budget::RatioAtMost(1.0), 31.0).against("peer", 30.0.into());
        assert_eq!(row.reached(), Some(false));
        assert_eq!(Row::new("x", "s", Budget::AtMost(1.0), 1.5).reached(), Some(false));
        assert_eq!(Row::not_measured("x", "because").reached(), None);
    }
}
