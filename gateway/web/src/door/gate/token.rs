//! Codes that a token or app shows: which of the recipient's tokens gave it, and that it counts once.
//!
//! **Exposure.** The typed digits are a stranger's. Each token of the person is tried whichever of them matches; the
//! challenge bounds the tries, the statement that spends a counter decides between two browsers.

use crate::fault::Fault;
use crate::state::WebState;
use crate::view::Door;
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_gate::Facts;
use sealpost_gate::oath::{Algorithm, Typed, hotp, totp};
use sealpost_store::person::{Token, TokenError, TokenKind, Tokens};
use uuid::Uuid;

/// A counter to be spent with the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spend {
    pub(super) token: Uuid,
    pub(super) counter: u64,
    pub(super) drift: i64,
}

/// Looks for the token that gave `typed`; what it says of the person, and what is to be spent.
pub(super) async fn find(
    state: &WebState,
    door: &Door,
    method: &GateMethod,
    typed: &Typed,
    now: Timestamp,
) -> Result<Option<(Facts, Spend)>, Fault> {
    let kind = match method {
        GateMethod::Totp => TokenKind::Totp,
        GateMethod::Hotp => TokenKind::Hotp,
        _ => return Ok(None),
    };
    let tokens = Tokens::new(&state.store)?;
    let mut found = None;
    for token in tokens.of(door.link.entity, &door.row.address, kind).await? {
        let secret = tokens.secret(&token).map_err(|e: TokenError| Fault::internal("token", e))?;
        let hit = matches(&token, secret.expose(), typed, now);
        if let (Some(spend), None) = (hit, &found) {
            let name = token.serial.clone().unwrap_or_else(|| token.label.clone());
            found = Some((Facts::new(method.clone(), now).detail("token", name), spend));
        }
    }
    Ok(found)
}

fn matches(token: &Token, secret: &[u8], typed: &Typed, now: Timestamp) -> Option<Spend> {
    let algorithm = Algorithm::parse(&token.algorithm)?;
    let spend = |counter, drift| Spend { token: token.id, counter, drift };
    match token.kind {
        TokenKind::Hotp => hotp::verify(secret, typed, token.counter, algorithm, token.digits)
            .map(|counter| spend(counter, token.drift)),
        TokenKind::Totp => {
            let shape = totp::Shape { algorithm, digits: token.digits, period: token.period };
            let last = token.counter.checked_sub(1);
            let step = shape.verify(secret, typed, now, token.drift, last)?;
            // A telephone sets its clock itself; hardware drifts, and is followed (RFC 6238 §6).
            let drift = match token.serial {
                Some(_) => step.checked_signed_diff(shape.step(now)?)?,
                None => token.drift,
            };
            Some(spend(step, drift))
        }
    }
}
