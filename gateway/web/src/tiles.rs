//! The public log: newest checkpoint and hash tiles (C2SP tlog-tiles). Entries are for auditors only.

use crate::state::WebState;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use sealpost_evidence::merkle::TileId;
use sealpost_store::StoreError;

/// `GET /log/checkpoint`
pub(crate) async fn checkpoint(State(state): State<WebState>) -> Response {
    match state.store.latest_checkpoint().await {
        Ok(Some(checkpoint)) => {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                // A new one comes every second or so under load; whoever follows the log asks again.
                (header::CACHE_CONTROL, "public, max-age=1, must-revalidate"),
            ];
            (headers, checkpoint.note).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error),
    }
}

/// `GET /log/tile/{level}/{index}[.p/{width}]`
pub(crate) async fn tile(State(state): State<WebState>, Path(path): Path<String>) -> Response {
    let Some(tile) = TileId::parse(&path) else { return StatusCode::NOT_FOUND.into_response() };
    // Asking beyond the log is no damage: only tiles within its size exist.
    match state.store.log_head().await {
        Ok(head) if within(&tile, head.size) => {}
        Ok(_) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => return failed(&error),
    }
    match state.store.tile(tile).await {
        Ok(bytes) => (
            [
                (header::CONTENT_TYPE, "application/octet-stream"),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            bytes,
        )
            .into_response(),
        Err(error) => failed(&error),
    }
}

fn within(tile: &TileId, size: u64) -> bool {
    let hashes = size.checked_shr(u32::from(tile.level) * 8).unwrap_or(0);
    tile.index
        .checked_mul(256)
        .and_then(|first| first.checked_add(u64::from(tile.width)))
        .is_some_and(|past| past <= hashes)
}

fn failed(error: &StoreError) -> Response {
    tracing::error!(%error, "public log");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_log_holds() {
        let tile = |level, index, width| TileId { level, index, width };
        for (t, size, inside) in [
            (tile(0, 0, 1), 1, true),
            (tile(0, 0, 2), 1, false),
            (tile(0, 0, 256), 256, true),
            (tile(1, 0, 1), 256, true),
            (tile(1, 0, 1), 255, false),
            (tile(0, 1, 44), 300, true),
            (tile(0, u64::MAX, 1), 300, false),
            (tile(7, 0, 1), 300, false),
        ] {
            assert_eq!(within(&t, size), inside, "{t:?} in {size}");
        }
    }
}
