//! The decision itself, in this order: before all rules, rules, defaults, the sender.

use crate::condition::{self, Condition};
use crate::{
    Defaults, Hold, MessageFacts, Period, RecipientFacts, RuleConfig, RuleError, blocked, served, strengthen,
};
use sealpost_envelope::{Gate, Language, Observed, Timestamp, Treatment, Verdict};

/// What stands as the rule where rules are only observed.
const OBSERVED: &str = "built in: observed";

/// Compiled rules and the entity's defaults.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    defaults: Defaults,
}

#[derive(Debug)]
struct Rule {
    config: RuleConfig,
    condition: Option<Condition>,
}

/// The answer for one recipient.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What is done.
    pub verdict: Verdict,
    /// Why, one step a line, for `policy test` and the journal.
    pub explanation: Vec<String>,
    /// Why the message waits; `verdict.hold` is its English text.
    pub hold: Option<Hold>,
    /// When to remind a recipient who has not opened.
    pub remind: Vec<Period>,
    /// What would have been decided, where rules are only observed.
    pub observed: Option<Observed>,
}

impl Decision {
    /// The reason for waiting in the sender's language.
    pub fn hold_text(&self, language: Language) -> Option<String> {
        self.hold.as_ref().map(|hold| hold.text(language))
    }
}

/// A decision on its way.
pub(crate) struct Draft {
    pub treatment: Treatment,
    pub gate: Gate,
    pub expires: Timestamp,
    pub retention: Option<Timestamp>,
    pub rule: String,
    pub phone: Option<String>,
    pub hold: Option<Hold>,
    pub explanation: Vec<String>,
    pub identity: Option<String>,
    remind: Vec<Period>,
}

impl Draft {
    pub fn say(&mut self, line: impl Into<String>) {
        self.explanation.push(line.into());
    }
    /// Holds for the first reason only: one question at a time.
    pub fn hold(&mut self, reason: Hold) {
        self.say(format!("waits for the sender: {}", reason.text(Language::En)));
        self.hold.get_or_insert(reason);
    }
}

impl Policy {
    /// Checks and compiles all rules; the error names every mistake.
    pub fn compile(rules: &[RuleConfig], defaults: Defaults) -> Result<Self, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut compiled = Vec::with_capacity(rules.len());
        for (index, config) in rules.iter().enumerate() {
            errors.extend(config.mistakes(index, rules, &defaults));
            let condition = match config.when.as_deref().map(Condition::compile).transpose() {
                Ok(condition) => condition,
                Err(faults) => {
                    errors.extend(
                        faults.into_iter().map(|f| config.error(index, "when", f.message, f.suggestion)),
                    );
                    continue;
                }
            };
            compiled.push(Rule { config: config.clone(), condition });
        }
        if errors.is_empty() { Ok(Self { rules: compiled, defaults }) } else { Err(errors) }
    }

    /// The defaults it was compiled with.
    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// Lets the bytes pass as they came, for a reason that stands above all rules.
    pub fn pass(&self, reason: &str, now: Timestamp) -> Decision {
        let mut draft = self.draft(now);
        draft.rule = reason.to_owned();
        draft.say(format!("{reason}: passes before all rules"));
        self.finish(draft)
    }

    /// What is done about a decision: the same, or nothing where rules are only observed.
    pub fn act(&self, mut decision: Decision) -> Decision {
        if !self.defaults.observe {
            return decision;
        }
        let hold = decision.hold.take();
        let verdict = &mut decision.verdict;
        decision.observed = Some(Observed {
            treatment: verdict.treatment,
            rule: std::mem::replace(&mut verdict.rule, OBSERVED.to_owned()),
            hold: hold.map(|h| h.wording()),
        });
        verdict.hold = None;
        verdict.treatment = Treatment::Pass;
        (verdict.phone, verdict.identity) = (None, None);
        decision.remind.clear();
        decision.explanation.push(format!("{OBSERVED}: passes, whatever was decided"));
        decision
    }

    /// Decides for one recipient.
    pub fn decide(&self, message: &MessageFacts, recipient: &RecipientFacts, now: Timestamp) -> Decision {
        let mut draft = self.draft(now);
        if let Some(name) = blocked::first(message, &self.defaults.blocked_types) {
            draft.treatment = Treatment::Refuse;
            draft.rule = format!("built in: blocked file type, {name}");
            draft.say(format!("the file {name} is of a type that never leaves"));
            return self.finish(draft);
        }
        if let Some(reason) = before_all_rules(message) {
            draft.rule = reason.to_owned();
            draft.say(format!("{reason}: passes before all rules"));
            if message.calendar_method.is_some() && message.hints.asks() && !passes_unasked(message) {
                draft.treatment = Treatment::Notify;
                draft.hold(Hold::TaggedInvitation);
                // Whoever lets it go lets it go with all that was asked.
                strengthen::apply(&mut draft, message, recipient, &self.defaults, now);
                served::check(&mut draft, message, recipient, &self.defaults);
            }
            return self.finish(draft);
        }
        let by_rule = self.apply_rules(&mut draft, message, recipient, now);
        if !by_rule {
            self.apply_defaults(&mut draft, message, recipient);
        }
        // A guest's mail comes from outside, whoever it is for.
        let inside = !by_rule && !message.guest && self.defaults.is_own(&recipient.address);
        if inside || draft.treatment == Treatment::Refuse {
            if message.hints.asks() {
                draft.say("what the sender asks for concerns outside recipients only");
            }
        } else {
            strengthen::apply(&mut draft, message, recipient, &self.defaults, now);
        }
        served::check(&mut draft, message, recipient, &self.defaults);
        if let Some(known) = recipient.near.as_ref().filter(|_| draft.treatment != Treatment::Refuse) {
            draft.hold(Hold::NearAddress { known: known.to_string() });
        }
        if (message.author_signed || message.author_encrypted) && draft.treatment.has_link() {
            draft.say("signed or encrypted by its author: offered whole, never split");
        }
        self.finish(draft)
    }

    fn draft(&self, now: Timestamp) -> Draft {
        Draft {
            treatment: Treatment::Pass,
            gate: self.defaults.gate.clone(),
            expires: self.defaults.expires.after(now),
            retention: None,
            rule: String::new(),
            phone: None,
            hold: None,
            explanation: Vec::new(),
            remind: Vec::new(),
            identity: None,
        }
    }

    /// Applies the first rule whose condition holds; false when none does.
    fn apply_rules(
        &self,
        draft: &mut Draft,
        message: &MessageFacts,
        recipient: &RecipientFacts,
        now: Timestamp,
    ) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        let context = condition::context(message, recipient, &self.defaults);
        for rule in &self.rules {
            let holds = match (&rule.condition, &context) {
                (None, _) => Ok(true),
                (Some(condition), Ok(context)) => condition.holds(context),
                (Some(_), Err(error)) => Err(error.clone()),
            };
            match holds {
                Ok(false) => continue,
                Ok(true) => take(draft, &rule.config, now),
                Err(error) => {
                    // A rule that might have asked for more must not be skipped.
                    draft.treatment = Treatment::Notify;
                    draft.rule = rule.config.name.clone();
                    draft.hold(Hold::Condition { rule: rule.config.name.clone(), error });
                }
            }
            return true;
        }
        draft.say("no rule applies");
        false
    }

    /// What counts where no rule speaks.
    fn apply_defaults(&self, draft: &mut Draft, message: &MessageFacts, recipient: &RecipientFacts) {
        let hints = &message.hints;
        let (treatment, rule, why) = if self.defaults.is_own(&recipient.address) {
            (Treatment::Pass, "default: own domain", "the recipient is in a domain of ours".to_owned())
        } else if hints.tagged {
            (Treatment::Notify, "default: tag", "the subject asks for protection".to_owned())
        } else if hints.sensitive {
            (
                Treatment::Notify,
                "default: sensitivity",
                "the Sensitivity header asks for protection".to_owned(),
            )
        } else if let Some(inherited) = message.replies_to.filter(|t| *t > Treatment::Pass) {
            (inherited, "default: reply", format!("answers a deposit that was sent as {inherited}"))
        } else if message.attachment_bytes > self.defaults.link_over {
            let why = format!(
                "attachments of {} bytes are over {}",
                message.attachment_bytes, self.defaults.link_over
            );
            (Treatment::Link, "default: large attachments", why)
        } else if self.defaults.seal_always {
            (Treatment::Seal, "default: seal", "seal.always is set".to_owned())
        } else if message.certificate_public {
            (Treatment::Seal, "default: seal", "the sender's certificate is publicly trusted".to_owned())
        } else {
            (
                Treatment::Trace,
                "default: trace",
                "the sender's certificate is not publicly trusted".to_owned(),
            )
        };
        draft.treatment = treatment;
        draft.rule = rule.to_owned();
        draft.say(format!("{why}: {treatment}"));
    }

    fn finish(&self, draft: Draft) -> Decision {
        let retention = draft.retention.unwrap_or_else(|| self.defaults.retention_after.after(draft.expires));
        let verdict = Verdict {
            treatment: draft.treatment,
            gate: draft.gate,
            expires: draft.expires,
            retention: retention.max(draft.expires),
            rule: draft.rule,
            phone: draft.phone,
            identity: draft.identity,
            hold: draft.hold.as_ref().map(|h| h.text(Language::En)),
        };
        Decision {
            verdict,
            explanation: draft.explanation,
            hold: draft.hold,
            remind: draft.remind,
            observed: None,
        }
    }
}

/// Takes over what a rule says.
fn take(draft: &mut Draft, rule: &RuleConfig, now: Timestamp) {
    draft.treatment = rule.treatment;
    draft.rule = rule.name.clone();
    if let Some(gate) = &rule.gate {
        draft.gate = gate.clone();
    }
    if let Some(expires) = rule.expires {
        draft.expires = expires.after(now);
    }
    draft.retention = rule.retention.map(|r| r.after(now));
    draft.remind = rule.remind.clone();
    draft.identity = rule.identity.clone();
    draft.say(format!("rule {:?} applies: {}", rule.name, rule.treatment));
}

/// Mail that machines write to machines; nothing in it can be a sender's wish.
fn passes_unasked(message: &MessageFacts) -> bool {
    message.null_reverse_path || message.is_report || message.auto_submitted
}

/// The classes that pass before all rules, by the name that stands as the rule.
fn before_all_rules(message: &MessageFacts) -> Option<&'static str> {
    if message.null_reverse_path {
        Some("built in: null reverse-path")
    } else if message.is_report {
        Some("built in: report")
    } else if message.auto_submitted {
        Some("built in: automatic mail")
    } else if message.calendar_method.is_some() {
        Some("built in: invitation")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_waits_unless_the_message_is_refused_and_what_is_observed_never_does() {
        let (message, mut who) = MessageFacts::sample();
        who.near = Some("dominique@clinique.example".parse().unwrap());
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let decide = |defaults: Defaults| {
            let policy = Policy::compile(&[], defaults).unwrap();
            policy.act(policy.decide(&message, &who, now))
        };
        let held = decide(Defaults::default());
        assert!(held.verdict.hold.is_some_and(|why| why.contains("dominique@clinique.example")));
        assert_eq!(held.hold.and_then(|h| h.ask()), Some(crate::Ask::Confirm));
        let observed = decide(Defaults { observe: true, ..Defaults::default() });
        assert_eq!((observed.verdict.treatment, observed.verdict.hold), (Treatment::Pass, None));
        let would = observed.observed.unwrap();
        assert!(would.treatment > Treatment::Pass && would.hold.is_some());
        assert_eq!(would.rule, held.verdict.rule);
    }
}
