//! The card listener's own small router: read the certificate of this TLS session, and lead back.

use super::page::{self, Refused};
use super::{BACK, CardJudge, MAX_TICKET, REFUSALS, facts};
use crate::ctx::{Ctx, random};
use crate::door::gate::{elsewhere, identity};
use crate::fault::Fault;
use crate::pages::see_other;
use crate::serve::Handshake;
use crate::state::WebState;
use crate::view::Door;
use crate::{assets, headers};
use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::{HeaderValue, StatusCode, Version, header};
use sealpost_certs::card::{Holder, Refusal};
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_gate::Facts;
use sealpost_store::access::{CardPurpose, CardTicket, TicketHash};
use std::net::IpAddr;
use std::sync::Arc;

/// The pages that read a card. Serve it where TLS asks for client certificates, with HTTP/1.1 alone.
pub fn card_router(state: WebState, judge: Arc<dyn CardJudge>) -> Router {
    Router::new()
        .route("/card/{ticket}", get(read))
        .route("/static/{name}", get(assets::asset))
        .fallback(elsewhere_home)
        .layer(Extension(judge))
        .layer(axum::middleware::from_fn(own_name))
        .with_state(state.clone())
        .layer(axum::middleware::from_fn_with_state(state, headers::around))
}

/// RFC 9110 §7.4, §15.5.20: a connection that was opened for another name, or reused for one, asked for no card.
async fn own_name(handshake: Option<Extension<Handshake>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("");
    let name = name_of(host);
    let asked = handshake.as_ref().and_then(|h| h.sni.as_deref());
    let fits = match asked {
        Some(asked) => asked.eq_ignore_ascii_case(name),
        // RFC 6066 §3: no name is sent for an address.
        None => name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok(),
    };
    if request.version() == Version::HTTP_2 || !fits {
        return StatusCode::MISDIRECTED_REQUEST.into_response();
    }
    next.run(request).await
}

/// The host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Anything else is on the main listener.
async fn elsewhere_home(State(state): State<WebState>, request: Request) -> Response {
    // Its own pages only, and never with what stands behind the question mark.
    let path = if request.uri().path() == "/verify" { "/verify" } else { "/" };
    see_other(&format!("{}{path}", state.url)).unwrap_or_else(|_| StatusCode::NOT_FOUND.into_response())
}

/// `GET /card/{ticket}`
async fn read(
    State(state): State<WebState>,
    ctx: Ctx,
    Extension(judge): Extension<Arc<dyn CardJudge>>,
    handshake: Option<Extension<Handshake>>,
    Path(ticket): Path<String>,
) -> Response {
    let chain = handshake.map(|h| h.0.certificates).unwrap_or_default();
    let now = state.clock.now();
    let page = async {
        let way = Way::find(&state, &ticket, now).await?;
        let Some(way) = way else { return page::over(&state, &ctx) };
        if way.ticket.refused >= REFUSALS {
            return Err(Fault::TooMany);
        }
        let judged = judge.judge(&chain, now).await.and_then(|holder| way.accepts(holder, now));
        match judged {
            Ok(facts) => way.back(&state, &ctx, &facts, now).await,
            Err(refusal) => {
                way.refuse(&state, &ctx, &refusal).await?;
                page::refused(&state, &ctx, &Refused::new(&way.door, &ticket, &refusal))
            }
        }
    };
    let mut response = page.await.unwrap_or_else(|fault| page::fault(&state, &ctx, fault));
    // The next try needs a handshake of its own: browsers keep the certificate, or its absence, per connection.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A way that began on the main listener.
struct Way {
    start: TicketHash,
    ticket: CardTicket,
    door: Option<Door>,
}

impl Way {
    async fn find(state: &WebState, ticket: &str, now: Timestamp) -> Result<Option<Self>, Fault> {
        if ticket.len() > MAX_TICKET {
            return Ok(None);
        }
        let start = TicketHash::of(ticket);
        let Some(ticket) = CardTicket::find(state.store.db(), start, now).await? else { return Ok(None) };
        let door = match ticket.purpose {
            CardPurpose::Door(deposit, recipient, generation) => {
                Some(Door::of(state, deposit, recipient, generation).await?)
            }
            CardPurpose::Login | CardPurpose::Bind(_) => None,
        };
        Ok(Some(Self { start, ticket, door }))
    }

    /// Whether this card is the one that is asked for.
    fn accepts(&self, holder: Holder, now: Timestamp) -> Result<Facts, Refusal> {
        let facts = facts::facts(&holder, now);
        let wanted = self.door.as_ref().and_then(|d| d.row.verdict.identity.as_deref());
        match wanted {
            Some(wanted) if !identity::same(wanted, &facts) => Err(Refusal::OtherPerson),
            _ => Ok(facts),
        }
    }

    async fn back(
        &self,
        state: &WebState,
        ctx: &Ctx,
        facts: &Facts,
        now: Timestamp,
    ) -> Result<Response, Fault> {
        let back = random();
        let text = serde_json::to_string(facts).map_err(|e| Fault::internal("facts", e))?;
        let until = now.checked_add(BACK).unwrap_or(now);
        let hash = TicketHash::of(&back);
        if CardTicket::prove(state.store.db(), self.start, hash, &text, now, until).await? {
            see_other(&format!("{}/card/{back}", state.url))
        } else {
            page::over(state, ctx)
        }
    }

    async fn refuse(&self, state: &WebState, ctx: &Ctx, refusal: &Refusal) -> Result<(), Fault> {
        let start = self.start;
        state
            .store
            .db()
            .write_as(async move |tx| {
                CardTicket::count_refusal(tx, start).await?;
                Ok::<_, Fault>(())
            })
            .await?;
        match &self.door {
            Some(door) => elsewhere::fail(state, ctx, door, &GateMethod::Cps, refusal.code()).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn hosts_lose_their_port_only() {
        for (host, name) in [
            ("cps.example.fr", "cps.example.fr"),
            ("localhost:8444", "localhost"),
            ("[::1]:8444", "[::1]"),
            ("", ""),
            ("evil:host", "evil:host"),
        ] {
            assert_eq!(name_of(host), name);
        }
    }
}
