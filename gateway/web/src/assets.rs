//! Style sheet, script and pictures of the pages: ours, compiled in, named by their digest.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use sealpost_envelope::Sha256Digest;
use std::sync::LazyLock;

struct Asset {
    stem: &'static str,
    extension: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

const STYLE: usize = 0;
const SCRIPT: usize = 1;
const ICON: usize = 2;
const APP_STYLE: usize = 3;
const APP_SCRIPT: usize = 4;

const ASSETS: [Asset; 5] = [
    Asset {
        stem: "sealpost",
        extension: "css",
        media_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../assets/sealpost.css"),
    },
    Asset {
        stem: "sealpost",
        extension: "js",
        media_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../assets/sealpost.js"),
    },
    Asset {
        stem: "mark",
        extension: "svg",
        media_type: "image/svg+xml",
        bytes: include_bytes!("../assets/mark.svg"),
    },
    Asset {
        stem: "app",
        extension: "css",
        media_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../assets/app.css"),
    },
    Asset {
        stem: "app",
        extension: "js",
        media_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../assets/app.js"),
    },
];

/// File names with sixteen hexadecimal digits of the digest: a changed file has another name.
static NAMES: LazyLock<[String; 5]> = LazyLock::new(|| {
    std::array::from_fn(|i| {
        let digest = Sha256Digest::of(ASSETS[i].bytes).to_hex();
        format!("{}.{}.{}", ASSETS[i].stem, &digest[..16], ASSETS[i].extension)
    })
});

/// Address of the style sheet.
pub(crate) fn style() -> String {
    format!("/static/{}", NAMES[STYLE])
}
/// Address of the script.
pub(crate) fn script() -> String {
    format!("/static/{}", NAMES[SCRIPT])
}
/// Address of the icon.
pub(crate) fn icon() -> String {
    format!("/static/{}", NAMES[ICON])
}

/// Address of the application's style sheet, which adds to the common one.
pub(crate) fn app_style() -> String {
    format!("/static/{}", NAMES[APP_STYLE])
}
/// Address of the application's script.
pub(crate) fn app_script() -> String {
    format!("/static/{}", NAMES[APP_SCRIPT])
}

/// `GET /static/{name}`
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    match NAMES.iter().position(|n| *n == name) {
        Some(i) => (
            [
                (header::CONTENT_TYPE, ASSETS[i].media_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            ASSETS[i].bytes,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
