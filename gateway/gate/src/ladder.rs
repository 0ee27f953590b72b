//! Which step comes next: alternatives, each a combination whose methods are passed in order.

use crate::Methods;
use sealpost_envelope::{Gate, GateMethod};

/// Where a person stands at a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// One alternative is passed whole.
    Passed,
    /// One of these methods may be taken now; the best first.
    Choose(Vec<GateMethod>),
    /// None of the gate's alternatives can be taken in this installation. Never treated as passed.
    Unavailable,
}

/// A gate seen with the methods that this installation offers.
#[derive(Debug, Clone, Copy)]
pub struct Ladder<'a> {
    gate: &'a Gate,
    methods: &'a Methods,
}

impl<'a> Ladder<'a> {
    /// Looks at `gate`.
    pub fn new(gate: &'a Gate, methods: &'a Methods) -> Self {
        Self { gate, methods }
    }

    /// The next step for someone who has `passed` these methods, in any order of passing.
    pub fn step(&self, passed: &[GateMethod]) -> Step {
        let mut next: Vec<(usize, &GateMethod)> = Vec::new();
        for alternative in self.gate.alternatives() {
            // Order matters within a combination: what counts is the unbroken run from its start.
            let done = alternative.iter().take_while(|m| passed.contains(m)).count();
            let Some(method) = alternative.get(done) else { return Step::Passed };
            // An alternative with a method nobody can pass here would be a dead end after the first step.
            let feasible = alternative[done..].iter().all(|m| self.methods.get(m).is_some());
            if feasible && !next.iter().any(|(_, m)| *m == method) {
                next.push((done, method));
            }
        }
        if next.is_empty() {
            return Step::Unavailable;
        }
        // A combination already begun comes first; the rule's order decides among equals.
        next.sort_by_key(|(done, _)| std::cmp::Reverse(*done));
        Step::Choose(next.into_iter().map(|(_, m)| m.clone()).collect())
    }

    /// Whether `method` may be taken now.
    pub fn allows(&self, passed: &[GateMethod], method: &GateMethod) -> bool {
        matches!(self.step(passed), Step::Choose(next) if next.contains(method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CodeKey, LinkMethod, MethodLimits, OtpMail, PasswordMethod};
    use std::sync::Arc;

    fn methods() -> Methods {
        Methods::new(vec![
            Arc::new(LinkMethod),
            Arc::new(OtpMail::new(Arc::new(CodeKey::new(&[0; 32])), MethodLimits::default())),
            Arc::new(PasswordMethod::new(MethodLimits::default())),
        ])
    }

    #[test]
    fn steps() {
        let methods = methods();
        let step = |gate: &[&str], passed: &[&str]| {
            let passed: Vec<GateMethod> = passed.iter().map(|m| m.parse().unwrap()).collect();
            match Ladder::new(&Gate::parse(gate).unwrap(), &methods).step(&passed) {
                Step::Passed => "passed".to_owned(),
                Step::Unavailable => "unavailable".to_owned(),
                Step::Choose(m) => m.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            }
        };
        for (gate, passed, expected) in [
            (&["otp-mail"][..], &[][..], "otp-mail"),
            (&["otp-mail"], &["otp-mail"], "passed"),
            (&["password+otp-mail"], &[], "password"),
            (&["password+otp-mail"], &["password"], "otp-mail"),
            // The second method alone is no head start.
            (&["password+otp-mail"], &["otp-mail"], "password"),
            (&["password+otp-mail"], &["otp-mail", "password"], "passed"),
            (&["otp-mail", "password+otp-mail"], &["password"], "otp-mail"),
            (&["link", "password+otp-mail"], &["password"], "otp-mail link"),
            (&["cps", "otp-mail"], &[], "otp-mail"),
            (&["cps"], &[], "unavailable"),
            (&["cps", "password+otp-sms"], &[], "unavailable"),
            (&["cps"], &["otp-mail", "link", "password"], "unavailable"),
        ] {
            assert_eq!(step(gate, passed), expected, "{gate:?} {passed:?}");
        }
    }

    #[test]
    fn only_the_next_step_is_allowed() {
        let methods = methods();
        let gate = Gate::parse(&["password+otp-mail"]).unwrap();
        let ladder = Ladder::new(&gate, &methods);
        assert!(ladder.allows(&[], &GateMethod::Password));
        assert!(!ladder.allows(&[], &GateMethod::OtpMail));
        assert!(!ladder.allows(&[], &GateMethod::Link));
    }
}
